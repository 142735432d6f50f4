# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What packice says and how it ends when something is wrong: each exit code, each mistake on the
command line, and nodes that are missing, lost or hostile."""

import contextlib
import json
import mmap
import os
import re
import socket
import subprocess
import threading
import unittest

from cli_case import CODES, CliCase
from harness import BUILD, DEADLINE, poll

MIB = 1 << 20
LEASE = "0f0e0d0c-0b0a-4909-8807-060504030201"


class FakeNode:
    """Answers each request with what `answer(request)` returns: a dict, to which the tag is added;
    bytes, as they are; or None, to hang up."""

    def __init__(self, path, answer):
        self._answer = answer
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection):
        for line in connection.makefile("rb"):
            request = json.loads(line)
            answer = self._answer(request)
            if answer is None:
                return
            if isinstance(answer, dict):
                answer = json.dumps({**answer, "tag": request.get("tag")}).encode() + b"\n"
            connection.sendall(answer)

    def close(self):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(DEADLINE)


class Bouncer(FakeNode):
    """Tells everybody to come back later and hangs up, without waiting for what they want."""

    def _talk(self, connection):
        connection.sendall(b'{"status":"error","error":"busy","message":"too many clients"}\n')


class CodeTest(CliCase):
    """The codes that need a certain node or a certain moment are below."""

    sections = {"peer": {"capacity": "8MiB", "max_object": "4MiB", "unsized": "yes"}}

    def test_not_found(self):
        for command in ("get", "cat", "stat", "rm", "verify"):
            self.assertEqual(self.fails("not_found", command, "x"), f"{command}: no object 'x'")

    def test_unsupported_by_memory(self):
        self.put(self.client, "x", b"data")
        message = self.fails("unsupported", "verify", "x")
        self.assertEqual(message, "verify: this storage keeps no checksums")

    def test_exists(self):
        self.put(self.client, "x", b"")
        self.file("in", b"data")
        self.assertEqual(
            self.fails("exists", "put", "--id", "x", "in"), "put: object 'x' exists already"
        )
        self.assertEqual(self.client.get("x"), [b""])

    def test_not_sealed(self):
        made = self.client.create("x", [1])
        for command in ("get", "cat"):
            self.assertEqual(
                self.fails("not_sealed", command, "x"), f"{command}: object 'x' is not sealed yet"
            )
        self.client.release(made["lease_id"])

    def test_timeout(self):
        for arguments in (("wait", "x", "--timeout", "1ms"), ("get", "x", "--wait", "1ms")):
            self.assertEqual(
                self.fails("timeout", *arguments), f"{arguments[0]}: object 'x': not sealed in time"
            )

    def test_busy(self):
        """Somebody has mapped the stream's memory when it is to be sealed."""
        process = self.start("put", "--id", "x", "-", stdin=subprocess.PIPE)
        poll(lambda: self.exists("x"), "the object is being made")
        process.stdin.write(b"data")
        process.stdin.flush()
        descriptor = os.open(poll(lambda: self.memory_of(process), "its memory"), os.O_RDWR)
        with mmap.mmap(descriptor, 4):
            os.close(descriptor)
            self.finish(process, "busy", b"")
        self.assertFalse(self.exists("x"))

    @staticmethod
    def memory_of(process):
        """The /proc path of the memfd that a process writes to, once it holds 4 bytes."""
        folder = f"/proc/{process.pid}/fd"
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if "memfd:" in os.readlink(path) and os.stat(path).st_size == 4:
                    return path
        return None

    def test_no_space(self):
        for name in "ab":
            self.put(self.client, name, bytes(4 * MIB))
        self.file("in", b"x")
        self.assertIn("put: ", self.fails("no_space", "put", "in"))

    def test_too_large(self):
        self.file("in", bytes(4 * MIB + 1))
        self.assertIn("put: ", self.fails("too_large", "put", "in"))

    def test_streams_that_outgrow_the_node(self):
        """The node notices while they come or when they are sealed."""
        process = self.start("put", "--id", "x", "-", stdin=subprocess.PIPE)
        _, errors = process.communicate(bytes(6 * MIB), timeout=DEADLINE)
        outcomes = ("too_large", "no_space", "lease_not_found")
        self.assertIn(process.returncode, [CODES[name] for name in outcomes], errors)
        self.assertRegex(errors, rb"\Apackice: put: [^\n]+\n\Z")
        self.assertFalse(self.exists("x"))

    def test_lease_not_found(self):
        self.assertIn("renew: ", self.fails("lease_not_found", "renew", LEASE))

    def test_invalid(self):
        self.file("in", b"")
        for bad in ("", "new\nline", "\x1b[2J", "x" * 256):
            with self.subTest(id=bad):
                self.fails("invalid", "put", "--id", bad, "in")
                self.fails("invalid", "get", bad)

    def nobody(self):
        """Options to start a program as another user, which root alone can do."""
        options = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(self.folder, 0o755)
        try:
            self.run_cli("--version", **options)
        except PermissionError:
            self.skipTest("the build folder is not for everybody")
        return options

    def test_access_denied_by_the_socket(self):
        options = self.nobody() if os.geteuid() == 0 else {}
        os.chmod(self.node.folder, 0o755)
        os.chmod(self.node.socket, 0)
        try:
            self.assertIn(self.node.socket, self.fails("access_denied", "ls", **options))
        finally:
            os.chmod(self.node.socket, 0o660)

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_access_denied_by_the_owner(self):
        os.chmod(self.node.folder, 0o755)
        os.chmod(self.node.socket, 0o666)
        self.addCleanup(os.chmod, self.node.socket, 0o660)
        self.put(self.client, "x", b"data")
        options = self.nobody()
        self.assertEqual(self.run_cli("cat", "x", **options), b"data")
        self.assertEqual(
            self.fails("access_denied", "rm", "x", **options),
            "rm: object 'x' belongs to another user",
        )
        self.assertEqual(self.client.get("x"), [b"data"])


