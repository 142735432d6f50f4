# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Sealed means sealed: every way to change a byte, tried by the creator through what it kept from
before the seal, and by a reader, on their descriptors and on ones reopened through /proc, is
refused by the kernel. Files are not sealed while the creator keeps a writer, and not against root
or the node's own user: there, a reader who is neither tries."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import unittest

from client import write_all
from harness import DEADLINE, FILES, NodeCase, pattern

SIZE = 3 * 4096
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]

SYS_IO_SETUP, SYS_IO_DESTROY, SYS_IO_GETEVENTS, SYS_IO_SUBMIT = (
    (206, 207, 208, 209) if os.uname().machine == "x86_64" else (0, 1, 4, 2)
)
IOCB_CMD_PWRITE = 1
MADV_REMOVE = 9
FALLOCATE = {
    "allocate": 0,
    "keep size": 1,
    "punch hole": 1 | 2,
    "collapse range": 8,
    "zero range": 16,
    "zero range, keep size": 16 | 1,
    "insert range": 32,
    "unshare range": 64,
}
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
PR_SET_DUMPABLE = 4
NOBODY = 65534
F_SEAL_ALL_FOUR = 1 | 2 | 4 | 8


class Iocb(ctypes.Structure):
    """struct iocb of linux/aio_abi.h, little endian."""

    _fields_ = [
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_int32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("fildes", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("event_fd", ctypes.c_uint32),
    ]


def check(result):
    """The result of a libc call, or the OSError it stands for."""
    if result in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def map_shared(fd, prot):
    return check(LIBC.mmap(None, SIZE, prot, mmap.MAP_SHARED, fd, 0))


def mprotect_to_write(fd):
    address = map_shared(fd, mmap.PROT_READ)
    try:
        check(LIBC.mprotect(address, SIZE, mmap.PROT_READ | mmap.PROT_WRITE))
    finally:
        LIBC.munmap(address, SIZE)


def madvise_remove(fd):
    address = map_shared(fd, mmap.PROT_READ)
    try:
        check(LIBC.madvise(address, SIZE, MADV_REMOVE))
    finally:
        LIBC.munmap(address, SIZE)


def write_own_memory(fd):
    """Through /proc/self/mem, which writes to read-only maps where debuggers may."""
    address = map_shared(fd, mmap.PROT_READ)
    memory = os.open("/proc/self/mem", os.O_RDWR)
    try:
        os.pwrite(memory, b"evil", address)
    finally:
        os.close(memory)
        LIBC.munmap(address, SIZE)


def write_asynchronously(fd):
    """io_submit: the write happens in the kernel, on behalf of the caller."""
    context = ctypes.c_ulong(0)
    check(LIBC.syscall(SYS_IO_SETUP, 1, ctypes.byref(context)))
    try:
        data = ctypes.create_string_buffer(b"evil")
        request = Iocb(opcode=IOCB_CMD_PWRITE, fildes=fd, buffer=ctypes.addressof(data), size=4)
        requests = (ctypes.c_void_p * 1)(ctypes.addressof(request))
        check(LIBC.syscall(SYS_IO_SUBMIT, context, 1, requests))
        event = (ctypes.c_int64 * 4)()
        check(LIBC.syscall(SYS_IO_GETEVENTS, context, 1, 1, event, None))
        if event[2] < 0:
            raise OSError(-event[2], os.strerror(-event[2]))
    finally:
        LIBC.syscall(SYS_IO_DESTROY, context)


def splice_in(fd):
    source, sink = os.pipe()
    try:
        os.write(sink, b"evil")
        os.splice(source, fd, 4, offset_dst=0)
    finally:
        os.close(source)
        os.close(sink)


def from_memory(copy):
    """The source is on the same file system: some of these ask for that."""

    def run(fd):
        source = os.memfd_create("source", os.MFD_CLOEXEC)
        try:
            os.write(source, b"evil")
            os.lseek(source, 0, os.SEEK_SET)
            copy(source, fd)
        finally:
            os.close(source)

    return run


def through_proc(flags, then):
    def run(fd):
        again = os.open(f"/proc/self/fd/{fd}", flags)
        try:
            then(again)
        finally:
            os.close(again)

    return run


WAYS = {
    "write": lambda fd: os.write(fd, b"evil"),
    "pwrite": lambda fd: os.pwrite(fd, b"evil", 0),
    "pwrite at the end": lambda fd: os.pwrite(fd, b"evil", SIZE),
    "writev": lambda fd: os.writev(fd, [b"evil"]),
    "pwritev": lambda fd: os.pwritev(fd, [b"evil"], 0),
    "pwritev2": lambda fd: os.pwritev(fd, [b"evil"], 0, os.RWF_DSYNC),
    "truncate shorter": lambda fd: os.ftruncate(fd, 1),
    "truncate to nothing": lambda fd: os.ftruncate(fd, 0),
    "truncate longer": lambda fd: os.ftruncate(fd, 2 * SIZE),
    "map shared and writable": lambda fd: map_shared(fd, mmap.PROT_READ | mmap.PROT_WRITE),
    "map shared, write only": lambda fd: map_shared(fd, mmap.PROT_WRITE),
    "make a shared map writable": mprotect_to_write,
    "madvise remove": madvise_remove,
    "write to its map through /proc/self/mem": write_own_memory,
    "asynchronous write": write_asynchronously,
    "truncate by path": lambda fd: os.truncate(f"/proc/self/fd/{fd}", 1),
    "splice": splice_in,
    "sendfile": from_memory(lambda source, fd: os.sendfile(fd, source, 0, 4)),
    "copy_file_range": from_memory(lambda source, fd: os.copy_file_range(source, fd, 4)),
    "another seal": lambda fd: fcntl.fcntl(fd, F_ADD_SEALS, 16),
} | {
    f"fallocate, {name}": lambda fd, mode=mode: check(
        # Longer than the blob where the plain mode would otherwise find nothing to do.
        LIBC.fallocate(fd, mode, 0, SIZE if mode not in (0, 1) else 2 * SIZE)
    )
    for name, mode in FALLOCATE.items()
}

REOPENED = {
    f"reopened, {name}": through_proc(os.O_RDWR, way)
    for name, way in WAYS.items()
} | {
    "reopened, truncated": through_proc(os.O_RDWR | os.O_TRUNC, lambda _: None),
    "reopened, appended": through_proc(
        os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"evil")
    ),
}


