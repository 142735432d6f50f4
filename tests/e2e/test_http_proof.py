# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The proof that a path leads to the node's own file: a lock on the byte that the client chose,
until it asks something else over that connection."""

import fcntl
import os
import struct
import tempfile
import unittest

from harness import poll
from http_case import HttpCase, blob_path

BYTE = (1 << 62) + 4711
FLOCK = "hhqqi4x"
LOCKS = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: None}


class ProofCase(HttpCase):
    def lock_on(self, path, byte=BYTE):
        """Who locks this byte of the file, as fcntl(2) tells; None: nobody."""
        with open(path, "rb") as file:
            wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
            told = fcntl.fcntl(file, fcntl.F_OFD_GETLK, wanted)
        kind, _, start, length, _ = struct.unpack(FLOCK, told)
        if LOCKS[kind] is not None:
            self.assertEqual((start, length), (byte, 1))
        return LOCKS[kind]

    def head(self, byte, connection=None, object_id="x"):
        return self.request(
            "HEAD", blob_path(object_id), headers={"PackIce-Lock": str(byte)}, connection=connection
        ).status


class FileProofTest(ProofCase):
    root = tempfile.TemporaryDirectory(prefix="packice-proof-")
    sections = {**HttpCase.sections, "blob": {"plugin": "blob_fs", "root": root.name}}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.root.cleanup()

    def path_of(self, object_id):
        lease = self.call("acquire", object_id=object_id, intent="read")
        self.call("release", lease_id=lease["lease_id"])
        return lease["handles"][0]

    def test_a_byte_is_locked_until_the_next_request(self):
        self.upload("x", b"bytes")
        self.upload("y", b"bytes")
        path, other = self.path_of("x"), self.path_of("y")
        connection = self.http()
        self.assertIsNone(self.lock_on(path))
        self.assertEqual(self.head(BYTE, connection), 200)
        self.assertEqual(self.lock_on(path), "read")
        self.assertIsNone(self.lock_on(path, BYTE + 1))
        self.assertIsNone(self.lock_on(path, 0))
        self.assertIsNone(self.lock_on(other))
        self.assertEqual(self.head(BYTE + 1, connection), 200)
        self.assertIsNone(self.lock_on(path))
        self.assertEqual(self.lock_on(path, BYTE + 1), "read")
        self.call("stat", object_id="x", connection=connection)
        self.assertIsNone(self.lock_on(path, BYTE + 1))

    def test_a_lock_ends_with_its_connection(self):
        self.upload("x", b"bytes")
        path = self.path_of("x")
        connection = self.http()
        self.assertEqual(self.head(BYTE, connection), 200)
        self.assertEqual(self.lock_on(path), "read")
        connection.close()
        poll(lambda: self.lock_on(path) is None, "the lock is gone")

    def test_only_head_locks(self):
        self.upload("x", b"bytes")
        path = self.path_of("x")
        connection = self.http()
        headers = {"PackIce-Lock": str(BYTE)}
        response = self.request("GET", blob_path("x"), headers=headers, connection=connection)
        self.assertEqual(response.body, b"bytes")
        self.assertIsNone(self.lock_on(path))

    def test_bytes_that_there_are_not(self):
        self.upload("x", b"bytes")
        for byte in ("0", "-1", "x", "", str((1 << 62) - 1), str((1 << 63) - 1), str(1 << 64)):
            with self.subTest(byte=byte):
                self.assertEqual(self.head(byte), 400)
        for byte in (1 << 62, (1 << 63) - 2):
            self.assertEqual(self.head(byte), 200)
        self.assertEqual(self.head(BYTE, object_id="nothing"), 404)


class MemoryProofTest(ProofCase):
    def test_memory_that_no_path_leads_to_makes_no_difference(self):
        self.upload("x", b"bytes")
        connection = self.http()
        self.assertEqual(self.head(BYTE, connection), 200)
        self.assertEqual(self.head(BYTE, connection), 200)


del ProofCase

if __name__ == "__main__":
    unittest.main()
