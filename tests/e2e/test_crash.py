# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A client that dies at any step leaks nothing and blocks no name."""

import unittest

from client import write_all
from harness import DEADLINE, NodeCase, poll, scaled

VICTIM = """
import sys
from client import Client, write_all
client = Client(sys.argv[0], 3600)
def bound(command, **members):
    return client.ok(command, bind="connection", **members)
creates = [bound("acquire", object_id=f"made {n}", intent="create", sizes=[1 << 20, 10])
           for n in range(5)]
write_all(creates[0].fd(0), b"half written")
unsized = bound("acquire", object_id="made unsized", intent="create", blobs=3)
write_all(unsized.fd(2), bytes(1 << 20))
sealed = bound("acquire", object_id="sealed", intent="create", sizes=[4])
sealed.close()
client.seal(sealed["lease_id"])
reads = [bound("acquire", object_id="read", intent="read") for n in range(5)]
for n in range(5):
    client.send("acquire", object_id=f"wait {n}", intent="read", wait_seconds=3600,
                bind="connection", tag=f"wait {n}")
client.send("acquire", object_id="made 1", intent="read", wait_seconds=3600, tag="own")
client.send("acquire", object_id="wait 0", intent="read", wait_seconds=3600)
client.send_bytes(b'{"command":"acquire","object_id":"half a requ')
print("ready", flush=True)
sys.stdin.readline()
"""

UNREAD = """
import sys
from client import Client, encode
client = Client(sys.argv[0], 3600)
client.send_bytes(b"".join(
    encode("acquire", object_id="read", intent="read", bind="connection", tag=n)
    for n in range(int(sys.argv[1]))))
print("ready", flush=True)
sys.stdin.readline()
"""


class CrashTest(NodeCase):
    def start_victim(self, code, *arguments):
        victim = self.run_python(code, *arguments)
        line = victim.stdout.readline()
        if line != "ready\n":
            self.fail(f"the victim did not start: {line}{victim.communicate()[1]}")
        return victim

    def test_killed_client_is_reclaimed_in_order(self):
        """The events, in the only order that is right: the client dies; its creates are gone and
        their names free; a waiter for one of them, who came before, gets what the next one makes;
        what it was reading, discarded meanwhile, is freed."""
        events = []
        client = self.connect()
        self.put(client, "read", bytes(2 << 20))
        victim = self.start_victim(VICTIM)
        poll(lambda: self.node.stats()["waits"] >= 6, "the victim waits")

        self.refused("exists", client.request(
            "acquire", object_id="made 0", intent="create", sizes=[1]
        ))
        self.refused("not_sealed", client.request("acquire", object_id="made 0", intent="read"))
        waiter = self.connect()
        waiter.send("acquire", object_id="made 0", intent="read", wait_seconds=DEADLINE)
        poll(lambda: self.node.stats()["waits"] >= 7, "the waiter waits")
        client.ok("discard", object_id="read")
        self.gone("read")
        held = self.node.stats()
        self.assertGreaterEqual(held["bytes"], 5 * (1 << 20) + (2 << 20))

        victim.kill()
        victim.wait(DEADLINE)
        events.append("dead")

        def name_is_free():
            reply = client.request("acquire", object_id="made 0", intent="create", sizes=[4])
            if reply.error == "exists":
                return None
            self.assertEqual(reply["status"], "ok", dict(reply))
            return reply

        made = poll(name_is_free, "the name is free")
        events.append("free")
        self.assertEqual(self.node.stats()["waits"], 1, "only the living still wait")
        write_all(made.fd(0), b"next")
        made.close()
        client.seal(made["lease_id"]).close()
        events.append("sealed")
        with waiter.receive() as lease:
            self.assertEqual(lease.get("epoch"), made["epoch"], dict(lease))
        events.append("answered")
        self.assertEqual(events, ["dead", "free", "sealed", "answered"])

        client.release(made["lease_id"])
        waiter.release(lease["lease_id"])
        self.left("made 0", "sealed")
        stats = self.node.stats()
        self.assertEqual((stats["objects"], stats["leases"], stats["waits"]), (2, 0, 0))
        self.assertLess(stats["bytes"], 1 << 20, "what the dead had read and made is freed")
        for name in ("made 1", "made unsized", "wait 0"):
            self.refused("not_found", client.request("stat", object_id=name))
        self.assertEqual(client.get("sealed"), [bytes(4)])

    def test_killed_with_unread_replies(self):
        """Replies that nobody will read any more, with their descriptors and leases."""
        client = self.connect()
        self.put(client, "read", b"x", b"y", b"z")
        count = scaled(1000, 200)
        victim = self.start_victim(UNREAD, count)
        poll(lambda: self.node.stats()["leases"] > 10, "leases were granted")
        victim.kill()
        victim.wait(DEADLINE)
        self.check_holdings(leases=0, waits=0)

    def test_killed_again_and_again(self):
        client = self.connect()
        self.put(client, "read", b"x")
        for _ in range(scaled(10, 3)):
            victim = self.start_victim(VICTIM)
            victim.kill()
            victim.wait(DEADLINE)
            poll(
                lambda: client.request("stat", object_id="made 4").error == "not_found",
                "the name is free",
            )
            client.request("discard", object_id="sealed")

    def test_unbound_create_of_the_dead_ends_with_its_time(self):
        client = self.connect()
        with self.node.connect() as other:
            other.create("slow", [1 << 20], ttl_seconds=0.3).close()
        poll(
            lambda: client.request("stat", object_id="slow").error == "not_found",
            "the create expired",
        )
        self.put(client, "slow", b"mine")


if __name__ == "__main__":
    unittest.main()
