# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A client that does not read its replies: it is served no further at some point, nobody else
notices, and nothing is lost or leaked."""

import threading
import unittest

from client import encode
from harness import DEADLINE, NodeCase, poll

# Far over what sockets and a bounded queue hold.
BYTES_MAX = 64 << 20

# Makes requests long, so that sockets hold few of them.
PADDING = "x" * 4000


class SlowReaderTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def flood(self, slow, request):
        """Sends requests without reading until the node takes no more of them for as long as
        another client gets a thousand answers. Returns how many it took whole and the rest of the
        one that was cut."""
        slow.socket.setblocking(False)
        sent, refusals = 0, 0
        chunk = request * max(1, 65536 // len(request))
        while refusals < 3:
            self.assertLess(sent, BYTES_MAX, "the node reads on for a client that does not")
            try:
                sent += slow.socket.send(chunk[sent % len(request):])
                refusals = 0
            except BlockingIOError:
                refusals += 1
                for _ in range(300):
                    self.client.ok("stats")
        slow.socket.settimeout(DEADLINE)
        rest = b"" if sent % len(request) == 0 else request[sent % len(request):]
        return -(-sent // len(request)), rest

    def test_slow_reader_gets_everything_in_the_end(self):
        for number in range(100):
            self.put(self.client, f"object {number:03}", b"")
        slow = self.connect()
        count, rest = self.flood(slow, encode("list", padding=PADDING))
        # The rest of the cut request goes out from a thread, for it may have to wait until replies
        # were read.
        sender = threading.Thread(target=slow.send_bytes, args=(rest,))
        sender.start()
        for _ in range(count):
            self.assertEqual(len(slow.receive()["objects"]), 100)
        sender.join(DEADLINE)
        slow.ok("stats")

    def test_dead_reader_with_descriptors_in_its_queue(self):
        """Replies that carry descriptors pile up, in bounded number; when the client goes they are
        closed and its leases end."""
        self.put(self.client, "wide", *[b"x"] * 64)
        dead = self.connect()
        request = encode(
            "acquire", object_id="wide", intent="read", bind="connection", padding=PADDING
        )
        self.flood(dead, request)
        self.assertLess(len(self.node.descriptors()), 10000)
        self.assertGreater(self.node.stats()["leases"], 0)
        dead.close()
        self.check_holdings(leases=0)
        self.discard(self.client, "wide")
        self.client.close()
        self.check_clean()

    def test_many_dead_readers(self):
        self.put(self.client, "wide", *[b"x"] * 8)
        dead = [self.connect() for _ in range(30)]
        for reader in dead:
            reader.socket.setblocking(False)
            request = encode("acquire", object_id="wide", intent="read", bind="connection") * 500
            try:
                while True:
                    reader.socket.send(request)
            except BlockingIOError:
                pass
        for _ in range(200):
            self.client.ok("stat", object_id="wide")
            self.assertEqual(self.client.get("wide"), [b"x"] * 8)
        for reader in dead:
            reader.close()
        self.check_holdings(leases=0)

    def test_slow_writer_blocks_nobody(self):
        slow = self.connect()
        slow.send_bytes(b'{"command":"stat","object_id":"')
        for _ in range(100):
            self.assertEqual(self.client.request("stat", object_id="none").error, "not_found")
        slow.send_bytes(b'late"}')
        self.assertEqual(slow.receive().error, "not_found")

    def test_replies_that_come_all_at_once_are_bounded(self):
        """A client that had many waits, and reads nothing when they end, has some told and the
        rest busy; those hold no lease."""
        count = 400
        slow = self.connect()
        for number in range(count):
            slow.send("acquire", object_id="large", intent="read", wait_seconds=3600, tag=number)
        poll(lambda: self.node.stats()["waits"] == count, "all wait")
        self.put(self.client, "large", b"data", meta={"text": "x" * 65000})
        poll(lambda: self.node.stats()["waits"] == 0, "no wait is left")
        granted = []
        for _ in range(count):
            with slow.receive() as reply:
                if reply.error is None:
                    granted.append(reply["lease_id"])
                else:
                    self.refused("busy", reply)
        self.assertGreater(len(granted), 100)
        self.assertLess(len(granted), count)
        self.check_holdings(leases=len(granted))
        for lease in granted:
            slow.release(lease)

    def test_waiters_that_do_not_read_hold_up_no_seal(self):
        dead = [self.connect() for _ in range(20)]
        for reader in dead:
            reader.send_bytes(
                encode("acquire", object_id="late", intent="read", wait_seconds=3600,
                       bind="connection")
            )
        poll(lambda: self.node.stats()["waits"] == 20, "all wait")
        self.put(self.client, "late", b"data")
        self.assertEqual(self.client.get("late"), [b"data"])
        poll(lambda: self.node.stats()["leases"] == 20, "all have their leases")


if __name__ == "__main__":
    unittest.main()
