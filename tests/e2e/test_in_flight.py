# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Clients that leave descriptors unread, where the kernel bounds how many a user may have in
flight: a node that isn't root's, with a low RLIMIT_NOFILE."""

import os
import resource
import socket
import unittest
from unittest import mock

from client import encode
from harness import Node, NodeCase, poll

NOBODY = 65534
LIMIT = 4000
CLIENTS_MAX = 24
WIDE = 250  # blobs
WRAPPER = {"PACKICE_NODE_WRAPPER": f"prlimit --nofile={LIMIT}:{LIMIT}"}


@unittest.skipIf(os.environ.get("PACKICE_NODE_WRAPPER"), "valgrind keeps a limit of its own")
@unittest.skipIf(os.geteuid() != 0, "only root can run a node as somebody else")
@unittest.skipIf(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < LIMIT, "the limit is lower here")
class InFlightTest(NodeCase):
    sections = {"transport.local": {"write_timeout": "200ms", "max_clients": CLIENTS_MAX}}

    @classmethod
    def setUpClass(cls):
        cls.node = Node(cls.sections)
        cls.addClassCleanup(cls.node.remove)
        cls.node.user = NOBODY
        os.chown(cls.node.folder, NOBODY, NOBODY)
        if not cls.node.reachable():
            raise unittest.SkipTest("the build folder is closed to others")
        with mock.patch.dict(os.environ, WRAPPER):
            cls.node.start()
        poll(lambda: cls.node.holdings()["sessions"] == 1, "one session")
        cls.baseline = cls.node.holdings()

    def setUp(self):
        super().setUp()
        self.client = self.connect()
        self.put(self.client, "wide", *[b"x"] * WIDE)
        self.put(self.client, "one", b"y")

    def ask(self, object_id, times):
        """A client that asks and does not read."""
        client = self.connect()
        for _ in range(times):
            client.send("acquire", object_id=object_id, intent="read", bind="connection")
        return client

    def leave(self, object_id, times):
        """One that is gone for the node, and still has what it was sent."""
        client = self.ask(object_id, times)
        client.socket.shutdown(socket.SHUT_WR)
        poll(lambda: self.node.stats()["sessions"] == 2, "its session has ended")
        return client

    def test_clients_that_do_not_read_block_nobody(self):
        dead = [self.leave("wide", 4) for _ in range(8)]
        for _ in range(10):
            self.assertEqual(self.client.get("one"), [b"y"])
            self.assertEqual(self.client.get("wide"), [b"x"] * WIDE)
        with self.connect() as late:
            self.assertEqual(late.get("wide"), [b"x"] * WIDE)
        for client in dead:
            client.close()

    def test_closed_connection_counts_until_its_descriptors_are_received(self):
        left = [self.leave("one", 3) for _ in range(CLIENTS_MAX - 2)]
        self.served()
        with self.connect() as refused:
            self.refused("busy", refused.receive())
        for _ in range(3):
            self.assertEqual(len(left[0].receive().fds), 1)
        self.assertTrue(left[0].is_closed())
        left[1].close()
        self.served()
        self.served()

    def served(self):
        """A client more, once there is room."""

        def connect():
            client = self.connect()
            try:
                if client.request("stats").error is None:
                    return client
            except OSError:
                pass  # told and closed before it could ask
            client.close()
            return None

        return poll(connect, "one more client is served")

    def test_what_was_received_is_not_counted(self):
        clients = [self.connect() for _ in range(LIMIT // WIDE + 2)]
        for client in clients:
            self.assertEqual(client.get("wide"), [b"x"] * WIDE)

    def test_who_waits_for_others_to_read_is_not_disconnected(self):
        """However long: at least until one who doesn't read at all was."""
        dead = [self.ask("wide", 1) for _ in range(LIMIT // WIDE + 1)]
        poll(lambda: self.node.stats()["leases"] == len(dead), "all have their leases")
        self.client.send("acquire", object_id="one", intent="read", bind="connection")
        deaf = self.connect()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                deaf.send_bytes(encode("stats") * 1000)
        for client in dead:
            client.close()
        with self.client.receive() as reply:
            self.assertEqual(len(reply.fds), 1)
        self.client.release(reply["lease_id"])


if __name__ == "__main__":
    unittest.main()
