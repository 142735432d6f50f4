# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the man pages against the programs: each flag, and each option of each section and plugin,
is described exactly once, and nothing else is."""

import glob
import os
import re
import subprocess
import unittest

from node import BUILD, DEADLINE, NODE

ROOT = os.environ["PACKICE_SOURCE"]
CONFORM = os.path.join(BUILD, "conform", "packice-conform")
QUICK = ("--print-config", "--impl", "mem", "--transport", "uds", "--socket", "/s")


def output(*arguments):
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    return done.stdout


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def described(page):
    """The options that a page, or a part of one, has an item for."""
    return re.findall(r"^\.It Cm ([a-z0-9_.]+)", page, re.M)


class LayoutTest(unittest.TestCase):
    def test_mandoc_finds_nothing_to_say(self):
        pages = []
        for folder in ("node", "cli", "sdk", "docs", "conform", "plugins/*"):
            pages += glob.glob(os.path.join(ROOT, folder, "*.[1-8]"))
        self.assertGreaterEqual(len(pages), 5)
        done = subprocess.run(
            ["mandoc", "-T", "lint", *pages],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        # Which other pages are installed here says nothing about ours.
        lines = [line for line in done.stdout.splitlines() if "referenced manual" not in line]
        self.assertEqual(lines, [])


class ProgramTest(unittest.TestCase):
    def flags(self, program, *page):
        told = re.findall(r"^ +(-.*?)(?:  |$)", output(program, "--help"), re.M)
        told = sorted(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", " ".join(told)))
        items = re.findall(r"^\.It (Fl .*)$", read(*page), re.M)
        items = sorted("-" + flag for flag in re.findall(r"Fl ([\w-]+)", " ".join(items)))
        self.assertEqual(items, told)
        return told

    def test_node_flags(self):
        self.assertIn("--print-config", self.flags(NODE, "node", "packice-node.1"))

    def test_conform_flags(self):
        self.assertIn("--deadline", self.flags(CONFORM, "conform", "packice-conform.1"))

    def test_node_sections(self):
        page = read("node", "packice-node.ini.5")
        printed = output(NODE, *QUICK)
        for section in ("node", "peer"):
            part = re.split(r"^\.S[sh] ", page.split(f".Ss [{section}]", 1)[1], flags=re.M)[0]
            body = printed.split(f"[{section}]\n", 1)[1].split("\n[", 1)[0]
            values = dict(re.findall(r"^(?:# )?([a-z0-9_]+) =(.*)$", body, re.M))
            self.assertTrue(values)
            self.assertEqual(sorted(described(part)), sorted(values))
            for key, value in values.items():
                item = re.split(r"^\.(?:It|El)", part.split(f".It Cm {key}\n", 1)[1], flags=re.M)[0]
                self.assertIn(value.strip(), item, f"the default of {key}")


class PluginTest(unittest.TestCase):
    def test_plugin_options(self):
        folders = [entry for entry in os.scandir(os.path.join(ROOT, "plugins")) if entry.is_dir()]
        self.assertGreaterEqual(len(folders), 3)
        for folder in folders:
            with self.subTest(plugin=folder.name):
                pages = [os.path.basename(page) for page in glob.glob(folder.path + "/*.[0-9]")]
                self.assertEqual(pages, [f"packice-{folder.name}.5"])
                file = os.path.join(BUILD, "plugins", folder.name, folder.name + ".so")
                dump = output(NODE, "--dump-plugin", file)
                options = re.findall(r"^  ([a-z0-9_]+)  ", dump.split("options:\n", 1)[1], re.M)
                page = read("plugins", folder.name, pages[0])
                self.assertEqual(sorted(described(page)), sorted(options))


if __name__ == "__main__":
    unittest.main()