class UnsizedRefusedTest(CliCase):
    sections = {"peer": {"unsized": "no"}}

    def test_unsupported(self):
        self.assertIn("put: ", self.fails("unsupported", "put", "-"))
        self.put_file("--id", "x", "--sizes", "4", "-", data=b"data")
        self.put_file("--id", "empty", "/dev/null", "--sizes", "0")


class TargetTest(CliCase):
    def test_unreachable(self):
        missing = self.path("missing")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path("dead"))
        for target, reason in (
            (missing, "No such file or directory"),
            (self.path("dead"), "Connection refused"),
        ):
            for form in (target, "unix:" + target):
                message = self.fails("unreachable", "ls", target=form)
                self.assertEqual(
                    message,
                    f"no node at '{target}': {reason}; is packice-node running? "
                    "(-t TARGET or PACKICE_TARGET)",
                )

    def test_the_option_wins_over_the_variable(self):
        self.put(self.client, "x", b"")
        missing = self.path("missing")
        for arguments in (
            ("-t", self.node.socket, "ls"),
            ("--target", self.node.socket, "ls"),
            ("ls", "-t", self.node.socket),
            ("ls", "--target=unix:" + self.node.socket),
            ("-t", missing, "ls", "-t", self.node.socket),
        ):
            self.assertEqual(self.run_cli(*arguments, target=missing), b"x\n")

    def test_targets_that_are_none(self):
        self.assertIn("memory", self.fails("usage", "ls", target="memory://x"))
        self.fails("unreachable", "ls", target="http://127.0.0.1:1")
        self.fails("usage", "ls", target="http://me@127.0.0.1:1")
        self.fails("unreachable", "ls", target="https://127.0.0.1:1")
        self.assertNotEqual(self.fails_somehow("ls", "-t", self.path("x" * 200)), "")
        self.assertNotEqual(self.fails_somehow("ls", "-t", ""), "")

    def fails_somehow(self, *arguments):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(output, b"")
        self.assertGreater(process.returncode, 0)
        self.assertRegex(errors.decode(), r"\Apackice: [^\n]+\n\Z")
        return errors.decode()


