# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A model of a disk beneath one folder: what processes see, and what a power cut leaves of it.

What is promised, and so all that a program may build on (fsync(2), POSIX):
 - A file's bytes and size are on disk once fsync or fdatasync of it returned, its mode once fsync
   did; a name once fsync of its folder did. Nothing else is, a rename's or an fsync's side effects
   on other files included.
 - What was not synced may be there or not, each effect for itself: one name, one write, one sector
   of a write, one change of size. But the changes of one name come in their order.
 - A rename never loses the file: until the old name's end is on disk the new one is. A file can be
   left with both names, a folder can't.

An effect is one change that is not on disk yet. A state is the disk after a cut, told by the
effects that made it.
"""

import itertools
import os
import random
import stat

SECTOR = 512


class Effect:
    """One change of one inode. value: of a name, the inode or None; of a write, its bytes."""

    __slots__ = ("kind", "name", "value", "at", "needs", "with_it", "inode", "done", "number")

    made = itertools.count()

    def __init__(self, inode, kind, name=None, value=None, at=0):
        self.inode = inode
        self.kind = kind
        self.name = name
        self.value = value
        self.at = at
        self.needs = None  # an effect without which this one can't be
        self.with_it = None  # an effect that comes and goes with this one
        self.done = False  # it is on disk now, and no effect any more
        self.number = next(Effect.made)  # they are told in the order in which they came

    def __str__(self):
        what = f"{self.name!r}" if self.kind == "name" else f"at {self.at}"
        if self.kind == "name":
            what += " away" if self.value is None else f" -> a {self.value.kind}"
        return f"{self.kind} {what}"

    def lacks(self, kept):
        """Whether what this one can't be without is missing."""
        return any(
            other is not None and not other.done and other not in kept
            for other in (self.needs, self.with_it)
        )


class Inode:
    """What is on disk (data, mode, entries), and the effects that are not there yet, in order."""

    def __init__(self, kind, mode, data=b""):
        self.kind = kind  # "file", "folder", "link"
        self.mode = mode
        self.data = data  # of a link: where it leads
        self.entries = {}
        self.pending = []
        self.now = {}  # a folder's names as processes see them

    def sync(self, which):
        """Brings these effects to disk, and with them what they can't be without."""
        done = [effect for effect in self.pending if which(effect)]
        self.pending = [effect for effect in self.pending if not which(effect)]
        for effect in done:
            effect.done = True
            settle(self, effect)
        for effect in done:
            for other in (effect.needs, effect.with_it):
                if other is not None and not other.done:
                    other.inode.sync_name(other)

    def sync_name(self, effect):
        """One name, up to this effect."""
        upto = set(self.pending[: self.pending.index(effect) + 1])
        self.sync(lambda other: other in upto and other.name == effect.name)


def settle(inode, effect):
    if effect.kind == "mode":
        inode.mode = effect.value
    elif effect.kind == "name":
        put_name(inode.entries, effect)
    else:
        inode.data = changed(inode.data, effect, None)


def put_name(entries, effect):
    if effect.value is None:
        entries.pop(effect.name, None)
    else:
        entries[effect.name] = effect.value


def changed(data, effect, sectors):
    """The data with this effect. sectors: those of a write that are there; None: all."""
    if effect.kind == "truncate":
        return data[: effect.at].ljust(effect.at, b"\0")
    if effect.kind == "allocate":
        return data.ljust(effect.at, b"\0")
    end = effect.at + len(effect.value)
    new = bytearray(data.ljust(end, b"\0"))
    if sectors is None:
        new[effect.at : end] = effect.value
    else:
        for start in sectors:
            piece = effect.value[start : start + SECTOR]
            new[effect.at + start : effect.at + start + len(piece)] = piece
    return bytes(new)


