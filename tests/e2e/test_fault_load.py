# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes at once over storage that fails, lingers and loses answers at some rate: every
request is answered, every error is one that the protocol page knows, what was sealed holds what was
written, and in the end the node holds nothing."""

import shutil
import tempfile
import unittest

from client import read_all
from harness import DEADLINE, SLOW, Node, NodeCase, pattern, poll, scaled

# Creates, writes, seals, reads, waits, lists and discards under a few names, as the seed wants it,
# and prints how often which error was told. A wrong byte, an unknown error or a request without an
# answer ends it with an exception.
WORKER = """
import collections
import json
import random
import sys
from client import Client, read_all, write_all
from harness import DEADLINE, pattern

path, seed, rounds = sys.argv[0], int(sys.argv[1]), int(sys.argv[2])
draw = random.Random(seed)
client = Client(path, DEADLINE)
told = collections.Counter()
STATES = {"not_found", "exists", "not_sealed", "lease_not_found", "timeout"}
FAULTS = {"io", "busy", "no_space"}

def ask(command, expected, **members):
    reply = client.request(command, **members)
    if reply["status"] == "error":
        assert reply.error in expected and reply["message"], (command, members, dict(reply))
        assert not reply.fds
        told[reply.error] += 1
    return reply

def failed(reply):
    return reply["status"] == "error"

def check(lease):
    content = lease["meta"]
    for blob, size in enumerate(content["sizes"]):
        assert lease["blobs"][blob]["size"] == size, (dict(lease), blob)
        assert read_all(lease, blob) == pattern(size, content["seed"] + blob), dict(lease)

def release(lease):
    reply = ask("release", FAULTS, lease_id=lease["lease_id"])
    assert not failed(reply), dict(reply)

def create(name):
    meta = {"seed": draw.randrange(1 << 30),
            "sizes": [draw.choice([0, 1, 100, 5000, 70000]) for _ in range(draw.randint(1, 3))]}
    members = {"sizes": meta["sizes"]} if draw.random() < 0.7 else {"blobs": len(meta["sizes"])}
    made = ask("acquire", STATES | FAULTS, object_id=name, intent="create", meta=meta, **members)
    if failed(made):
        return
    with made:
        for blob, size in enumerate(meta["sizes"]):
            write_all(made.fd(blob), pattern(size, meta["seed"] + blob))
    for _ in range(draw.randint(0, 5)):
        sealed = ask("seal", STATES | FAULTS | {"invalid"}, lease_id=made["lease_id"])
        with sealed:
            if not failed(sealed):
                sealed["meta"] = meta
                check(sealed)
                break
    release(made)

def read(name):
    wait = draw.choice([0, 0, 0.02])
    lease = ask("acquire", STATES | FAULTS, object_id=name, intent="read", wait_seconds=wait)
    if failed(lease):
        return
    with lease:
        check(lease)
    release(lease)

def discard(name):
    ask("discard", STATES | FAULTS, object_id=name)

def look(name):
    ask("stat", STATES | FAULTS, object_id=name)
    ask("list", FAULTS)

for _ in range(rounds):
    draw.choices([create, read, discard, look], [5, 6, 2, 1])[0](f"name {draw.randrange(6)}")
# one that is never let go but by the end of this process
ask("acquire", STATES | FAULTS, object_id=f"last of {seed}", intent="create", sizes=[10],
    bind="connection")
print(json.dumps(told))
"""


RULES = (
    "*:EIO:3%, *:EIO:after:3%, *:EBUSY:2%, create:ENOSPC:2%, seal:EINVAL:3%, *:delay=2ms:5%"
)


def sections_over(child, **options):
    blob = {"plugin": "blob_fault", "rules": RULES, "seed": "7", "child": child}
    blob.update({f"child.{key}": value for key, value in options.items()})
    return {"peer": {"sample": "5ms"}, "blob": blob}


class MemoryTest(NodeCase):
    sections = sections_over("blob_memfd")
    operations = ("create", "seal", "handle", "size", "remove")

    def stubborn(self, command, **members):
        """As long as storage fails, the same request again."""
        for _ in range(200):
            reply = self.client.request(command, **members)
            if reply["status"] != "error":
                return reply
            self.assertIn(reply.error, ("io", "busy"), dict(reply))
        return self.fail(f"{command} {members} never succeeds: {dict(reply)}")

    def test_mixed_load(self):
        self.client = self.connect()
        rounds = scaled(250, 60)
        workers = [self.run_python(WORKER, seed, rounds) for seed in range(5)]
        for worker in workers:
            out, errors = worker.communicate(timeout=4 * DEADLINE)
            self.assertEqual(worker.returncode, 0, errors)
        stats = self.node.stats()
        failed = {name: stats[f"blob_fault_failed_{name}"] for name in self.operations}
        self.assertGreater(sum(failed.values()), 0)
        if not SLOW:  # a short run may never draw the rarer ones
            self.assertGreater(min(failed.values()), 0, failed)
        self.assertGreater(stats["blob_fault_delayed"], 0)
        self.assertGreater(stats["sealed"], 0)
        self.check_holdings(leases=0, waits=0)
        for entry in self.stubborn("list")["objects"]:
            name = entry["object_id"]
            with self.stubborn("acquire", object_id=name, intent="read") as lease:
                content = lease["meta"]
                for blob, size in enumerate(content["sizes"]):
                    self.assertEqual(read_all(lease, blob), pattern(size, content["seed"] + blob))
            self.client.release(lease["lease_id"])
            self.stubborn("discard", object_id=name)
        self.check_holdings(objects=0, bytes=0)
        self.check_storage()

    def check_storage(self):
        poll(lambda: self.node.stats()["blob_fault_child_blobs"] == 0, "no blob is left")


class FilesTest(MemoryTest):
    operations = MemoryTest.operations + ("publish", "unpublish", "lookup")

    @classmethod
    def setUpClass(cls):
        root = tempfile.mkdtemp(prefix="packice-")
        cls.addClassCleanup(shutil.rmtree, root)
        cls.sections = sections_over("blob_fs", root=root)
        super().setUpClass()

    def check_storage(self):
        poll(lambda: self.node.stats()["blob_fault_child_blobs"] == 0, "no blob is left")


class FilesTest(MemoryTest):
    operations = MemoryTest.operations + ("publish", "unpublish", "lookup")

    @classmethod
    def setUpClass(cls):
        root = tempfile.mkdtemp(prefix="packice-")
        cls.addClassCleanup(shutil.rmtree, root)
        cls.sections = sections_over("blob_fs", root=root)
        super().setUpClass()

    @classmethod
    def count_anew(cls):
        """What the node holds once it has looked through its folder."""
        poll(lambda: cls.node.stats()["recovering"] == 0, "recovery is over")
        poll(lambda: cls.node.holdings()["sessions"] == 1, "one session")
        cls.baseline = cls.node.holdings()

    def check_storage(self):
        """A node without faults finds nothing there."""
        self.client.close()
        self.check_clean()
        self.node.stop()
        blob = self.sections["blob"]
        sound = Node({"blob": {"plugin": "blob_fs", "root": blob["child.root"]}})
        self.addCleanup(sound.remove)
        sound.start()
        with sound.connect() as client:
            self.assertEqual(client.ok("list")["objects"], [])
        sound.stop()
        self.node.start()
        self.count_anew()


if __name__ == "__main__":
    unittest.main()
