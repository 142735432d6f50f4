# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""./dev run, as somebody new to the tree would use it: what it says, that the commands it prints
work as printed, and that Ctrl-C leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import BUILD, DEADLINE, poll

SOURCE = Path(os.environ["PACKICE_SOURCE"])
SOCKET = SOURCE / "build/demo.sock"


def is_live():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(SOCKET)) == 0


@unittest.skipUnless(Path(BUILD) == SOURCE / "build", "./dev run uses build/")
class DevRunTest(unittest.TestCase):
    def setUp(self):
        if is_live():
            self.skipTest("somebody runs the demo in this tree")

    def start(self, **options):
        output = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        self.addCleanup(output.close)
        with open(output.name, "w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                ["./dev", "run"], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                **options,
            )

        def end():
            if process.poll() is None:
                process.terminate()
                process.wait(DEADLINE)

        self.addCleanup(end)
        return process, lambda: Path(output.name).read_text("utf-8")

    def await_ready(self, process, said):
        def ready():
            self.assertIsNone(process.poll(), said())
            return "Ctrl-C ends it" in said()

        poll(ready, said, 4 * DEADLINE)

    def test_demo(self):
        process, said = self.start()
        self.await_ready(process, said)
        self.check_quiet(said())
        self.check_report(said())
        self.check_second_start()
        self.check_printed_commands(said())
        self.check_end(process, said)

    def test_ends_by_sigint_in_the_background_of_a_script(self):
        process, said = self.start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        self.await_ready(process, said)
        self.check_end(process, said)

    def test_ends_whole_however_often_it_is_told(self):
        """As by timeout(1), which tells the script, and then its group."""
        process, said = self.start()
        self.await_ready(process, said)

        def ended():
            process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        poll(ended, said)
        self.check_left(process, said)

    def test_refuses_what_it_does_not_know(self):
        for arguments, line in (
            (["rnu"], "dev: unknown command 'rnu'"),
            (["run", "fast"], "dev: run takes no arguments"),
        ):
            done = subprocess.run(
                ["./dev", *arguments], cwd=SOURCE, capture_output=True, text=True,
                timeout=DEADLINE, check=False,
            )
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stderr.splitlines()[0], line)

    def check_end(self, process, said):
        process.send_signal(signal.SIGINT)
        self.check_left(process, said)

    def check_left(self, process, said):
        self.assertEqual(process.wait(DEADLINE), 0, said())
        self.assertFalse(is_live(), "the node is left")
        self.assertFalse(SOCKET.exists(), "the socket file is left")
        self.assertEqual(list((SOURCE / "build").glob("demo-files.*")), [])

    def check_quiet(self, text):
        """The build's own lines are for those who develop, and paths for those who read."""
        self.assertNotRegex(text, r"(?m)^\[\d+/\d+\]|^ninja:|^The Meson")
        self.assertIn(f"ready: unix:{SOCKET} ", text)

    def check_report(self, text):
        lines = re.findall(
            r"^  (put|get)  pid (\d+)  [\d.]+ s, \d+ MiB/s  sha256 ([0-9a-f]{64})$", text, re.M
        )
        self.assertEqual([line[0] for line in lines], ["put", "get"], text)
        (_, writer, put_sum), (_, reader, get_sum) = lines
        self.assertNotEqual(writer, reader)
        self.assertEqual(put_sum, get_sum)
        self.assertIn("256 MiB", text)

    def check_second_start(self):
        second = subprocess.run(
            ["./dev", "run"], cwd=SOURCE, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=4 * DEADLINE, check=False,
        )
        self.assertNotEqual(second.returncode, 0)
        self.assertEqual(len(second.stderr.splitlines()), 1, second.stderr)
        self.assertIn(str(SOCKET), second.stderr)

    def check_printed_commands(self, text):
        """All of them in one shell, as somebody pastes them."""
        part = text.partition("in another terminal:\n")[2].partition("\n\n")[0]
        commands = [line.strip() for line in part.splitlines()]
        self.assertGreater(len(commands), 5, text)
        done = subprocess.run(
            ["sh", "-eux"], cwd="/", input="\n".join(commands), capture_output=True, text=True,
            timeout=4 * DEADLINE, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("hello", done.stdout)
        put_sum = re.search(r"sha256 ([0-9a-f]{64})", text).group(1)
        self.assertIn(put_sum, done.stdout)


if __name__ == "__main__":
    unittest.main()
