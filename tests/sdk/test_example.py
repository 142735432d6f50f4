# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Runs docs/examples/share.c: one process puts, another gets what it put."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["PACKICE_SOURCE"], "tests", "e2e"))

from node import DEADLINE, Node  # noqa: E402

SHARE = os.environ["PACKICE_SHARE"]


def start(*arguments):
    return subprocess.Popen(
        [SHARE, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class ShareTest(unittest.TestCase):
    def setUp(self):
        self.node = Node()
        self.addCleanup(self.node.remove)
        self.node.start()

    def test_one_puts_and_another_that_waits_gets(self):
        getter = start(self.node.socket, "get")
        putter = start(self.node.socket, "put", "hello, ❄")
        self.assertEqual(putter.communicate(timeout=DEADLINE), ("", ""))
        self.assertEqual(getter.communicate(timeout=DEADLINE), ("hello, ❄\n", ""))
        self.assertEqual((putter.returncode, getter.returncode), (0, 0))
        self.node.stop()

    def test_it_says_why_it_failed(self):
        self.assertEqual(start(self.node.socket, "put", "once").wait(DEADLINE), 0)
        again = start(self.node.socket, "put", "twice")
        out, err = again.communicate(timeout=DEADLINE)
        self.assertEqual(out, "")
        self.assertRegex(err, r"^share: .*greeting.*\n$")
        self.assertEqual(again.returncode, 1)
        self.node.stop()


if __name__ == "__main__":
    unittest.main()
