# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Reads that wait: for a seal, for a name that nobody made yet, for the next of that name; and how
waits end otherwise."""

import unittest

from client import read_all, write_all
from harness import DEADLINE, NodeCase, poll, scaled


class WaitsTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def start_wait(self, name, seconds=DEADLINE, **members):
        """A connection with a read that waits, once the node says that it does."""
        waiter = self.connect()
        before = self.node.stats()["waits"]
        waiter.send("acquire", object_id=name, intent="read", wait_seconds=seconds, **members)
        poll(lambda: self.node.stats()["waits"] == before + 1, "the read waits")
        return waiter

    def got(self, waiter, data):
        with waiter.receive() as lease:
            self.assertEqual(lease["status"], "ok", dict(lease))
            self.assertEqual(read_all(lease, 0), data)
        waiter.release(lease["lease_id"])

    def test_name_under_creation(self):
        made = self.client.create("name", [4])
        waiter = self.start_wait("name")
        write_all(made.fd(0), b"data")
        made.close()
        self.client.seal(made["lease_id"])
        self.got(waiter, b"data")
        self.client.release(made["lease_id"])
        self.left("name")

    def test_name_that_does_not_exist_yet(self):
        waiter = self.start_wait("name")
        self.put(self.client, "name", b"data")
        self.got(waiter, b"data")

    def test_name_that_is_abandoned_and_made_anew(self):
        waiter = self.start_wait("name")
        for _ in range(3):
            made = self.client.create("name", [4])
            self.client.release(made["lease_id"])
            self.assertEqual(self.node.stats()["waits"], 1)
        self.put(self.client, "name", b"data")
        self.got(waiter, b"data")

    def test_sealed_name_does_not_wait(self):
        self.put(self.client, "name", b"data")
        self.client.send("acquire", object_id="name", intent="read", wait_seconds=DEADLINE)
        self.got(self.client, b"data")

    def test_many_waiters_for_one_name(self):
        count = scaled(200, 50)
        waiter = self.connect()
        for tag in range(count):
            waiter.send(
                "acquire", object_id="name", intent="read", wait_seconds=DEADLINE, tag=tag
            )
        poll(lambda: self.node.stats()["waits"] == count, "all wait")
        self.put(self.client, "name", b"data")
        leases = {}
        for _ in range(count):
            with waiter.receive() as lease:
                self.assertEqual((lease["status"], len(lease.fds)), ("ok", 1))
                leases[lease["tag"]] = lease["lease_id"]
        self.assertEqual(set(leases), set(range(count)))
        self.assertEqual(len(set(leases.values())), count)
        for lease_id in leases.values():
            waiter.release(lease_id)

    def test_timeout(self):
        reply = self.client.request(
            "acquire", object_id="never", intent="read", wait_seconds=0.05
        )
        self.refused("timeout", reply)

    def test_timeouts_come_in_order_of_their_times(self):
        for tag, seconds in (("third", 0.3), ("first", 0.1), ("second", 0.2)):
            self.client.send(
                "acquire", object_id=tag, intent="read", wait_seconds=seconds, tag=tag
            )
        order = [self.client.receive()["tag"] for _ in range(3)]
        self.assertEqual(order, ["first", "second", "third"])

    def test_no_wait_is_no_wait(self):
        self.refused("not_found", self.client.request(
            "acquire", object_id="never", intent="read", wait_seconds=0
        ))

    def test_discard_answers_not_found(self):
        made = self.client.create("name", [4])
        waiter = self.start_wait("name")
        self.client.ok("discard", object_id="name")
        self.refused("not_found", waiter.receive())
        self.client.request("release", lease_id=made["lease_id"])

    def test_waits_end_with_their_connection(self):
        waiters = [self.start_wait(f"name {number}") for number in range(5)]
        for waiter in waiters:
            waiter.close()
        poll(lambda: self.node.stats()["waits"] == 0, "nothing waits")
        self.put(self.client, "name 0", b"data")
        self.assertEqual(self.node.stats()["leases"], 0)

    def test_waiting_lease_is_bound_when_asked(self):
        waiter = self.start_wait("name", bind="connection")
        self.put(self.client, "name", b"data")
        waiter.receive().close()
        self.assertEqual(self.node.stats()["leases"], 1)
        waiter.close()
        self.check_holdings(leases=0)


if __name__ == "__main__":
    unittest.main()
