# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Uploads that don't go as they should: many at once, refused, cut short, or sent again."""

import shutil
import tempfile
import unittest

from harness import SLOW, SOAK, pattern, poll, scaled
from http_case import HttpCase, blob_path, object_path

MIB = 1 << 20
UPLOADS = 64
PIECES = 32 if SOAK else scaled(4, 2)  # of 1 MiB each: together more than may be gathered
ROOM = 64 * MIB * (4 if SLOW else 1)  # a sanitizer's memory is beside each allocation


def anonymous_memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


class HeldOpenCase(HttpCase):
    """Uploads are held open with most of what they declared still to come."""

    def check_memory(self, header, piece):
        head = f"Host: localhost\r\n{header}\r\n\r\n"
        before = anonymous_memory(self.node.process.pid)
        came = self.received()
        held = [self.raw(f"PUT /objects/held%2F{number} HTTP/1.1\r\n{head}".encode())
                for number in range(UPLOADS)]
        for _ in range(PIECES):
            for upload in held:
                upload.sendall(piece)
        poll(lambda: self.received() - came > UPLOADS * PIECES * MIB, "the pieces have arrived")
        grown = anonymous_memory(self.node.process.pid) - before
        self.assertLess(grown, ROOM)
        self.check_holdings(objects=UPLOADS)
        for upload in held:
            upload.close()
        self.check_clean()

    def received(self):
        return self.node.stats()['transport_http_bytes_in{transport="web"}']


class HeldOpenTest(HeldOpenCase):
    sections = {**HttpCase.sections, "peer": {"capacity": "100GiB", "max_object": "2GiB"}}

    def test_in_memory_with_a_length(self):
        self.check_memory(f"Content-Length: {1 << 30}", pattern(MIB))

    def test_in_memory_in_chunks(self):
        self.check_memory("Transfer-Encoding: chunked", b"100000\r\n%s\r\n" % pattern(MIB))

    def test_what_was_declared_counts_at_once(self):
        for number in range(2):
            self.raw(f"PUT /objects/{number} HTTP/1.1\r\nHost: localhost\r\n"
                     f"Content-Length: {1 << 30}\r\n\r\n".encode())
        self.check_holdings(bytes=2 << 30)
        for connection in self._connections:
            connection.close()
        self.check_holdings(bytes=0)


class HeldOpenFilesTest(HeldOpenCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="packice-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.sections = {
            **HttpCase.sections,
            "peer": {"capacity": "100GiB", "max_object": "2GiB"},
            "blob": {"plugin": "blob_fs", "root": cls.folder},
        }
        super().setUpClass()
        poll(lambda: cls.node.stats()["recovering"] == 0, "the storage was looked through")
        cls.baseline = cls.node.holdings()

    def test_in_files_with_a_length(self):
        self.check_memory(f"Content-Length: {1 << 30}", pattern(MIB))

    def test_callers_on_this_machine_are_told_paths(self):
        self.upload("f", b"in a file")
        lease = self.call("acquire", object_id="f", intent="read")
        self.assertEqual(lease["handles"], [lease["blobs"][0]["path"]])
        self.assertEqual(lease["blobs"][0]["url"], blob_path("f"))
        with open(lease["handles"][0], "rb") as file:
            file.seek(lease["blobs"][0]["offset"])
            self.assertEqual(file.read(lease["blobs"][0]["size"]), b"in a file")
        self.assertEqual(self.download("f"), b"in a file")
        self.call("release", lease_id=lease["lease_id"])

    def test_a_plain_client_writes_through_the_path(self):
        made = self.call("acquire", object_id="p", intent="create", sizes=[5])
        with open(made["handles"][0], "r+b") as file:
            file.write(b"hello")
        self.call("seal", lease_id=made["lease_id"])
        self.left("p")
        self.assertEqual(self.download("p"), b"hello")
        self.call("release", lease_id=made["lease_id"])


