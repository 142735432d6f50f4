# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Every composition of storage and transports, through the SDK as packice(1) has it: objects go in
by one way and come out by the other, unchanged, and all ways tell the same.

Each class has a node of its own; what it holds is counted after each test, over the ways it has."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from collections import Counter

from cli_case import CLI, CODES
from harness import DEADLINE, Node, pattern, poll, scaled
from http_case import port_of

SIZES = scaled([0, 1, 4095, 4096, (1 << 20) + 1, 9 << 20], [0, 4096, 3 << 20])
IDS = ["/", "..", "../../etc/passwd", "a b", "a%2Fb?c#d", "\U0001f9ca" * 63, "\u4f60\u597d", '"\\'][:: scaled(1, 3)]
FIGURES = ("objects", "bytes", "leases", "waits", "sessions")


class MatrixNode(Node):
    """A node with these transports alone."""

    def __init__(self, blob, ways):
        self.ways = ways
        super().__init__({"blob": {"plugin": blob}})

    def _write_config(self, sections):
        blob = dict(sections["blob"])
        if blob["plugin"] == "blob_fs":
            blob["root"] = os.path.join(self.folder, "objects")
        sections = {**sections, "blob": blob}
        if "http" in self.ways:
            sections["transport.web"] = {"plugin": "transport_http", "listen": "127.0.0.1:0"}
        if "uds" not in self.ways:
            sections["transport.local"] = None
        super()._write_config(sections)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the node ended with {self.process.returncode}\n{self.errors()}")
        return self.errors().count(" ready: ") == len(self.ways)

    def target(self, way):
        return self.socket if way == "uds" else f"http://127.0.0.1:{port_of(self)}"


