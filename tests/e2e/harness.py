# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test stands on: a node of its own for each class, and the leak check.

After each test the node must hold what it held before its first client: no object, byte, lease,
session, wait or descriptor more. A test that leaves sealed objects names them; they are counted and
discarded here.
"""

import os
import random
import subprocess
import sys
import threading
import unittest

from client import Closed
from node import BUILD, DEADLINE, FILES, NODE, SLOW, SOAK, Node, poll, scaled

__all__ = [
    "BUILD",
    "DEADLINE",
    "FILES",
    "NODE",
    "SLOW",
    "SOAK",
    "Node",
    "NodeCase",
    "pattern",
    "poll",
    "scaled",
    "start_all",
]


def pattern(size, seed=1):
    """Bytes that differ by seed and place."""
    return random.Random(seed).randbytes(size)


def start_all(workers):
    """Runs the functions at once, each in its thread, and returns what they returned; the first
    exception is raised again."""
    results = [None] * len(workers)
    errors = []
    barrier = threading.Barrier(len(workers))

    def run(index, worker):
        try:
            barrier.wait(DEADLINE)
            results[index] = worker()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=item, daemon=True) for item in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * DEADLINE)
        assert not thread.is_alive(), "a worker hangs"
    if errors:
        raise errors[0]
    return results


class NodeCase(unittest.TestCase):
    sections = {}  # on top of the plain config, for every node of the class
    node = None
    baseline = None

    @classmethod
    def setUpClass(cls):
        cls.node = Node(cls.sections)
        cls.addClassCleanup(cls.node.remove)
        cls.node.start()
        cls.count_anew()

    @classmethod
    def count_anew(cls):
        """What the node holds while nobody uses it is what later counts are compared with."""
        poll(lambda: cls.node.stats()["recovering"] == 0, "recovery is over")
        # The counter's first connection is not to be what a later one is compared with: wait until
        # that of the start is gone.
        poll(lambda: cls.node.holdings()["sessions"] == 1, "one session")
        cls.baseline = cls.node.holdings()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def setUp(self):
        self._left = set()
        self._clients = []
        self._processes = []

    def tearDown(self):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=DEADLINE)
        for client in self._clients:
            client.close()
        if self.node.process.poll() is not None:
            self.fail(f"the node ended with {self.node.process.returncode}\n{self.node.errors()}")
        self.check_holdings(objects=len(self._left))
        with self.node.connect() as client:
            for object_id in self._left:
                client.ok("discard", object_id=object_id)
        self.check_clean()

    # ---- what tests use ----

    def connect(self):
        client = self.node.connect()
        self._clients.append(client)
        return client

    def left(self, *object_ids):
        """These sealed objects will be there at the end of the test."""
        self._left.update(object_ids)

    def gone(self, *object_ids):
        self._left.difference_update(object_ids)

    def put(self, client, object_id, *contents, **members):
        object_id = client.put(object_id, *contents, **members)
        self.left(object_id)
        return object_id

    def discard(self, client, object_id):
        client.ok("discard", object_id=object_id)
        self.gone(object_id)

    def refused(self, error, reply):
        """The reply is this error, with a message and no descriptors."""
        self.assertEqual((reply.get("status"), reply.error), ("error", error), dict(reply))
        self.assertTrue(reply.get("message"), dict(reply))
        self.assertFalse(reply.fds)

    def run_python(self, code, *arguments):
        """Starts a process that runs `code` with these tests' modules at hand and
        sys.argv = [socket, arguments...]."""
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys\ndel sys.argv[0]\n{code}", self.node.socket]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))},
            text=True,
        )
        self._processes.append(process)
        return process

    # ---- the leak check ----

    def check_holdings(self, **figures):
        """Polls until the node holds exactly the figures named, or fails with what it holds."""
        held = {}

        def matches():
            held.clear()
            try:
                held.update(self.node.holdings())
            except (AssertionError, Closed, OSError) as error:
                held["error"] = error  # with a full node: those before are still leaving
                return False
            return all(held[name] == value for name, value in figures.items())

        poll(matches, lambda: f"the node holds {figures}; it holds {held}", self.leak_deadline)

    leak_deadline = DEADLINE

    def check_clean(self):
        self.check_holdings(**self.baseline)
