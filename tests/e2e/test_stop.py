# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""How a node ends, and how the next one starts on its socket."""

import mmap
import os
import signal
import socket
import unittest

from client import Closed, encode
from harness import Node, poll, start_all


class StopTest(unittest.TestCase):
    def node(self, sections=None):
        node = Node(sections)
        self.addCleanup(node.remove)
        return node

    def connect(self, node):
        client = node.connect()
        self.addCleanup(client.close)
        return client

    def until_closed(self, client):
        replies = []
        try:
            while True:
                replies.append(client.receive())
        except Closed:
            return replies

    # ---- the end ----

    def test_both_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                node = self.node().start()
                node.process.send_signal(number)
                self.assertEqual(node.wait(), 0, node.errors())
                self.assertFalse(os.path.exists(node.socket))

    def test_in_flight_requests_are_answered(self):
        """What the node had read when the signal came is answered, in whole replies, and only then
        the connection ends."""
        node = self.node().start()
        client = self.connect(node)
        client.send_bytes(b"".join(
            encode("acquire", object_id=f"o{tag}", intent="create", sizes=[1 << 20], tag=tag)
            for tag in range(20)
        ))
        first = client.receive()
        node.process.send_signal(signal.SIGTERM)
        replies = [first, *self.until_closed(client)]
        self.assertEqual(sorted(reply["tag"] for reply in replies), list(range(20)))
        for reply in replies:
            self.assertTrue(reply["status"] == "ok" or reply.error == "busy", dict(reply))
        self.assertEqual(node.wait(), 0, node.errors())

    def test_waits_are_answered(self):
        node = self.node().start()
        tagged, untagged = self.connect(node), self.connect(node)
        for tag in range(10):
            tagged.send("acquire", object_id="never", intent="read", wait_seconds=3600, tag=tag)
        untagged.send("acquire", object_id="never", intent="read", wait_seconds=3600)
        poll(lambda: node.stats()["waits"] == 11, "all wait")
        node.process.send_signal(signal.SIGTERM)
        self.assertEqual(
            sorted((reply["tag"], reply.error) for reply in self.until_closed(tagged)),
            [(tag, "busy") for tag in range(10)],
        )
        self.assertEqual([reply.error for reply in self.until_closed(untagged)], ["busy"])
        self.assertEqual(node.wait(), 0, node.errors())

    def test_ends_with_objects_leases_and_idle_clients(self):
        node = self.node().start()
        clients = [self.connect(node) for _ in range(50)]
        clients[0].put("sealed", b"data")
        clients[1].create("young", [1 << 20])
        clients[2].ok("acquire", object_id="unsized", intent="create", blobs=3)
        clients[3].read("sealed", bind="connection")
        clients[4].send_bytes(b'{"command":"half a requ')
        node.stop()
        for client in clients:
            self.assertTrue(client.is_closed())

    def stuffed(self, node):
        """A client that has more replies coming than anything on the way holds, and reads none."""
        client = self.connect(node)
        client.put("wide", *[b"x"] * 64)
        client.socket.setblocking(False)
        request = encode("acquire", object_id="wide", intent="read") * 100
        try:
            while True:
                client.socket.send(request)
        except BlockingIOError:
            return client

    def test_ends_with_a_client_that_does_not_read(self):
        node = self.node({"node": {"stop_timeout": "1s"}}).start()
        self.stuffed(node)
        node.stop()

    def test_second_signal_ends_it_at_once(self):
        """The first one would be minded for an hour, for the client that does not read."""
        node = self.node({"node": {"stop_timeout": "1h"}}).start()
        self.stuffed(node)

        def signalled():
            node.process.send_signal(signal.SIGTERM)
            return node.process.poll() is not None

        poll(signalled, "the node ended")
        self.assertEqual(node.process.returncode, 128 + signal.SIGTERM)

    def test_map_outlives_the_node(self):
        node = self.node().start()
        client = self.connect(node)
        client.put("kept", b"still here")
        lease = client.read("kept")
        with mmap.mmap(lease.fd(0), 10, prot=mmap.PROT_READ) as view:
            node.stop()
            self.assertEqual(view[:], b"still here")
            self.assertEqual(os.pread(lease.fd(0), 10, 0), b"still here")

    # ---- the next start ----

    def refused_start(self, node):
        """Starts one that must not start, and returns what it says: one clear line."""
        before = node.errors()
        node.spawn()
        self.assertNotEqual(node.wait(), 0)
        lines = node.errors()[len(before):].splitlines()
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def twin(self, node):
        other = self.node({"transport.local": {"path": node.socket}})
        return other

    def test_second_start_on_a_live_socket_is_refused(self):
        node = self.node().start()
        line = self.refused_start(self.twin(node))
        self.assertIn(node.socket, line)
        with node.connect() as client:
            client.ok("stats")
        node.stop()

    def test_dead_nodes_socket_is_replaced(self):
        node = self.node().start()
        with node.connect() as client:
            client.put("lost", b"x")
        node.kill()
        self.assertTrue(os.path.exists(node.socket))
        other = self.twin(node)
        other.socket = node.socket
        other.start()
        with other.connect() as client:
            self.assertEqual(client.request("stat", object_id="lost").error, "not_found")
        other.stop()

    def test_one_of_many_starts_at_once_wins(self):
        first = self.node()
        nodes = [self.twin(first) for _ in range(4)]
        start_all([node.spawn for node in nodes])
        poll(
            lambda: sum(node.process.poll() is not None for node in nodes) == 3,
            "three gave up",
        )
        winner = next(node for node in nodes if node.process.poll() is None)
        winner.socket = first.socket
        poll(winner._answers, "the winner answers")  # pylint: disable=protected-access
        winner.stop()
        self.assertEqual([node.process.returncode != 0 for node in nodes].count(True), 3)

    def test_stop_and_start_again_and_again(self):
        node = self.node()
        for turn in range(5):
            node.start()
            with node.connect() as client:
                client.put(f"object {turn}", b"x")
                self.assertEqual(client.ok("stats")["stats"]["objects"], 1)
            node.stop()

    def test_what_is_not_a_socket_is_not_replaced(self):
        node = self.node()
        with open(node.socket, "w", encoding="ascii") as file:
            file.write("precious")
        self.assertIn(node.socket, self.refused_start(node))
        with open(node.socket, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_foreign_live_socket_is_not_replaced(self):
        """One that somebody listens on who is not a node, and so holds no lock."""
        node = self.node()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(node.socket)
            other.listen()
            self.assertIn(node.socket, self.refused_start(node))
            self.assertTrue(os.path.exists(node.socket))

    def test_missing_folder_is_named(self):
        node = self.node({"transport.local": {"path": "/nonexistent/folder/s"}})
        self.assertIn("/nonexistent/folder", self.refused_start(node))

    def test_path_too_long_for_a_socket_is_named(self):
        node = self.node({"transport.local": {"path": "/tmp/" + "x" * 120}})
        self.assertIn("xxx", self.refused_start(node))

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody without permission")
    def test_missing_permission_is_one_line(self):
        node = self.node()
        os.chmod(node.folder, 0o755)
        forbidden = os.path.join(node.folder, "forbidden")
        os.mkdir(forbidden, 0o700)
        node = self.node({"transport.local": {"path": os.path.join(forbidden, "s")}})
        os.chmod(node.folder, 0o755)
        node.user = 65534
        if not node.reachable():
            self.skipTest("the build folder is closed to others")
        self.assertIn(forbidden, self.refused_start(node))

    def test_socket_has_its_mode(self):
        for mode in (0o600, 0o660, 0o666):
            node = self.node({"transport.local": {"mode": f"{mode:04o}"}}).start()
            self.assertEqual(os.stat(node.socket).st_mode & 0o777, mode)
            node.stop()

    def test_two_transports_on_one_peer(self):
        node = self.node()
        second = os.path.join(node.folder, "second")
        node = self.node({"transport.other": {"plugin": "transport_uds", "path": second}}).start()
        first_client = self.connect(node)
        node.socket, first = second, node.socket
        with node.connect() as second_client:
            first_client.put("shared", b"data")
            self.assertEqual(second_client.get("shared"), [b"data"])
        node.stop()
        self.assertFalse(os.path.exists(first))


if __name__ == "__main__":
    unittest.main()
