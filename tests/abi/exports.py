#!/usr/bin/python3
# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Every plugin exports its entry and nothing else, and needs nothing of its host.

The files are the arguments: all plugins of the build. Names of sanitizers don't count."""

import re
import subprocess
import sys
import unittest

PLUGINS = []
SANITIZER = re.compile(r"^_*(asan|odr_asan|ubsan|tsan|lsan|sanitizer)")


def symbols(file, which):
    """The dynamic symbols of one sort, without their versions."""
    done = subprocess.run(["nm", "-D", "-P", which, file], check=True, capture_output=True,
                          text=True)
    names = (line.split()[0].split("@")[0] for line in done.stdout.splitlines())
    return sorted(name for name in names if not SANITIZER.match(name))


class Exports(unittest.TestCase):
    def test_plugins_export_their_entry_alone(self):
        for file in PLUGINS:
            with self.subTest(file):
                self.assertEqual(symbols(file, "--defined-only"), ["pk_plugin_entry"])

    def test_plugins_need_nothing_of_their_host(self):
        for file in PLUGINS:
            with self.subTest(file):
                needed = symbols(file, "--undefined-only")
                self.assertEqual([name for name in needed if name.startswith(("pk_", "packice_"))],
                                 [])
                self.assertNotEqual(needed, [])  # else nm saw no table at all

    def test_there_are_plugins(self):
        self.assertNotEqual(PLUGINS, [])


if __name__ == "__main__":
    PLUGINS = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