class Matrix:
    blob = None
    ways = ()

    @classmethod
    def setUpClass(cls):
        cls.node = MatrixNode(cls.blob, cls.ways)
        cls.addClassCleanup(cls.node.remove)
        cls.node.start()
        cls.targets = {way: cls.node.target(way) for way in cls.ways}
        cls.pairs = [(one, other) for one in cls.ways for other in cls.ways]
        for way in cls.ways:
            cls.figures(way)
        # What a transport makes with its first client is there now. Nobody is connected once the
        # sockets that listen are all there are.
        poll(
            lambda: cls.node.descriptors().count("socket") == len(cls.ways),
            lambda: f"nobody is connected: {cls.node.descriptors()}",
        )
        cls.descriptors = cls.node.descriptors()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="packice-matrix-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def tearDown(self):
        held = {}

        def holds_nothing():
            held.update(self.figures(self.ways[0]))
            return [held[name] for name in FIGURES] == [0, 0, 0, 0, 1]

        poll(holds_nothing, lambda: f"the node holds nothing; it holds {held}")
        poll(
            # One of the recovery may have been open then, and be closed by now.
            lambda: not Counter(self.node.descriptors()) - Counter(self.descriptors),
            lambda: f"no descriptors but those: {self.descriptors}\n{self.node.descriptors()}",
        )

    # ---- one run of the program ----

    @classmethod
    def run_at(cls, way, *arguments, data=None, outcome="ok"):
        done = subprocess.run(
            [CLI, "-t", cls.targets[way], *arguments],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == CODES[outcome], (way, arguments, done.returncode, done.stderr)
        return done.stdout

    @classmethod
    def figures(cls, way):
        return json.loads(cls.run_at(way, "stat", "--json"))

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    # ---- the tests ----

    def test_every_size(self):
        for size in SIZES:
            data = pattern(size, size)
            path = self.file("in", data)
            for writer in self.ways:
                self.run_at(writer, "put", "--id", "sized", path)
                for reader in self.ways:
                    with self.subTest(size=size, writer=writer, reader=reader):
                        self.assertTrue(self.run_at(reader, "cat", "--", "sized") == data)
                self.run_at(writer, "rm", "sized")

    def test_without_a_size(self):
        data = pattern(300000)
        for writer, reader in self.pairs:
            with self.subTest(writer=writer, reader=reader):
                self.run_at(writer, "put", "--id", "piped", "-", data=data)
                self.assertTrue(self.run_at(reader, "get", "piped") == data)
                self.run_at(writer, "rm", "piped")

    def test_any_id(self):
        for number, object_id in enumerate(IDS):
            data = str(number).encode()
            path = self.file("in", data)
            for writer in self.ways:
                self.run_at(writer, "put", "--id", object_id, path)
                for reader in self.ways:
                    with self.subTest(object_id=object_id, writer=writer, reader=reader):
                        self.assertEqual(self.run_at(reader, "get", "--", object_id), data)
                self.run_at(writer, "rm", "--", object_id)

    def test_many_blobs_and_meta(self):
        parts = [pattern(size, size) for size in (5000, 0, 70000)]
        paths = [self.file(f"in{i}", part) for i, part in enumerate(parts)]
        for writer in self.ways:
            self.run_at(writer, "put", "--id", "parts", "--meta", '{"a":[1]}', *paths)
            told = [json.loads(self.run_at(way, "stat", "--json", "parts")) for way in self.ways]
            for one in told:
                self.assertEqual(one, told[0])
                self.assertEqual((one["sizes"], one["meta"]), ([5000, 0, 70000], {"a": [1]}))
            for reader in self.ways:
                with self.subTest(writer=writer, reader=reader):
                    self.assertTrue(self.run_at(reader, "cat", "parts") == b"".join(parts))
                    self.assertTrue(self.run_at(reader, "get", "--blob", "2", "parts") == parts[2])
                    self.assertEqual(self.run_at(reader, "ls"), b"parts\n")
            self.run_at(writer, "rm", "parts")

    def test_one_life(self):
        path = self.file("in", b"once")
        for writer, reader in self.pairs:
            with self.subTest(writer=writer, reader=reader):
                self.run_at(reader, "get", "life", outcome="not_found")
                self.run_at(reader, "wait", "--timeout", "10ms", "life", outcome="timeout")
                self.run_at(writer, "put", "--id", "life", path)
                self.run_at(reader, "put", "--id", "life", path, outcome="exists")
                self.run_at(reader, "wait", "life")
                out = os.path.join(self.folder, "out")
                lease = self.run_at(reader, "get", "life", "-o", out, "--hold", "60s").strip()
                self.run_at(writer, "rm", "life")
                self.run_at(reader, "get", "life", outcome="not_found")
                self.run_at(writer, "renew", "--ttl", "50s", "-", data=lease + b"\n")
                self.run_at(writer, "release", "-", data=lease + b"\n")
                self.run_at(reader, "renew", "-", data=lease + b"\n", outcome="lease_not_found")

    def sent(self, way):
        """Bytes that the node has sent over HTTP."""
        return self.figures(way)['transport_http_bytes_out{transport="web"}']

    def test_a_file_of_this_machine_is_read_where_it_is(self):
        if "http" not in self.ways:
            self.skipTest("over a socket everything is")
        data = pattern(1 << 20)
        self.run_at("http", "put", "--id", "local", self.file("in", data))
        before = self.sent("http")
        self.assertTrue(self.run_at("http", "cat", "local") == data)
        sent = self.sent("http") - before
        self.run_at("http", "rm", "local")
        if self.blob == "blob_fs":
            self.assertLess(sent, len(data) // 2)
        else:
            self.assertGreater(sent, len(data))

    def test_a_writer_that_fails_leaves_nothing(self):
        for writer, reader in self.pairs:
            with self.subTest(writer=writer, reader=reader):
                self.run_at(
                    writer, "put", "--id", "cut", "--sizes", "9", "-", data=b"short", outcome="failure"
                )
                self.run_at(reader, "get", "cut", outcome="not_found")


def compose():
    """A class for each composition, as if it stood here."""
    for blob in ("memfd", "fs"):
        for ways in (("uds",), ("http",), ("uds", "http")):
            name = f"{blob.capitalize()}{''.join(way.capitalize() for way in ways)}Test"
            members = {"blob": f"blob_{blob}", "ways": ways, "__module__": __name__}
            globals()[name] = type(name, (Matrix, unittest.TestCase), members)


compose()

if __name__ == "__main__":
    unittest.main()
