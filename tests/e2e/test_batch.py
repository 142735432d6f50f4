# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: many requests, one reply, one status each, and their descriptors in order."""

import json
import unittest

from client import read_all, write_all
from harness import NodeCase


class BatchTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def batch(self, *requests, **members):
        reply = self.client.ok("batch", requests=list(requests), **members)
        self.assertEqual(len(reply["replies"]), len(requests))
        return reply

    def test_a_status_each(self):
        self.put(self.client, "there", b"x")
        replies = self.batch(
            {"command": "stat", "object_id": "there"},
            {"command": "stat", "object_id": "not there"},
            {"command": "acquire", "object_id": "there", "intent": "create", "sizes": [1]},
            {"command": "teleport"},
            {"command": "acquire", "intent": "read"},
            {"command": "list"},
            {},
            {"command": "batch", "requests": []},
        )["replies"]
        self.assertNotIn("error", replies[0])
        self.assertEqual(replies[1]["error"], "not_found")
        self.assertEqual(replies[2]["error"], "exists")
        self.assertEqual(replies[3]["error"], "unsupported")
        self.assertEqual(replies[4]["error"], "invalid")
        self.assertEqual(len(replies[5]["objects"]), 1)
        self.assertIn(replies[6]["error"], ("invalid", "unsupported"))
        self.assertIn(replies[7]["error"], ("invalid", "unsupported"))

    def test_empty(self):
        self.assertEqual(self.batch()["replies"], [])

    def test_objects_in_and_out(self):
        count = 60
        made = self.batch(*(
            {"command": "acquire", "object_id": f"o{n}", "intent": "create", "sizes": [3, 1]}
            for n in range(count)
        ), tag="mine")
        self.assertEqual(made["tag"], "mine")
        self.assertEqual(len(made.fds), 2 * count)
        for number, entry in enumerate(made["replies"]):
            for blob in entry["blobs"]:
                write_all(made.fds[blob["fd"]], b"%03d" % number if blob["size"] == 3 else b".")
        made.close()
        leases = [entry["lease_id"] for entry in made["replies"]]
        sealed = self.batch(*({"command": "seal", "lease_id": lease} for lease in leases))
        self.assertEqual({entry["status"] for entry in sealed["replies"]}, {"sealed"})
        sealed.close()
        self.batch(*({"command": "release", "lease_id": lease} for lease in leases))
        self.left(*(f"o{n}" for n in range(count)))
        with self.batch(*(
            {"command": "acquire", "object_id": f"o{n}", "intent": "read", "bind": "connection"}
            for n in range(count)
        )) as read:
            for number, entry in enumerate(read["replies"]):
                part = type(read)(entry, [])
                part.fds = read.fds
                self.assertEqual(read_all(part, 0), b"%03d" % number)
                part.fds = []
        self.client.close()

    def test_more_descriptors_than_a_message_carries(self):
        """Entries that don't fit any more are too_large, and hold no lease."""
        self.put(self.client, "wide", *[b"x"] * 100)
        reply = self.batch(*(
            {"command": "acquire", "object_id": "wide", "intent": "read"} for _ in range(4)
        ))
        self.assertEqual(len(reply.fds), 200)
        granted = [entry for entry in reply["replies"] if "error" not in entry]
        refused = [entry["error"] for entry in reply["replies"] if "error" in entry]
        self.assertEqual((len(granted), refused), (2, ["too_large"] * 2))
        self.check_leases(2)
        for entry in granted:
            self.client.release(entry["lease_id"])

    def check_leases(self, count):
        self.assertEqual(self.node.stats()["leases"], count)

    def test_too_many_requests(self):
        reply = self.client.request("batch", requests=[{"command": "stat"}] * 1001)
        self.assertIn(reply.error, ("invalid", "too_large"), dict(reply))

    def test_thousand_requests(self):
        replies = self.batch(*(
            {"command": "stat", "object_id": f"none {n}"} for n in range(1000)
        ))["replies"]
        self.assertEqual({entry["error"] for entry in replies}, {"not_found"})

    def test_text_of_the_replies_is_bounded(self):
        """A small batch can't ask for a huge reply. What no longer fits is too_large, and nothing
        behind it is started."""
        meta = {"text": "x" * 60000}
        self.put(self.client, "large", b"x", meta=meta)
        there = {"command": "stat", "object_id": "large"}
        create = {"command": "acquire", "object_id": "late", "intent": "create", "sizes": [1]}
        reply = self.batch(*[there] * 500, create)
        self.assertFalse(reply.fds)
        entries = reply["replies"]
        fitting = [entry for entry in entries if "error" not in entry]
        self.assertEqual(len(fitting), (4 << 20) // len(json.dumps(fitting[0], separators=",:")))
        self.assertEqual({entry["meta"]["text"] for entry in fitting}, {meta["text"]})
        self.assertEqual(entries[: len(fitting)], fitting)
        refused = [entry["error"] for entry in entries[len(fitting):]]
        self.assertEqual(set(refused), {"too_large"})
        self.refused("not_found", self.client.request("stat", object_id="late"))
        self.assertIn("meta", self.batch(there)["replies"][0])

    def test_batch_of_waits_ends_with_its_connection(self):
        self.client.send("batch", requests=[
            {"command": "acquire", "object_id": f"never {n}", "intent": "read",
             "wait_seconds": 3600} for n in range(10)
        ])
        self.check_holdings(waits=10)
        self.client.close()


if __name__ == "__main__":
    unittest.main()