class HostileNodeTest(CliCase):
    def fake(self, answer, kind=FakeNode):
        path = self.path(f"fake{len(self.files())}")
        fake = kind(path, answer)
        self.addCleanup(fake.close)
        return path

    def test_each_error_has_its_code(self):
        for name, code in CODES.items():
            if name in ("ok", "failure", "usage", "unreachable", "disconnected"):
                continue
            with self.subTest(error=name):
                answer = {"status": "error", "error": name, "message": f"it is {name}"}
                target = self.fake(lambda _, answer=answer: answer)
                process = self.start("rm", "x", target=target)
                _, errors = process.communicate(timeout=DEADLINE)
                self.assertEqual(process.returncode, code, errors)
        for name in ("io", "internal", "new_in_a_later_version"):
            answer = {"status": "error", "error": name, "message": "m"}
            self.fails("failure", "rm", "x", target=self.fake(lambda _, answer=answer: answer))

    def test_verify_tells_of_each_object(self):
        def answer(request):
            if request["object_id"] == "bad":
                return {"status": "error", "error": "io", "message": "blob 1 of 'bad': rotten"}
            name = request["object_id"]
            return {"status": "ok", "object_id": name, "epoch": 7, "blobs": 2, "bytes": 2 << 20}

        process = self.start("verify", "a", "bad", "b", target=self.fake(answer))
        output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, CODES["failure"])
        self.assertEqual(errors, b"packice: verify: blob 1 of 'bad': rotten\n")
        self.assertEqual([line.split() for line in output.splitlines()],
                         [[b"2", b"MiB", b"a"], [b"2", b"MiB", b"b"]])
        lines = self.run_cli("verify", "--bytes", "a", target=self.fake(answer)).split()
        self.assertEqual(lines, [b"2097152", b"a"])
        lines = self.run_cli("verify", "--json", "a", "b", target=self.fake(answer)).splitlines()
        self.assertEqual([json.loads(line) for line in lines],
                         [{"object_id": name, "bytes": 2 << 20} for name in "ab"])

    def test_a_node_that_turns_everybody_away(self):
        target = self.fake(None, Bouncer)
        for _ in range(10):  # whether it has hung up before or after the request is sent
            self.assertEqual(self.fails("busy", "ls", target=target), "ls: too many clients")

    def test_a_node_that_hangs_up(self):
        self.assertIn("rm: ", self.fails("disconnected", "rm", "x", target=self.fake(lambda _: None)))

    def test_a_node_that_talks_nonsense(self):
        for nonsense in (b"\0\xff\n", b"HTTP/1.1 200 OK\r\n\r\n", b"{]}\n", b"{}\n", b"[]\n"):
            with self.subTest(nonsense=nonsense):
                target = self.fake(lambda _, nonsense=nonsense: nonsense)
                self.assertIn("stat: ", self.fails("failure", "stat", "x", target=target))

    def test_messages_cannot_steer_a_terminal(self):
        answer = {"status": "error", "error": "io", "message": "\x1b[2Jgone\r\n\u009b\u202e\x07"}
        message = self.fails("failure", "rm", "x", target=self.fake(lambda _: answer))
        self.assertRegex(message, r"\A[ -~]+\Z")


