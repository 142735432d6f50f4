# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What is not a plugin, or not the right one, is refused by the real node at its start: one line
that names place, section and file, and never a crash."""

import glob
import os
import shutil
import unittest

from harness import BUILD, Node, scaled

MEMFD = os.path.join(BUILD, "plugins/blob_memfd/blob_memfd.so")
LEASES = os.path.join(BUILD, "plugins/lease_mem/lease_mem.so")
WRONG = os.path.join(BUILD, "tests/abi/plugins")

# Each wrong in one way, and what the message has to name.
WRONG_TABLES = {
    "other_major": "ABI version 7",
    "no_seal": "'seal'",
    "cut_ops": "'handle'",
    "lone_publish": "'unpublish'",
    "unknown_kind": "kind 9",
    "other_name": "somebody_else",
    "no_entry": "pk_plugin_entry",
    "no_table": "pk_plugin_entry",
    "no_ops": "ops",
    "short_ops": "struct_size",
    "short_table": "struct_size",
    "bad_stride": "option_stride",
    "undefined": "nobody_has_this",
}


class BadPluginTest(unittest.TestCase):
    def refused(self, section, plugin, *words):
        node = Node({section: {"plugin": plugin}})
        try:
            node.spawn()
            self.assertEqual(node.wait(), 2, node.errors())
            lines = node.errors().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertRegex(lines[0], rf"^{node.config}:\d+: \[{section}\] plugin: ")
            for word in (os.path.basename(plugin), *words):
                self.assertIn(word, lines[0])
        finally:
            node.remove()

    def setUp(self):
        self.node = Node()  # for its folder alone
        self.addCleanup(self.node.remove)

    def path(self, name):
        return os.path.join(self.node.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def test_not_a_shared_object(self):
        for name, data in {
            "empty.so": b"",
            "text.so": b"int main(void) { return 0; }\n",
            "magic.so": b"\x7fELF",
            "header.so": b"\x7fELF\x02\x01\x01" + bytes(100),
            "noise.so": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 64,
        }.items():
            with self.subTest(file=name):
                self.refused("blob", self.write(name, data))

    def test_no_such_file(self):
        self.refused("blob", self.path("missing.so"))
        self.refused("lease", "lease_men", "lease_mem")
        self.refused("transport.local", "transport_none")

    def test_a_folder(self):
        os.mkdir(self.path("folder.so"))
        self.refused("blob", self.path("folder.so"))

    def test_cut_short(self):
        """Copies of a good plugin that end early, at any place."""
        with open(MEMFD, "rb") as file:
            whole = file.read()
        steps = scaled(40, 12)
        sizes = {64, 65, 4096, 8192, len(whole) - 1, len(whole) - 64}
        sizes |= {len(whole) * step // steps for step in range(1, steps)}
        for size in sorted(size for size in sizes if size < len(whole)):
            with self.subTest(size=size, of=len(whole)):
                self.refused("blob", self.write("blob_memfd.so", whole[:size]))

    def test_a_library_that_is_no_plugin(self):
        libraries = glob.glob("/usr/lib/*/libjansson.so.4") + glob.glob("/lib/*/libjansson.so.4")
        self.assertTrue(libraries)
        self.refused("blob", libraries[0], "pk_plugin_entry")

    def test_wrong_tables(self):
        """Another major version, a missing slot and the like, from plugins built to be wrong."""
        for name, word in WRONG_TABLES.items():
            with self.subTest(plugin=name):
                self.refused("blob", os.path.join(WRONG, f"{name}.so"), word)

    def test_other_kind(self):
        self.refused("blob", "lease_mem", "lease")
        self.refused("lease", "blob_memfd", "blob")
        self.refused("transport.local", MEMFD, "blob")
        self.refused("blob", LEASES, "lease")

    def test_other_name_than_its_file(self):
        shutil.copy(MEMFD, self.path("renamed.so"))
        self.refused("blob", self.path("renamed.so"), "blob_memfd")

    def test_node_starts_with_good_ones_by_path(self):
        node = Node({"blob": {"plugin": MEMFD}, "lease": {"plugin": LEASES}})
        self.addCleanup(node.remove)
        node.start()
        with node.connect() as client:
            client.put("a", b"data")
            self.assertEqual(client.get("a"), [b"data"])
        node.stop()


if __name__ == "__main__":
    unittest.main()
