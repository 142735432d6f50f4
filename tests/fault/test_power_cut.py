# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The power is cut at every point of a node's run over blob_fs, and the plugin started on what is
left: what was answered is there and whole, nothing else is, and no half-made thing is left.

A run that fails is kept, and can be cut again, at one point alone if need be; the command is
printed.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest

from disk import Disk
from harness import BUILD, SOAK, Node, scaled
from powercut import PowerCut
from recording import Op, Recording
from recovery import Recovery
from traffic import NAMES, Book, event_from
from tree import fast_folder, files_beneath, fingerprint

PLUGIN = os.path.join(BUILD, "plugins", "blob_fs", "blob_fs.so")

STEPS = scaled(5, 3)  # of each worker
BETWEEN = 12 if SOAK else scaled(3, 1)  # states of each point, beside all and nothing
AGAIN_EVERY = 1 if SOAK else 4  # of so many states one is recovered twice
DEEP_EVERY = scaled(100, 40)  # and one is cut during its recovery

WORKER = """
import random, sys
from client import Client
from recording import mark
from traffic import Worker, event_text
socket, seed, steps, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
worker = Worker(number, random.Random(f"{seed} {number}"), lambda: Client(socket, 60),
                lambda *event: mark(event_text(*event)))
for _ in range(steps):
    worker.step()
worker.close()
"""


class Run:
    """What a node and its callers did: the disk before, and the records."""

    def __init__(self, folder, seed, workers, steps, fresh=False):
        self.seed = seed
        self.root = os.path.join(folder, "root")
        self.node = Node({"blob": {"plugin": "blob_fs", "root": self.root}})
        try:
            os.mkdir(self.root, 0o700)
            if not fresh:
                self.node.start()
                self.node.stop()
            self.recording = Recording(self.root, os.path.join(folder, "log"))
            self.disk = pickle.dumps(Disk.scan(self.root))
            self._record(workers, steps)
        finally:
            self.node.remove()
        self.records = self.recording.records()
        self._check_complete()

    def _record(self, workers, steps):
        self.node.environment = self.recording.environment()
        self.node.start()
        here = os.path.dirname(os.path.abspath(__file__))
        paths = os.pathsep.join([here, os.environ["PYTHONPATH"]])
        words = [self.node.socket, str(self.seed), str(steps)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *words, str(number)],
                env={**os.environ, **self.recording.environment(), "PYTHONPATH": paths},
                stderr=subprocess.PIPE, text=True,
            )
            for number in range(workers)
        ]
        for process in processes:
            _, errors = process.communicate()
            assert process.returncode == 0, f"{errors}\n{self.node.errors()}"
        self.node.stop()

    def _check_complete(self):
        """Played back whole, it makes what is there now."""
        disk = pickle.loads(self.disk)
        for record in self.records:
            disk.apply(record)
        played = fingerprint(disk.state(disk.all_there()))
        assert played == fingerprint(Disk.scan(self.root).state({})), "changes went unrecorded"

    def keep(self):
        """Writes it to a file, for cut_kept, and returns its name."""
        path = os.path.join(BUILD, f"power-cut-{self.seed}.run")
        with open(path, "wb") as file:
            pickle.dump((self.disk, self.records), file)
        return path


