# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md against a real node: its exchanges are played in their order on one connection,
and its simplest client is run as it is printed. What differs from run to run (lease ids, epochs,
times, users, figures) has to be of the same form; everything else has to be the same, in the same
order. Bytes behind JSON are sent as they stand there, and have to come as they do.
"""

import json
import os
import re
import unittest

from client import write_all
from harness import NodeCase
from http_case import HttpCase

PAGE = os.path.join(os.environ["PACKICE_SOURCE"], "docs", "protocol.md")
SESSION = re.compile(r"<!-- session -->\n```\n(.*?)\n```\n", re.DOTALL)
CLIENT = re.compile(r"<!-- client -->\n```python\n(.*?)\n```\n", re.DOTALL)
HTTP = re.compile(r"<!-- http -->\n```\n(.*?)```", re.S)
WRITE = re.compile(r'# the client writes "(\w+)" to descriptor (\d+), and closes it')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FREE = ("uid",)  # any number is right
SOCKET = "/run/packice/packice.sock"


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


class Comparing:
    """Holds what is printed against what came."""

    def same(self, printed, real, where="reply"):
        self.assertIs(type(printed), type(real), where)
        name = where.rpartition(".")[2]
        if where == "reply.stats":
            real = {key: real[key] for key in real if key in printed}  # names may be added
        if isinstance(printed, dict):
            self.assertEqual(list(printed), list(real), where)
            for key in printed:
                self.same(printed[key], real[key], f"{where}.{key}")
        elif isinstance(printed, list):
            self.assertEqual(len(printed), len(real), where)
            for index, entry in enumerate(printed):
                self.same(entry, real[index], f"{where}[{index}]")
        elif name == "lease_id" and printed is not None:
            self.assertEqual(self.leases.setdefault(printed, real), real, where)
        elif name == "cursor" and printed is not None:
            self.assertRegex(real, r"^\d+$")
        elif name.endswith("_at") and printed is not None:
            self.assertRegex(real, TIME, where)
            self.assertRegex(printed, TIME, where)
        elif name == "epoch":
            self.leases[str(printed)] = str(real)  # the last one that was printed so
        elif name in FREE or where.startswith("reply.stats."):
            self.assertGreaterEqual(real, 0, where)
        else:
            self.assertEqual(printed, real, where)


class ProtocolPage(NodeCase, Comparing):
    def setUp(self):
        super().setUp()
        self.client = self.connect()
        self.leases = {}  # and epochs, of the page: of this run
        self.behind = b""  # the bytes behind the last reply that are still to be held against it

    def ask(self, request):
        for printed, real in self.leases.items():
            request = request.replace(printed, real)
        members, end = json.JSONDecoder().raw_decode(request)
        self.assertEqual(members.get("data", 0), len(request) - end, request)
        self.client.send_bytes(request.encode() + b"\n")  # behind bytes too, white space is fine
        self.behind = b""
        return self.client.receive()

    def check(self, printed, last):
        if self.behind:
            self.assertEqual(printed.encode(), self.behind)
            self.behind = b""
            return
        self.same(json.loads(printed), dict(last))
        self.assertEqual(last["fds"], len(last.fds), printed)
        self.behind = self.client.receive_bytes(last.get("data", 0))

    def play(self, line, last):
        """One line of an exchange; returns the reply that came last."""
        if line.startswith("> "):
            self.assertEqual(self.behind, b"", "bytes that the page does not print")
            return self.ask(line[2:])
        if line.startswith("< "):
            self.check(line[2:], last)
            return last
        written = WRITE.fullmatch(line)
        self.assertTrue(written, f"what does this mean: {line}")
        write_all(last.fds[int(written[2])], written[1].encode())
        last.close()
        return last

    def test_exchanges(self):
        sessions = SESSION.findall(page())
        self.assertGreaterEqual(len(sessions), 10, "one for each verb")
        last = None
        for session in sessions:
            for line in session.splitlines():
                last = self.play(line, last)
        self.assertEqual(self.behind, b"")
        self.left("greeting", "note", "pair", "one", "two")
        self.client.close()

    def test_the_simplest_client(self):
        (code,) = CLIENT.findall(page())
        self.assertIn(SOCKET, code)
        process = self.run_python(code.replace(f'"{SOCKET}"', "sys.argv[0]"))
        output, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, output), (0, "b'hello'\n"), errors)
        self.left("greeting")

    def test_every_verb_and_error_has_its_place(self):
        text = page()
        for verb in ("acquire", "seal", "renew", "release", "put", "discard", "stat", "list",
                     "verify", "batch", "stats"):
            self.assertIn(f"\n### {verb}\n", text)
        names = os.path.join(os.environ["PACKICE_SOURCE"], "core/include/packice/types.h")
        with open(names, encoding="utf-8") as file:
            codes = re.findall(r'case -E\w+:\n +return "(\w+)";', file.read())
        self.assertEqual(len(codes), 13)
        over_http = text.partition("### Errors over HTTP")[2]
        for code in [*codes, "internal"]:
            self.assertIn(f"\n| `{code}` | ", text)
            self.assertRegex(over_http, rf"\n\| \d+ \| .*`{code}`")


class HttpPage(HttpCase, Comparing):
    def setUp(self):
        super().setUp()
        self.leases = {}

    def send(self, lines):
        """A request as printed: its first line, its headers, its body."""
        method, path = lines[0].split()
        headers, body = {}, None
        for line in lines[1:]:
            for printed, real in self.leases.items():
                line = line.replace(printed, real)
            header = re.fullmatch(r"([A-Z][\w-]+): (.*)", line)
            if header:
                headers[header[1]] = header[2]
            else:
                body = line
        return self.request(method, path, body, headers)

    def check(self, lines, got):
        self.assertEqual(got.status, int(lines[0]), got.body)
        for line in lines[1:]:
            header = re.fullmatch(r"([A-Z][\w-]+): (.*)", line)
            if header:
                self.assertEqual(got.headers[header[1]], header[2])
            elif line.startswith("{"):
                self.same(json.loads(line), got.json)
            else:
                self.assertEqual(got.body, line.encode())

    def test_exchanges(self):
        exchanges = HTTP.findall(page())
        self.assertGreaterEqual(len(exchanges), 3)
        self.left("notes/1", "notes/2")
        for exchange in exchanges:
            for asked, answered in re.findall(r"((?:> .*\n)+)((?:< .*\n)+)", exchange):
                got = self.send([line[2:] for line in asked.splitlines()])
                self.check([line[2:] for line in answered.splitlines()], got)


if __name__ == "__main__":
    unittest.main()
