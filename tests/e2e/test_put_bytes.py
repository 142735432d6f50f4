# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes behind requests and replies, over a raw socket: puts and inline reads, however they are cut,
and clients that break off, lie, or do not read."""

import array
import fcntl
import os
import socket
import threading
import unittest

from client import Closed, encode, put_text, write_all
from harness import DEADLINE, FILES, SLOW, NodeCase, pattern, poll, scaled

MAX_DATA = 1 << 20


class PutBytesCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def put_inline(self, client, object_id, *contents, **members):
        client.send_bytes(put_text(object_id, *contents, **members))
        reply = client.receive()
        self.assertEqual((reply["status"], reply["fds"]), ("sealed", 0), dict(reply))
        self.left(reply["object_id"])
        return reply

    def read_inline(self, client, object_id, inline_max=MAX_DATA, **members):
        """The contents of an object that fits, or None and its reply."""
        reply = client.ok(
            "acquire", object_id=object_id, intent="read", inline_max=inline_max, **members
        )
        return self.contents(client, reply, reply.get("data", 0))

    def contents(self, client, reply, size):
        data = client.receive_bytes(size)
        self.assertIsNone(reply["lease_id"], dict(reply))
        return [
            data[blob["offset"] : blob["offset"] + blob["size"]] for blob in reply["blobs"]
        ]


class PutTest(PutBytesCase):
    def test_what_was_put_is_read(self):
        for contents in ([b""], [b"x"], [pattern(4096)], [b"one", b"", b"three"],
                         [pattern(MAX_DATA)]):
            with self.subTest(sizes=[len(part) for part in contents]):
                reply = self.put_inline(self.client, "object", *contents, meta={"a": [1]})
                self.assertEqual(reply["object_id"], "object")
                self.assertGreater(reply["epoch"], 0)
                self.assertEqual(self.client.get("object"), contents)
                self.assertEqual(self.read_inline(self.client, "object"), contents)
                self.assertEqual(self.client.ok("stat", object_id="object")["meta"], {"a": [1]})
                self.assertEqual(self.node.stats()["leases"], 0)
                self.discard(self.client, "object")

    def test_id_is_made_up(self):
        reply = self.put_inline(self.client, None, b"data")
        self.assertEqual(self.read_inline(self.client, reply["object_id"]), [b"data"])

    def test_split_at_every_byte(self):
        """Between the parts another connection is answered, so that the node has read the first."""
        other = self.connect()
        data = b'{"}\\\n'
        whole = put_text("cut", data, tag=1)
        for cut in range(1, len(whole), 5 if SLOW else 1):
            self.client.send_bytes(whole[:cut])
            other.ok("stats")
            self.client.send_bytes(whole[cut:])
            self.assertEqual(self.client.receive()["status"], "sealed", cut)
            self.left("cut")
            self.assertEqual(self.read_inline(self.client, "cut"), [data])
            self.discard(self.client, "cut")

    def test_pipelined(self):
        """Many in one write: answered in order, each with its own bytes."""
        count = scaled(300, 60)
        parts = [pattern(number * 37 % 5000, number) for number in range(count)]
        sender = threading.Thread(
            target=self.client.send_bytes,
            args=(b"".join(put_text(f"p{n}", part) for n, part in enumerate(parts)),),
        )
        sender.start()
        for number in range(count):
            reply = self.client.receive()
            self.assertEqual((reply["status"], reply["object_id"]), ("sealed", f"p{number}"))
            self.left(f"p{number}")
        sender.join(DEADLINE)
        for number, part in enumerate(parts):
            self.client.send(
                "acquire", object_id=f"p{number}", intent="read", inline_max=MAX_DATA, tag=number
            )
            if number % 20 == 19:
                for _ in range(20):
                    reply = self.client.receive()
                    data = self.contents(self.client, reply, reply.get("data", 0))
                    self.assertEqual(data, [parts[reply["tag"]]])

    def test_name_that_is_taken(self):
        self.put_inline(self.client, "taken", b"first")
        for size in (0, 10, 200000):
            self.client.send_bytes(put_text("taken", b"{" * size))
            self.refused("exists", self.client.receive())
        self.assertEqual(self.read_inline(self.client, "taken"), [b"first"])

    def test_refused_bytes_are_skipped(self):
        refused = [
            (encode("put", object_id=7, data=5), b"{{{{{"),
            (encode("put", object_id="x", sizes=[1], data=5), b"12345"),
            (encode("put", object_id="x", sizes=[None], data=5), b"12345"),
            (encode("stat", object_id="x", data=200000), b"}" * 200000),
            (encode("teleport", data=3), b"abc"),
            (encode("batch", requests=[{"command": "put", "data": 1}], data=2), b"ab"),
        ]
        for head, data in refused:
            with self.subTest(head=head[:80]):
                self.client.send_bytes(head + data)
                self.assertIn(self.client.receive().error, ("invalid", "unsupported"))
                self.refused("not_found", self.client.request("stat", object_id="x"))

    def test_sizes_that_lie_reserve_nothing(self):
        before = self.node.stats()
        self.client.send_bytes(
            encode("put", object_id="huge", sizes=[1 << 40], data=4) + b"more"
        )
        self.refused("invalid", self.client.receive())
        self.assertEqual(self.node.stats()["bytes"], before["bytes"])

    def test_more_than_max_data_ends_the_connection(self):
        for size in (MAX_DATA + 1, 1 << 50):
            with self.node.connect() as client:
                client.send_bytes(encode("put", object_id="x", data=size, tag="t"))
                reply = client.receive()
                self.refused("too_large", reply)
                self.assertEqual(reply["tag"], "t")
                self.assertTrue(client.is_closed())
        self.refused("not_found", self.client.request("stat", object_id="x"))

    def test_uncountable_bytes_end_the_connection(self):
        for head in (
            encode("put", object_id="x", data=-1),
            encode("put", object_id="x", data="4"),
            b'{"command":"put","data":4,}',
        ):
            with self.subTest(head=head), self.node.connect() as client:
                client.send_bytes(head + b'{"command":"stats"}')
                self.refused("invalid", client.receive())
                self.assertTrue(client.is_closed())

    def test_connection_that_ends_amid_the_bytes_has_put_nothing(self):
        whole = put_text("never", pattern(100000))
        for end in (len(whole) - 1, len(whole) - 50000, len(whole) - 100000):
            for half in (False, True):
                with self.node.connect() as client:
                    client.send_bytes(whole[:end])
                    if half:
                        client.socket.shutdown(socket.SHUT_WR)
                        self.assertTrue(client.is_closed())
        poll(lambda: self.node.stats()["sessions"] == 2, "they are gone")
        self.refused("not_found", self.client.request("stat", object_id="never"))

    def test_half_closed_behind_the_bytes_is_answered(self):
        with self.node.connect() as client:
            client.send_bytes(put_text("whole", pattern(300000)))
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.receive()["status"], "sealed")
            self.left("whole")
            self.assertTrue(client.is_closed())

    def test_bytes_that_do_not_come_hold_nobody_up(self):
        slow = [self.connect() for _ in range(20)]
        for client in slow:
            client.send_bytes(put_text("slow", b"x" * MAX_DATA)[:100000])
        for number in range(scaled(100, 20)):
            self.put_inline(self.client, f"quick {number}", b"data")
        slow[0].send_bytes(b"x" * (len(put_text("slow", b"x" * MAX_DATA)) - 100000))
        self.assertEqual(slow[0].receive()["status"], "sealed")
        self.left("slow")


class InlineTest(PutBytesCase):
    def test_larger_ones_have_a_lease(self):
        self.put_inline(self.client, "object", b"12345", b"678")
        self.assertEqual(self.read_inline(self.client, "object", 8), [b"12345", b"678"])
        with self.client.read("object", inline_max=7) as reply:
            self.assertEqual((len(reply.fds), reply.get("data")), (2, None))
            self.client.release(reply["lease_id"])

    def test_max_data_bounds_replies(self):
        self.put(self.client, "large", b"x" * (MAX_DATA + 1))
        with self.client.read("large", inline_max=1 << 40) as reply:
            self.assertEqual(len(reply.fds), 1)
            self.client.release(reply["lease_id"])

    def test_waits(self):
        other = self.connect()
        other.send("acquire", object_id="late", intent="read", inline_max=10, wait_seconds=DEADLINE)
        poll(lambda: self.node.stats()["waits"] == 1, "it waits")
        self.put_inline(self.client, "late", b"data")
        reply = other.receive()
        self.assertEqual(self.contents(other, reply, reply["data"]), [b"data"])

    def test_batch(self):
        requests, data = [], b""
        for number in range(100):
            part = pattern(number * 11, number)
            requests.append({"command": "put", "object_id": f"b{number}", "data": len(part)})
            data += part
        self.client.send_bytes(encode("batch", requests=requests, data=len(data)) + data)
        for number, reply in enumerate(self.client.receive()["replies"]):
            self.assertEqual(reply["object_id"], f"b{number}")
            self.left(f"b{number}")
        reads = [
            {"command": "acquire", "object_id": f"b{n}", "intent": "read", "inline_max": 500}
            for n in range(100)
        ]
        with self.client.ok("batch", requests=reads) as reply:
            data = self.client.receive_bytes(reply["data"])
            leases = []
            for number, item in enumerate(reply["replies"]):
                blob = item["blobs"][0]
                self.assertEqual(blob["kind"] == "data", number * 11 <= 500)
                if blob["kind"] == "data":
                    part = data[blob["offset"] : blob["offset"] + blob["size"]]
                    self.assertEqual(part, pattern(number * 11, number))
                else:
                    leases.append(item["lease_id"])
            self.assertEqual(len(reply.fds), len(leases))
        self.client.ok("batch", requests=[], releases=leases)
        poll(lambda: self.node.stats()["leases"] == 0, "all are released")

    def resident(self):
        with open(f"/proc/{self.node.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_reader_that_stops_is_bounded(self):
        """What waits for it is max_output and a turn's replies, however much it asked for."""
        size = 500000
        expected = pattern(size)
        self.put_inline(self.client, "object", expected)
        before = self.resident()
        slow = self.connect()
        slow.socket.setblocking(False)
        request = encode("acquire", object_id="object", intent="read", inline_max=MAX_DATA)
        count, refusals = 0, 0
        while refusals < 3:
            try:
                self.assertEqual(slow.socket.send(request), len(request))
                count, refusals = count + 1, 0
            except BlockingIOError:
                refusals += 1
                for _ in range(100):
                    self.client.ok("stats")
        self.assertGreater(count * size, 100 << 20)
        if not SLOW:
            self.assertLess(self.resident() - before, 60 << 20)
        slow.socket.settimeout(DEADLINE)
        for _ in range(count):
            reply = slow.receive()
            self.assertEqual(slow.receive_bytes(reply["data"]), expected)

    def test_reader_that_leaves_amid_the_bytes(self):
        self.put_inline(self.client, "object", pattern(500000))
        for _ in range(10):
            with self.node.connect() as client:
                client.send("acquire", object_id="object", intent="read", inline_max=MAX_DATA)
                client.receive()

    def test_releases(self):
        self.put_inline(self.client, "object", b"data")
        leases = []
        for _ in range(10):
            with self.client.read("object") as reply:
                leases.append(reply["lease_id"])
        self.client.ok("stat", object_id="object", releases=leases[:4] + ["unknown"])
        poll(lambda: self.node.stats()["leases"] == 6, "four are released")
        self.refused("not_found", self.client.request("stat", object_id="no", releases=leases[4:6]))
        poll(lambda: self.node.stats()["leases"] == 4, "and two")
        self.client.ok("release", lease_id=leases[6], releases=leases[7:])
        poll(lambda: self.node.stats()["leases"] == 0, "and the rest")


SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def memfd(data, seals=SEALS):
    fd = os.memfd_create("put", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    write_all(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@unittest.skipIf(FILES, "files are not made of descriptors")
class DescriptorsTest(PutBytesCase):
    def put_fds(self, object_id, fds, **members):
        """Passes the descriptors, which are closed here then."""
        request = encode("put", object_id=object_id, fds=len(fds), **members)
        passed = array.array("i", fds)
        self.client.socket.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        for fd in fds:
            os.close(fd)
        return self.client.receive()

    def test_what_was_put_is_read(self):
        for count in (1, 3, 253):
            contents = [pattern(1000 + number, number) for number in range(count)]
            sizes = [len(part) for part in contents]
            reply = self.put_fds("object", [memfd(part) for part in contents], sizes=sizes)
            self.assertEqual((reply["status"], reply["fds"]), ("sealed", 0), dict(reply))
            self.left("object")
            self.assertEqual(self.client.get("object"), contents)
            self.discard(self.client, "object")

    def test_refused_ones_are_closed(self):
        refused = [
            ([memfd(b"open", 0)], {"sizes": [4]}),
            ([memfd(b"size")], {"sizes": [5]}),
            ([os.open("/dev/null", os.O_RDONLY)], {"sizes": [0]}),
            ([memfd(b"more"), memfd(b"more")], {"sizes": [4]}),
        ]
        for fds, members in refused:
            reply = self.put_fds("object", fds, **members)
            self.assertEqual(reply["status"], "error", members)
            self.refused("not_found", self.client.request("stat", object_id="object"))


class StopTest(PutBytesCase):
    def test_stop_amid_the_bytes(self):
        self.client.send_bytes(put_text("half", b"x" * 200000)[:100000])
        self.connect().ok("stats")
        self.node.stop()
        with self.assertRaises((Closed, ConnectionResetError)):
            self.client.receive()
        self.node.start()
        self.count_anew()


if __name__ == "__main__":
    unittest.main()
