# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The node is killed at seeded moments of traffic, again and again on one folder: every object
whose seal was answered is there and whole, nothing half-made is served or left, and names are free.
And clients are killed at every step of theirs.

A failing seed runs again with PACKICE_KILL_SEED=SEED, which the failure names."""

import os
import random
import signal
import threading
import unittest

from client import Client, Closed, write_all
from durable import DurableNode
from harness import DEADLINE, SOAK, poll, scaled
from traffic import Book, Worker, contents_of

SEED = os.environ.get("PACKICE_KILL_SEED")
KILLS = 2000 if SOAK else scaled(100, 15)
KILLS_OF_A_SEED = 10  # then a new folder
WORKERS = 3

# What a client may hear of a node that was killed.
LOST = (Closed, ConnectionResetError, BrokenPipeError)


class Moment:
    """Kills the node at the so-manieth request sent or answer taken by anybody."""

    def __init__(self, node, count):
        self.node = node
        self.left = count
        self.lock = threading.Lock()
        self.dead = False

    def pass_by(self):
        with self.lock:
            self.left -= 1
            if self.left <= 0 and not self.dead:
                self.dead = True
                self.node.process.kill()


def work(worker, moment, errors):
    worker.after = moment.pass_by
    try:
        while True:
            worker.step()
    except LOST as error:
        if not moment.dead:
            errors.append(error)
    except BaseException as error:  # pylint: disable=broad-except
        errors.append(error)
    finally:
        worker.close()


class KillTest(unittest.TestCase):
    def test_node_killed_at_random_moments_loses_nothing(self):
        seeds = [SEED] if SEED else range(1, 1 + -(-KILLS // KILLS_OF_A_SEED))
        for seed in seeds:
            try:
                self.run_seed(random.Random(f"kill {seed}"))
            except AssertionError as error:
                raise AssertionError(
                    f"{error}\nagain: PACKICE_KILL_SEED={seed} meson test -C build 'e2e kill'"
                ) from error

    def run_seed(self, dice):
        node = DurableNode()
        self.addCleanup(node.remove)
        book = Book()
        node.start()
        for _ in range(KILLS_OF_A_SEED):
            self.kill_amid_traffic(node, book, dice)
            node.start()
            found = node.served(book.names())
            book.check(found)
            book.settle(found)
            node.check_tidy(found)
            node.check_holds(len(found))
        node.stop()
        node.remove()

    def kill_amid_traffic(self, node, book, dice):
        moment = Moment(node, dice.randint(1, 150))
        held = dict(book.must())
        errors = []
        workers = [
            Worker(
                number,
                random.Random(dice.getrandbits(64)),
                node.connect,
                book.tell,
                {name: epoch for name, epoch in held.items() if name.endswith(f" {number}")},
            )
            for number in range(WORKERS)
        ]
        threads = [
            threading.Thread(target=work, args=(worker, moment, errors), daemon=True)
            for worker in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * DEADLINE)
            self.assertFalse(thread.is_alive(), f"a worker hangs\n{node.errors()}")
        if errors:
            raise AssertionError(f"{errors[0]!r}\n{node.errors()}") from errors[0]
        self.assertEqual(node.wait(), -signal.SIGKILL, node.errors())


# ---- clients ----

META = {"seed": 1, "sizes": [5000, 3]}


class Steps:
    """What a client does, one thing after the other. Each may be its last."""

    def __init__(self, socket):
        self.client = Client(socket, DEADLINE)
        self.created = None
        self.lease = None

    def creates_unread(self):
        self.client.send("acquire", object_id="x", intent="create", sizes=META["sizes"],
                         meta=META, bind="connection")

    def takes_it(self):
        self.created = self.client.receive()

    def writes_half(self):
        write_all(self.created.fd(0), contents_of(META)[0][:700])

    def writes_all(self):
        for blob, data in enumerate(contents_of(META)):
            write_all(self.created.fd(blob), data)

    def closes_its_writers(self):
        self.created.close()

    def seals_unread(self):
        self.client.send("seal", lease_id=self.created["lease_id"])

    def hears_of_the_seal(self):
        assert self.client.receive()["status"] == "sealed"

    def reads_unread(self):
        self.client.send("acquire", object_id="x", intent="read", bind="connection")

    def reads(self):
        self.lease = self.client.receive()
        assert self.lease["status"] == "ok"

    def discards_unread(self):
        self.client.send("discard", object_id="x")

    def hears_of_the_discard(self):
        assert self.client.receive()["status"] == "discarded"

    def releases_unread(self):
        self.client.send("release", lease_id=self.lease["lease_id"])

    def half_a_request(self):
        self.client.send_bytes(b'{"command":"acquire","object_id":"x","int')


STEPS = [
    Steps.creates_unread,
    Steps.takes_it,
    Steps.writes_half,
    Steps.writes_all,
    Steps.closes_its_writers,
    Steps.seals_unread,
    Steps.hears_of_the_seal,
    Steps.reads_unread,
    Steps.reads,
    Steps.discards_unread,
    Steps.hears_of_the_discard,
    Steps.releases_unread,
    Steps.half_a_request,
]

# From its request on a step may have had its effect, and from its answer on it must have had it.
SEALED_AFTER, DISCARDED_AFTER = STEPS.index(Steps.seals_unread), STEPS.index(Steps.discards_unread)


class KilledClientTest(unittest.TestCase):
    def setUp(self):
        self.node = DurableNode()
        self.addCleanup(self.node.remove)
        self.node.start()

    def die_after(self, count):
        """A process that does so many steps and is killed."""
        child = os.fork()
        if child == 0:
            try:
                steps = Steps(self.node.socket)
                for step in STEPS[:count]:
                    step(steps)
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGKILL)

    def test_client_killed_at_any_step_leaves_nothing_half_made(self):
        for count in range(len(STEPS) + 1):
            with self.subTest(STEPS[count - 1].__name__ if count else "connects"):
                self.die_after(count)
                self.check_left(count)

    def check_left(self, count):
        poll(lambda: self.node.holdings()["leases"] == 0, "its leases ended")
        found = self.node.served(["x"])
        there = {key[0] for key in found}
        last = count - 1
        if last < SEALED_AFTER or last > DISCARDED_AFTER:
            self.assertEqual(there, set())
        elif SEALED_AFTER < last < DISCARDED_AFTER:
            self.assertEqual(there, {"x"})
        for meta, contents in found.values():
            self.assertEqual((meta, contents), (META, contents_of(META)))
        self.node.check_tidy(found)
        with self.node.connect() as client:
            if found:
                client.ok("discard", object_id="x")
            client.put("x", b"its name is free")
            client.ok("discard", object_id="x")
        self.node.check_tidy({})
        self.node.check_holds(0)
        poll(lambda: not self.node.open_files(), "no file of an object is open")


if __name__ == "__main__":
    unittest.main()