class RefusedTest(HttpCase):
    sections = {**HttpCase.sections, "peer": {"capacity": "4MiB", "max_object": "3MiB"}}

    def expecting(self, path, size, *more):
        lines = [f"PUT {path} HTTP/1.1", "Host: localhost", f"Content-Length: {size}",
                 "Expect: 100-continue", *more]
        return self.raw("\r\n".join([*lines, "", ""]).encode())

    def test_a_body_is_asked_for_only_when_there_is_room_for_it(self):
        self.upload("there", b"x")
        for path, size, status in (
            (object_path("big"), 3 * MIB + 1, 413),
            (object_path("there"), 10, 409),
            (blob_path("no"), 10, 400),
            ("/nothing", 10, 404),
            ("/healthz", 10, 405),
        ):
            with self.subTest(path=path):
                answer = self.everything(self.expecting(path, size))
                self.assertEqual(self.statuses(answer), [status], answer)
        upload = self.expecting(object_path("fits"), 5)
        self.assertEqual(upload.recv(65536), b"HTTP/1.1 100 Continue\r\n\r\n")
        upload.sendall(b"12345")
        poll(lambda: self.request("HEAD", blob_path("fits")).status == 200, "it is sealed")
        self.left("fits")

    def test_another_expectation_is_refused(self):
        upload = self.raw(b"PUT /objects/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                          b"Expect: money\r\n\r\n")
        self.assertEqual(self.statuses(self.everything(upload)), [417])

    def test_a_body_in_chunks_that_grows_too_large_is_cut_off(self):
        chunk = b"%x\r\n%s\r\n" % (MIB, bytes(MIB))
        for size, status in ((4, 413), (3, 507)):
            upload = self.raw(b"PUT /objects/c HTTP/1.1\r\nHost: localhost\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\n")
            if status == 507:
                other = self.call("acquire", object_id="other", intent="create", sizes=[2 * MIB])
            upload.sendall(chunk * size)
            self.assertEqual(self.statuses(self.everything(upload)), [status])
            self.check_holdings(objects=1 if status == 507 else 0)
        self.call("release", lease_id=other["lease_id"])

    def test_lengths_that_do_not_fit_the_blob_are_refused(self):
        made = self.call("acquire", object_id="l", intent="create", sizes=[4])
        lease = {"PackIce-Lease": made["lease_id"]}
        for body, status, error in ((b"12345", 413, "too_large"), (b"123", 400, "invalid")):
            got = self.request("PUT", blob_path("l"), body, lease)
            self.assertEqual((got.status, got.error), (status, error))
        got = self.request("PUT", blob_path("l"), iter([b"123"]), lease)
        self.assertEqual((got.status, got.error), (400, "invalid"))
        got = self.request("PUT", blob_path("l"), b"1234", lease)
        self.assertEqual(got.status, 200, "the lease was lost with the attempts")
        self.call("seal", lease_id=made["lease_id"])
        self.left("l")
        self.assertEqual(self.download("l"), b"1234")
        self.call("release", lease_id=made["lease_id"])

    def test_a_put_without_a_length_is_refused(self):
        put = self.raw(b"PUT /objects/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        put.shutdown(1)
        self.assertEqual(self.statuses(self.everything(put)), [411])


class EarlyEndTest(HttpCase):
    def test_a_body_that_ends_early_discards_the_create(self):
        for how in ("close", "half"):
            with self.subTest(how=how):
                upload = self.raw(b"PUT /objects/cut HTTP/1.1\r\nHost: localhost\r\n"
                                  b"Content-Length: 1000\r\n\r\n" + bytes(500))
                self.check_holdings(objects=1)
                if how == "half":
                    upload.shutdown(1)
                    self.assertEqual(self.statuses(self.everything(upload)), [400])
                upload.close()
                self.check_holdings(objects=0, leases=0, bytes=0)
        self.upload("cut", b"the name is free")

    def test_a_blob_that_ends_early_discards_the_create(self):
        made = self.call("acquire", object_id="cut", intent="create", sizes=[1000])
        upload = self.raw(
            f"PUT /objects/cut/blobs/0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            f"PackIce-Lease: {made['lease_id']}\r\n\r\n".encode() + bytes(500))
        poll(lambda: self.node.stats()['transport_http_bytes_in{transport="web"}'] > 0, "it has begun")
        upload.close()
        self.check_holdings(objects=0, leases=0, bytes=0)


class RepeatTest(HttpCase):
    def test_a_put_that_is_sent_again_makes_one_object(self):
        first = self.upload("again", b"once", PackIce_Request_Id="r1").json
        second = self.request("PUT", object_path("again"), b"once", {"PackIce-Request-Id": "r1"})
        self.assertEqual(second.status, 201, second.body)
        self.assertEqual(second.json, first)
        other = self.request("PUT", object_path("again"), b"once", {"PackIce-Request-Id": "r2"})
        self.assertEqual((other.status, other.error), (409, "exists"))
        self.check_holdings(leases=1)
        self.call("release", lease_id=first["lease_id"])

    def test_an_acquire_that_is_sent_again_is_answered_with_the_same_lease(self):
        asked = {"object_id": "a", "intent": "create", "sizes": [1], "request_id": "r"}
        one = self.call("acquire", **asked)
        self.assertEqual(self.call("acquire", **asked), one)
        self.call("release", lease_id=one["lease_id"])

    def test_a_repeat_takes_over_from_one_that_hangs(self):
        hangs = self.raw(b"PUT /objects/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
                         b"PackIce-Request-Id: t\r\n\r\n12345")
        self.check_holdings(objects=1)
        done = self.upload("t", b"0123456789", PackIce_Request_Id="t")
        self.assertEqual(self.download("t"), b"0123456789")
        self.assertEqual(self.everything(hangs), b"")
        self.call("release", lease_id=done.json["lease_id"])


if __name__ == "__main__":
    unittest.main()
