# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Objects over HTTP: the verbs, and bytes in both directions, as any client of HTTP would."""

import json
import unittest

from harness import pattern
from http_case import HttpCase, blob_path, object_path

IDS = ("plain", "a/b", "..", ".", "a b", "ünï", "100%", "a?b#c&d=e", "a+b", "x" * 255, "/objects/x")


class VerbTest(HttpCase):
    sections = {**HttpCase.sections, "peer": {"capacity": "16MiB", "max_object": "32MiB"}}

    def test_a_life_in_verbs_and_bytes(self):
        made = self.call("acquire", object_id="life", intent="create", sizes=[5, 3], meta={"a": 1})
        lease = made["lease_id"]
        self.assertEqual(made["handles"], [])
        self.assertEqual(
            made["blobs"],
            [{"kind": "http", "url": f"/objects/life/blobs/{i}", "size": size, "offset": 0}
             for i, size in enumerate((5, 3))],
        )
        self.assertNotIn("fds", made)
        for blob, data in enumerate((b"hello", b"you")):
            done = self.request("PUT", blob_path("life", blob), data, {"PackIce-Lease": lease})
            self.assertEqual((done.status, done.json["size"]), (200, len(data)), done.body)
        self.assertEqual(self.request("GET", blob_path("life")).error, "not_sealed")
        sealed = self.call("seal", lease_id=lease)
        self.left("life")
        self.assertEqual((sealed["status"], sealed["state"]), ("sealed", "sealed"))
        self.assertEqual(self.download("life", 1), b"you")
        renewed = self.call("renew", lease_id=lease, ttl_seconds=7)
        self.assertEqual(renewed["ttl_seconds"], 7)
        self.assertEqual(self.call("stat", object_id="life")["meta"], {"a": 1})
        self.assertEqual(self.call("release", lease_id=lease)["status"], "released")
        self.assertEqual(self.call("discard", object_id="life")["status"], "discarded")
        self.gone("life")
        self.assertEqual(self.request("GET", blob_path("life")).error, "not_found")

    def test_a_request_releases_leases_beside(self):
        self.upload("there", b"x")
        leases = [self.call("acquire", object_id="there", intent="read")["lease_id"]
                  for _ in range(3)]
        self.call("stat", object_id="there", releases=leases[:2])
        self.call("renew", 404, lease_id=leases[0])
        self.call("renew", 404, lease_id=leases[1])
        self.call("renew", lease_id=leases[2])
        self.call("stat", 404, object_id="no", releases=leases[2:])
        self.call("renew", 404, lease_id=leases[2])
        self.call("stat", 400, object_id="there", releases=["no lease " * 5])

    def test_bytes_are_for_their_own_requests(self):
        self.upload("there", b"x")
        lease = self.call("acquire", object_id="there", intent="read", inline_max=100)
        self.assertEqual(lease["blobs"][0]["kind"], "http")
        self.assertTrue(lease["lease_id"])
        self.call("stat", 400, object_id="there", data=1)
        (put,) = self.call("batch", requests=[{"command": "put", "data": 0}])["replies"]
        self.assertEqual(put["error"], "unsupported")
        self.call("release", lease_id=lease["lease_id"])

    def test_errors_have_the_status_that_belongs_to_them(self):
        self.upload("there", b"x")
        for verb, status, error, members in (
            ("acquire", 400, "invalid", {"intent": "look"}),
            ("acquire", 404, "not_found", {"object_id": "no", "intent": "read"}),
            ("acquire", 408, "timeout", {"object_id": "no", "intent": "read", "wait_seconds": 0.01}),
            ("acquire", 409, "exists", {"object_id": "there", "intent": "create"}),
            ("acquire", 413, "too_large", {"intent": "create", "sizes": [1 << 62]}),
            ("acquire", 507, "no_space", {"intent": "create", "sizes": [20 << 20]}),
            ("acquire", 501, "unsupported",
             {"object_id": "there", "intent": "read", "bind": "connection"}),
            ("seal", 404, "lease_not_found", {"lease_id": "0" * 36}),
            ("stat", 404, "not_found", {"object_id": "no"}),
        ):
            with self.subTest(error=error):
                reply = self.call(verb, status, **members)
                self.assertEqual((reply["status"], reply["error"]), ("error", error), reply)
                self.assertTrue(reply["message"])

    def test_a_batch_answers_each_of_its_requests(self):
        self.upload("b", b"x")
        replies = self.call("batch", requests=[
            {"command": "stat", "object_id": "b"},
            {"command": "stat", "object_id": "no"},
            {"command": "acquire", "object_id": "b", "intent": "read"},
            {"command": "acquire", "object_id": "b", "intent": "read", "bind": "connection"},
            {"command": "jump"},
        ])["replies"]
        self.assertEqual([reply.get("error") for reply in replies],
                         [None, "not_found", None, "unsupported", "unsupported"])
        self.assertEqual(replies[2]["blobs"][0]["kind"], "http")
        self.call("release", lease_id=replies[2]["lease_id"])
        self.assertEqual(self.call("batch", requests=[])["replies"], [])

    def test_a_batch_whose_replies_are_too_large_leaves_no_lease(self):
        self.upload("m", b"x", PackIce_Meta='{"a":"%s"}' % ("m" * 15000))
        one = {"command": "acquire", "object_id": "m", "intent": "read"}
        replies = self.call("batch", requests=[one] * 1000)["replies"]
        granted = [reply["lease_id"] for reply in replies if reply["status"] == "ok"]
        refused = {reply["error"] for reply in replies if reply["status"] != "ok"}
        self.assertEqual(refused, {"too_large"})
        for lease in granted:
            self.call("release", lease_id=lease)

    def test_list_goes_on_behind_its_cursor(self):
        for i in range(5):
            self.upload(f"list/{i}", b"x" * i)
        found = []
        path = "/objects?prefix=list%2F&limit=2"
        cursor = ""
        while True:
            page = self.request("GET", path + cursor).json
            found += [entry["object_id"] for entry in page["objects"]]
            if page["cursor"] is None:
                break
            cursor = "&cursor=" + page["cursor"]
        self.assertEqual(found, [f"list/{i}" for i in range(5)])
        self.assertEqual(self.request("GET", "/objects?prefix=nothing").json["objects"], [])
        for query in ("limit=0", "limit=x", "limit=1001", "cursor=-1", "prefix=%zz"):
            self.assertEqual(self.request("GET", "/objects?" + query).status, 400, query)

    def test_acquire_waits_for_the_seal(self):
        made = self.call("acquire", object_id="w", intent="create", sizes=[1])
        waiting = self.http()
        waiting.request("POST", "/acquire",
                        '{"object_id":"w","intent":"read","wait_seconds":60}')
        self.check_holdings(waits=1)
        self.call("seal", lease_id=made["lease_id"])
        self.left("w")
        answer = waiting.getresponse()
        self.assertEqual(answer.status, 200)
        # Not bound to the connection: it lives on, as the other one does, until it is released.
        self.check_holdings(leases=2)
        lease = json.loads(answer.read())["lease_id"]
        for each in (lease, made["lease_id"]):
            self.call("release", lease_id=each)


