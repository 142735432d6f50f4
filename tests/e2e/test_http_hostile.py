# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Clients of HTTP that mean harm: whatever they send, and however slowly, the node answers or ends
their connection, nothing is left of them, and others are served."""

import contextlib
import json
import socket
import struct
import unittest

from harness import pattern, poll, scaled
from http_case import DEADLINE, PATIENT, HttpCase, blob_path, object_path

HOST = b"Host: localhost\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
POST = b"POST /list HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CHUNKS = CHUNKED + b"\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST

# What two servers could read in two ways: each has one answer, and nothing behind it is read.
REFUSED = {
    "length and chunks": (400, POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"0\r\n\r\n" + NEXT),
    "chunks and length": (400, CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + NEXT),
    "two lengths": (400, POST + b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}" + NEXT),
    "one length twice": (400, POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + NEXT),
    "a list of lengths": (400, POST + b"Content-Length: 2, 2\r\n\r\n{}" + NEXT),
    "a signed length": (400, POST + b"Content-Length: +2\r\n\r\n{}" + NEXT),
    "a negative length": (400, POST + b"Content-Length: -2\r\n\r\n{}" + NEXT),
    "a hexadecimal length": (400, POST + b"Content-Length: 0x2\r\n\r\n{}" + NEXT),
    "a length in two words": (400, POST + b"Content-Length: 2 2\r\n\r\n{}" + NEXT),
    "an empty length": (400, POST + b"Content-Length: \r\n\r\n{}" + NEXT),
    "an endless length": (400, POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}" + NEXT),
    "an unknown encoding": (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + NEXT),
    "two encodings": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + NEXT),
    "chunks twice": (400, CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT),
    "chunks first": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + NEXT),
    "identity": (501, POST + b"Transfer-Encoding: identity\r\n\r\n" + NEXT),
    "a vertical tab": (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + NEXT),
    "chunks in 1.0": (400, CHUNKS.replace(b"1.1", b"1.0") + b"0\r\n\r\n"),
    "lines without CR": (400, GET.replace(b"\r", b"") + b"\n"),
    "one line without CR": (400, b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"),
    "a last line without CR": (400, GET + b"\n"),
    "CR alone": (400, GET + b"X: a\rContent-Length: 3\r\n\r\n"),
    "a space before the colon": (400, POST + b"Content-Length : 2\r\n\r\n{}" + NEXT),
    "a space before the name": (400, POST + b" Content-Length: 2\r\n\r\n{}" + NEXT),
    "a folded line": (400, GET + b"X: a\r\n b\r\n\r\n"),
    "a folded line with a tab": (400, GET + b"X: a\r\n\tb\r\n\r\n"),
    "a NUL in a value": (400, GET + b"X: a\0b\r\n\r\n"),
    "a control character": (400, GET + b"X: a\x01b\r\n\r\n"),
    "a NUL in a name": (400, GET + b"X\0: b\r\n\r\n"),
    "no colon": (400, GET + b"Xyz\r\n\r\n"),
    "no name": (400, GET + b": x\r\n\r\n"),
    "no host": (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
    "two hosts": (400, GET + HOST + b"\r\n"),
    "two leases": (400, GET + b"PackIce-Lease: a\r\nPackIce-Lease: b\r\n\r\n"),
    "no version": (505, b"GET /healthz\r\n\r\n"),
    "another version": (505, b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n"),
    "the other protocol": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (501, b"\x16\x03\x01\x00\xff\x01\x00"),
    "a space in the target": (400, b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a byte that is no ASCII": (400, b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a chunk of no length": (400, CHUNKS + b"zz\r\n{}\r\n0\r\n\r\n" + NEXT),
    "a chunk of 0x": (400, CHUNKS + b"0x2\r\n{}\r\n0\r\n\r\n" + NEXT),
    "a negative chunk": (400, CHUNKS + b"-2\r\n{}\r\n0\r\n\r\n" + NEXT),
    "an endless chunk": (400, CHUNKS + b"f" * 19 + b"\r\n{}\r\n0\r\n\r\n" + NEXT),
    "a chunk without CR": (400, CHUNKS + b"2\n{}\r\n0\r\n\r\n" + NEXT),
    "a chunk that goes on": (400, CHUNKS + b"2\r\n{}xx0\r\n\r\n" + NEXT),
    "a chunk with a space": (400, CHUNKS + b"2 \r\n{}\r\n0\r\n\r\n" + NEXT),
    "a trailer without CR": (400, CHUNKS + b"2\r\n{}\r\n0\r\nX: a\n\r\n" + NEXT),
    "a last line without CR behind a trailer": (400, CHUNKS + b"2\r\n{}\r\n0\r\nX: a\r\n\n"
                                                + NEXT),
    "a last line without CR behind chunks": (400, CHUNKS + b"2\r\n{}\r\n0\r\n\n" + NEXT),
    "a folded trailer": (400, CHUNKS + b"2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n" + NEXT),
    "a trailer without a name": (400, CHUNKS + b"2\r\n{}\r\n0\r\n: a\r\n\r\n" + NEXT),
    "a space before a trailer": (400, CHUNKS + b"2\r\n{}\r\n0\r\n X: a\r\n\r\n" + NEXT),
    "an extension without CR": (400, CHUNKS + b"2;a\n{}\r\n0\r\n\r\n" + NEXT),
    "a huge header": (431, GET + b"X: " + b"a" * 20000 + b"\r\n\r\n"),
    "a huge name": (431, GET + b"a" * 20000 + b": x\r\n\r\n"),
    "very many headers": (431, GET + b"X: a\r\n" * 5000 + b"\r\n"),
    "a huge target": (431, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "nothing but lines": (431, b"\r\n" * 9000),
    "huge trailers": (431, CHUNKS + b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n" + NEXT),
    "huge extensions": (431, CHUNKS + b"2;" + b"y" * 9000 + b"\r\n{}\r\n0\r\n\r\n" + NEXT),
    "a huge request": (413, POST + b"Content-Length: 1048577\r\n\r\n"),
    "a huge request in chunks": (413, CHUNKS + b"100001\r\n" + b" " * 0x100001),
}

# What looks odd and means one thing.
ALLOWED = {
    "spaces around a length": POST + b"Content-Length: \t 2 \r\n\r\n{}" + NEXT,
    "a tab before chunked": POST + b"Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + NEXT,
    "an extension": CHUNKS + b"2;a=b\r\n{}\r\n0\r\n\r\n" + NEXT,
    "a trailer": CHUNKS + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n" + NEXT,
    "a body where none belongs": GET + b"Content-Length: 3\r\n\r\nabc" + NEXT,
    "empty lines first": b"\r\n\r\n" + GET + b"\r\n" + NEXT,
    "an upgrade": GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + NEXT,
}


class ShapeTest(HttpCase):
    def test_what_could_be_read_in_two_ways_is_refused(self):
        for name, (status, data) in REFUSED.items():
            with self.subTest(shape=name):
                bare = self.raw()
                try:
                    bare.sendall(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the answer came before the last of it
                answer = self.everything(bare)
                self.assertEqual(self.statuses(answer), [status], answer[:500])
                self.assertIn(b"Connection: close\r\n", answer)
                self.assertEqual(json.loads(answer.split(b"\r\n\r\n")[1])["status"], "error")
                bare.close()

    def test_what_is_odd_and_clear_is_answered(self):
        for name, data in ALLOWED.items():
            with self.subTest(shape=name):
                bare = self.raw(data)
                answer = self.everything(bare)
                self.assertEqual(self.statuses(answer), [200, 200], answer)
                bare.close()

    def test_shapes_are_the_same_byte_by_byte(self):
        for name in ("length and chunks", "a folded line", "a last line without CR", "no name",
                     "a chunk that goes on", "two hosts", "a folded trailer",
                     "a last line without CR behind chunks"):
            with self.subTest(shape=name):
                status, data = REFUSED[name]
                bare = self.raw()
                try:
                    for byte in data:
                        bare.sendall(bytes([byte]))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.assertEqual(self.statuses(self.everything(bare))[:1], [status])
                bare.close()

    def test_versions_end_or_keep_the_connection(self):
        old = b"GET /healthz HTTP/1.0\r\n"
        for data, count in (
            (old + b"\r\n" + NEXT, 1),
            (old + b"Connection: keep-alive\r\n\r\n" + NEXT, 2),
            (GET + b"Connection: close\r\n\r\n" + NEXT, 1),
            (GET + b"Connection: Close, x\r\n\r\n" + NEXT, 1),
        ):
            self.assertEqual(len(self.statuses(self.everything(self.raw(data)))), count, data)

    def test_an_old_client_is_sent_nothing_before_its_answer(self):
        bare = self.raw(b"PUT /objects/old HTTP/1.0\r\nExpect: 100-continue\r\n"
                        b"Content-Length: 3\r\n\r\n")
        self.check_holdings(objects=1)
        bare.sendall(b"abc")
        self.left("old")
        self.assertEqual(self.statuses(self.everything(bare)), [201])

    def test_requests_in_a_pipeline_are_answered_in_their_order(self):
        self.upload("p", b"12345")
        requests = (
            b"GET /objects/p/blobs/0 HTTP/1.1\r\n" + HOST + b"\r\n",
            POST + b"Content-Length: 2\r\n\r\n{}",
            b"GET /no HTTP/1.1\r\n" + HOST + b"\r\n",
            b"PUT /objects/q HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",
            b"GET /objects/q/blobs/0 HTTP/1.1\r\n" + HOST + b"\r\n",
        )
        count = scaled(50, 10)
        bare = self.raw()
        bare.sendall(b"".join(requests[:3] * count) + b"".join(requests[3:]) + NEXT)
        answer = self.everything(bare)
        self.left("q")
        self.assertEqual(self.statuses(answer.replace(b"12345", b"}")),
                         [200, 200, 404] * count + [201, 200])
        self.assertTrue(answer.endswith(b'{"status":"ok"}\n'))


def impatient(**timeouts):
    return {"transport.web": {**PATIENT, **timeouts}}


def drip(bare, data):
    """Sends the same bytes again and again, until the node has enough of it, which is all that ends
    this: what it says then."""
    bare.settimeout(0.05)
    try:
        while True:
            bare.sendall(data)
            try:
                return bare.recv(65536)
            except TimeoutError:
                pass
    except ConnectionError:
        return b""


class SlowHeadTest(HttpCase):
    sections = impatient(header_timeout="2s")

    def test_a_head_that_comes_in_drops(self):
        answer = drip(self.raw(GET + b"X: "), b"a")
        self.assertEqual(self.statuses(answer), [408], answer)

    def test_a_client_that_says_nothing(self):
        self.assertEqual(self.everything(self.raw()), b"")


class SlowBodyTest(HttpCase):
    sections = impatient(body_timeout="500ms")

    def test_a_body_that_comes_in_drops(self):
        answer = drip(self.raw(POST + b"Content-Length: 1000000\r\n\r\n"), b" ")
        self.assertEqual(self.statuses(answer), [408], answer)

    def test_an_upload_that_comes_in_drops_is_discarded(self):
        answer = drip(self.raw(b"PUT /objects/drops HTTP/1.1\r\n" + HOST
                                    + b"Transfer-Encoding: chunked\r\n\r\n"), b"1\r\nx\r\n")
        self.assertEqual(self.statuses(answer), [408], answer)
        self.check_holdings(objects=0)

    def test_a_wait_of_a_client_that_left_is_ended(self):
        for how in ("reset", "close", "half"):
            wait = b'{"object_id":"never","intent":"read","wait_seconds":1000000}'
            bare = self.raw(b"POST /acquire HTTP/1.1\r\n" + HOST
                            + b"Content-Length: %d\r\n\r\n" % len(wait) + wait)
            self.check_holdings(waits=1)
            if how == "reset":
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "half":
                bare.shutdown(socket.SHUT_WR)
            else:
                bare.close()
            self.check_holdings(waits=0, sessions=1)
            bare.close()


class SlowReaderTest(HttpCase):
    sections = impatient(write_timeout="500ms")

    def test_a_reader_that_stops_reading(self):
        self.upload("large", pattern(64 << 20))
        bare = self.raw(b"GET " + blob_path("large").encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertTrue(bare.recv(1000))
        self.check_holdings(leases=1)
        self.assertEqual(self.request("GET", "/healthz").status, 200)
        self.check_holdings(leases=0)


class IdleTest(HttpCase):
    sections = impatient(idle_timeout="200ms")

    def test_a_connection_between_two_requests(self):
        bare = self.raw(GET + b"\r\n")
        self.assertEqual(self.statuses(self.everything(bare)), [200])

    def test_a_client_that_keeps_sending_after_its_refusal(self):
        bare = self.raw(POST + b"Content-Length: 9999999999\r\n\r\n")
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                bare.sendall(bytes(65536))


class FloodTest(HttpCase):
    sections = {"transport.web": {**HttpCase.sections["transport.web"], "max_clients": "20"}}

    def test_clients_beyond_the_limit_are_told_so(self):
        inside = [self.raw(GET) for _ in range(20)]
        self.check_figure("clients", 20)
        for _ in range(scaled(200, 50)):
            with socket.create_connection(("127.0.0.1", self.port)) as bare:
                bare.settimeout(30)
                answer = self.everything(bare)
                self.assertEqual(self.statuses(answer), [503], answer)
                self.assertIn(b'"error":"busy"', answer)
        for bare in inside:
            bare.sendall(b"Connection: close\r\n\r\n")
            self.assertEqual(self.statuses(self.everything(bare)), [200])
        self.check_figure("clients", 0)
        self.assertEqual(self.request("GET", "/healthz").status, 200)

    def test_a_client_that_is_turned_away_can_not_go_on(self):
        inside = [self.raw(GET) for _ in range(20)]
        self.check_figure("clients", 20)
        much = 32 << 20  # more than the buffers of any socket hold
        for _ in range(scaled(300, 60)):
            self.assertLess(self.pour(much), much)
        for bare in inside:
            bare.sendall(b"Connection: close\r\n\r\n")
            self.assertEqual(self.statuses(self.everything(bare)), [200])

    def pour(self, much):
        """How many bytes one more client gets rid of."""
        sent = 0
        with contextlib.suppress(ConnectionError), socket.create_connection(
            ("127.0.0.1", self.port), DEADLINE
        ) as bare:
            while sent < much:
                sent += bare.send(bytes(1 << 20))
        return sent

    def figure(self, name):
        return self.node.stats()[f'transport_http_{name}{{transport="web"}}']

    def check_figure(self, name, value):
        poll(lambda: self.figure(name) == value, f"{name} is {value}")


class CutTest(HttpCase):
    """Connections that end at every byte of a request, and of its answer."""

    def requests(self):
        made = self.call("acquire", object_id="made", intent="create", sizes=[3], ttl_seconds=3600)
        self.lease = made["lease_id"]
        return [
            NEXT,
            POST + b"Content-Length: 2\r\n\r\n{}",
            b"PUT /objects/cut HTTP/1.1\r\n" + HOST + b"Content-Length: 40\r\n\r\n" + b"x" * 39,
            b"PUT /objects/cut HTTP/1.1\r\n" + HOST
            + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;a=b\r\nworld\r\n0\r\nX: y\r\n\r",
            b"GET /objects/there/blobs/0 HTTP/1.1\r\n" + HOST + b"Range: bytes=0-5\r\n\r\n",
            b"GET /objects/there/blobs/0 HTTP/1.1\r\n" + HOST + b"PackIce-Lease: "
            + self.lease.encode() + b"\r\n\r\n",
        ]

    def test_resets_and_ends_at_every_byte(self):
        self.upload("there", pattern(1 << 20))
        for request in self.requests():
            for size in range(0, len(request) + 1, scaled(1, 7)):
                for how in (b"\x01\0\0\0\0\0\0\0", None):
                    bare = socket.create_connection(("127.0.0.1", self.port))
                    bare.sendall(request[:size])
                    if how is not None:
                        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
                    bare.close()
        self.call("release", lease_id=self.lease)
        self.check_holdings(objects=1, leases=0, sessions=1)
        self.assertEqual(self.request("GET", "/healthz").status, 200)

    def test_half_closed_clients_are_answered(self):
        self.upload("there", b"12345")
        for request, status in (
            (GET + b"\r\n", [200]),
            (POST + b"Content-Length: 2\r\n\r\n{}", [200]),
            (b"GET /objects/there/blobs/0 HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
            (b"PUT /objects/x HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nabc", [400]),
            (GET, []),
            (b"", []),
        ):
            with self.subTest(request=request):
                bare = self.raw(request)
                bare.shutdown(socket.SHUT_WR)
                self.assertEqual(self.statuses(self.everything(bare)), status)
                bare.close()

    def test_others_are_served_meanwhile(self):
        self.upload("there", pattern(1 << 20))
        held = [self.raw(REFUSED["length and chunks"][1][:20]) for _ in range(20)]
        held += [self.raw(b"PUT %s HTTP/1.1\r\n" % object_path(f"h{n}").encode() + HOST
                          + b"Content-Length: 10000000\r\n\r\nx") for n in range(20)]
        for _ in range(20):
            self.assertEqual(len(self.download("there")), 1 << 20)
        for bare in held:
            bare.close()


if __name__ == "__main__":
    unittest.main()