class UsageTest(CliCase):
    def usage(self, *arguments):
        message = self.fails("usage", *arguments, target=self.path("nowhere"))
        head, _, hint = message.rpartition("; see ")
        self.assertRegex(hint, r"\A'packice ([a-z]+ )?--help'\Z")
        return head

    def test_mistakes(self):
        """None of them gets as far as the node, which isn't there."""
        self.file("in", b"")
        for arguments, message in (
            ((), "needs a command"),
            (("",), "unknown command ''"),
            (("frobnicate",), "unknown command 'frobnicate'"),
            (("stats",), "unknown command 'stats' (did you mean 'stat'?)"),
            (("relase", "x"), "unknown command 'relase' (did you mean 'release'?)"),
            (("--frob", "ls"), "unknown option '--frob'"),
            (("-x", "ls"), "unknown option '-x'"),
            (("-t",), "option --target needs its TARGET"),
            (("--versio=1",), "option --version takes no argument"),
            (("ls", "--jsno"), "ls: unknown option '--jsno' (did you mean '--json'?)"),
            (("ls", "-x"), "ls: unknown option '-x'"),
            (("ls", "-lx"), "ls: unknown option '-x'"),
            (("ls", "--json=yes"), "ls: option --json takes no argument"),
            (("ls", "a", "b"), "ls: too many operands, from 'b' on"),
            (("ls", "--version"), "ls: unknown option '--version'"),
            (("put",), "put: needs FILE..."),
            (("put", "--id"), "put: option --id needs its ID"),
            (("put", "-i"), "put: option --id needs its ID"),
            (("put", "-", "-"), "put: standard input can be read only once"),
            (("put", "--ttl", "soon", "in"), "put: --ttl: 'soon' is not a duration such as 10s, 5m or 2h"),
            (("put", "--ttl", "0", "in"), "put: --ttl: must be more than 0"),
            (("put", "--ttl", "-1s", "in"), "put: --ttl: '-1s' is not a duration such as 10s, 5m or 2h"),
            (("put", "--ttl", "forever", "in"), "put: --ttl: 'forever' is not a duration such as 10s, 5m or 2h"),
            (("put", "--meta", "[1]", "in"), 'put: --meta: not a JSON object, such as {"a":1}'),
            (("put", "--meta", "1", "in"), None),
            (("put", "--meta", "{", "in"), None),
            (("put", "--meta", "", "in"), None),
            (("put", "--meta", '{"a":1}x', "in"), None),
            (("put", "--meta", '{"a":1,"a":2}', "in"), None),
            (("put", "--sizes", "1", "in"), "put: --sizes: more of them than FILEs without a size"),
            (("put", "--sizes", "1,2", "-"), "put: --sizes: more of them than FILEs without a size"),
            (("put", "--sizes", "1", "-", "/dev/zero"), "put: --sizes: none is left for /dev/zero"),
            (("put", "--sizes", "", "-"), None),
            (("put", "--sizes", "-4", "-"), None),
            (("put", "--sizes", "9223372036854775808", "-"), None),
            (("put", *["in"] * 254), "put: too many operands, from 'in' on"),
            (("get",), "get: needs ID"),
            (("get", "a", "b"), "get: too many operands, from 'b' on"),
            (("get", "a", "--blob", "one"), "get: --blob: 'one' is not a number"),
            (("get", "a", "--blob", "-1"), "get: --blob: '-1' is not a number"),
            (("get", "a", "--blob", "4294967296"), None),
            (("get", "a", "--f=1"), "get: option --force takes no argument"),
            (("get", "a", "-o", ""), "get: --output: names no file"),
            (("get", "a", "--json"), None),
            (("get", "a", "--hold", "5m"), None),
            (("get", "a", "--hold", "5m", "-o", "-"), None),
            (("get", "a", "--wait", "never"), "get: --wait: 'never' is not a duration such as 10s, 5m or forever"),
            (("wait",), "wait: needs ID"),
            (("cat",), "cat: needs ID..."),
            (("rm",), "rm: needs ID..."),
            (("rm", "--json", "a"), "rm: unknown option '--json'"),
            (("renew",), "renew: needs LEASE_ID"),
            (("renew", "x"), "renew: not a lease id, such as --hold prints"),
            (("release", LEASE.upper()), "release: not a lease id, such as --hold prints"),
        ):
            with self.subTest(arguments=arguments[:6]):
                said = self.usage(*arguments)
                if message is not None:
                    self.assertEqual(said, message)

    def test_ambiguous_options(self):
        self.assertEqual(self.usage("put", "--me", "x", "--", "-"), "put: --meta: not JSON: "
                         "'[' or '{' expected near 'x'")
        self.assertEqual(self.usage("get", "--h", "a"), "get: option '--h' is ambiguous")

    def test_options_and_operands_in_any_order(self):
        self.file("in", b"data")
        for arguments in (
            ("put", "in", "--id", "a"),
            ("put", "--id=a", "in"),
            ("put", "-ia", "in"),
            ("put", "-i", "a", "--", "in"),
            ("put", "--id", "x", "in", "--id", "a"),
        ):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_cli(*arguments), b"a\n")
                self.run_cli("rm", "a")

    def test_two_dashes_end_the_options(self):
        self.file("--json", b"data")
        self.put_file("--id", "--bytes", "--", "--json")
        self.assertEqual(self.run_cli("cat", "--", "--bytes"), b"data")
        self.assertEqual(self.run_cli("ls", "--", "--by"), b"--bytes\n")

    def test_help_and_version_need_no_node(self):
        nowhere = self.path("nowhere")
        version = self.run_cli("--version", target=nowhere)
        self.assertRegex(version, rb"\Apackice \d+\.\d+\.\d+\n\Z")
        self.assertEqual(self.run_cli("-V", target=nowhere), version)
        with open(os.path.join(BUILD, "meson-info", "intro-projectinfo.json"), "rb") as file:
            self.assertEqual(version.decode().split()[1], json.load(file)["version"])
        usage = self.run_cli("--help", target=nowhere)
        self.assertEqual(self.run_cli("-h", target=nowhere), usage)
        for command in re.findall(rb"(?m)^  ([a-z]+) ", usage):
            text = self.run_cli(command.decode(), "--help", target=nowhere)
            self.assertTrue(text.startswith(b"usage: packice " + command + b" "), text)
            self.assertEqual(self.run_cli(command, "-h", "x", target=nowhere), text)


if __name__ == "__main__":
    unittest.main()
