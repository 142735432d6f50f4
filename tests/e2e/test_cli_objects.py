# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice ls, stat, rm, wait, renew and release."""

import os
import pwd
import re
import subprocess
import unittest

from cli_case import CliCase, documents
from harness import DEADLINE, poll, scaled

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class LsTest(CliCase):
    def test_in_the_order_they_were_made(self):
        self.assertEqual(self.run_cli("ls"), b"")
        self.assertEqual(self.run_cli("ls", "--json"), b"")
        for name in ("b", "a/2", "a/1", "\u00fcml\u00e4ut \U0001f9ca"):
            self.put(self.client, name, b"")
        self.assertEqual(
            self.run_cli("ls").decode(), "b\na/2\na/1\n\u00fcml\u00e4ut \U0001f9ca\n"
        )
        self.assertEqual(self.run_cli("ls", "a/"), b"a/2\na/1\n")
        self.assertEqual(self.run_cli("ls", "none"), b"")

    def test_all_of_many_pages(self):
        count = scaled(2500, 1200)
        names = [f"n{number}" for number in range(count)]
        for name in names:
            self.put(self.client, name, b"")
        self.assertEqual(self.run_cli("ls").decode().split(), names)
        self.assertEqual(
            [document["object_id"] for document in documents(self.run_cli("ls", "--json"))], names
        )

    def test_long(self):
        self.put(self.client, "two", bytes(1536), bytes(512))
        made = self.client.create("growing", [3 << 20])
        time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        self.assertRegex(
            self.run_cli("ls", "-l").decode(),
            rf"\A +2 KiB +2 sealed +{time} two\n +3 MiB +1 creating +{time} growing\n\Z",
        )
        self.assertRegex(
            self.run_cli("ls", "--long", "--bytes").decode(),
            rf"\A +2048 +2 sealed +{time} two\n +3145728 +1 creating +{time} growing\n\Z",
        )
        self.client.release(made["lease_id"])

    def test_json_is_what_stat_tells(self):
        self.put(self.client, 'q"uote\\', b"12", b"3", meta={"k": "v"})
        (listed,) = documents(self.run_cli("ls", "--json"))
        (told,) = documents(self.run_cli("stat", "--json", 'q"uote\\'))
        self.assertEqual((told.pop("sizes"), told.pop("meta")), ([2, 1], {"k": "v"}))
        self.assertEqual(listed, told)

    def test_a_reader_that_leaves_is_no_error(self):
        for number in range(300):
            self.put(self.client, f"{number:0200}", b"")
        process = self.start("ls", "--json", restore_signals=False)
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(process.wait(DEADLINE), 1)


