# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Leases that end by themselves: in what order, what ends with them, and how renew keeps them."""

import os
import unittest

from harness import DEADLINE, NodeCase, poll


class TtlTest(NodeCase):
    sections = {"lease": {"default_ttl": "45s"}}

    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def await_leases(self, count):
        poll(lambda: self.node.stats()["leases"] == count, f"{count} leases")

    def test_default_is_the_nodes(self):
        for members in ({}, {"ttl_seconds": None}):
            with self.client.create("name", [1], **members) as made:
                self.assertEqual(made["ttl_seconds"], 45)
            self.client.release(made["lease_id"])

    def test_effective_ttl_is_told(self):
        with self.client.create("name", [1], ttl_seconds=7.5) as made:
            self.assertEqual(made["ttl_seconds"], 7.5)
        self.assertEqual(
            self.client.ok("renew", lease_id=made["lease_id"], ttl_seconds=9)["ttl_seconds"], 9
        )
        self.client.release(made["lease_id"])

    def test_bound_lease_with_a_ttl_has_it(self):
        with self.client.create("name", [1], ttl_seconds=0.1, bind="connection") as made:
            self.assertEqual(made["ttl_seconds"], 0.1)
        self.await_leases(0)
        self.refused("lease_not_found", self.client.request("seal", lease_id=made["lease_id"]))

    def test_expired_create_frees_the_name(self):
        with self.client.create("name", [1 << 20], ttl_seconds=0.1) as made:
            pass
        self.await_leases(0)
        self.refused("lease_not_found", self.client.request("seal", lease_id=made["lease_id"]))
        self.refused("lease_not_found", self.client.request(
            "renew", lease_id=made["lease_id"], ttl_seconds=60
        ))
        self.check_holdings(objects=0, bytes=0)
        self.put(self.client, "name", b"next")

    def test_expired_read_lease_leaves_the_object(self):
        self.put(self.client, "name", b"data")
        lease = self.client.read("name", ttl_seconds=0.1)
        self.await_leases(0)
        self.assertEqual(os.pread(lease.fd(0), 9, 0), b"data")
        self.assertEqual(self.client.get("name"), [b"data"])

    def test_expiry_frees_what_was_discarded(self):
        self.put(self.client, "name", bytes(1 << 20))
        self.client.read("name", ttl_seconds=0.1).close()
        self.client.ok("discard", object_id="name")
        self.gone("name")
        self.check_holdings(bytes=0, leases=0)

    def test_leases_end_in_the_order_of_their_times(self):
        """The longest is granted first, and still there when the shortest is gone."""
        self.client.create("long", [1], ttl_seconds=3600).close()
        self.client.create("short", [1], ttl_seconds=0.1).close()
        self.client.create("middle", [1], ttl_seconds=0.3).close()
        for name in ("short", "middle"):
            poll(
                lambda name=name: self.client.request("stat", object_id=name).error,
                f"{name} expired",
            )
        self.assertEqual(self.client.ok("stat", object_id="long")["state"], "creating")
        self.client.ok("discard", object_id="long")

    def test_renew_keeps_a_lease(self):
        """A lease of short time, renewed to a long one, outlives another of the short time that was
        granted after it."""
        kept = self.client.create("kept", [1], ttl_seconds=0.3)
        kept.close()
        self.client.ok("renew", lease_id=kept["lease_id"], ttl_seconds=60)
        self.client.create("lost", [1], ttl_seconds=0.3).close()
        poll(
            lambda: self.client.request("stat", object_id="lost").error == "not_found",
            "the other expired",
        )
        self.client.seal(kept["lease_id"]).close()
        self.client.release(kept["lease_id"])
        self.left("kept")

    def test_renew_shortens_too(self):
        made = self.client.create("name", [1], ttl_seconds=3600)
        self.client.ok("renew", lease_id=made["lease_id"], ttl_seconds=0.1)
        self.await_leases(0)

    def test_object_ttl_ends_a_sealed_object(self):
        reply = self.client.request(
            "acquire", object_id="short", intent="create", sizes=[1 << 20], object_ttl_seconds=0.2
        )
        if reply.error == "unsupported":
            self.skipTest("no object_ttl_seconds yet, and the node says so")
        self.client.seal(reply["lease_id"]).close()
        self.client.release(reply["lease_id"])
        poll(
            lambda: self.client.request("stat", object_id="short").error == "not_found",
            "the object expired",
        )

    def test_read_waits_for_the_end_of_an_expired_create(self):
        """A create that expires under a waiter does not end the wait; the next one's seal does."""
        self.client.create("name", [4], ttl_seconds=0.2).close()
        waiter = self.connect()
        waiter.send("acquire", object_id="name", intent="read", wait_seconds=DEADLINE)
        self.await_leases(0)
        self.put(self.client, "name", b"data")
        with waiter.receive() as lease:
            self.assertEqual(lease.get("status"), "ok", dict(lease))
        waiter.release(lease["lease_id"])


if __name__ == "__main__":
    unittest.main()