WRITER = f"""
import mmap, sys
from client import Client
client = Client(sys.argv[0], 3600)
made = client.create("theirs", [{SIZE}])
view = mmap.mmap(made.fd(0), {SIZE})
view[:7] = b"written"
print(made["lease_id"], flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def as_another_user():
    """Over files, root is somebody else meanwhile, with /proc/self still its own."""
    if not FILES or os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        check(LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        yield
    finally:
        os.seteuid(0)
        check(LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))


class SealedTest(NodeCase):
    # So that it is the seal that keeps others from writing.
    sections = {"blob": {"mode": "0666"}} if FILES else {}

    def setUp(self):
        super().setUp()
        self.client = self.connect()
        self.data = pattern(SIZE)
        made = self.client.create("sealed", [SIZE])
        write_all(made.fd(0), self.data)
        self.descriptors = {}
        if FILES:
            self.refused("busy", self.client.request("seal", lease_id=made["lease_id"]))
            made.close()
        else:
            self.descriptors["the creator's from before the seal"] = made.fd(0)
        sealed = self.client.seal(made["lease_id"])
        self.client.release(made["lease_id"])
        self.left("sealed")
        lease = self.connect().read("sealed")
        self.client.release(lease["lease_id"])
        self.descriptors["the creator's from the seal"] = sealed.fd(0)
        self.descriptors["the reader's"] = lease.fd(0)

    def test_every_way_to_write_is_refused(self):
        for owner, fd in self.descriptors.items():
            for name, way in (WAYS | REOPENED).items():
                with self.subTest(way=name, descriptor=owner):
                    with as_another_user(), self.assertRaises(OSError):
                        way(fd)
                    self.assertEqual(os.fstat(fd).st_size, SIZE)
                    self.assertTrue(os.pread(fd, SIZE + 1, 0) == self.data)
        self.assertTrue(self.client.get("sealed") == [self.data])

    def test_the_same_ways_change_an_unsealed_blob(self):
        """The tests above can fail: what they try does work before the seal."""
        worked = set()
        for name, way in (WAYS | REOPENED).items():
            made = self.client.create(None, [SIZE])
            write_all(made.fd(0), self.data)
            with as_another_user(), contextlib.suppress(OSError):
                way(made.fd(0))
                worked.add(name)
            made.close()
            self.client.release(made["lease_id"])
        expected = {"write", "pwrite", "writev", "pwritev", "map shared and writable",
                    "make a shared map writable", "madvise remove", "splice", "sendfile",
                    "copy_file_range", "asynchronous write", "truncate by path",
                    "truncate shorter", "fallocate, punch hole"}
        if FILES:
            expected.remove("copy_file_range")  # from memory into another file system
        expected |= {f"reopened, {name}" for name in expected}
        self.assertEqual(expected - worked, set())

    def test_map_to_read_from_before_the_seal_never_turns_writable(self):
        """Made through the creator's descriptor, it could: so it keeps the object from sealing."""
        made = self.client.create("mapped", [SIZE])
        address = map_shared(made.fd(0), mmap.PROT_READ)
        made.close()
        reply = self.client.request("seal", lease_id=made["lease_id"])
        if reply.error is None:
            with self.assertRaises(OSError):
                check(LIBC.mprotect(address, SIZE, mmap.PROT_READ | mmap.PROT_WRITE))
        else:
            self.refused("busy", reply)
        LIBC.munmap(address, SIZE)
        self.client.seal(made["lease_id"]).close()
        self.client.release(made["lease_id"])
        self.left("mapped")

    def test_map_in_another_process_keeps_it_from_sealing_until_that_ends(self):
        writer = self.run_python(WRITER)
        lease_id = writer.stdout.readline().strip()
        self.assertTrue(lease_id, "the writer did not start")
        self.refused("busy", self.client.request("seal", lease_id=lease_id))
        self.refused("not_sealed", self.client.request(
            "acquire", object_id="theirs", intent="read"
        ))
        writer.kill()
        writer.wait(DEADLINE)
        self.client.seal(lease_id).close()
        self.client.release(lease_id)
        self.left("theirs")
        self.assertEqual(self.client.get("theirs"), [b"written" + bytes(SIZE - 7)])

    @unittest.skipIf(FILES, "files have no such seals")
    def test_all_four_seals_are_set(self):
        for owner, fd in self.descriptors.items():
            with self.subTest(descriptor=owner):
                seals = fcntl.fcntl(fd, F_GET_SEALS)
                self.assertEqual(seals & F_SEAL_ALL_FOUR, F_SEAL_ALL_FOUR)

    def test_private_map_is_the_readers_own(self):
        fd = self.descriptors["the reader's"]
        with mmap.mmap(fd, SIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as view:
            view[:4] = b"mine"
        self.assertTrue(os.pread(fd, SIZE, 0) == self.data)

    @unittest.skipIf(FILES, "files are as their mode says")
    def test_descriptors_are_not_executable(self):
        """Where the kernel knows MFD_NOEXEC_SEAL, memory shared here can't be made a program."""
        with open("/proc/sys/kernel/osrelease", encoding="ascii") as file:
            release = tuple(int(part) for part in file.read().split(".")[:2])
        if release < (6, 3):
            self.skipTest("the kernel has no MFD_NOEXEC_SEAL")
        for fd in self.descriptors.values():
            self.assertEqual(os.fstat(fd).st_mode & 0o111, 0)
            with self.assertRaises(OSError):
                os.fchmod(fd, 0o777)


if __name__ == "__main__":
    unittest.main()
