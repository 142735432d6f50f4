# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A node that runs out of descriptors: creates are busy and change nothing, reads go on, and all is
well again once some are free."""

import os
import contextlib
import resource
import unittest

from client import Closed, encode
from harness import DEADLINE, NodeCase, poll

SPARE = 60  # descriptors that the node may open beyond those it has


@unittest.skipIf(os.environ.get("PACKICE_NODE_WRAPPER"), "valgrind keeps a limit of its own")
class DescriptorsTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()
        self.put(self.client, "kept", b"data", *[b"more"] * 15)
        self.client.ok("stats")
        self.limits = resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE)
        soft = len(self.node.descriptors()) + SPARE
        resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, (soft, self.limits[1]))
        self.addCleanup(self.restore)

    def restore(self):
        if self.node.process.poll() is None:
            resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, self.limits)

    def tearDown(self):
        self.restore()
        super().tearDown()

    def fill(self):
        """Creates until one is refused. Returns the names of those that were not."""
        names = []
        while True:
            self.assertLess(len(names), 10 * SPARE, "the limit has no effect")
            name = f"object {len(names)}"
            reply = self.client.request(
                "acquire", object_id=name, intent="create", sizes=[1], bind="connection"
            )
            if reply.error is not None:
                self.refused("busy", reply)
                return names
            reply.close()
            names.append(name)

    def test_creates_are_busy_and_change_nothing(self):
        names = self.fill()
        self.assertGreater(len(names), 5)
        before = self.client.ok("stats")["stats"]
        for _ in range(20):
            self.refused("busy", self.client.request(
                "acquire", object_id="more", intent="create", sizes=[1, 1, 1]
            ))
        after = self.client.ok("stats")["stats"]
        for figure in ("objects", "bytes", "leases"):
            self.assertEqual(after[figure], before[figure], figure)
        self.refused("not_found", self.client.request("stat", object_id="more"))

    def test_reads_go_on(self):
        self.fill()
        for _ in range(100):
            self.assertEqual(self.client.get("kept")[0], b"data")

    def test_reads_go_on_beside_slow_readers(self):
        """Those who let descriptors pile up get no more of the last ones."""
        self.put(self.client, "one", b"data")
        slow = self.connect()
        slow.socket.setblocking(False)
        request = encode("acquire", object_id="one", intent="read", bind="connection", tag=1)
        with contextlib.suppress(BlockingIOError):
            slow.socket.send(request * 2000)
        soft = resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE)[0]
        poll(lambda: len(self.node.descriptors()) > soft - 10, "replies wait, and hold descriptors")
        for _ in range(100):
            self.assertEqual(self.client.get("one"), [b"data"])

    def test_all_is_well_once_some_are_free(self):
        names = self.fill()
        for name in names[:5]:
            self.client.ok("discard", object_id=name)
        reply = self.client.ok(
            "acquire", object_id="again", intent="create", sizes=[1], bind="connection"
        )
        self.assertEqual(len(reply.fds), 1)

    def test_more_connections_than_descriptors(self):
        """Those that came first are served, and can read: the last descriptors are kept for them.
        Those that wait outside are let in, or cut off, when there is room again; nobody hangs."""
        self.put(self.client, "one", b"data")
        clients = [self.connect() for _ in range(2 * SPARE)]
        for client in clients[:10]:
            self.refused("not_found", client.request("stat", object_id="never"))
        for _ in range(100):
            self.assertEqual(self.client.get("one"), [b"data"])
        for client in clients:
            client.close()

        def served():
            try:
                with self.node.connect(DEADLINE) as client:
                    return client.get("kept")[0] == b"data"
            except (Closed, ConnectionError, AssertionError):
                return False

        poll(served, "new clients are served")


if __name__ == "__main__":
    unittest.main()
