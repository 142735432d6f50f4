# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""One object's life: who may create, seal, read, renew, release and discard, and what everybody
else is told."""

import mmap
import fcntl
import os
import unittest

from client import write_all
from harness import FILES, NodeCase, poll, scaled, start_all

NO_LEASE = "00000000-0000-4000-8000-000000000000"


class LifecycleTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def create(self, name, size=4, **members):
        made = self.client.create(name, [size], **members)
        made.close()
        return made

    # ---- create ----

    def test_one_of_two_creates_wins(self):
        """Two connections at once, over and over: one lease, one `exists`, never two of either."""
        clients = [self.connect(), self.connect()]
        for turn in range(scaled(200, 40)):
            replies = start_all([
                lambda client=client: client.request(
                    "acquire", object_id=f"race {turn}", intent="create", sizes=[1]
                )
                for client in clients
            ])
            self.assertEqual(sorted(str(reply.error) for reply in replies), ["None", "exists"])
            for client, reply in zip(clients, replies):
                if reply.error is None:
                    client.release(reply["lease_id"])

    def test_create_of_a_sealed_name_exists(self):
        self.put(self.client, "taken", b"x")
        self.refused("exists", self.client.request(
            "acquire", object_id="taken", intent="create", sizes=[1]
        ))

    def test_released_create_frees_the_name_and_its_bytes(self):
        epochs = set()
        for _ in range(20):
            made = self.create("again", 1 << 20)
            epochs.add(made["epoch"])
            self.client.release(made["lease_id"])
            stats = self.node.stats()
            self.assertEqual((stats["objects"], stats["bytes"], stats["leases"]), (0, 0, 0))
        self.assertEqual(len(epochs), 20, "an epoch was used twice")

    def test_release_is_idempotent(self):
        made = self.create("again")
        for _ in range(3):
            self.client.release(made["lease_id"])

    def test_abandoned_descriptor_is_cut_off_from_its_successor(self):
        """What the first creator still holds is not what the second one made."""
        first = self.client.create("name", [4])
        self.client.release(first["lease_id"])
        self.put(self.client, "name", b"good")
        write_all(first.fd(0), b"evil")
        self.assertEqual(self.client.get("name"), [b"good"])

    # ---- read before and after seal ----

    def test_read_before_seal_is_not_sealed(self):
        made = self.create("young")
        self.refused("not_sealed", self.client.request(
            "acquire", object_id="young", intent="read"
        ))
        self.client.release(made["lease_id"])

    def test_read_of_what_is_known_brings_a_lease_and_no_descriptor(self):
        """As if it were not known: the lease keeps the object, and is released. Another epoch is
        not known, nor is the object of a repeat."""
        self.put(self.client, "known", b"ab", b"cde")
        read = {"object_id": "known", "intent": "read", "bind": "connection"}
        first = self.client.read("known")
        epoch = first["epoch"]
        again = self.client.ok("acquire", **{**read, "known_epoch": epoch})
        self.assertEqual((again["epoch"], again["fds"], again["handles"]), (epoch, 0, []))
        self.assertEqual(
            [(blob["kind"], blob["size"]) for blob in again["blobs"]], [("known", 2), ("known", 3)]
        )
        self.assertNotEqual(again["lease_id"], first["lease_id"])
        self.assertEqual(self.node.stats()["leases"], 2)
        batch = self.client.ok("batch", requests=[
            {"command": "acquire", **read, **known}
            for known in ({"known_epoch": epoch}, {"known_epoch": epoch + 1}, {})
        ])
        self.assertEqual(batch["fds"], 4)
        batch.close()
        kinds = [reply["blobs"][0]["kind"] for reply in batch["replies"]]
        self.assertEqual([kind == "known" for kind in kinds], [True, False, False])
        self.client.release(first["lease_id"])
        self.discard(self.client, "known")
        self.assertGreater(self.node.stats()["bytes"], 0, "the lease did not keep it")
        self.put(self.client, "known", b"new")
        other = self.client.ok("acquire", **{**read, "known_epoch": epoch})
        self.assertEqual((other["epoch"] > epoch, other["fds"]), (True, 1))
        self.assertEqual(os.pread(other.fds[0], 10, other["blobs"][0]["offset"]), b"new")
        other.close()

    def test_description_is_shared_by_those_alone_who_say_that_they_can(self):
        """And the reply says so. Storage that opens files has none to share."""
        self.put(self.client, "shared", b"hello")
        read = {"object_id": "shared", "intent": "read", "bind": "connection"}
        asked = [self.client.ok("acquire", **read, **more)
                 for more in ({"shared": True}, {"shared": True}, {"shared": False}, {})]
        said = [reply["blobs"][0].get("shared", False) for reply in asked]
        shares = asked[0]["blobs"][0]["kind"] == "fd"
        self.assertEqual(said, [shares, shares, False, False])
        os.lseek(asked[0].fds[0], 3, os.SEEK_SET)
        offsets = [os.lseek(reply.fds[0], 0, os.SEEK_CUR) for reply in asked]
        self.assertEqual(offsets, [3, 3 if shares else 0, 0, 0])
        for reply in asked:
            self.assertEqual(os.pread(reply.fds[0], 10, 0), b"hello")
            self.assertEqual(fcntl.fcntl(reply.fds[0], fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY)
            reply.close()
            self.client.release(reply["lease_id"])
        self.refused("invalid", self.client.request("acquire", **read, shared=1))
        self.discard(self.client, "shared")

    def test_read_of_nothing_is_not_found(self):
        self.refused("not_found", self.client.request("acquire", object_id="no", intent="read"))

    def test_read_needs_a_name(self):
        for members in ({}, {"object_id": None}):
            self.refused("invalid", self.client.request("acquire", intent="read", **members))

    # ---- seal ----

    def test_seal_with_a_read_lease_is_denied(self):
        self.put(self.client, "mine", b"data")
        lease = self.client.read("mine")
        self.refused("access_denied", self.client.request("seal", lease_id=lease["lease_id"]))
        self.client.release(lease["lease_id"])

    def test_seal_without_a_lease(self):
        self.refused("lease_not_found", self.client.request("seal", lease_id=NO_LEASE))
        self.refused("lease_not_found", self.client.request(
            "renew", lease_id=NO_LEASE, ttl_seconds=1
        ))

    def test_seal_again_is_the_same_answer(self):
        made = self.create("twice")
        first = self.client.seal(made["lease_id"])
        second = self.client.seal(made["lease_id"])
        for reply in (first, second):
            self.assertEqual(reply["status"], "sealed")
            self.assertEqual(len(reply.fds), 1)
        self.assertEqual(first["blobs"], second["blobs"])
        self.client.release(made["lease_id"])
        self.left("twice")

    def test_lease_reads_on_after_seal(self):
        """The creator's lease is a read lease from then on: it keeps a discarded object alive."""
        made = self.create("kept", 1 << 20)
        self.client.seal(made["lease_id"]).close()
        self.assertEqual(self.node.stats()["leases"], 1)
        self.client.ok("discard", object_id="kept")
        self.assertGreaterEqual(self.node.stats()["bytes"], 1 << 20)
        self.client.release(made["lease_id"])
        self.assertEqual(self.node.stats()["bytes"], 0)

    def test_seal_with_a_live_writable_map_is_busy_and_works_after_unmap(self):
        made = self.client.create("busy", [8192, 8192])
        view = mmap.mmap(made.fd(1), 8192)
        view[:4] = b"mine"
        made.close()
        self.refused("busy", self.client.request("seal", lease_id=made["lease_id"]))
        self.refused("not_sealed", self.client.request(
            "acquire", object_id="busy", intent="read"
        ))
        view[4:8] = b"more"
        view.close()
        self.client.seal(made["lease_id"]).close()
        self.client.release(made["lease_id"])
        self.left("busy")
        self.assertEqual(self.client.get("busy")[1][:8], b"minemore")

    def test_seal_of_another_size_is_invalid(self):
        made = self.client.ok("acquire", object_id="odd", intent="create", blobs=1)
        write_all(made.fd(0), b"12345")
        made.close()
        self.refused("invalid", self.client.request(
            "seal", lease_id=made["lease_id"], sizes=[4, 4]
        ))
        self.client.request("release", lease_id=made["lease_id"])

    def test_truncated_sized_blob_never_seals(self):
        """A creator that cuts its own blob gets no object out of it."""
        made = self.client.create("cut", [4096])
        try:
            os.ftruncate(made.fd(0), 100)
        except PermissionError:
            self.client.release(made["lease_id"])
            return
        self.refused("invalid", self.client.request("seal", lease_id=made["lease_id"]))
        self.refused("not_found", self.client.request("stat", object_id="cut"))
        self.client.request("release", lease_id=made["lease_id"])

    @unittest.skipUnless(FILES, "memory does not grow in the first place")
    def test_grown_sized_blob_never_seals(self):
        made = self.client.create("grown", [4096])
        os.pwrite(made.fd(0), b"x", 4096)
        made.close()
        self.refused("invalid", self.client.request("seal", lease_id=made["lease_id"]))
        self.refused("not_found", self.client.request("stat", object_id="grown"))
        self.client.request("release", lease_id=made["lease_id"])

    @unittest.skipIf(FILES, "nobody can keep a file from growing before its seal")
    def test_sized_blob_does_not_grow(self):
        made = self.client.create("fixed", [4096])
        with self.assertRaises(PermissionError):
            os.pwrite(made.fd(0), b"x", 4096)
        with self.assertRaises(PermissionError):
            os.ftruncate(made.fd(0), 8192)
        self.client.release(made["lease_id"])

    # ---- discard ----

    def test_discard_frees_the_name_at_once(self):
        self.put(self.client, "name", b"first")
        lease = self.client.read("name")
        self.client.ok("discard", object_id="name")
        self.gone("name")
        self.refused("not_found", self.client.request(
            "acquire", object_id="name", intent="read"
        ))
        self.refused("not_found", self.client.request("discard", object_id="name"))
        self.put(self.client, "name", b"second")
        self.assertEqual(os.pread(lease.fd(0), 10, 0), b"first")
        self.assertEqual(self.client.get("name"), [b"second"])
        self.client.release(lease["lease_id"])

    def test_discarded_storage_is_freed_with_its_last_lease(self):
        self.put(self.client, "big", bytes(1 << 20))
        leases = [self.client.read("big") for _ in range(3)]
        self.client.ok("discard", object_id="big")
        self.gone("big")
        for lease in leases:
            self.assertGreaterEqual(self.node.stats()["bytes"], 1 << 20)
            self.client.release(lease["lease_id"])
        self.assertEqual(self.node.stats()["bytes"], 0)

    def test_descriptor_and_map_outlive_lease_and_object(self):
        self.put(self.client, "gone", b"still here")
        lease = self.client.read("gone")
        view = mmap.mmap(lease.fd(0), 10, prot=mmap.PROT_READ)
        self.client.release(lease["lease_id"])
        self.discard(self.client, "gone")
        self.assertEqual(view[:], b"still here")
        self.assertEqual(os.pread(lease.fd(0), 10, 0), b"still here")
        view.close()

    def test_discard_of_what_is_being_created(self):
        """The creator's lease is void afterwards, and the name is free for another."""
        made = self.create("young")
        self.client.ok("discard", object_id="young")
        self.refused("not_found", self.client.request("stat", object_id="young"))
        self.refused("lease_not_found", self.client.request("seal", lease_id=made["lease_id"]))
        self.client.request("release", lease_id=made["lease_id"])

    # ---- retries ----

    def test_repeated_request_id_is_the_same_lease(self):
        first = self.client.create("once", [4], request_id="r1")
        again = self.connect().create("once", [4], request_id="r1")
        self.assertEqual(first["lease_id"], again["lease_id"])
        self.assertEqual(first["epoch"], again["epoch"])
        self.assertEqual(self.node.stats()["leases"], 1)
        write_all(again.fd(0), b"data")
        self.assertEqual(os.pread(first.fd(0), 4, 0), b"data")
        self.refused("exists", self.client.request(
            "acquire", object_id="once", intent="create", sizes=[4], request_id="r2"
        ))
        self.client.release(first["lease_id"])

    def test_request_id_is_new_again_once_its_lease_ended(self):
        first = self.create("once", request_id="r")
        self.client.release(first["lease_id"])
        second = self.create("once", request_id="r")
        self.assertNotEqual(first["lease_id"], second["lease_id"])
        self.client.release(second["lease_id"])

    # ---- bound leases ----

    def test_bound_leases_end_with_their_connection(self):
        self.put(self.client, "read", b"x")
        with self.node.connect() as other:
            made = other.create("made", [4], bind="connection")
            lease = other.read("read", bind="connection")
            self.assertIsNone(made["ttl_seconds"])
            self.assertIsNone(lease["ttl_seconds"])
            self.assertEqual(self.node.stats()["leases"], 2)
        poll(lambda: self.node.stats()["leases"] == 0, "no lease")
        self.refused("lease_not_found", self.client.request("seal", lease_id=made["lease_id"]))
        self.put(self.client, "made", b"again")

    def test_unbound_leases_outlive_their_connection(self):
        with self.node.connect() as other:
            with other.create("made", [4]) as made:
                write_all(made.fd(0), b"data")
        self.assertEqual(self.node.stats()["leases"], 1)
        self.client.seal(made["lease_id"]).close()
        self.client.release(made["lease_id"])
        self.left("made")
        self.assertEqual(self.client.get("made"), [b"data"])

    # ---- lease ids ----

    def test_lease_ids_are_not_told_to_others(self):
        made = self.create("secret")
        self.client.seal(made["lease_id"]).close()
        self.left("secret")
        for reply in (
            self.client.ok("stat", object_id="secret"),
            self.client.ok("list"),
            self.client.ok("stats"),
        ):
            self.assertNotIn(made["lease_id"], str(dict(reply)))
        self.client.release(made["lease_id"])
        self.assertNotIn(made["lease_id"], self.node.errors())


if __name__ == "__main__":
    unittest.main()