class Disk:
    def __init__(self, root_ino):
        self.root = Inode("folder", 0o755)
        self.inodes = {root_ino: self.root}

    @classmethod
    def scan(cls, folder):
        """A disk that holds what is in this folder, all of it for good."""
        disk = cls(os.stat(folder).st_ino)
        todo = [(folder, disk.root)]
        while todo:
            path, parent = todo.pop()
            for entry in os.scandir(path):
                status = entry.stat(follow_symlinks=False)
                inode = disk.inodes.get(status.st_ino)
                if inode is None:
                    inode = scanned(entry, status)
                    disk.inodes[status.st_ino] = inode
                parent.entries[entry.name] = parent.now[entry.name] = inode
                if inode.kind == "folder":
                    todo.append((entry.path, inode))
        return disk

    # ---- what processes do ----

    def apply(self, record):
        getattr(self, "_" + record.op.name.lower())(record)

    def _root(self, record):
        assert self.inodes.get(record.ino) is self.root, "recorded with another root"

    def _inode(self, ino):
        assert ino in self.inodes, f"the recorder did not see how inode {ino} was made"
        return self.inodes[ino]

    def _name(self, ino, name, inode):
        folder = self._inode(ino)
        effect = Effect(folder, "name", name=name, value=inode)
        folder.pending.append(effect)
        put_name(folder.now, effect)
        return effect

    def _make(self, record, inode):
        self.inodes[record.ino] = inode
        if record.name:
            self._name(record.dir, record.name, inode)

    def _create(self, record):
        self._make(record, Inode("file", record.mode))

    def _mkdir(self, record):
        self._make(record, Inode("folder", record.mode))

    def _symlink(self, record):
        self._make(record, Inode("link", 0o777, record.data))

    def _link(self, record):
        self._name(record.dir, record.name, self._inode(record.ino))

    def _unlink(self, record):
        self._name(record.dir, record.name, None)

    def _rename(self, record):
        inode = self._inode(record.dir).now[record.name]
        if self._inode(record.dir2).now.get(record.name2) is inode:
            return  # two names of one file: rename(2) does nothing then
        new = self._name(record.dir2, record.name2, inode)
        old = self._name(record.dir, record.name, None)
        old.needs = new
        if inode.kind == "folder":
            new.with_it, old.with_it = old, new

    def _exchange(self, record):
        one = self._inode(record.dir).now[record.name]
        other = self._inode(record.dir2).now[record.name2]
        first = self._name(record.dir, record.name, other)
        second = self._name(record.dir2, record.name2, one)
        first.with_it, second.with_it = second, first

    def _change(self, record, kind, **members):
        inode = self._inode(record.ino)
        inode.pending.append(Effect(inode, kind, **members))

    def _write(self, record):
        if record.data:
            self._change(record, "write", at=record.offset, value=record.data)

    def _truncate(self, record):
        self._change(record, "truncate", at=record.offset)

    def _allocate(self, record):
        self._change(record, "allocate", at=record.offset)

    def _chmod(self, record):
        self._change(record, "mode", value=record.mode)

    def _fsync(self, record):
        self._inode(record.ino).sync(lambda effect: True)

    def _fdatasync(self, record):
        self._inode(record.ino).sync(lambda effect: effect.kind != "mode")

    def _syncfs(self, _):
        for inode in list(self.inodes.values()):
            inode.sync(lambda effect: True)

    def _mark(self, record):
        pass

    # ---- what a cut leaves ----

    def pending(self):
        """The effects that matter: on what has, had, or is to have a name."""
        found, seen, todo = [], {self.root}, [self.root]
        while todo:
            inode = todo.pop()
            found += inode.pending
            named = [*inode.entries.values()]
            named += [effect.value for effect in inode.pending if effect.kind == "name"]
            for other in named:
                if other is not None and other not in seen:
                    seen.add(other)
                    todo.append(other)
        return sorted(found, key=lambda effect: effect.number)

    def state(self, kept):
        """The tree with these effects (a dict: effect to the sectors that are there, or None for
        all of it) and no others: {path: (inode, kind, mode, data)}. Effects that can't be without
        others go with them."""
        kept = possible(kept)
        tree = {}
        todo = [("", self.root)]
        while todo:
            path, folder = todo.pop()
            entries = dict(folder.entries)
            for effect in folder.pending:
                if effect.kind == "name" and effect in kept:
                    put_name(entries, effect)
            for name, inode in entries.items():
                whole = f"{path}/{name}" if path else name
                tree[whole] = (inode, inode.kind, *left_of(inode, kept))
                if inode.kind == "folder":
                    todo.append((whole, inode))
        return tree

    def all_there(self):
        return dict.fromkeys(self.pending())


def scanned(entry, status):
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Inode("folder", mode)
    if stat.S_ISLNK(status.st_mode):
        return Inode("link", mode, os.fsencode(os.readlink(entry.path)))
    with open(entry.path, "rb") as file:
        return Inode("file", mode, file.read())


def left_of(inode, kept):
    data, mode = inode.data, inode.mode
    for effect in inode.pending:
        if effect not in kept or effect.kind == "name":
            continue
        if effect.kind == "mode":
            mode = effect.value
        else:
            data = changed(data, effect, kept[effect])
    return mode, data


def possible(kept):
    """Without the effects that can't be without one that is missing."""
    kept = dict(kept)
    count = None
    while count != len(kept):
        count = len(kept)
        for inode in {effect.inode for effect in kept}:
            broken = set()  # names whose later changes can't be either
            for effect in inode.pending:
                if effect.kind != "name":
                    continue
                if effect.name in broken or effect not in kept or effect.lacks(kept):
                    kept.pop(effect, None)
                    broken.add(effect.name)
    return kept


# ---- which states a cut is tried with ----


def torn(effect, dice):
    """Which sectors of a write are there."""
    return [at for at in range(0, len(effect.value), SECTOR) if dice.random() < 0.5]


def choices(disk, dice, count):
    """All, nothing, and up to so many in between."""
    effects = disk.pending()
    yield dict.fromkeys(effects)
    yield {}
    first = dice.randrange(3)
    for number in range(count if effects else 0):
        one = recent(effects, dice)
        yield (all_but, just, some)[(first + number) % 3](effects, one, dice)


def recent(effects, dice):
    """One of them, and rather a late one: those are what a program is at."""
    return effects[-1 - min(int(dice.expovariate(0.2)), len(effects) - 1)]


def all_but(effects, one, _):
    return {effect: None for effect in effects if effect is not one}


def just(effects, one, _):
    """With what it needs of its name."""
    return {
        effect: None
        for effect in effects
        if effect in (one, one.needs, one.with_it)
        or (effect.kind == "name" and effect.name == one.name)
    }


def some(effects, _, dice):
    share = dice.choice((0.2, 0.5, 0.8))
    return {
        effect: torn(effect, dice) if effect.kind == "write" and dice.random() < 0.5 else None
        for effect in effects
        if dice.random() < share
    }


def seeded(*words):
    return random.Random(" ".join(map(str, words)))
