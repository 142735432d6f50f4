# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice on a terminal: progress for long transfers, and nothing that could harm it. Everywhere
else neither: the other tests check that standard error stays empty."""

import errno
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import unittest

from cli_case import CliCase
from harness import DEADLINE, poll

MIB = 1 << 20


class Terminal:
    """A pseudo-terminal, and what programs wrote to it."""

    def __init__(self, columns=100):
        self._master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[1] &= ~termios.OPOST  # what is written is what is read
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError as error:  # EIO: nobody has it open any more
                assert error.errno == errno.EIO, error
                return
            if not part:
                return
            self.text += part

    def end(self):
        """All that was written, once those who can write have ended."""
        os.close(self.slave)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "somebody still has the terminal open"
        os.close(self._master)
        return self.text.decode()


class ProgressTest(CliCase):
    def on_terminal(self, *arguments, columns=100, **options):
        terminal = Terminal(columns)
        process = self.start(*arguments, stderr=terminal.slave, **options)
        process.communicate(timeout=DEADLINE)
        text = terminal.end()
        self.assertEqual(process.returncode, 0, text)
        return text

    def check_line(self, text, label, columns):
        """Lines that overwrite each other, none longer than the terminal is wide, and in the end
        an empty one."""
        *lines, last = text.split("\r")
        self.assertEqual(last, "")
        self.assertEqual(lines[-1].strip(), "")
        shown = [line for line in lines if line.strip()]
        self.assertTrue(shown)
        for line in shown:
            self.assertLess(len(line), columns)
            self.assertTrue(line.startswith(label), line)
        self.assertNotIn("\n", text)
        self.assertRegex(text, r"\A[ -~\r]*\Z")
        return shown

    def test_put_and_get_of_a_large_file(self):
        with open(self.path("large"), "wb") as file:
            file.truncate(96 * MIB)
        self.left("large")
        bar = r"^... +\[#*\.*\] +\d+%  .* of 96 MiB  .*/s  .* left *$"
        text = self.on_terminal("put", "--id", "large", "large", columns=100)
        self.assertRegex(self.check_line(text, "put", 100)[0], bar)
        for columns in (500, 100, 40, 12):
            text = self.on_terminal("get", "large", "-o", "out", columns=columns)
            shown = self.check_line(text, "get", columns)
            if columns >= 100:
                self.assertRegex(shown[0], bar)

    def test_quiet(self):
        with open(self.path("large"), "wb") as file:
            file.truncate(96 * MIB)
        self.left("large")
        self.assertEqual(self.on_terminal("put", "--quiet", "--id", "large", "large"), "")
        self.assertEqual(self.on_terminal("get", "-q", "large", "-o", "out"), "")
        self.assertEqual(self.on_terminal("cat", "-q", "large", stdout=subprocess.DEVNULL), "")

    def test_small_transfers_show_nothing(self):
        self.file("small", b"small")
        self.left("small")
        self.assertEqual(self.on_terminal("put", "--id", "small", "small"), "")
        self.assertEqual(self.on_terminal("get", "small"), "")
        self.assertEqual(self.on_terminal("cat", "small"), "")

    def test_slow_streams_show_how_much_came(self):
        """After a second, whatever the size."""
        terminal = Terminal()
        process = self.start(
            "put", "--id", "slow", "-", stdin=subprocess.PIPE, stderr=terminal.slave
        )
        self.left("slow")

        def more():
            process.stdin.write(b"x")
            process.stdin.flush()
            return terminal.text

        poll(more, "progress is shown")
        process.communicate(timeout=DEADLINE)
        (*_, shown) = self.check_line(terminal.end(), "put", 100)
        self.assertRegex(shown, r"^put  [\d.]+ K?i?B  [\d.]+ K?i?B/s *$")

    def test_a_failure_begins_on_a_clean_line(self):
        os.mkfifo(self.path("pipe"))
        with open(self.path("large"), "wb") as file:
            file.truncate(96 * MIB)
        terminal = Terminal()
        process = self.start(
            "put", "--id", "x", "--sizes", "1", "large", "pipe", stderr=terminal.slave
        )
        with open(self.path("pipe"), "wb"):
            poll(lambda: self.exists("x"), "the object is being made")
        process.communicate(timeout=DEADLINE)
        text = terminal.end()
        self.assertEqual(process.returncode, 1)
        self.assertRegex(text, r"\r +\rpackice: put: pipe: ended after 0 of 1 bytes\n\Z")


class OutputTest(CliCase):
    def on_terminal(self, *arguments, outcome=0):
        terminal = Terminal()
        process = self.start(*arguments, stdout=terminal.slave)
        _, errors = process.communicate(timeout=DEADLINE)
        text = terminal.end()
        self.assertEqual(process.returncode, outcome, errors)
        return text, errors.decode()

    def test_text_is_written(self):
        text = "two\n\tlines, h\u00e9llo \U0001f9ca\r\n"
        self.put(self.client, "text", text.encode())
        for command in ("cat", "get"):
            self.assertEqual(self.on_terminal(command, "text"), (text, ""))

    def test_text_is_whole_over_the_programs_chunks(self):
        text = "x" * (MIB - 1) + "\u00e9" + "y" * MIB + "\U0001f9ca"
        self.put(self.client, "text", text.encode())
        self.assertTrue(self.on_terminal("cat", "text")[0] == text)

    def test_binary_is_refused(self):
        for number, data in enumerate(
            (b"\0", b"a\x1b[2J", b"\xff", b"\xc2\x9b", b"cut \xe2\x82", b"\x7f")
        ):
            name = f"binary {number}"
            self.put(self.client, name, data)
            for command in ("cat", "get"):
                with self.subTest(data=data, command=command):
                    text, errors = self.on_terminal(command, name, outcome=1)
                    self.assertEqual(text, "")
                    self.assertEqual(
                        errors,
                        f"packice: {command}: object '{name}' is not plain text: not written to a "
                        "terminal without --force\n",
                    )
                    self.assertEqual(self.run_cli(command, name), data)

    def test_binary_is_written_when_forced(self):
        self.put(self.client, "binary", b"\x1b[0m\0")
        for command in ("cat", "get"):
            self.assertEqual(self.on_terminal(command, "-f", "binary"), ("\x1b[0m\0", ""))

    def test_ids_and_meta_are_harmless(self):
        name = "re\u202everse"
        self.put(self.client, name, b"", meta={"k": "\u009b2J"})
        for arguments in (("ls",), ("ls", "-l"), ("ls", "--json"), ("stat", name)):
            with self.subTest(arguments=arguments):
                text, _ = self.on_terminal(*arguments)
                self.assertRegex(text, r"\A[ -~\n]+\Z")
                self.assertIn("202e", text.lower())
        self.assertEqual(self.run_cli("ls").decode(), name + "\n")


if __name__ == "__main__":
    unittest.main()