class StatTest(CliCase):
    def test_for_people(self):
        self.put(self.client, "a b", bytes(1536), b"x", meta={"k": [1]})
        text = self.run_cli("stat", "a b").decode()
        lines = dict(re.findall(r"^(?:  )?(\w+(?: \d+)?) +(.*)$", text, re.M))
        self.assertRegex(lines.pop("created"), r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\Z")
        self.assertRegex(lines.pop("sealed"), r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\Z")
        self.assertGreater(int(lines.pop("epoch")), 0)
        self.assertEqual(lines.pop("meta").replace(" ", ""), '{"k":[1]}')
        self.assertEqual(
            lines,
            {
                "object": "a b",
                "state": "sealed",
                "owner": pwd.getpwuid(os.getuid()).pw_name,
                "size": "1.5 KiB",
                "blobs": "2",
                "blob 0": "1.5 KiB",
                "blob 1": "1 B",
            },
        )
        self.assertIn("size         1537\n", self.run_cli("stat", "-b", "a b").decode())

    def test_json(self):
        self.put(self.client, "o", b"12", b"3", meta={"k": "v"})
        made = self.client.create("c", [5])
        sealed, creating = documents(self.run_cli("stat", "--json", "o", "c"))
        self.assertGreater(sealed.pop("epoch"), 0)
        self.assertGreaterEqual(sealed.pop("sealed_at"), sealed.pop("created_at"))
        self.assertEqual(
            sealed,
            {
                "object_id": "o",
                "state": "sealed",
                "size": 3,
                "blobs": 2,
                "sizes": [2, 1],
                "meta": {"k": "v"},
                "owner": os.getuid(),
            },
        )
        self.assertEqual((creating["state"], creating["sealed_at"]), ("creating", None))
        self.client.release(made["lease_id"])

    def test_unknown_sizes(self):
        made = self.client.create("u", None, blobs=1)
        (document,) = documents(self.run_cli("stat", "--json", "u"))
        self.assertIn(document["sizes"], ([None], [0]))
        self.run_cli("stat", "u")
        self.client.release(made["lease_id"])

    def test_goes_on_after_one_that_is_missing(self):
        self.put(self.client, "a", b"")
        self.put(self.client, "b", b"")
        process = self.start("stat", "--json", "a", "missing", "b")
        output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 3)
        self.assertEqual([told["object_id"] for told in documents(output)], ["a", "b"])
        self.assertEqual(errors, b"packice: stat: no object 'missing'\n")

    def test_the_node(self):
        self.put(self.client, "a", bytes(2 << 20))
        (figures,) = documents(self.run_cli("stat", "--json"))
        self.assertEqual((figures["objects"], figures["bytes"]), (1, 2 << 20))
        self.assertEqual(figures["leases"], 0)
        text = self.run_cli("stat").decode()
        self.assertRegex(text, r"(?m)^objects +1$")
        self.assertRegex(text, r"(?m)^bytes +2 MiB$")
        self.assertRegex(self.run_cli("stat", "--bytes").decode(), r"(?m)^bytes +2097152$")


class RmTest(CliCase):
    def test_names_are_free(self):
        for name in ("a", "b"):
            self.put(self.client, name, b"")
        self.assertEqual(self.run_cli("rm", "a", "b"), b"")
        self.gone("a", "b")
        self.assertEqual(self.run_cli("ls"), b"")

    def test_goes_on_and_tells_of_the_first_failure(self):
        self.put(self.client, "a", b"")
        process = self.start("rm", "missing", "a", "gone")
        _, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 3)
        self.assertEqual(
            errors, b"packice: rm: no object 'missing'\npackice: rm: no object 'gone'\n"
        )
        self.gone("a")
        self.assertFalse(self.exists("a"))

    def test_readers_read_on(self):
        self.put(self.client, "a", b"kept")
        with self.client.read("a") as lease:
            self.run_cli("rm", "a")
            self.gone("a")
            self.assertEqual(open(lease.fds[0], "rb", closefd=False).read(), b"kept")
        self.client.release(lease["lease_id"])


class WaitTest(CliCase):
    def test_what_is_sealed(self):
        self.put(self.client, "a", b"")
        self.assertEqual(self.run_cli("wait", "a"), b"")
        self.assertEqual(self.run_cli("wait", "a", "--timeout", "0"), b"")
        (document,) = documents(self.run_cli("wait", "a", "--json"))
        self.assertEqual((document["object_id"], document["state"]), ("a", "sealed"))

    def test_until_it_is_sealed(self):
        processes = [self.start("wait", "a"), self.start("wait", "a", "--timeout", "1h")]
        poll(lambda: self.node.stats()["waits"] == 2, "both wait")
        made = self.client.create("a", [0])
        self.assertEqual([process.poll() for process in processes], [None, None])
        made.close()
        self.client.seal(made["lease_id"])
        self.left("a")
        self.client.release(made["lease_id"])
        for process in processes:
            self.finish(process)

    def test_timeout(self):
        self.fails("timeout", "wait", "a", "--timeout", "10ms")
        made = self.client.create("a", [0])
        self.fails("timeout", "wait", "a", "--timeout", "10ms")
        self.client.release(made["lease_id"])

    def test_a_discard_ends_it(self):
        self.client.create("a", [0])
        process = self.start("wait", "a")
        poll(lambda: self.node.stats()["waits"] == 1, "it waits")
        self.client.ok("discard", object_id="a")
        _, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, errors), (3, b"packice: wait: no object 'a'\n"))


