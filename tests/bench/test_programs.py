# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The programs of the bench: each command runs and tells one figure, and bytes that are not those
that were put end it with an error. How fast anything was is not looked at."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["PACKICE_SOURCE"], "tests/e2e"))

from harness import BUILD, DEADLINE, NodeCase  # noqa: E402

SIZE = 4096


def run(program, *arguments):
    return subprocess.run(
        [os.path.join(BUILD, "bench", program), *map(str, arguments)],
        capture_output=True, text=True, timeout=DEADLINE, check=False)


class ProgramCase(unittest.TestCase):
    def figure(self, program, *arguments):
        done = run(program, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        self.assertGreater(said["figure"], 0)
        return said


class FloorTest(ProgramCase):
    def test_every_command_tells_a_figure(self):
        for unit, count, arguments in (
            ("us", 20, ("ping", "blocking", 20)),
            ("us", 20, ("ping", "epoll", 20)),
            ("us", 20, ("pass", 20)),
            ("us", 20, ("map", 1 << 20, 5, 20, 3)),
            ("us", 3, ("memfd", "mmap", SIZE, 3)),
            ("us", 3, ("memfd", "write", SIZE, 3)),
            ("us", 3, ("memfd", "fallocate", SIZE, 3)),
            ("us", 3, ("copy", SIZE, 3)),
            ("1/s", None, ("clients", 3, 20)),
        ):
            with self.subTest(command=arguments):
                said = self.figure("floor", *arguments)
                self.assertEqual(said["unit"], unit)
                self.assertIn(count, (None, said["count"]))

    def test_files_stay(self):
        for order in ("plain", "together"):
            with self.subTest(order), tempfile.TemporaryDirectory(prefix="packice-") as folder:
                for _ in range(2):
                    said = self.figure("floor", "files", order, folder, SIZE, 2)
                    self.assertEqual(said["count"], 2)
                self.assertEqual(len(os.listdir(folder)), 2 * 2 * 3)

    def test_arguments_that_make_no_sense(self):
        for arguments, code in (((), 2), (("ping", "epoll"), 2), (("ping", "epoll", 0), 1),
                                (("ping", "epoll", "-1"), 1), (("memfd", "by hand", SIZE, 1), 1)):
            with self.subTest(arguments=arguments):
                self.assertEqual(run("floor", *arguments).returncode, code)


class OursTest(NodeCase, ProgramCase):
    def fill(self, count, size=SIZE):
        self.assertEqual(run("ours", "fill", self.node.socket, size, count, 1).stderr, "")
        self.left(*(f"{size}/{number}" for number in range(count)))

    def test_reads(self):
        self.fill(100)
        for command in ("read", "bytes", "batch"):
            with self.subTest(command=command):
                said = self.figure("ours", command, self.node.socket, SIZE, 100, 1)
                self.assertEqual(said["count"], 100)
        said = self.figure("ours", "acquire", self.node.socket, SIZE, 30, 100)
        self.assertEqual(said["count"], 30)
        self.figure("ours", "clients", self.node.socket, SIZE, 100, 1, 3, 20)

    def test_large_objects_hold_little(self):
        self.fill(3, 1 << 30)
        self.figure("ours", "read", self.node.socket, 1 << 30, 3, 1)

    def test_put_leaves_nothing(self):
        self.figure("ours", "put", self.node.socket, SIZE, 3, 1)

    def test_what_is_kept_stays(self):
        for _ in range(2):
            self.figure("ours", "keep", self.node.socket, SIZE, 3, 1)
        with self.node.connect() as client:
            names = [item["object_id"] for item in client.ok("list")["objects"]]
        self.assertEqual(len(names), 2 * 3)
        self.left(*names)

    def test_embedded(self):
        for command in ("read", "bytes", "put"):
            self.figure("ours", command, "memory://bench", SIZE, 10, 1)
        self.figure("ours", "clients", "memory://bench", SIZE, 10, 1, 2, 20)
        self.figure("ours", "connect", "embedded", 1, 3, 1)

    def test_other_bytes_are_an_error(self):
        self.fill(100)
        name = f"{SIZE}/7"
        whole = self.node.cli("cat", name).stdout
        self.assertEqual(len(whole), SIZE)
        for place in (0, 8, SIZE // 2, SIZE - 1):
            other = bytearray(whole)
            other[place] ^= 1
            with self.node.connect() as client:
                self.discard(client, name)
                self.put(client, name, bytes(other))
            ends = ("read",) if place in (0, SIZE - 1) else ()
            for command in (*ends, "bytes", "batch"):
                with self.subTest(command=command, place=place):
                    done = run("ours", command, self.node.socket, SIZE, 100, 1)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn("object 7 ", done.stderr)

    def test_an_object_that_is_missing_is_an_error(self):
        done = run("ours", "read", self.node.socket, SIZE, 1, 1)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not_found", done.stderr)

    def test_a_client_that_fails_fails_all(self):
        self.fill(50)  # and the 51st is missing
        done = run("ours", "clients", self.node.socket, SIZE, 51, 1, 3, 200)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not_found", done.stderr)


class NullTest(NodeCase, ProgramCase):
    sections = {"blob": {"plugin": os.path.join(BUILD, "bench", "blob_null.so")}}

    def test_objects_without_storage(self):
        count = 300
        self.assertEqual(run("ours", "claim", self.node.socket, SIZE, count, 1).stderr, "")
        self.left(*(f"{SIZE}/{number}" for number in range(count)))
        self.figure("ours", "acquire", self.node.socket, SIZE, 30, count)


if __name__ == "__main__":
    unittest.main()
