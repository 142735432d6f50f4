# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The sample of docs/plugin-guide.md, built by the command that the page prints, in a folder with
nothing but the page's source, and run by a real node."""

import fcntl
import mmap
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from client import write_all
from harness import DEADLINE, NODE, NodeCase

SOURCE = os.environ["PACKICE_SOURCE"]
GUIDE = os.path.join(SOURCE, "docs", "plugin-guide.md")
CONFORM = os.path.join(os.environ["PACKICE_BUILD"], "conform", "packice-conform")
F_GET_SEALS = 1034
F_SEAL_ALL_FOUR = 1 | 2 | 4 | 8


def guide_blocks(language):
    with open(GUIDE, encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.M | re.S)


def run(command, folder):
    environment = {**os.environ, "CPATH": os.path.join(SOURCE, "core", "include")}
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout


class PluginGuideTest(NodeCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="packice-guide-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        shutil.copy(os.path.join(SOURCE, "docs", "examples", "blob_sample.c"), cls.folder)
        cls.built = run(guide_blocks("sh")[0], cls.folder)
        if cls.built != (0, ""):
            raise AssertionError(f"the guide's compiler command: {cls.built}")
        plugin = os.path.join(cls.folder, "blob_sample.so")
        cls.sections = {"blob": {"plugin": plugin, "max_blob": "1MiB"}}
        super().setUpClass()

    def test_dump_shows_the_options(self):
        command = guide_blocks("sh")[1].split()
        self.assertEqual(command[:2], ["packice-node", "--dump-plugin"])
        code, text = run([NODE, *command[1:]], self.folder)
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"(?m)^name: blob_sample$")
        self.assertRegex(text, r"(?m)^ +max_blob +size, default 64MiB$")

    def test_it_conforms_as_the_guide_shows(self):
        command = next(block for block in guide_blocks("sh") if "packice-conform" in block).split()
        code, text = run([CONFORM, *command[1:]], self.folder)
        self.assertEqual(code, 0, text)
        shown = next(block for block in guide_blocks("text") if block.startswith("TAP"))
        self.assertTrue(text.startswith(shown), text)
        broken = next(block for block in guide_blocks("text") if block.startswith("not ok"))
        rule = re.match(r"not (ok \d+ - .*\n)", broken)[1]
        self.assertIn(rule, text)

    def test_the_config_is_accepted(self):
        config = os.path.join(self.folder, "sample.ini")
        with open(config, "w", encoding="utf-8") as file:
            file.write(guide_blocks("ini")[0])
        code, text = run([NODE, "-c", config, "--check"], "/")
        self.assertEqual(code, 0, text)

    def test_put_and_cat(self):
        put = self.node.cli("put", "--id", "greeting", "-", input=b"hello\n")
        self.assertEqual(put.stderr, b"packice: put: blobs need a size here\n")
        self.assertEqual(put.returncode, 13)  # unsupported
        hello = os.path.join(self.folder, "hello.txt")
        with open(hello, "wb") as file:
            file.write(b"hello\n")
        self.assertEqual(self.node.cli("put", "--id", "greeting", hello).returncode, 0)
        self.left("greeting")
        self.assertEqual(self.node.cli("cat", "greeting").stdout, b"hello\n")

    def test_refusals_that_the_guide_names(self):
        client = self.connect()
        self.refused("unsupported", client.request("acquire", intent="create", blobs=1))
        self.refused("too_large", client.request("acquire", intent="create", sizes=[2 << 20]))

    def test_a_live_map_is_busy_then_it_seals(self):
        client = self.connect()
        made = client.create("mapped", [4096, 0, 5])
        with mmap.mmap(made.fd(0), 4096) as view:
            view[:5] = b"hello"
            self.refused("busy", client.request("seal", lease_id=made["lease_id"]))
        write_all(made.fd(2), b"third")
        client.seal(made["lease_id"])
        client.release(made["lease_id"])
        self.left("mapped")
        with client.read("mapped") as lease:
            for blob in range(3):
                seals = fcntl.fcntl(lease.fd(blob), F_GET_SEALS)
                self.assertEqual(seals & F_SEAL_ALL_FOUR, F_SEAL_ALL_FOUR)
            self.assertEqual(os.pread(lease.fd(0), 5, 0), b"hello")
            self.assertEqual(os.pread(lease.fd(2), 9, 0), b"third")
            client.release(lease["lease_id"])

    def test_creates_cut_short_leave_nothing(self):
        with self.node.connect() as client:
            made = client.create("abandoned", [1 << 20], bind="connection")
            os.ftruncate(made.fd(0), 1)
            self.refused("invalid", client.request("seal", lease_id=made["lease_id"]))
            client.create("abandoned", [7], bind="connection")


if __name__ == "__main__":
    unittest.main()