class BytesTest(HttpCase):
    def test_any_id_can_be_put_and_got(self):
        for number, object_id in enumerate(IDS):
            with self.subTest(object_id=object_id):
                data = pattern(1000 + number, number)
                done = self.upload(object_id, data)
                self.assertEqual(done.json["object_id"], object_id)
                self.assertEqual(done.headers["Location"], done.json["url"])
                self.assertEqual(self.request("GET", done.json["url"]).body, data)
                self.assertEqual(self.download(object_id), data)

    def test_large_blobs_cross_in_both_directions(self):
        data = pattern(5 << 20)
        self.upload("large", data)
        self.assertTrue(self.download("large") == data)
        parts = (data[at:at + 70000] for at in range(0, len(data), 70000))
        self.upload("chunks", parts)
        self.assertTrue(self.download("chunks") == data)
        self.assertEqual(self.call("stat", object_id="chunks")["size"], len(data))

    def test_what_http_wrote_the_socket_reads_and_the_other_way_round(self):
        data = pattern(100000)
        self.upload("over-http", data)
        with self.node.connect() as client:
            self.assertEqual(client.get("over-http"), [data])
            self.put(client, "over-uds", data, b"second")
        self.assertEqual(self.download("over-uds"), data)
        self.assertEqual(self.download("over-uds", 1), b"second")

    def test_ranges(self):
        data = pattern(1000)
        self.upload("r", data)
        for header, status, want in (
            ("bytes=0-0", 206, data[:1]),
            ("bytes=10-19", 206, data[10:20]),
            ("bytes=990-", 206, data[990:]),
            ("bytes=-7", 206, data[-7:]),
            ("bytes=-5000", 206, data),
            ("bytes=500-99999999999999999999", 206, data[500:]),
            ("bytes=5-4", 200, data),
            ("bytes=0-1,5-6", 200, data),
            ("bytes=x-", 200, data),
            ("lines=1-2", 200, data),
        ):
            with self.subTest(range=header):
                got = self.request("GET", blob_path("r"), headers={"Range": header})
                self.assertEqual((got.status, got.body), (status, want))
                if status == 206:
                    first = data.index(want)
                    self.assertEqual(got.headers["Content-Range"],
                                     f"bytes {first}-{first + len(want) - 1}/1000")
        for header in ("bytes=1000-", "bytes=-0"):
            got = self.request("GET", blob_path("r"), headers={"Range": header})
            self.assertEqual((got.status, got.headers["Content-Range"]), (416, "bytes */1000"))
            self.assertEqual(got.error, "invalid")

    def test_etags(self):
        self.upload("e", b"first")
        got = self.request("GET", blob_path("e"))
        etag = got.headers["ETag"]
        for header, status in ((etag, 304), ("W/" + etag, 304), ('"x", ' + etag, 304), ("*", 304),
                               ('"x"', 200), (etag[:-1], 200)):
            got = self.request("GET", blob_path("e"), headers={"If-None-Match": header})
            self.assertEqual((got.status, got.headers["ETag"]), (status, etag), header)
            self.assertEqual(got.body, b"" if status == 304 else b"first")
        part = {"Range": "bytes=0-1", "If-Range": etag}
        self.assertEqual(self.request("GET", blob_path("e"), headers=part).status, 206)
        part["If-Range"] = '"old"'
        self.assertEqual(self.request("GET", blob_path("e"), headers=part).status, 200)
        self.call("discard", object_id="e")
        self.upload("e", b"again")
        self.assertNotEqual(self.request("GET", blob_path("e")).headers["ETag"], etag)

    def test_head_says_what_get_would(self):
        self.upload("h", b"12345")
        got = self.request("HEAD", blob_path("h"))
        self.assertEqual((got.status, got.headers["Content-Length"], got.body), (200, "5", b""))
        got = self.request("HEAD", blob_path("no"))
        self.assertEqual((got.status, got.body), (404, b""))
        self.assertEqual(self.request("HEAD", "/healthz").status, 200)

    def test_empty_blobs(self):
        self.upload("empty", b"")
        got = self.request("GET", blob_path("empty"))
        self.assertEqual((got.status, got.body), (200, b""))
        ranged = self.request("GET", blob_path("empty"), headers={"Range": "bytes=0-"})
        self.assertEqual(ranged.status, 416)
        self.upload("empty-chunks", iter(()))
        self.assertEqual(self.download("empty-chunks"), b"")

    def test_a_lease_reads_what_was_discarded(self):
        self.upload("d", b"still here")
        lease = self.call("acquire", object_id="d", intent="read")["lease_id"]
        self.call("discard", object_id="d")
        self.gone("d")
        self.assertEqual(self.request("GET", blob_path("d")).status, 404)
        got = self.request("GET", blob_path("d"), headers={"PackIce-Lease": lease})
        self.assertEqual((got.status, got.body), (200, b"still here"))
        self.call("release", lease_id=lease)
        got = self.request("GET", blob_path("d"), headers={"PackIce-Lease": lease})
        self.assertEqual((got.status, got.error), (404, "lease_not_found"))

    def test_a_lease_is_for_its_object_and_purpose(self):
        self.upload("one", b"1")
        self.upload("two", b"2")
        read = self.call("acquire", object_id="one", intent="read")["lease_id"]
        made = self.call("acquire", object_id="new", intent="create", sizes=[3])["lease_id"]
        for method, path, lease, status, error in (
            ("GET", blob_path("two"), read, 400, "invalid"),
            ("GET", blob_path("one", 1), read, 404, "not_found"),
            ("PUT", blob_path("one"), read, 403, "access_denied"),
            ("PUT", blob_path("new", 1), made, 404, "not_found"),
            ("PUT", blob_path("two"), made, 400, "invalid"),
            ("PUT", blob_path("new"), "no such lease", 404, "lease_not_found"),
            ("PUT", blob_path("new"), None, 400, "invalid"),
            ("GET", blob_path("new"), made, 409, "not_sealed"),
            ("GET", object_path("one") + "/blob/0", None, 404, "not_found"),
            ("GET", object_path("one") + "/blobs/x", None, 400, "invalid"),
            ("GET", object_path("one") + "/blobs/00", None, 400, "invalid"),
            ("GET", object_path("one") + "/blobs/999", None, 404, "not_found"),
        ):
            with self.subTest(method=method, path=path, error=error):
                headers = {"PackIce-Lease": lease} if lease else {}
                body = b"abc" if method == "PUT" else None
                got = self.request(method, path, body, headers)
                self.assertEqual((got.status, got.error), (status, error), got.body)
        for lease in (read, made):
            self.call("release", lease_id=lease)

    def test_many_requests_on_one_connection(self):
        connection = self.http()
        self.request("PUT", object_path("k"), b"kept", connection=connection)
        self.left("k")
        address = connection.sock.getsockname()
        for _ in range(50):
            got = self.request("GET", blob_path("k"), connection=connection)
            self.assertEqual(got.body, b"kept")
            self.assertEqual(self.request("GET", "/no", connection=connection).status, 404)
        self.assertEqual(connection.sock.getsockname(), address)

    def test_methods_that_a_path_does_not_have(self):
        for method, path, allow in (
            ("GET", "/acquire", "POST"),
            ("POST", "/objects", "GET, HEAD"),
            ("DELETE", object_path("x"), "PUT"),
            ("POST", blob_path("x"), "GET, HEAD, PUT"),
        ):
            got = self.request(method, path)
            self.assertEqual((got.status, got.headers["Allow"]), (405, allow))


if __name__ == "__main__":
    unittest.main()
