# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself over HTTP, held against what it does: every operation of the OpenAPI
description and every error that it documents, and the metrics against promtool(1)."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import jsonschema

from harness import DEADLINE, NODE, pattern
from http_case import PATIENT, HttpCase, blob_path, object_path

TOKEN = "a-token-of-the-tests"
OTHER = "a-token-of-somebody-else"
LARGEST = 32768
NONE = "00000000-0000-4000-8000-000000000000"


def resolve(page, node):
    """A node of the description, behind its reference."""
    while "$ref" in node:
        target = page
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


class PageCase(HttpCase):
    peer = {"capacity": "96KiB", "max_object": "32KiB"}

    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", prefix="packice-", delete=False) as file:
            file.write(f"me {TOKEN}\nother {OTHER}\n")
        cls.addClassCleanup(os.unlink, file.name)
        cls.sections = {
            "peer": cls.peer,
            "transport.web": {**PATIENT, "token_file": file.name},
        }
        super().setUpClass()

    def request(self, method, path, body=None, headers=None, connection=None):
        headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return super().request(method, path, body, headers, connection)


class OpenApiTest(PageCase):
    """`answers` collects what was provoked; at the end it has to be all that is documented."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.page = None

    def setUp(self):
        super().setUp()
        self.page = self.request("GET", "/openapi.json").json
        self.answers = set()

    def operations(self):
        for path, entry in self.page["paths"].items():
            for method, operation in entry.items():
                if method in ("get", "head", "put", "post"):
                    yield method.upper(), path, operation

    def documented(self):
        """All (operation, status, error); error is None for what is none."""
        found = set()
        for _, _, operation in self.operations():
            for status, response in operation["responses"].items():
                response = resolve(self.page, response)
                if status == "default":
                    continue
                if int(status) < 400:
                    found.add((operation["operationId"], int(status), None))
                elif operation["operationId"].startswith("head"):
                    found.add((operation["operationId"], int(status), "no body"))
                else:
                    schema = response["content"]["application/json"]["schema"]
                    for error in schema["properties"]["error"]["enum"]:
                        found.add((operation["operationId"], int(status), error))
        return found

    def ask(self, name, status, error=None, body=None, headers=None, **where):
        """Does an operation, and holds the answer against what is documented of it."""
        method, path, operation = next(
            entry for entry in self.operations() if entry[2]["operationId"] == name
        )
        path = path.replace("{id}", where.get("id", "x")).replace("{n}", str(where.get("n", 0)))
        got = self.request(method, path + where.get("query", ""), body, headers)
        self.assertEqual(got.status, status, (name, got.body))
        response = resolve(self.page, operation["responses"][str(status)])
        if method == "HEAD":
            self.assertEqual(got.body, b"")
            error = error and "no body"
        elif "content" in response:
            kind = got.headers["Content-Type"].partition(";")[0]
            self.assertIn(kind, response["content"])
            if kind == "application/json":
                self.check_schema(response["content"][kind]["schema"], got.json)
                self.assertEqual(got.json.get("error"), error, got.body)
        else:
            self.assertEqual(got.body, b"")
        for header in response.get("headers", {}):
            self.assertIn(header, got.headers)
        self.answers.add((name, status, error))
        return got

    def check_schema(self, schema, value):
        whole = {**schema, "components": self.page["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def verb(self, name, status=200, error=None, **members):
        operation = next(o for _, p, o in self.operations() if o["operationId"] == name)
        if status == 200:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.check_schema(schema, members)
        return self.ask(name, status, error, members).json

    # ---- the walk ----

    def test_every_operation_and_every_documented_error(self):
        self.walk_verbs()
        self.walk_bytes()
        self.walk_pages()
        self.walk_what_holds_for_all()
        self.assertEqual(self.documented() - self.answers, set(), "documented, and not seen")
        self.assertEqual(self.answers - self.documented(), set(), "seen, and not documented")

    def walk_verbs(self):
        made = self.verb("acquire", object_id="x", intent="create", sizes=[5], meta={"a": 1})
        self.verb("acquire", 400, "invalid", object_id="x")
        self.verb("acquire", 404, "not_found", object_id="no", intent="read")
        self.verb("acquire", 408, "timeout", object_id="x", intent="read", wait_seconds=0.001)
        self.verb("acquire", 409, "exists", object_id="x", intent="create")
        self.verb("acquire", 409, "not_sealed", object_id="x", intent="read")
        self.verb("acquire", 413, "too_large", intent="create", sizes=[LARGEST + 1])
        self.verb("acquire", 501, "unsupported", object_id="x", intent="read", bind="connection")
        full = [self.verb("acquire", intent="create", sizes=[LARGEST]) for _ in range(2)]
        self.verb("acquire", 507, "no_space", intent="create", sizes=[LARGEST])
        lease = {"PackIce-Lease": made["lease_id"]}
        self.ask("putBlob", 200, None, b"hello", lease)
        self.verb("seal", 400, "invalid", lease_id=7)
        self.verb("seal", 404, "lease_not_found", lease_id=NONE)
        self.seal_busy()
        self.verb("seal", lease_id=made["lease_id"])
        self.left("x")
        read = self.verb("acquire", object_id="x", intent="read", wait_seconds=1)
        self.verb("seal", 403, "access_denied", lease_id=read["lease_id"])
        self.verb("renew", lease_id=read["lease_id"], ttl_seconds=60)
        self.verb("renew", 400, "invalid", lease_id=read["lease_id"], ttl_seconds=-1)
        self.verb("renew", 404, "lease_not_found", lease_id=NONE)
        self.verb("stat", object_id="x")
        self.verb("stat", 400, "invalid", object_id="")
        self.verb("stat", 404, "not_found", object_id="no")
        self.verb("list", prefix="", limit=5)
        self.verb("list", 400, "invalid", limit=0)
        self.verb("batch", requests=[{"command": "stat", "object_id": "x"}])
        self.verb("batch", 400, "invalid", requests=7)
        self.verb("stats")
        self.ask("stats", 400, "invalid", "[")
        for entry in (read, made, *full):
            self.verb("release", lease_id=entry["lease_id"])
        self.verb("release", 400, "invalid")
        self.request("PUT", object_path("d"), b"x")
        self.verb("discard", object_id="d")
        self.verb("discard", 400, "invalid")
        self.verb("discard", 404, "not_found", object_id="d")
        for name in ("acquire", "seal", "renew", "release", "discard", "stat", "list", "batch",
                     "stats"):
            self.ask(name, 413, "too_large", " " * ((1 << 20) + 1))

    def seal_busy(self):
        """A writable map that another process holds through the socket."""
        import mmap  # pylint: disable=import-outside-toplevel

        with self.node.connect() as client:
            with client.create("busy", [4096]) as made, mmap.mmap(made.fd(0), 4096):
                self.verb("seal", 409, "busy", lease_id=made["lease_id"])
            client.release(made["lease_id"])

    def walk_bytes(self):
        etag = self.ask("getBlob", 200).headers["ETag"]
        self.ask("getBlob", 206, headers={"Range": "bytes=1-2"})
        self.ask("getBlob", 304, headers={"If-None-Match": etag})
        self.ask("getBlob", 400, "invalid", n="x")
        self.ask("getBlob", 404, "not_found", id="no")
        self.ask("getBlob", 404, "lease_not_found", headers={"PackIce-Lease": NONE})
        self.ask("getBlob", 416, "invalid", headers={"Range": "bytes=9-"})
        self.ask("headBlob", 200)
        self.ask("headBlob", 304, headers={"If-None-Match": etag})
        self.ask("headBlob", 400, "invalid", n="x")
        self.ask("headBlob", 404, "not_found", id="no")
        made = self.verb("acquire", object_id="open", intent="create", sizes=[3])
        lease = {"PackIce-Lease": made["lease_id"]}
        self.ask("getBlob", 409, "not_sealed", id="open")
        self.ask("headBlob", 409, "not_sealed", id="open")
        self.ask("putBlob", 400, "invalid", b"1", lease, id="open")
        self.ask("putBlob", 404, "not_found", b"123", lease, id="open", n=1)
        self.ask("putBlob", 404, "lease_not_found", b"123", {"PackIce-Lease": NONE}, id="open")
        self.ask("putBlob", 413, "too_large", b"1234", lease, id="open")
        expect = {"Expect": "money"}
        self.ask("putBlob", 417, "unsupported", b"123", {**lease, **expect}, id="open")
        self.verb("release", lease_id=made["lease_id"])
        sealed = self.verb("acquire", object_id="x", intent="read")
        lease = {"PackIce-Lease": sealed["lease_id"]}
        self.ask("putBlob", 403, "access_denied", b"hello", lease)
        self.verb("release", lease_id=sealed["lease_id"])
        meta = {"PackIce-Meta": '{"a":1}'}
        self.ask("putObject", 201, None, b"new", meta, id="new")
        self.left("new")
        self.ask("putObject", 400, "invalid", b"new", {"PackIce-Meta": "[]"}, id="other")
        self.ask("putObject", 409, "exists", b"new", id="new")
        self.ask("putObject", 413, "too_large", bytes(LARGEST + 1), id="large")
        self.ask("putObject", 417, "unsupported", b"1", expect, id="other")
        full = [self.verb("acquire", intent="create", sizes=[LARGEST]) for _ in range(2)]
        self.ask("putObject", 507, "no_space", pattern(LARGEST), id="large")
        for entry in full:
            self.verb("release", lease_id=entry["lease_id"])
        for name in ("putObject", "putBlob"):
            # http.client adds a length to a PUT without a body, unless it is told of another one.
            self.without_length(name)
        for name in ("listObjects", "headObjects"):
            self.ask(name, 200, query="?prefix=x&limit=1")
            self.ask(name, 400, "invalid", query="?limit=0")

    def without_length(self, name):
        _, path, operation = next(e for e in self.operations() if e[2]["operationId"] == name)
        path = path.replace("{id}", "none").replace("{n}", "0")
        bare = self.raw(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode())
        answer = self.everything(bare)
        self.assertEqual(self.statuses(answer), [411])
        response = resolve(self.page, operation["responses"]["411"])
        schema = response["content"]["application/json"]["schema"]
        reply = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        self.check_schema(schema, reply)
        self.answers.add((name, 411, reply["error"]))

    def walk_pages(self):
        for name in ("getHealth", "headHealth", "getMetrics", "headMetrics", "getOpenapi",
                     "headOpenapi"):
            self.ask(name, 200)

    def walk_what_holds_for_all(self):
        for method, path, operation in list(self.operations()):
            name = operation["operationId"]
            body = b"" if method in ("PUT", "POST") else None
            self.ask(name, 431, "too_large", body, {"X": "x" * 20000})
            self.ask(name, 403, "access_denied", body, {"Origin": "http://evil.example"})
            if operation.get("security") != []:
                self.ask(name, 401, "unauthorized", body, {"Authorization": None})
            self.assertTrue(path.startswith("/"), method)
        self.request("PUT", object_path("mine"), b"x")
        self.ask("discard", 403, "access_denied", {"object_id": "mine"},
                 {"Authorization": f"Bearer {OTHER}"})
        self.verb("discard", object_id="mine")

    def test_the_description_is_of_this_version(self):
        self.assertEqual(self.page["openapi"], "3.1.0")
        version = subprocess.run([NODE, "--version"], capture_output=True, text=True,
                                 timeout=DEADLINE, check=True).stdout.split()[1]
        self.assertEqual(self.page["info"]["version"], version)
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))

    def test_references_lead_somewhere(self):
        def walk(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    resolve(self.page, node)
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)

        walk(self.page)
        for name, schema in self.page["components"]["schemas"].items():
            with self.subTest(schema=name):
                jsonschema.Draft202012Validator.check_schema(schema)


class MetricsCase(PageCase):
    def metrics(self):
        got = self.request("GET", "/metrics")
        self.assertEqual(got.status, 200)
        self.assertTrue(got.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return got.body.decode()

    def value(self, name, **labels):
        """The figure of this name that has these labels."""
        for line in self.metrics().splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found[2] or "")).items():
                    return float(found[3])
        return None


class MetricsTest(MetricsCase):
    def test_promtool_finds_nothing_to_say(self):
        self.request("PUT", object_path("m"), b"x")
        self.left("m")
        self.request("GET", blob_path("m"))
        done = subprocess.run(["promtool", "check", "metrics"], input=self.metrics(), text=True,
                              capture_output=True, timeout=DEADLINE, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_figures_tell_what_happened(self):
        self.request("PUT", object_path("m"), bytes(1000))
        self.left("m")
        self.request("GET", blob_path("no"))
        with self.node.connect() as client:
            client.ok("stat", object_id="m")
            self.assertEqual(self.value("packice_sessions"), 2)
        self.assertEqual(self.value("packice_objects"), 1)
        self.assertEqual(self.value("packice_bytes"), 1000)
        self.assertEqual(self.value("packice_leases"), 0)
        self.assertEqual(self.value("packice_waits"), 0)
        self.assertGreater(self.value("packice_descriptors"), 5)
        self.assertEqual(self.value("packice_queued_works", factory="blob_memfd"), 0)
        self.assertGreaterEqual(
            self.value("packice_requests_total", transport="web", verb="acquire",
                       result="not_found"), 1)
        self.assertGreaterEqual(
            self.value("packice_requests_total", transport="local", verb="stat", result="ok"), 1)
        count = self.value("packice_request_duration_seconds_count", transport="web", verb="seal")
        self.assertGreaterEqual(count, 1)
        self.assertEqual(self.value("packice_request_duration_seconds_bucket", transport="web",
                                    verb="seal", le="+Inf"), count)
        self.assertGreater(self.value("packice_request_duration_seconds_sum", transport="web",
                                      verb="seal"), 0)
        self.assertGreaterEqual(self.value("packice_transport_http_bytes_in_total"), 1000)

    def test_no_lease_id_is_in_metrics_or_log(self):
        made = self.request("POST", "/acquire", {"object_id": "s", "intent": "create",
                                                 "sizes": [1]}).json
        lease = made["lease_id"]
        headers = {"PackIce-Lease": lease}
        self.request("PUT", blob_path("s"), b"toolong", headers)
        self.request("GET", blob_path("s"), headers=headers)
        self.assertNotIn(lease, self.metrics())
        self.request("POST", "/release", {"lease_id": lease})
        self.assertNotIn(lease, self.node.errors())


class EvictionMetricsTest(MetricsCase):
    peer = {**PageCase.peer, "evict": "lru"}

    def test_evictions_are_counted(self):
        self.assertEqual(self.value("packice_evictions_total"), 0)
        for number in range(5):
            self.request("PUT", object_path(f"m{number}"), bytes(32000))
        self.left("m2", "m3", "m4")
        self.assertEqual(self.request("HEAD", blob_path("m1")).status, 404)
        self.assertEqual(self.value("packice_evictions_total"), 2)
        self.assertEqual(self.value("packice_evicted_bytes_total"), 64000)


if __name__ == "__main__":
    unittest.main()
