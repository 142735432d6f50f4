# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of every shape go in and come out as they were: sizes, numbers of blobs, with and without
sizes named at create."""

import fcntl
import mmap
import os
import unittest

from client import write_all
from harness import FILES, SOAK, NodeCase, pattern

SIZES = [0, 1, 4095, 4096, 1 << 20, 33 << 20]
SIZES_SOAK = [1 << 30]


class SizesTest(NodeCase):
    def test_sized(self):
        client = self.connect()
        for size in SIZES + (SIZES_SOAK if SOAK else []):
            with self.subTest(size=size):
                data = pattern(size)
                self.put(client, f"sized {size}", data)
                self.assertTrue(client.get(f"sized {size}") == [data])
                self.discard(client, f"sized {size}")

    def test_unsized(self):
        client = self.connect()
        for size in SIZES + (SIZES_SOAK if SOAK else []):
            with self.subTest(size=size):
                data = pattern(size)
                name = f"unsized {size}"
                with client.ok("acquire", object_id=name, intent="create", blobs=1) as made:
                    write_all(made.fd(0), data)
                with client.seal(made["lease_id"]) as sealed:
                    self.assertEqual(sealed["blobs"][0]["size"], size)
                client.release(made["lease_id"])
                self.assertTrue(client.get(name) == [data])
                client.ok("discard", object_id=name)

    def test_unsized_with_sizes_at_seal(self):
        client = self.connect()
        with client.ok("acquire", object_id="cut", intent="create", blobs=2) as made:
            write_all(made.fd(0), b"one")
            write_all(made.fd(1), b"three")
        client.seal(made["lease_id"], sizes=[3, 5]).close()
        client.release(made["lease_id"])
        self.left("cut")
        self.assertEqual(client.get("cut"), [b"one", b"three"])

    def test_through_a_map(self):
        client = self.connect()
        data = pattern(1 << 20)
        with client.create("mapped", [len(data)]) as made:
            with mmap.mmap(made.fd(0), len(data)) as view:
                view[:] = data
        with client.seal(made["lease_id"]) as sealed:
            self.assertEqual(sealed["status"], "sealed")
        client.release(made["lease_id"])
        self.left("mapped")
        with client.read("mapped") as lease:
            with mmap.mmap(lease.fd(0), len(data), prot=mmap.PROT_READ) as view:
                self.assertTrue(view[:] == data)
        client.release(lease["lease_id"])

    def test_what_was_not_written_is_zero(self):
        client = self.connect()
        with client.create("sparse", [10000]) as made:
            write_all(made.fd(0), b"end", 9997)
        client.seal(made["lease_id"]).close()
        client.release(made["lease_id"])
        self.left("sparse")
        self.assertEqual(client.get("sparse"), [bytes(9997) + b"end"])

    def test_numbers_of_blobs(self):
        client = self.connect()
        for count in (1, 2, 64, 253):
            with self.subTest(blobs=count):
                contents = [pattern(index * 7, seed=index) for index in range(count)]
                name = f"{count} blobs"
                self.put(client, name, *contents)
                self.assertEqual(client.get(name), contents)
                stat = client.ok("stat", object_id=name)
                self.assertEqual(stat["blobs"], count)
                self.assertEqual(stat["size"], sum(map(len, contents)))

    def test_more_blobs_than_one_message_carries_are_refused(self):
        client = self.connect()
        for count in (254, 100000):
            reply = client.request("acquire", object_id="many", intent="create", blobs=count)
            self.assertIn(reply.error, ("invalid", "too_large"), dict(reply))

    def test_no_blobs_are_refused(self):
        client = self.connect()
        self.refused("invalid", client.request("acquire", intent="create", blobs=0))
        self.refused("invalid", client.request("acquire", intent="create", sizes=[]))

    def test_reply_describes_the_object(self):
        client = self.connect()
        meta = {"kind": "frame", "shape": [2, 3], "ü": None}
        with client.create("described", [6, 1], meta=meta) as made:
            self.assertEqual(made["status"], "ok")
            self.assertEqual(made["object_id"], "described")
            self.assertEqual(made["intent"], "create")
            self.assertEqual(len(made["handles"]), 2 if FILES else 0)
            self.assertEqual(made["fds"], 2)
            kind = "path" if FILES else "fd"
            self.assertEqual([blob["kind"] for blob in made["blobs"]], [kind, kind])
            self.assertEqual([blob["size"] for blob in made["blobs"]], [6, 1])
            self.assertRegex(made["lease_id"], "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            for fd in made.fds:
                self.assertEqual(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDWR)
        with client.seal(made["lease_id"]) as sealed:
            self.assertEqual(sealed["status"], "sealed")
            self.assertEqual(sealed["epoch"], made["epoch"])
            for fd in sealed.fds:
                self.assertEqual(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY)
        client.release(made["lease_id"])
        self.left("described")
        with client.read("described") as lease:
            self.assertEqual(lease["meta"], meta)
            self.assertEqual(lease["state"], "sealed")
            self.assertEqual(lease["epoch"], made["epoch"])
            self.assertNotEqual(lease["lease_id"], made["lease_id"])
        client.release(lease["lease_id"])

    def test_id_is_made_up_if_absent(self):
        client = self.connect()
        names = {self.put(client, None, b"a"), self.put(client, None, b"b")}
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-")


if __name__ == "__main__":
    unittest.main()
