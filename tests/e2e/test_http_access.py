# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Who may call over HTTP: pages, tokens, certificates, and all of that changed while it runs."""

import http.client
import os
import shutil
import signal
import ssl
import tempfile
import unittest
import warnings

from certificates import Authority
from harness import Node, poll
from http_case import DEADLINE, HttpCase, Response, blob_path, object_path, port_of

TOKENS = {"ci": "a-token-for-ci-0123456789", "trainer": "another-token-0123456789"}


def bearer(token):
    return {"Authorization": "Bearer " + token}


class FolderCase(HttpCase):
    """A folder for what the config names."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="packice-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.sections = {"transport.web": {**HttpCase.sections["transport.web"], **cls.options()}}
        super().setUpClass()

    @classmethod
    def options(cls):
        return {}

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def write(cls, name, text):
        with open(cls.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return cls.path(name)

    def reload(self, message="info node: reloaded$"):
        """Has the node read everything again, and waits for what it says to that."""
        before = self.node.errors().count("\n")
        self.node.process.send_signal(signal.SIGHUP)

        def said():
            lines = self.node.errors().splitlines()[before:]
            return [line for line in lines if "reloaded" in line]

        line = poll(said, "an answer to SIGHUP")[0]
        self.assertRegex(line, message)


class PageTest(HttpCase):
    """Web pages may not call."""

    def test_hosts_that_are_not_this_machine_are_refused(self):
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", f"127.0.0.1:{self.port}",
                     "127.9.9.9:80", "[::1]", "[::1]:80", "localhost."):
            got = self.request("GET", "/healthz", headers={"Host": host})
            self.assertEqual(got.status, 200, host)
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil",
                     "[::2]", "10.0.0.1", "", "127.0.0.1@evil", "[::1]x", "x" * 300):
            got = self.request("GET", "/healthz", headers={"Host": host})
            self.assertEqual((got.status, got.error), (403, "access_denied"), host)

    def test_an_absolute_target_counts_as_the_host(self):
        for target, status in (("http://localhost/healthz", 200), ("http://evil/healthz", 403)):
            bare = self.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n"
                            "Connection: close\r\n\r\n".encode())
            self.assertEqual(self.statuses(self.everything(bare)), [status])

    def test_origins_other_than_the_node_are_refused(self):
        own = f"127.0.0.1:{self.port}"
        for origin, status in ((f"http://{own}", 200), ("null", 403), ("http://evil.example", 403),
                               (f"https://{own}", 403), ("http://127.0.0.1", 403),
                               (f"http://{own}.evil", 403), ("", 403)):
            got = self.request("GET", "/objects", headers={"Origin": origin, "Host": own})
            self.assertEqual(got.status, status, origin)
            self.assertFalse([name for name in got.headers if name.startswith("Access-Control")])

    def test_requests_that_a_page_makes_of_another_site_are_refused(self):
        for site, status in (("none", 200), ("same-origin", 200), ("cross-site", 403),
                             ("same-site", 403)):
            got = self.request("GET", "/objects", headers={"Sec-Fetch-Site": site})
            self.assertEqual(got.status, status, site)


class TokenTest(FolderCase):
    @classmethod
    def options(cls):
        return {"token_file": cls.write("tokens", cls.text(TOKENS))}

    @staticmethod
    def text(tokens):
        return "# names and tokens\n\n" + "".join(f"{n} {t}\n" for n, t in tokens.items())

    def setUp(self):
        super().setUp()
        self.write("tokens", self.text(TOKENS))

    def test_a_token_is_needed(self):
        for headers in ({}, bearer("wrong"), bearer(TOKENS["ci"] + "x"), bearer(TOKENS["ci"][:-1]),
                        {"Authorization": "Basic " + TOKENS["ci"]}, bearer("")):
            for path in ("/objects", "/metrics", "/openapi.json", "/no", blob_path("x")):
                got = self.request("GET", path, headers=headers)
                self.assertEqual((got.status, got.error), (401, "unauthorized"))
                self.assertIn("Bearer", got.headers["WWW-Authenticate"])
        self.assertEqual(self.request("GET", "/healthz").status, 200)
        for token in TOKENS.values():
            self.assertEqual(self.request("GET", "/objects", headers=bearer(token)).status, 200)
        self.assertNotIn("Authorization", self.node.errors())

    def test_what_a_token_creates_is_its_own(self):
        for name in TOKENS:
            headers = bearer(TOKENS[name])
            self.request("PUT", object_path(name), b"mine", headers)
            stat = self.request("POST", "/stat", {"object_id": name}, headers).json
            self.assertEqual(stat["owner"], {"name": name})
        got = self.request("POST", "/discard", {"object_id": "ci"}, bearer(TOKENS["trainer"]))
        self.assertEqual((got.status, got.error), (403, "access_denied"))
        for name in TOKENS:
            got = self.request("POST", "/discard", {"object_id": name}, bearer(TOKENS[name]))
            self.assertEqual(got.status, 200)

    def test_callers_take_turns_on_one_connection(self):
        connection = self.http()
        for token, status in ((TOKENS["ci"], 200), ("wrong", 401), (TOKENS["trainer"], 200)):
            got = self.request("POST", "/list", {}, bearer(token), connection)
            self.assertEqual(got.status, status)
        self.check_holdings(sessions=2)

    def test_tokens_come_and_go_while_it_runs(self):
        connection = self.http()
        new = "a-new-token-0123456789"
        old = bearer(TOKENS["ci"])
        self.assertEqual(self.request("GET", "/objects", None, old, connection).status, 200)
        socket = connection.sock
        self.write("tokens", f"ci {new}\n")
        self.reload()
        self.assertEqual(self.request("GET", "/objects", None, old, connection).status, 401)
        self.assertEqual(self.request("GET", "/objects", None, bearer(new), connection).status, 200)
        self.assertIs(connection.sock, socket, "the connection was dropped")
        for text, message in (
            ("", "it holds no token"),
            ("ci short\n", "line 1: a token has 16 to 512 bytes"),
            (f"ci {new}\nci {new}\n", "line 2: the name 'ci' is given twice"),
            (f"ci {new}\nother {new}\n", "line 2: the token is that of 'ci'"),
            (f"c/i {new}\n", "line 1: no name"),
            (f"ci {new} x\n", "line 1: more than a name and a token"),
            (f"# x\nci {new}é\n", "line 2: a token is printable"),
        ):
            self.write("tokens", text)
            self.reload(f"error node: not reloaded: .*\\[transport.web\\].*token_file.*{message}")
            self.assertNotIn(new, self.node.errors())
        self.assertEqual(self.request("GET", "/objects", None, bearer(new), connection).status, 200)
        os.unlink(self.path("tokens"))
        self.reload("not reloaded: .*token_file '.*': No such file")
        self.write("tokens", self.text(TOKENS))
        self.reload()

    def test_what_can_not_change_is_named(self):
        with open(self.node.config, encoding="utf-8") as file:
            text = file.read()
        for key, value in (("listen", "127.0.0.1:1"), ("max_clients", "7"), ("paths", "yes")):
            changed = "".join(line for line in text.splitlines(True)
                              if not line.startswith(key + " "))
            with open(self.node.config, "w", encoding="utf-8") as file:
                file.write(changed.replace("plugin = transport_http",
                                           f"plugin = transport_http\n{key} = {value}"))
            self.reload(f"not reloaded: .*\\[transport.web\\].*{key}: can't change")
        with open(self.node.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.reload()


class TlsTest(FolderCase):
    @classmethod
    def options(cls):
        cls.ours = Authority(cls.folder, "ours")
        cls.theirs = Authority(cls.folder, "theirs")
        cls.cert, cls.key = cls.ours.sign("node", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        cls.user = cls.ours.sign("user")
        cls.stranger = cls.theirs.sign("stranger")
        return {"cert": cls.cert, "key": cls.key, "client_ca": cls.ours.file}

    def context(self, client=None):
        context = ssl.create_default_context(cafile=self.ours.file)
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def http(self, client=None):
        context = self.context(client or self.user)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE,
                                                 context=context)
        self._connections.append(connection)
        return connection

    def refused(self, client):
        """The handshake, or what follows on it, fails."""
        context = self.context()
        if client is not None:
            context.load_cert_chain(*client)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE,
                                                 context=context)
        self._connections.append(connection)
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.BadStatusLine)):
            connection.request("GET", "/objects")
            connection.getresponse()

    def test_bytes_cross_in_both_directions(self):
        data = os.urandom(3 << 20)
        self.upload("tls", data)
        self.assertTrue(self.download("tls") == data)
        got = self.request("GET", blob_path("tls"), headers={"Range": "bytes=1000000-2999999"})
        self.assertEqual(got.status, 206)
        self.assertTrue(got.body == data[1000000:3000000])
        self.assertEqual(self.call("stat", object_id="tls")["owner"], {"name": "user"})
        self.call("discard", object_id="tls")
        self.gone("tls")

    def test_a_certificate_of_the_right_authority_is_needed(self):
        self.refused(None)
        self.refused(self.stranger)
        plain = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        self._connections.append(plain)
        with self.assertRaises((ConnectionError, http.client.BadStatusLine)):
            plain.request("GET", "/healthz")
            plain.getresponse()
        self.check_holdings(sessions=1)

    def test_old_versions_are_refused(self):
        warnings.simplefilter("ignore", DeprecationWarning)
        context = self.context(self.user)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(self.raw(), server_hostname="127.0.0.1").close()

    def test_certificates_change_while_it_runs(self):
        connection = self.http()
        self.assertEqual(self.request("GET", "/objects", connection=connection).status, 200)
        serial = connection.sock.getpeercert()["serialNumber"]
        socket = connection.sock
        shutil.copy(self.cert, self.path("kept.pem"))
        shutil.copy(self.key, self.path("kept.key"))
        cert, key = self.ours.sign("next", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        shutil.copy(cert, self.cert)
        self.reload("not reloaded: .*key '.*'")  # the key of the one before
        self.assertEqual(self.request("GET", "/healthz").status, 200)
        shutil.copy(key, self.key)
        self.reload()
        self.assertEqual(self.request("GET", "/objects", connection=connection).status, 200)
        self.assertIs(connection.sock, socket, "the connection was dropped")
        fresh = self.http()
        self.assertEqual(self.request("GET", "/objects", connection=fresh).status, 200)
        self.assertNotEqual(fresh.sock.getpeercert()["serialNumber"], serial)
        self.write("node.pem", "no certificate")
        self.reload("not reloaded: .*cert '.*'")
        shutil.copy(self.path("kept.pem"), self.cert)
        shutil.copy(self.path("kept.key"), self.key)
        self.reload()

    def test_an_authority_changes_while_it_runs(self):
        shutil.copy(self.ours.file, self.path("kept-ca.pem"))
        with open(self.theirs.file, encoding="ascii") as theirs:
            text = theirs.read()
        connection = self.http()
        self.assertEqual(self.request("GET", "/objects", connection=connection).status, 200)
        trusted = self.context(self.stranger)  # reads ours.pem before it changes
        self.write("ours.pem", text)
        self.reload()
        self.assertEqual(self.request("GET", "/objects", connection=connection).status, 200)
        other = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE,
                                            context=trusted)
        self._connections.append(other)
        other.request("GET", "/objects")
        self.assertEqual(Response(other.getresponse()).status, 200)
        shutil.copy(self.path("kept-ca.pem"), self.ours.file)
        self.reload()
        self.refused(self.stranger)


class TokenToCertificateTest(FolderCase):
    """Who was let in by a token has no certificate to show when the tokens are gone."""

    @classmethod
    def options(cls):
        cls.ours = Authority(cls.folder, "ours")
        cls.cert, cls.key = cls.ours.sign("node", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        return {"cert": cls.cert, "key": cls.key,
                "token_file": cls.write("tokens", f"ci {TOKENS['ci']}\n")}

    def test_a_connection_without_a_certificate_is_nobodys_once_one_is_needed(self):
        context = ssl.create_default_context(cafile=self.ours.file)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE,
                                                 context=context)
        self._connections.append(connection)
        for headers, status in (({}, 401), (bearer(TOKENS["ci"]), 200)):
            got = self.request("GET", "/objects", None, headers, connection)
            self.assertEqual(got.status, status)
        with open(self.node.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.node.config, "w", encoding="utf-8") as file:
            file.write(text.replace(f"token_file = {self.path('tokens')}",
                                    f"client_ca = {self.ours.file}"))
        self.reload()
        for headers in ({}, bearer(TOKENS["ci"])):
            got = self.request("GET", "/objects", None, headers, connection)
            self.assertEqual((got.status, got.error), (401, "unauthorized"))


class StartTest(unittest.TestCase):
    """What doesn't start, and what is said to that."""

    def start(self, **options):
        node = Node({"transport.web": {"plugin": "transport_http", **options}})
        self.addCleanup(node.remove)
        node.spawn()
        return node

    def refused(self, message, **options):
        node = self.start(**options)
        self.assertNotEqual(node.wait(), 0)
        self.assertRegex(node.errors(), r"\[transport.web\]: transport_http: " + message)

    def test_an_open_door_is_refused(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            self.refused("listen: .* can be reached from elsewhere", listen=address)
        node = self.start(listen="0.0.0.0:0", insecure="yes")
        port_of(node)
        node.stop()

    def test_addresses_that_are_none_are_refused(self):
        for address in ("8080", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536", "::1:80",
                        "example.org:80", "127.0.0.1:x", "[127.0.0.1:80", "[]:80"):
            self.refused("listen: ", listen=address)

    def test_an_address_in_use_is_refused(self):
        node = self.start(listen="127.0.0.1:0")
        port = port_of(node)
        self.refused("listen: .*Address already in use", listen=f"127.0.0.1:{port}")
        node.stop()

    def test_options_that_do_not_go_together_are_refused(self):
        self.refused("cert: needs key", cert="/dev/null")
        self.refused("key: needs cert", key="/dev/null")
        self.refused("client_ca: needs cert and key", client_ca="/dev/null")
        self.refused("cert '/no/such': No such file", cert="/no/such", key="/dev/null")
        self.refused("cert '/dev/null': no start line", cert="/dev/null", key="/dev/null")
        self.refused("token_file '/no/such': No such file", token_file="/no/such")
        self.refused("token_file '/dev/zero': ", token_file="/dev/zero")
        self.refused("max_clients: must be more than 0", max_clients="0")
        self.refused("max_header: from 1KiB to 1MiB", max_header="100")
        self.refused("max_request: at most 1MiB", max_request="2MiB")


if __name__ == "__main__":
    unittest.main()