class Check:
    """Looks at what a cut left."""

    def __init__(self, cut, recovery, deep_every):
        self.cut = cut
        self.recovery = recovery
        self.deep_every = deep_every  # of so many states one is cut during its recovery, too
        self.deep_states = 0
        self.names = [f"{name} {number}" for name in NAMES for number in range(2)]
        self._states = 0
        self._books = {}

    def book(self, marks):
        if marks not in self._books:
            self._books.clear()
            self._books[marks] = Book(event_from(mark) for mark in marks)
        return self._books[marks]

    def __call__(self, marks, _, point):
        self._states += 1
        deep = self.deep_every and self._states % self.deep_every == 0
        before = Disk.scan(self.cut.root) if deep else None
        book = self.book(marks)
        first = self.whole(book)
        if deep:
            self.cut_recovery(before, book, point)
            first = self.whole(book)
        if self._states % AGAIN_EVERY == 0:
            self.again(book, first)

    def again(self, book, first):
        """What it said once it says again, and nobody is in the way of the names that are free."""
        found = self.start(make=set(self.names) - {key[0] for key in first}).found
        assert found == first, f"recovered again, it differs: {found.keys() ^ first.keys()}"
        self.check_tidy(found, book)

    def start(self, make=()):
        found = self.recovery.start(ids=self.names, make=make)
        assert not found.errors, found.errors
        assert found.recovered.keys() == found.found.keys(), (
            f"recovery and lookup disagree: {found.recovered.keys() ^ found.found.keys()}"
        )
        return found

    def whole(self, book):
        found = self.start().found
        book.check(found)
        self.check_tidy(found, book)
        return found

    def check_tidy(self, found, book):
        """Nothing is left but what the objects are made of; and what was set aside of objects whose
        seal had no answer yet: names of one folder can come to disk in any order."""
        names = files_beneath(self.cut.root)
        aside = {name for name in names if name.startswith("aside/")}
        hashes = set()
        for name in aside:
            with open(os.path.join(self.cut.root, name), errors="replace") as file:
                text = file.readline()
            assert text.endswith("}\n"), f"{name}, set aside, is damaged: {text!r}"
            manifest = json.loads(text)
            key = (manifest["id"], int(manifest["epoch"]))
            assert book.known(key) in book.may(), f"{key} was set aside"
            hashes.add(os.path.basename(name).split(".")[0])
        manifests = {name for name in names if name.endswith(".json")}
        data = {
            name for name in names - manifests - aside - {"format"}
            if os.path.basename(name).split(".")[0] not in hashes
        }
        blobs = sum(len(contents) for _, contents in found.values())
        assert len(manifests) == len(found), f"{len(found)} objects, but {sorted(names)}"
        assert len(data) == blobs, f"{blobs} blobs, but {sorted(data)}"
        assert all(name.startswith("objects/") for name in data | manifests), sorted(names)
        for folder in ("claims", "nodes"):
            assert not os.listdir(os.path.join(self.cut.root, folder)), f"{folder} is not empty"

    def cut_recovery(self, before, book, point):
        """A second cut, anywhere in the recovery that was just recorded."""
        records = self.recovery.recording.records()
        inner = PowerCut(f"{self.cut.seed} {point}", between=2, root=self.cut.root)
        inner.run(before, records, lambda *_: self.whole(book))
        self.deep_states += inner.states


def cut_run(disk, records, seed, between, points=None, deep_every=0):
    """Returns how many states there were, and how many amid a recovery."""
    with tempfile.TemporaryDirectory(prefix="packice-cut-", dir=fast_folder()) as folder:
        cut = PowerCut(seed, between, os.path.join(folder, "root"))
        os.mkdir(cut.root, 0o700)
        with Recovery(PLUGIN, cut.root, os.path.join(folder, "log")) as recovery:
            check = Check(cut, recovery, deep_every)
            cut.run(pickle.loads(disk), records, check, points)
            assert recovery.end() == 0, "the program that recovers ended badly"
    return cut.states, check.deep_states


def cut_kept(path, seed, *points):
    with open(path, "rb") as file:
        disk, records = pickle.load(file)
    print(cut_run(disk, records, seed, BETWEEN, [int(point) for point in points] or None))


class PowerCutTest(unittest.TestCase):
    def cut_everywhere(self, seed, workers, steps, fresh=False, deep_every=0):
        with tempfile.TemporaryDirectory(prefix="packice-run-", dir=fast_folder()) as folder:
            run = Run(folder, seed, workers, steps, fresh)
        try:
            points = telling(run.records) if fresh else None
            return cut_run(run.disk, run.records, seed, BETWEEN, points, deep_every)
        except AssertionError as error:
            raise AssertionError(f"{error}\nagain: {again(run.keep(), seed)}") from error

    def test_power_cut_at_every_point_of_a_run(self):
        for seed in range(1, 1 + (10 if SOAK else 1)):
            states, deep = self.cut_everywhere(seed, 2, STEPS, deep_every=DEEP_EVERY)
            self.assertGreater(states, 50)
            self.assertGreater(deep, 0)

    def test_power_cut_at_every_point_of_the_first_start(self):
        states, _ = self.cut_everywhere("start", 1, 2, fresh=True)
        self.assertGreater(states, 20)


def telling(records):
    """Points of a first start: of its hundreds of folders one is like another."""
    points = set(range(0, len(records) + 1, 40))
    for point, record in enumerate(records):
        if record.op not in (Op.MKDIR, Op.CHMOD):
            points.update((point, point + 1, point + 2))
    return points


def again(path, seed):
    names = ("PACKICE_BUILD", "PYTHONPATH")
    words = [f"{name}={os.environ[name]}" for name in names]
    words += [sys.executable, os.path.abspath(__file__), path, f"'{seed}'", "[POINT...]"]
    return " ".join(words)


if __name__ == "__main__":
    if len(sys.argv) > 2 and os.path.exists(sys.argv[1]):
        cut_kept(*sys.argv[1:])
    else:
        unittest.main()