class LeaseTest(CliCase):
    def hold(self, *arguments):
        output = self.run_cli("get", "a", "-o", "out", "--hold", *arguments).decode()
        self.assertRegex(output, rf"\A{UUID}\n\Z")
        return output.strip()

    def test_hold_renew_release(self):
        self.put(self.client, "a", bytes(4096))
        lease = self.hold("1h")
        self.assertEqual(self.node.stats()["leases"], 1)
        self.run_cli("rm", "a")
        self.gone("a")
        self.assertEqual(self.node.stats()["bytes"], 4096)
        self.assertEqual(self.run_cli("renew", lease, "--ttl", "5m"), b"5m\n")
        self.run_cli("release", lease)
        self.check_holdings(leases=0, bytes=0)

    def test_a_lease_that_is_held_ends_with_its_time(self):
        self.put(self.client, "a", b"")
        lease = self.hold("50ms")
        self.check_holdings(leases=0)
        message = self.fails("lease_not_found", "renew", lease)
        self.assertNotIn(lease, message)
        self.run_cli("release", lease)

    def test_put_holds_too(self):
        self.file("in", b"data")
        output = self.run_cli("put", "--id", "p", "--hold", "1h", "in").decode()
        self.left("p")
        self.assertRegex(output, rf"\Ap\n{UUID}\n\Z")
        self.assertEqual(self.node.stats()["leases"], 1)
        self.run_cli("release", output.split()[1])

    def test_json(self):
        self.put(self.client, "a", b"")
        self.file("in", b"data")
        (got,) = documents(self.run_cli("get", "a", "-o", "out", "--hold", "1h", "--json"))
        (put,) = documents(self.run_cli("put", "--id", "p", "--hold", "2h", "--json", "in"))
        self.left("p")
        self.assertEqual((got["ttl_seconds"], put["ttl_seconds"]), (3600, 7200))
        for held in (got, put):
            (renewed,) = documents(
                self.run_cli("renew", "--json", held["lease_id"], "--ttl", "1.5s")
            )
            self.assertEqual(renewed, {"lease_id": held["lease_id"], "ttl_seconds": 1.5})
            self.run_cli("release", held["lease_id"])

    def test_the_nodes_default(self):
        self.put(self.client, "a", b"")
        lease = self.hold("1h")
        self.assertEqual(self.run_cli("renew", lease), b"1m\n")
        self.run_cli("release", lease)

    def test_ids_from_standard_input(self):
        self.put(self.client, "a", b"")
        lease = self.hold("1h")
        for text in (lease, lease + "\n", lease + "\nmore\n"):
            self.assertEqual(self.run_cli("renew", "-", data=text.encode()), b"1m\n")
        self.run_cli("release", "-", data=lease.encode())
        self.check_holdings(leases=0)
        self.run_cli("release", "-", outcome="failure", data=b"")
        self.run_cli("release", "-", outcome="usage", data=b"what is this\n")

    def test_a_get_that_fails_leaves_no_lease(self):
        self.put(self.client, "a", b"data")
        self.fails("failure", "get", "a", "--hold", "1h", "-o", "no/such/folder")
        self.check_holdings(leases=0)

    def test_ids_are_never_repeated_in_messages(self):
        secret = "0f0e0d0c-0b0a-4909-8807-060504030201"
        self.assertNotIn(secret, self.fails("lease_not_found", "renew", secret))
        self.assertNotIn(secret, self.fails("usage", "renew", secret + "0"))
        process = self.start("release", secret, stdin=subprocess.DEVNULL)
        self.assertEqual(self.finish(process), b"")


if __name__ == "__main__":
    unittest.main()
