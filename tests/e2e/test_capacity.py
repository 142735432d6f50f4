# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Bounds: capacity, the size and number of objects, calls and sessions. What is refused changes
nothing."""

import os
import unittest

from client import Closed, write_all
from harness import DEADLINE, NodeCase, poll, scaled

MIB = 1 << 20


class CapacityTest(NodeCase):
    sections = {"peer": {"capacity": "16MiB", "max_object": "8MiB", "sample": "20ms"}}

    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def acquire(self, name, **members):
        return self.client.request("acquire", object_id=name, intent="create", **members)

    def test_no_space_and_nothing_changed(self):
        """Sizes are reserved at create; without room the create is refused and leaves no trace."""
        leases = [self.acquire(f"part {n}", sizes=[8 * MIB])["lease_id"] for n in range(2)]
        before = self.node.stats()
        self.refused("no_space", self.acquire("more", sizes=[1]))
        self.refused("not_found", self.client.request("stat", object_id="more"))
        after = self.node.stats()
        for name in ("objects", "bytes", "leases"):
            self.assertEqual(after[name], before[name], name)
        self.client.release(leases[0])
        made = self.acquire("more", sizes=[8 * MIB])
        self.assertEqual(made["status"], "ok")
        for lease in (leases[1], made["lease_id"]):
            self.client.release(lease)

    def test_room_is_free_once_the_release_is_answered(self):
        """Also for one whose making took a worker, which may still be on its way out."""
        for turn in range(scaled(100, 20)):
            made = self.acquire("whole", sizes=[8 * MIB])
            self.assertEqual(made["status"], "ok", (turn, dict(made)))
            made.close()
            other = self.acquire("other", sizes=[8 * MIB])
            self.assertEqual(other["status"], "ok", (turn, dict(other)))
            other.close()
            self.client.release(made["lease_id"])
            self.client.ok("discard", object_id="other")

    def test_sealed_objects_are_not_dropped_for_room(self):
        self.put(self.client, "kept", bytes(8 * MIB))
        self.put(self.client, "kept too", bytes(8 * MIB))
        self.refused("no_space", self.acquire("more", sizes=[4096]))
        self.assertTrue(self.client.get("kept") == [bytes(8 * MIB)])

    def test_discarded_but_read_still_counts(self):
        self.put(self.client, "read", bytes(8 * MIB))
        self.put(self.client, "kept", bytes(8 * MIB))
        lease = self.client.read("read")
        self.discard(self.client, "read")
        self.refused("no_space", self.acquire("more", sizes=[8 * MIB]))
        self.client.release(lease["lease_id"])
        made = self.acquire("more", sizes=[8 * MIB])
        self.assertEqual(made["status"], "ok", dict(made))
        self.client.release(made["lease_id"])

    def test_too_large(self):
        for sizes in ([8 * MIB + 1], [4 * MIB, 4 * MIB, 1], [2**62], [2**62, 2**62, 2**62]):
            with self.subTest(sizes=sizes):
                self.refused("too_large", self.acquire("large", sizes=sizes))
        self.refused("not_found", self.client.request("stat", object_id="large"))
        for sizes in ([2**63], [2**64], [1e300]):
            reply = self.acquire("large", sizes=sizes)
            self.assertIn(reply.error, ("invalid", "too_large"), sizes)

    def test_unsized_growth_is_counted(self):
        made = self.acquire("grows", blobs=1)
        self.assertEqual(self.node.stats()["bytes"], 0)
        write_all(made.fd(0), bytes(4 * MIB))
        poll(lambda: self.node.stats()["bytes"] >= 4 * MIB, "the growth was seen")
        self.client.release(made["lease_id"])

    def test_unsized_growth_over_max_object_ends_the_create(self):
        """Found by the samples while it is written, or at seal at the latest; what was made of it
        is gone and counted no more."""
        made = self.acquire("grows", blobs=1)
        write_all(made.fd(0), bytes(9 * MIB))
        made.close()
        poll(
            lambda: self.client.request("stat", object_id="grows").error == "not_found",
            "the object is gone",
        )
        self.assertIn(
            self.client.request("seal", lease_id=made["lease_id"]).error,
            ("too_large", "lease_not_found"),
        )
        self.client.request("release", lease_id=made["lease_id"])

    def test_sized_growth_over_max_object_is_impossible_or_ends_the_create(self):
        """A size that was named keeps nobody from writing more to a file; a memfd can't grow."""
        made = self.acquire("grows", sizes=[1])
        try:
            os.ftruncate(made.fd(0), 9 * MIB)
        except PermissionError:
            pass
        else:
            poll(
                lambda: self.client.request("stat", object_id="grows").error == "not_found",
                "the object is gone",
            )
            self.check_holdings(objects=0, bytes=0)
        made.close()
        self.client.request("release", lease_id=made["lease_id"])

    def test_unsized_over_max_object_never_seals(self):
        made = self.acquire("grows", blobs=1)
        write_all(made.fd(0), bytes(9 * MIB))
        made.close()
        reply = self.client.request("seal", lease_id=made["lease_id"])
        self.assertIn(reply.error, ("too_large", "lease_not_found"), dict(reply))
        self.client.request("release", lease_id=made["lease_id"])
        self.check_holdings(objects=0, bytes=0)

    def test_unsized_over_what_is_free_never_seals(self):
        self.put(self.client, "kept", bytes(8 * MIB))
        self.put(self.client, "kept too", bytes(6 * MIB))
        made = self.acquire("grows", blobs=1)
        write_all(made.fd(0), bytes(3 * MIB))
        made.close()
        reply = self.client.request("seal", lease_id=made["lease_id"])
        self.assertIn(reply.error, ("no_space", "lease_not_found"), dict(reply))
        self.client.request("release", lease_id=made["lease_id"])
        self.check_holdings(objects=2)


class UnsizedRefusedTest(NodeCase):
    sections = {"peer": {"unsized": "no"}}

    def test_unsized_is_refused(self):
        client = self.connect()
        self.refused("unsupported", client.request("acquire", intent="create", blobs=1))
        self.refused("unsupported", client.request("acquire", intent="create"))
        self.put(client, "sized", b"data")


class CountsTest(NodeCase):
    sections = {"peer": {"max_objects": "3", "max_calls": "4", "max_sessions": "8"}}

    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def test_number_of_objects(self):
        for number in range(3):
            self.put(self.client, f"object {number}", b"x")
        reply = self.client.request("acquire", intent="create", sizes=[1])
        self.refused("no_space", reply)
        self.discard(self.client, "object 0")
        self.put(self.client, "object 3", b"x")

    def test_number_of_calls_of_one_session(self):
        """Waits count; the one over the bound is busy, and another session is not affected."""
        for tag in range(4):
            self.client.send(
                "acquire", object_id="never", intent="read", wait_seconds=DEADLINE, tag=tag
            )
        poll(lambda: self.node.stats()["waits"] == 4, "four wait")
        self.client.send("acquire", object_id="never", intent="read", wait_seconds=60, tag="more")
        reply = self.client.receive()
        self.assertEqual(reply["tag"], "more")
        self.refused("busy", reply)
        self.put(self.connect(), "other", b"x")

    def test_number_of_sessions(self):
        """One too many is told so or cut off; those that are in are served on."""
        clients = [self.client] + [self.connect() for _ in range(7)]
        for client in clients:
            client.ok("stats")
        with self.node.connect() as one_more:
            try:
                self.refused("busy", one_more.request("stats"))
            except (Closed, ConnectionResetError, BrokenPipeError):
                pass
        for client in clients:
            client.ok("stats")


if __name__ == "__main__":
    unittest.main()
