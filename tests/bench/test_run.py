# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""./dev bench's driver as a whole, on rows that need no foreign server: what it writes, what it
refuses, and that Ctrl-C leaves neither processes nor files."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.environ["PACKICE_SOURCE"], "tests/e2e"))

from harness import DEADLINE, poll  # noqa: E402

RUN = os.path.join(os.environ["PACKICE_SOURCE"], "bench/run.py")


def command_lines():
    """Of all processes, as text."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended since


class RunTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="packice-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.output = os.path.join(self.folder, "output")
        self.scratch = os.path.join(self.folder, "scratch")
        os.mkdir(self.scratch)

    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, RUN, *arguments, "--output", self.output, "--disk", self.scratch],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": self.scratch})

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def check_nothing_is_left(self):
        self.assertEqual(os.listdir(self.scratch), [])
        left = [line for line in command_lines() if self.scratch in line]
        self.assertEqual(left, [])

    def test_a_run_writes_what_it_measured(self):
        process = self.start("--quick", "start", "connect")
        said, errors = process.communicate(timeout=2 * DEADLINE)
        self.assertEqual(process.returncode, 0, errors)
        self.assertTrue(said.startswith("./dev bench --quick start connect, "), said)
        self.assertRegex(said, r"(?m)^start +one CPU +[0-9]")
        results = json.loads(Path(self.output, "bench.json").read_text("utf-8"))
        self.assertEqual(set(results["measures"]), {"node_start", "embedded_connect"})
        for columns in results["measures"].values():
            self.assertEqual([len(column["values"]) for column in columns.values()], [3, 3])
        self.assertIn("</svg>", Path(self.output, "bench.svg").read_text("utf-8"))
        self.check_nothing_is_left()

    def test_signals_leave_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                process = self.start("--quick", "held")
                # A client works: the servers that it talks to are there.
                poll(lambda: any("/bench/ours" in line and self.scratch in line
                                 for line in command_lines()), "a client works")
                process.send_signal(number)
                _, errors = process.communicate(timeout=DEADLINE)
                self.assertEqual(process.returncode, 128 + number, errors)
                self.assertFalse(os.path.exists(self.output), "half a result was written")
                self.check_nothing_is_left()

    def test_refuses_what_it_does_not_know(self):
        for arguments, words in ((["no-such-row"], "no row is called no-such-row"),
                                 (["--keep"], "--keep goes with --counts")):
            process = self.start(*arguments)
            _, errors = process.communicate(timeout=DEADLINE)
            self.assertEqual(process.returncode, 2)
            self.assertIn(words, errors)

    def test_a_folder_that_is_missing(self):
        os.rmdir(self.scratch)
        process = self.start("connect")
        said, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, said), (1, ""))
        self.assertEqual(errors, f"bench: {self.scratch}: No such file or directory\n")


if __name__ == "__main__":
    unittest.main()
