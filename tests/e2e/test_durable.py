# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Objects in files: they outlive the node, and nothing that was half-made does."""

import os
import stat
import subprocess
import unittest

from client import write_all
from files import FilesNode
from harness import DEADLINE, NODE, pattern, poll


class DurableCase(unittest.TestCase):
    options = {}
    idle = ["", "/aside", "/claims", "/format", "/nodes", "/objects"]

    def setUp(self):
        self.node = FilesNode(**self.options)
        self.addCleanup(self.node.remove)
        self.node.start()

    def tearDown(self):
        poll(lambda: self.opened() == self.idle, self.opened)
        self.node.stop()
        self.assertEqual(self.node.files("claims"), [])
        self.assertEqual(self.node.files("nodes"), [])

    def opened(self):
        """What the node has open in its folder, but for its token."""
        inside = [name for name in self.node.descriptors() if name.startswith(self.node.root)]
        return [name[len(self.node.root) :] for name in inside if "/nodes/" not in name]


class DurableTest(DurableCase):
    def test_sealed_objects_survive_a_restart(self):
        contents = [pattern(70000, 1), b"", pattern(5, 2)]
        with self.node.connect() as client:
            client.put("a/b c", *contents, meta={"key": ["ä", 1]})
            before = client.ok("stat", object_id="a/b c")
        self.node.restart()
        with self.node.connect() as client:
            self.assertEqual(client.ok("stat", object_id="a/b c"), before)
            self.assertEqual(client.get("a/b c"), contents)
            listed = client.ok("list")["objects"]
            self.assertEqual([item["object_id"] for item in listed], ["a/b c"])

    def test_epochs_go_on_after_a_restart(self):
        epochs = []
        for _ in range(3):
            with self.node.connect() as client:
                client.put("x", b"bytes")
                epochs.append(client.ok("stat", object_id="x")["epoch"])
                client.ok("discard", object_id="x")
            self.node.restart()
        self.assertEqual(epochs, sorted(set(epochs)))
        self.assertEqual(self.node.files("objects"), [])

    def test_what_was_half_made_goes_with_the_node(self):
        with self.node.connect() as client, client.create("half", [5]):
            client.put("whole", b"bytes")
            self.assertEqual(len(self.node.files("objects")), 3)
            self.node.kill()
        self.node.start()
        poll(lambda: len(self.node.files("objects")) == 2, "one object is left")
        with self.node.connect() as client:
            self.assertEqual(client.request("stat", object_id="half").error, "not_found")
            self.assertEqual(client.get("whole"), [b"bytes"])
            client.put("half", b"again")

    def test_a_second_node_is_refused(self):
        second = FilesNode(self.node.root)
        self.addCleanup(second.remove)
        done = subprocess.run(
            [NODE, "-c", second.config],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "another node has it .it takes shared = yes on both")

    def test_damaged_manifest_is_not_served_and_its_name_is_free(self):
        with self.node.connect() as client:
            client.put("x", b"bytes")
            manifest = next(file for file in self.node.files("objects") if file.endswith(".json"))
            self.node.stop()
            with open(manifest, "r+b") as file:
                file.write(b"?")
            self.node.start()
        with self.node.connect() as client:
            self.assertEqual(client.request("stat", object_id="x").error, "not_found")
            client.put("x", b"other")
            self.assertEqual(client.get("x"), [b"other"])
        self.assertEqual(len(self.node.files("aside")), 1)
        # Who set it aside, recovery or a lookup, tells of it after that.
        poll(lambda: "set aside" in self.node.errors(), self.node.errors)
        self.assertRegex(self.node.errors(), r"objects/../x.json: damaged .*, set aside as aside/")


class ChecksumTest(DurableCase):
    options = {"checksum": "xxh3"}

    def test_verify_finds_what_the_disk_changed(self):
        with self.node.connect() as client:
            client.put("x", b"hello", b"there")
            self.assertEqual(client.ok("verify", object_id="x")["bytes"], 10)
            path = next(file for file in self.node.files("objects") if file.endswith(".1"))
            os.chmod(path, 0o644)
            with open(path, "r+b") as file:
                file.write(b"T")
            reply = client.request("verify", object_id="x")
            self.assertEqual(reply.error, "io", dict(reply))
            self.assertRegex(reply["message"], r"objects/.*\.1: .*its checksum is wrong")
            done = self.node.cli("verify", "x", text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("its checksum is wrong", done.stderr)


class HandlesTest(DurableCase):
    def test_handles_are_paths_with_descriptors(self):
        with self.node.connect() as client:
            with client.create("x", [5]) as made:
                self.assertEqual(made["blobs"][0]["kind"], "path")
                write_all(made.fd(0), b"hello")
            with client.seal(made["lease_id"]) as sealed:
                path = sealed["handles"][0]
                with open(path, "rb") as file:
                    self.assertEqual(file.read(), b"hello")
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o444)
                self.assertTrue(os.path.samestat(os.fstat(sealed.fd(0)), os.stat(path)))
                with self.assertRaises(OSError):
                    os.pwrite(sealed.fd(0), b"x", 0)
            client.release(made["lease_id"])

    def test_creates_by_path_need_no_descriptor(self):
        with self.node.connect() as client:
            with client.create("x", [5]) as made:
                path = made["handles"][0]
            with open(path, "r+b") as file:
                file.write(b"hello")
            client.seal(made["lease_id"]).close()
            client.release(made["lease_id"])
            self.assertEqual(client.get("x"), [b"hello"])

    def test_a_writer_that_is_left_keeps_it_from_being_sealed(self):
        with self.node.connect() as client:
            with client.create("x", [5]) as made:
                self.assertEqual(client.request("seal", lease_id=made["lease_id"]).error, "busy")
                write_all(made.fd(0), b"hello")
            client.seal(made["lease_id"]).close()
            client.release(made["lease_id"])
            self.assertEqual(client.get("x"), [b"hello"])

    def test_readers_read_on_after_a_discard(self):
        with self.node.connect() as client:
            client.put("x", b"hello")
            with client.read("x") as lease:
                client.ok("discard", object_id="x")
                client.put("x", b"other")
                with open(lease["handles"][0], "rb") as file:
                    self.assertEqual(file.read(), b"hello")
                client.release(lease["lease_id"])
                poll(lambda: not os.path.exists(lease["handles"][0]), "its storage is gone")
                self.assertEqual(os.pread(lease.fd(0), 9, 0), b"hello")
            self.assertEqual(client.get("x"), [b"other"])


if __name__ == "__main__":
    unittest.main()
