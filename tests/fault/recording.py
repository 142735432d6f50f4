# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The log of the recorder (record.h), read back, and what a process needs to be recorded.

It knows the format and nothing of what the records mean; that is disk.py's.
"""

import ctypes
import enum
import os
import struct

RECORDER = os.path.join(os.environ["PACKICE_BUILD"], "tests", "fault", "record.so")

HEAD = struct.Struct("=IIIIQQQQII")


class Op(enum.IntEnum):
    ROOT = 1
    CREATE = 2
    WRITE = 3
    TRUNCATE = 4
    ALLOCATE = 5
    LINK = 6
    RENAME = 7
    EXCHANGE = 8
    UNLINK = 9
    MKDIR = 10
    SYMLINK = 11
    CHMOD = 12
    FSYNC = 13
    FDATASYNC = 14
    SYNCFS = 15
    MARK = 16
    LOST = 17


class Record:
    __slots__ = ("op", "pid", "mode", "ino", "dir", "dir2", "offset", "name", "name2", "data")

    def __str__(self):
        words = [self.op.name.lower(), f"by {self.pid}"]
        words += [f"{key}={value}" for key in ("ino", "dir", "name", "dir2", "name2", "offset")
                  if (value := getattr(self, key))]
        if self.op in (Op.MARK, Op.LOST):
            words.append(self.data.decode("utf-8", "replace"))
        elif self.data:
            words.append(f"{len(self.data)} bytes")
        return " ".join(words)


def parse(log):
    """The records in the bytes of a log."""
    records = []
    at = 0
    while at < len(log):
        head = HEAD.unpack_from(log, at)
        size, name_size, name2_size = head[0], head[8], head[9]
        assert at + size <= len(log), "the log ends amid a record"
        record = Record()
        record.op = Op(head[1])
        record.pid, record.mode, record.ino, record.dir, record.dir2, record.offset = head[2:8]
        name_at = at + HEAD.size
        data_at = name_at + name_size + name2_size
        record.name = os.fsdecode(log[name_at : name_at + name_size])
        record.name2 = os.fsdecode(log[name_at + name_size : data_at])
        record.data = log[data_at : at + size]
        assert record.op != Op.LOST, f"the recorder could not follow: {record.data.decode()}"
        records.append(record)
        at += size
    return records


class Recording:
    """A log, and the environment of the processes that write it."""

    def __init__(self, root, log):
        self.root = os.path.realpath(root)
        self.log = log

    def environment(self):
        preload = " ".join(filter(None, [RECORDER, os.environ.get("LD_PRELOAD")]))
        # ASan wants to be the first library there is; behind the recorder it works as well.
        asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        return {
            "LD_PRELOAD": preload,
            "ASAN_OPTIONS": asan,
            "PACKICE_RECORD_ROOT": self.root,
            "PACKICE_RECORD_LOG": self.log,
        }

    def records(self):
        with open(self.log, "rb") as file:
            return parse(file.read())

    def clear(self):
        """Starts over, between two things that a recorded process does."""
        with open(self.log, "wb"):
            pass


def mark(text):
    """In a process that is recorded: a line of its own in the log."""
    library = ctypes.CDLL(RECORDER)
    library.record_mark(text.encode())
