# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Holds three tellings of the SDK against each other: what the library exports, what the headers
declare, and what the man page says."""

import os
import re
import subprocess
import unittest

SOURCE = os.environ["PACKICE_SOURCE"]
LIBRARY = os.environ["PACKICE_LIBRARY"]


def read(*names):
    with open(os.path.join(SOURCE, *names), encoding="utf-8") as file:
        return file.read()


def plain(declaration):
    """A declaration with the least white space."""
    text = re.sub(r"\s+", " ", declaration).strip()
    return re.sub(r" ?([*(),]) ?", r"\1", text)


def declared():
    """The functions of the headers: {name: declaration}."""
    functions = {}
    for header in ("client.h", "peer.h"):
        text = re.sub(r"/\*.*?\*/", "", read("sdk", "include", "packice", header), flags=re.S)
        for declaration in re.findall(r"^PACKICE_EXPORT ([^;]*);", text, re.M):
            name = re.search(r"(packice_\w+)\(", declaration).group(1)
            functions[name] = plain(declaration)
    return functions


def synopsis(page):
    """The functions of the SYNOPSIS: {name: declaration}."""
    functions = {}
    part = page.split(".Sh SYNOPSIS\n")[1].split("\n.Sh ")[0]
    for kind, rest in re.findall(r"^\.Ft (.*)\n((?:\.F[onac] ?.*\n)+)", part + "\n", re.M):
        name = re.match(r"\.F[on] (\w+)", rest).group(1)
        arguments = re.findall(r'"([^"]*)"', rest)
        kind = kind.replace('"', "")
        functions[name] = plain(f"{kind} {name}({', '.join(arguments)})")
    return functions


class ManualTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.page = read("sdk", "packice.3")

    def test_the_library_exports_what_the_headers_declare(self):
        lines = subprocess.run(
            ["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        symbols = {line.split()[-1] for line in lines if line.split()[-2] != "A"}
        # A sanitizer brings symbols of its own.
        ours = {name.split("@")[0] for name in symbols if re.match(r"(packice|pk|blob|lease)_", name)}
        self.assertEqual(sorted(ours), sorted(declared()))
        if "PACKICE_SLOW" not in os.environ:
            self.assertEqual(len(symbols), len(ours), sorted(symbols))

    def test_the_synopsis_says_what_the_headers_declare(self):
        self.assertEqual(synopsis(self.page), declared())

    def test_the_page_describes_every_function_once(self):
        described = re.findall(r"^\.It Fn (\w+)", self.page, re.M)
        self.assertEqual(sorted(described), sorted(declared()))

    def test_every_function_has_a_page_of_its_name(self):
        build = read("sdk", "meson.build")
        linked = re.findall(r"^  '(packice_\w+)',$", build, re.M)
        self.assertEqual(sorted(linked), sorted(declared()))


if __name__ == "__main__":
    unittest.main()
