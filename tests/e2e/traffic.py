# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Seeded traffic on a durable node, and the book of what the node promised by its answers.

A worker has names of its own, which nobody else creates or discards, so each answer it gets is
either right or wrong. Objects tell by their meta what their bytes must be. What survives a crash is
for the tests to look at; the book says what has to, and what may.
"""

import functools
import json
import mmap
import threading

from client import encode, put_text, write_all
from harness import pattern

SIZES = (0, 1, 511, 512, 513, 1500, 4096, 5000, 9000)
NAMES = ("plain", "a/b", "..", "snow ☃", "%41", "x" * 250)


def contents_of(meta):
    """The blobs of an object, by its meta."""
    return cached_contents(meta["seed"], tuple(meta["sizes"]))


@functools.lru_cache(1000)
def cached_contents(seed, sizes):
    return [pattern(size, f"{seed} {blob}") for blob, size in enumerate(sizes)]


def key_of(entry):
    return entry["object_id"], entry["epoch"]


class Book:
    """By (id, epoch): what the answers given so far make of an object. tell() is called before a
    request that changes something is sent, and after its answer came. The epoch of what is put is
    None until it was answered. Any thread."""

    def __init__(self, events=()):
        self._lock = threading.Lock()
        self._states = {}
        self._metas = {}
        for event in events:
            self.tell(*event)

    def tell(self, what, object_id, epoch, meta=None):
        """what: sealing, sealed, discarding, discarded, lost (it can't come any more)."""
        with self._lock:
            self._states.pop((object_id, None), None)
            self._states[object_id, epoch] = what
            if meta is not None:
                self._metas[object_id, epoch] = meta

    def known(self, key):
        """The key under which this object is told of."""
        with self._lock:
            return key if key in self._states else (key[0], None)

    def keys(self, *states):
        with self._lock:
            return {key for key, state in self._states.items() if state in states}

    def must(self):
        """What has to be there."""
        return self.keys("sealed")

    def may(self):
        """What was under way: it can be there, and then whole, or not."""
        return self.keys("sealing", "discarding")

    def names(self):
        with self._lock:
            return {key[0] for key in self._states}

    def meta(self, key):
        with self._lock:
            return self._metas[key]

    def check(self, found):
        """found: {(id, epoch): (meta, contents)}, all that is served."""
        missing = self.must() - found.keys()
        assert not missing, f"sealed, answered, and gone: {missing}"
        foreign = {self.known(key) for key in found} - self.must() - self.may()
        assert not foreign, f"served, but never sealed, or discarded: {foreign}"
        for key, (meta, contents) in found.items():
            check_whole(key, meta, contents)
            assert meta == self.meta(self.known(key)), f"{key}: the meta is another's"

    def settle(self, found):
        """After a crash and a check: what was under way is decided."""
        for key in self.may():
            epochs = [key[1]] if key[1] else [epoch for name, epoch in found if name == key[0]]
            for epoch in epochs:
                left = (key[0], epoch) in found
                self.tell("sealed" if left else "lost", key[0], epoch, self.meta(key))
            if not epochs:
                self.tell("lost", *key)


def check_whole(key, meta, contents):
    wanted = contents_of(meta)
    assert [len(data) for data in contents] == meta["sizes"], f"{key}: wrong sizes"
    assert contents == wanted, f"{key}: wrong bytes"


class Worker:
    """Traffic of one caller over two connections. tell: as Book.tell. before, after: called at each
    request and each answer, and may raise to end it all."""

    def __init__(self, number, dice, connect, tell, held=()):
        self.number = number
        self.dice = dice
        self.client = connect()
        self.other = connect()
        self.tell = tell
        self.held = dict(held)  # name: epoch, of what is sealed under our names
        self.before = self.after = lambda: None

    def close(self):
        self.client.close()
        self.other.close()

    def name(self, index):
        return f"{NAMES[index]} {self.number}"

    def step(self):
        """One thing that a caller does, from its request to its last answer."""
        name = self.name(self.dice.randrange(len(NAMES)))
        if name not in self.held:
            self.dice.choice((self.make, self.make, self.put, self.put, self.give_up))(name)
        else:
            self.dice.choice((self.read, self.discard, self.discard_while_reading))(name)

    def ask(self, client, command, **members):
        return self._ask(client, encode(command, **members) + b"\n")

    def _ask(self, client, request):
        self.before()
        client.send_bytes(request)
        self.after()
        reply = client.receive()
        assert reply.get("status") != "error", f"{request}: {dict(reply)}"
        self.after()
        return reply

    # ---- what a caller does ----

    def _meta(self):
        sizes = [self.dice.choice(SIZES) for _ in range(self.dice.randint(1, 3))]
        return {"seed": self.dice.getrandbits(40), "sizes": sizes}

    def _create(self, name):
        meta = self._meta()
        sizes = meta["sizes"]
        room = {"blobs": len(sizes)} if self.dice.random() < 0.2 else {"sizes": sizes}
        created = self.ask(self.client, "acquire", object_id=name, intent="create", meta=meta,
                           bind="connection", **room)
        return created, meta

    def _fill(self, created, blob, data):
        fd = created.fd(blob)
        if data and created["blobs"][blob]["size"] and self.dice.random() < 0.3:
            with mmap.mmap(fd, len(data)) as shared:
                shared[:] = data
            return
        half = self.dice.randint(0, len(data))
        write_all(fd, data[half:], half)
        write_all(fd, data[:half])

    def make(self, name):
        """Creates, writes and seals; sometimes with a reader who waits for it."""
        created, meta = self._create(name)
        with created:
            waits = self.dice.random() < 0.3
            if waits:
                self.other.send("acquire", object_id=name, intent="read", wait_seconds=600)
            for blob, data in enumerate(contents_of(meta)):
                self._fill(created, blob, data)
        self.tell("sealing", *key_of(created), meta)
        self.ask(self.client, "seal", lease_id=created["lease_id"]).close()
        self.tell("sealed", *key_of(created))
        self.held[name] = created["epoch"]
        if waits:
            lease = self.other.receive()
            assert lease.get("epoch") == created["epoch"], dict(lease)
            self._check_read(lease)
        self.ask(self.client, "release", lease_id=created["lease_id"])

    def put(self, name):
        """Has an object made of bytes that come with the request."""
        meta = self._meta()
        self.tell("sealing", name, None, meta)
        answered = self._ask(self.client, put_text(name, *contents_of(meta), meta=meta))
        self.tell("sealed", *key_of(answered), meta)
        self.held[name] = answered["epoch"]

    def give_up(self, name):
        """Creates, writes a part, and lets it go."""
        created, meta = self._create(name)
        with created:
            write_all(created.fd(0), contents_of(meta)[0][:700])
        self.ask(self.client, "release", lease_id=created["lease_id"])

    def _check_read(self, lease):
        with lease:
            contents = [self._read_blob(lease, blob) for blob in range(len(lease["blobs"]))]
        check_whole(key_of(lease), lease["meta"], contents)
        self.ask(self.other, "release", lease_id=lease["lease_id"])

    def _read_blob(self, lease, blob):
        with open(lease.fd(blob), "rb", closefd=False) as file:
            return file.read()

    def _acquire(self, name):
        lease = self.ask(self.other, "acquire", object_id=name, intent="read")
        assert lease["epoch"] == self.held[name], dict(lease)
        return lease

    def read(self, name):
        self._check_read(self._acquire(name))

    def discard(self, name):
        epoch = self.held.pop(name)
        self.tell("discarding", name, epoch)
        self.ask(self.client, "discard", object_id=name)
        self.tell("discarded", name, epoch)

    def discard_while_reading(self, name):
        lease = self._acquire(name)
        self.discard(name)
        if self.dice.random() < 0.5:
            self.make(name)
        self._check_read(lease)


def event_text(what, object_id, epoch, meta=None):
    """A call of tell as a line, and back."""
    return json.dumps([what, object_id, epoch, meta])


def event_from(text):
    return json.loads(text)
