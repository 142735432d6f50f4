# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice(1) against the program: the same commands, options and exit codes, and examples that run
as they are printed."""

import os
import re
import shutil
import subprocess
import unittest

from cli_case import CLI, CODES, CliCase
from harness import DEADLINE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "cli", "packice.1")
COMMON = {
    "-t --target TARGET",
    "--token-file FILE",
    "--ca-file FILE",
    "--cert FILE",
    "--key FILE",
    "-h --help",
}


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def page_options(part):
    """Each option with its letter and argument, as --help is brought into the same form."""
    options = set()
    for item in re.findall(r"^\.It (Fl .*)$", part, re.M):
        words = item.replace("Fl ", "").replace("Ns", "").replace(" , ", " ").replace("Ar ", "")
        options.add(" ".join("-" + w if i < flags(item) else w for i, w in enumerate(words.split())))
    return {option.replace("SIZE ...", "SIZE,...") for option in options}


def flags(item):
    """How many names of the option an item begins with."""
    return len(re.findall(r"(?:^Fl| ,) ", item.split(" Ar ")[0]))


def help_options(text):
    found = re.findall(r"(?m)^  (?:(-\w), |    )(--[a-z-]+)( [A-Z][^ ]*)? ", text)
    return {" ".join(part.strip() for part in option if part.strip()) for option in found}


class ManualTest(CliCase):
    def parts(self):
        """The sections on the commands, by name."""
        commands = page().split(".Sh COMMANDS\n")[1].split("\n.Sh ")[0]
        return {part.split("\n")[0]: part for part in commands.split(".Ss ")[1:]}

    def test_the_same_commands(self):
        told = re.findall(r"(?m)^  ([a-z]+) ", self.run_cli("--help").decode())
        self.assertEqual(list(self.parts()), told)
        self.assertIn("put", told)

    def test_the_same_options(self):
        common = page_options(page().split(".Sh COMMANDS")[0])
        self.assertEqual(common, COMMON | {"-V --version"})
        self.assertEqual(help_options(self.run_cli("--help").decode()), common)
        for command, part in self.parts().items():
            with self.subTest(command=command):
                told = help_options(self.run_cli(command, "--help").decode())
                self.assertEqual(page_options(part) | COMMON, told)

    def test_the_same_exit_codes(self):
        part = page().split(".Sh EXIT STATUS")[1].split("\n.Sh ")[0]
        told = dict(re.findall(r"^\.It (\d+)\n(\w+): ", part, re.M))
        names = {str(code): name for name, code in CODES.items() if code > 2}
        self.assertEqual(told, names)

    def test_the_page_is_sound(self):
        mandoc = shutil.which("mandoc")
        if mandoc is None:
            self.skipTest("mandoc is not installed")
        done = subprocess.run(
            [mandoc, "-T", "lint", PAGE], capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        lines = [line for line in done.stdout.splitlines() if "referenced manual" not in line]
        self.assertEqual(lines, [])

    def test_the_examples_run_as_printed(self):
        examples = page().split(".Sh EXAMPLES")[1].split("\n.Sh ")[0]
        lines = [line[2:] for line in examples.splitlines() if line.startswith("$ ")]
        self.assertGreater(len(lines), 10)
        script = "set -e\n" + "\n".join(line.replace("\\e", "\\") for line in lines) + "\nwait\n"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.path.dirname(CLI) + os.pathsep + os.environ["PATH"],
                "PACKICE_TARGET": self.node.socket,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.left(*self.run_cli("ls").decode().splitlines())
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        with open("/etc/passwd", "rb") as file:
            self.assertEqual(self.contents("users.copy"), file.read())
        self.assertIn("\ngroup\n", done.stdout)
        self.assertIn("\n5m\n", done.stdout)

    def complete(self, *words):
        """What bash would offer for the last of these words."""
        script = (
            f". {os.path.join(ROOT, 'cli', 'packice.bash')}\n"
            'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n_packice\nprintf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script, "bash", "packice", *words],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.path.dirname(CLI) + os.pathsep + os.environ["PATH"],
                "PACKICE_TARGET": self.node.socket,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_completion(self):
        self.put(self.client, "a/one", b"")
        self.put(self.client, "a two", b"")
        self.file("some-file", b"")
        self.assertEqual(self.complete("st"), ["stat"])
        self.assertEqual(self.complete("-t", self.node.socket, "re"), ["renew", "release"])
        self.assertEqual(self.complete("put", "--m"), ["--meta"])
        self.assertEqual(self.complete("--ver"), ["--version"])
        self.assertEqual(self.complete("put", "some"), ["some-file"])
        self.assertEqual(self.complete("get", "x", "-o", "some"), ["some-file"])
        self.assertEqual(self.complete("cat", "a"), ["a/one", "a\\ two"])
        self.assertEqual(self.complete("cat", "a/"), ["a/one"])
        self.assertEqual(self.complete("-t", self.path("nowhere"), "cat", "a"), [""])


if __name__ == "__main__":
    unittest.main()
