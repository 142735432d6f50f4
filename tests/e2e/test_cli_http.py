# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice over HTTP where it is not as over a socket: progress that moves with the network,
downloads that break off, tokens and certificates."""

import os
import re
import socket
import tempfile
import threading
import unittest

from certificates import Authority
from cli_case import CliCase
from harness import DEADLINE, pattern, poll
from http_case import port_of
from test_cli_terminal import MIB, Terminal

WEB = {"plugin": "transport_http", "listen": "127.0.0.1:0"}


class Proxy:
    """Passes bytes on between a client and the node. Of the first connection that has sent (or got)
    so many in one direction it holds the rest back until `go` is set, or, if it cuts, hangs up."""

    def __init__(self, port, up=None, down=None, cuts=False):
        self._port = port
        self._limits = {"up": up, "down": down}
        self._cuts = cuts
        self.reached = threading.Event()
        self.go = threading.Event()
        self._sockets = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._listen)

    def _run(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            node = socket.create_connection(("127.0.0.1", self._port), DEADLINE)
            self._sockets += [client, node]
            self._run(self._connect, client, node)

    def _connect(self, client, node):
        """Both ends are closed once nothing passes any more, so that the node sees it."""
        back = threading.Thread(target=self._pass_on, args=(node, client, "down"), daemon=True)
        back.start()
        self._pass_on(client, node, "up")
        back.join()
        client.close()
        node.close()

    def _pass_on(self, source, sink, way):
        passed = 0
        try:
            while data := source.recv(65536):
                passed += len(data)
                limit = self._limits[way]
                if limit is not None and passed > limit and not self.reached.is_set():
                    self.reached.set()
                    if self._cuts:
                        break
                    self.go.wait(DEADLINE)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.go.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in self._sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in list(self._threads):
            thread.join(DEADLINE)
        self._listener.close()


class HttpCliCase(CliCase):
    sections = {"transport.web": WEB}

    def setUp(self):
        super().setUp()
        self.port = port_of(self.node)
        self.web = f"http://127.0.0.1:{self.port}"

    def proxy(self, **limits):
        proxy = Proxy(self.port, **limits)
        self.addCleanup(proxy.close)
        return proxy


class ProgressTest(HttpCliCase):
    def shown(self, terminal):
        """The percentages on the terminal, in their order."""
        return [int(part) for part in re.findall(r"(\d+)%", terminal.text.decode())]

    def watch(self, proxy, *arguments):
        """Runs it until half of the bytes have passed, looks, and lets it end; what was shown."""
        terminal = Terminal()
        process = self.start(*arguments, target=proxy.target, stderr=terminal.slave)
        self.assertTrue(proxy.reached.wait(DEADLINE))
        poll(lambda: self.shown(terminal), "progress is shown")
        half = self.shown(terminal)[-1]
        proxy.go.set()
        process.communicate(timeout=DEADLINE)
        text = terminal.end()
        self.assertEqual(process.returncode, 0, text)
        self.assertLess(half, 100, text)
        self.assertRegex(text, r"\A[ -~\r]*\Z")

    def test_a_put_moves_with_the_upload(self):
        with open(self.path("large"), "wb") as file:
            file.truncate(96 * MIB)
        self.left("large")
        self.watch(self.proxy(up=48 * MIB), "put", "--id", "large", "large")

    def test_a_get_moves_with_the_download(self):
        with open(self.path("large"), "wb") as file:
            file.truncate(96 * MIB)
        self.put_file("--id", "large", "large")
        self.watch(self.proxy(down=48 * MIB), "get", "large", "-o", "out")
        self.assertEqual(os.path.getsize(self.path("out")), 96 * MIB)


class BrokenTest(HttpCliCase):
    def test_a_download_that_breaks_off_goes_on_within_one_call(self):
        data = pattern(8 * MIB)
        self.put_file("--id", "broken", self.file("in", data))
        proxy = self.proxy(down=5 * MIB, cuts=True)
        self.run_cli("get", "broken", "-o", "out", target=proxy.target)
        self.assertTrue(proxy.reached.is_set())
        self.assertTrue(self.contents("out") == data)

    def test_an_upload_that_breaks_off_leaves_nothing(self):
        proxy = self.proxy(up=5 * MIB, cuts=True)
        path = self.file("in", pattern(8 * MIB))
        self.fails("disconnected", "put", "--id", "broken", path, target=proxy.target)
        poll(lambda: not self.exists("broken"), "the object is gone")


class TokenTest(CliCase):
    @classmethod
    def setUpClass(cls):
        tokens = cls.enterClassContext(tempfile.NamedTemporaryFile("w", prefix="packice-tokens-"))
        tokens.write("tester 0123456789abcdef0123456789abcdef\n")
        tokens.flush()
        cls.sections = {"transport.web": {**WEB, "token_file": tokens.name}}
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.web = f"http://127.0.0.1:{port_of(self.node)}"
        self.file("good", b"0123456789abcdef0123456789abcdef\n")
        self.file("bad", b"0123456789abcdef0123456789abcdeX")

    def test_a_token_tells_who_asks(self):
        self.file("in", b"mine")
        self.put_file("--token-file", "good", "--id", "x", "in", target=self.web)
        told = self.run_cli("stat", "--json", "x", "--token-file", "good", target=self.web)
        self.assertIn(b'"tester"', told)
        # what the socket made is another's
        self.put(self.client, "y", b"")
        self.fails("access_denied", "rm", "y", "--token-file", "good", target=self.web)

    def test_the_environment_may_name_the_file(self):
        os.environ["PACKICE_TOKEN_FILE"] = self.path("good")
        self.addCleanup(os.environ.pop, "PACKICE_TOKEN_FILE")
        self.assertEqual(self.run_cli("ls", target=self.web), b"")
        self.assertEqual(self.run_cli("ls"), b"")  # the socket has no use for it

    def test_who_has_no_token_is_turned_away(self):
        self.fails("unauthorized", "ls", target=self.web)
        self.fails("unauthorized", "ls", "--token-file", "bad", target=self.web)

    def test_files_without_a_token(self):
        self.file("empty", b"")
        self.file("two", b"one\ntwo\n")
        self.file("large", b"x" * 5000)
        for name in ("empty", "two", "large"):
            message = self.fails("failure", "ls", "--token-file", name, target=self.web)
            self.assertIn(name, message)
        self.fails("failure", "ls", "--token-file", "missing", target=self.web)
        self.file("strange", b"with a space\n")
        self.assertIn("token", self.fails("usage", "ls", "--token-file", "strange", target=self.web))


class TlsTest(CliCase):
    @classmethod
    def setUpClass(cls):
        cls.secrets = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="packice-tls-"))
        cls.ours = Authority(cls.secrets, "ours")
        cls.theirs = Authority(cls.secrets, "theirs")
        cert, key = cls.ours.sign("node", "subjectAltName=IP:127.0.0.1")
        web = {**WEB, "cert": cert, "key": key, "client_ca": cls.ours.file}
        cls.sections = {"transport.web": web}
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.web = f"https://127.0.0.1:{port_of(self.node)}"
        self.cert, self.key = self.ours.sign("client")
        self.who = ("--cert", self.cert, "--key", self.key)

    def test_bytes_go_both_ways(self):
        data = pattern(3 * MIB)
        trusted = ("--ca-file", self.ours.file, *self.who)
        self.put_file("--id", "x", *trusted, self.file("in", data), target=self.web)
        self.assertTrue(self.run_cli("cat", "x", *trusted, target=self.web) == data)
        told = self.run_cli("stat", "--json", "x", *trusted, target=self.web)
        self.assertIn(b'"client"', told)
        self.run_cli("rm", "x", *trusted, target=self.web)
        self.gone("x")

    def test_a_key_may_stand_with_its_certificate(self):
        with open(self.cert, "rb") as cert, open(self.key, "rb") as key:
            both = self.file("both.pem", cert.read() + key.read())
        arguments = ("--ca-file", self.ours.file, "--cert", both)
        self.assertEqual(self.run_cli("ls", *arguments, target=self.web), b"")

    def test_a_node_that_is_not_trusted_gets_nothing(self):
        for trusted in (("--ca-file", self.theirs.file), ()):
            message = self.fails("failure", "ls", *trusted, *self.who, target=self.web)
            self.assertIn("certificate", message)
        elsewhere = self.web.replace("127.0.0.1", "localhost")
        arguments = ("--ca-file", self.ours.file, *self.who)
        self.fails("failure", "ls", *arguments, target=elsewhere)

    def test_a_client_without_a_certificate_gets_nothing(self):
        cert, key = self.theirs.sign("stranger")
        for who in ((), ("--cert", cert, "--key", key)):
            arguments = ("ls", "--ca-file", self.ours.file, *who)
            process = self.start(*arguments, target=self.web)
            output, errors = process.communicate(timeout=DEADLINE)
            self.assertEqual(output, b"")
            self.assertIn(process.returncode, (1, 16), errors)  # told, or hung up on

    def test_files_that_are_none(self):
        for arguments in (
            ("--ca-file", "missing"),
            ("--ca-file", self.ours.file, "--cert", "missing"),
            ("--ca-file", self.ours.file, "--cert", self.cert, "--key", "missing"),
            ("--ca-file", self.ours.file, "--key", self.key),
        ):
            with self.subTest(arguments=arguments):
                self.fails("usage", "ls", *arguments, target=self.web)


if __name__ == "__main__":
    unittest.main()
