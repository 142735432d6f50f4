# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder, the model and the cuts themselves: toy programs that forget something are found
out, and those that don't are not."""

import os
import subprocess
import sys
import tempfile
import unittest

from disk import Disk
from powercut import Failure, PowerCut
from recording import Op, Recording
from tree import fingerprint

PRELUDE = """
import mmap, os, sys, threading
from recording import mark
os.chdir(sys.argv[1])
def write(path, data, flags=os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, os.O_RDWR | flags, 0o600)
    os.write(fd, data)
    return fd
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""

OLD = b"o" * 2000
NEW = b"n" * 3000

# A file that is replaced: at any moment it is there, and either the old or the new one. Each line
# can be left out, or stand elsewhere.
SETUP = f"""
fd = write("file", {OLD!r})
os.fsync(fd)
sync(".")
mark("old")
"""
WRITE = f'fd = write("new", {NEW!r})'
SYNC_FILE = "os.fsync(fd)"
RENAME = 'os.rename("new", "file")'
SYNC_FOLDER = 'sync(".")'
DONE = 'mark("new")'


class Toy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="packice-toy-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.recording = None

    def record(self, *lines):
        """Runs a program in a folder of its own, and returns the disk it began with and what it
        did."""
        root = tempfile.mkdtemp(dir=self.folder)
        self.recording = Recording(root, root + ".log")
        disk = Disk.scan(self.recording.root)
        environment = {**os.environ, **self.recording.environment()}
        environment["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + "\n".join(lines), self.recording.root],
            env=environment, capture_output=True, text=True, check=False, timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return disk, self.recording.records()

    def cut(self, check, *lines):
        """Records a program and cuts it everywhere."""
        disk, records = self.record(*lines)
        cut = PowerCut(seed=1, between=30, root=tempfile.mkdtemp(dir=self.folder))
        cut.run(disk, records, lambda marks, tree, point: check(marks, cut.root))
        self.assertGreater(cut.states, 2)

    def found_out(self, check, *lines):
        with self.assertRaises(Failure):
            self.cut(check, *lines)
            self.fail("\n".join(lines))

    def test_the_log_accounts_for_every_change(self):
        disk, records = self.record(
            'a = write("a", b"0123456789")',
            'os.pwrite(a, b"xyz", 20)',
            'os.writev(a, [b"two", b"pieces"])',
            'os.pwritev(a, [b"AB", b"C"], 2)',
            "os.posix_fallocate(a, 0, 100)",
            "os.ftruncate(a, 4000)",
            'os.truncate("a", 3000)',
            'b = write("b", b"appended", os.O_CREAT | os.O_APPEND)',
            'os.write(b, b" and more")',
            'c = write("c", b"")',
            "os.copy_file_range(a, c, 20, 0)",
            "os.copy_file_range(a, c, 5, 1, 10)",
            "os.fchmod(c, 0o444)",
            'os.chmod("b", 0o640)',
            'os.mkdir("folder")',
            'os.mkdir("folder/deep/", 0o700)',
            'fd = os.open("folder", os.O_RDONLY)',
            'write("folder/d", b"d" * 5000)',
            'os.link("folder/d", "d", src_dir_fd=None)',
            'os.rename("d", "e", src_dir_fd=None)',
            'os.rename("d", "deep/f", src_dir_fd=fd, dst_dir_fd=fd)',
            'os.rename("folder", "moved")',
            'os.symlink("moved", "link")',
            'write("link/through a link", b"!")',
            'write("gone", b"gone")',
            'os.unlink("gone")',
            'os.mkdir("gone")',
            'os.rmdir("gone")',
            'm = write("mapped", b"-" * 5000)',
            "map = mmap.mmap(m, 5000)",
            'map[10:20] = b"stored****"',
            "map.close()",
            "kept = mmap.mmap(m, 0)",
            'kept[4000:4003] = b"end"',
            't = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)',
            'os.write(t, b"it had no name")',
            'os.link(f"/proc/self/fd/{t}", "named", src_dir_fd=t, follow_symlinks=True)',
            'if os.fork() == 0: write("by a child", b"child"); os._exit(0)',
            "os.wait()",
            'threads = [threading.Thread(target=lambda n=n: [os.write(write(f"thread {n}", b""),'
            " b'%d' % i) for i in range(20)]) for n in range(4)]",
            "[thread.start() for thread in threads]",
            "[thread.join() for thread in threads]",
            'open("/dev/null", "w").write("elsewhere")',
        )
        for record in records:
            disk.apply(record)
        recorded = fingerprint(disk.state(disk.all_there()))
        there = fingerprint(Disk.scan(self.recording.root).state({}))
        self.assertEqual([entry[:4] for entry in recorded], [entry[:4] for entry in there])
        self.assertEqual(recorded, there)
        self.assertGreater(len(there), 12)
        self.assertEqual(len({record.pid for record in records}), 2)

    def test_what_goes_past_the_recorder_is_noticed(self):
        disk, records = self.record(
            "import ctypes",
            'write("a", b"a")',
            'ctypes.CDLL(None).fopen(b"b", b"w")',
            'os.rename("b", "c")',
        )
        with self.assertRaises((AssertionError, KeyError)):
            for record in records:
                disk.apply(record)

    # ---- a file that is replaced ----

    def check_replaced(self, marks, root):
        try:
            with open(os.path.join(root, "file"), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            data = None
        if not marks:
            return
        self.assertIn(data, [NEW] if marks[-1] == "new" else [OLD, NEW])

    def test_replacing_in_the_right_order_is_right(self):
        self.cut(self.check_replaced, SETUP, WRITE, SYNC_FILE, RENAME, SYNC_FOLDER, DONE)

    def test_each_forgotten_step_of_replacing_is_found_out(self):
        for lines in (
            [WRITE, RENAME, SYNC_FOLDER, DONE],
            [WRITE, SYNC_FILE, RENAME, DONE],
            [WRITE, RENAME, SYNC_FILE, SYNC_FOLDER, DONE],
            [WRITE, SYNC_FILE, SYNC_FOLDER, RENAME, DONE],
            [WRITE, SYNC_FILE, RENAME, DONE, SYNC_FOLDER],
            [f'fd = write("file", {NEW!r})', SYNC_FILE, SYNC_FOLDER, DONE],
        ):
            with self.subTest(lines):
                self.found_out(self.check_replaced, SETUP, *lines)

    # ---- folders, links, modes, maps ----

    def check_marked(self, marks, root):
        """What was marked as made at PATH is there, and holds NEW."""
        for path in marks:
            whole = os.path.join(root, path)
            self.assertTrue(os.path.exists(whole), f"{path} is gone")
            with open(whole, "rb") as file:
                self.assertEqual(file.read(), NEW)

    def test_new_folder_must_be_synced_into_its_own(self):
        lines = ['os.mkdir("x")', f'fd = write("x/y", {NEW!r})', SYNC_FILE, 'sync("x")']
        self.cut(self.check_marked, *lines, 'sync(".")', 'mark("x/y")')
        self.found_out(self.check_marked, *lines, 'mark("x/y")')

    def test_link_is_a_name_of_its_own(self):
        lines = [f'fd = write("x", {NEW!r})', SYNC_FILE, 'os.mkdir("in")', 'sync(".")',
                 'os.link("x", "in/y")']
        self.cut(self.check_marked, *lines, 'sync("in")', 'mark("in/y")')
        self.found_out(self.check_marked, *lines, 'sync(".")', 'mark("in/y")')

    def check_moved(self, _, root):
        there = [os.path.exists(os.path.join(root, name)) for name in ("a/x", "b/x")]
        if os.path.exists(os.path.join(root, "synced")):
            self.assertTrue(any(there), "the rename lost it")

    def test_rename_between_folders_never_loses_the_file(self):
        self.cut(
            self.check_moved,
            'os.mkdir("a")', 'os.mkdir("b")', f'fd = write("a/x", {NEW!r})', SYNC_FILE,
            'sync("a")', 'sync(".")', 'os.mkdir("synced")', 'os.rename("a/x", "b/x")',
            'write("a/y", b"")', 'sync("a")',
        )

    def test_both_names_after_a_rename_between_folders_are_tried(self):
        def never_both(_, root):
            there = [os.path.exists(os.path.join(root, name)) for name in ("a/x", "b/x")]
            self.assertFalse(all(there), "both names")

        self.found_out(
            never_both,
            'os.mkdir("a")', 'os.mkdir("b")', f'fd = write("a/x", {NEW!r})', SYNC_FILE,
            'sync("a")', 'sync(".")', 'os.rename("a/x", "b/x")', 'sync("b")',
        )

    def test_a_folder_has_one_name_throughout(self):
        def once(_, root):
            names = sorted(os.listdir(root))
            self.assertIn(names, ([], ["x"], ["y"]))

        self.cut(once, 'os.mkdir("x")', 'sync(".")', 'os.rename("x", "y")', 'sync(".")')

    def check_mode(self, marks, root):
        if marks:
            self.assertEqual(os.stat(os.path.join(root, "x")).st_mode & 0o777, 0o444)

    def test_mode_needs_fsync(self):
        lines = ['fd = write("x", b"x")', 'sync(".")', "os.fchmod(fd, 0o444)"]
        self.cut(self.check_mode, *lines, "os.fsync(fd)", 'mark("x")')
        self.found_out(self.check_mode, *lines, "os.fdatasync(fd)", 'mark("x")')

    def test_stores_into_a_map_need_fsync(self):
        lines = [f'fd = write("x", {OLD!r} + {OLD[:1000]!r})', SYNC_FILE, 'sync(".")',
                 "map = mmap.mmap(fd, 3000)", f"map[:] = {NEW!r}"]
        self.cut(self.check_marked, *lines, "map.close()", "os.fdatasync(fd)", 'mark("x")')
        self.cut(self.check_marked, *lines, "os.fsync(fd)", 'mark("x")')
        self.found_out(self.check_marked, *lines, "map.close()", 'mark("x")')

    def check_absent(self, marks, root):
        if marks:
            self.assertFalse(os.path.exists(os.path.join(root, "x")), "it came back")

    def test_unlink_needs_its_folder_synced(self):
        lines = ['write("x", b"x")', 'sync(".")', 'os.unlink("x")']
        self.cut(self.check_absent, *lines, 'sync(".")', 'mark("gone")')
        self.found_out(self.check_absent, *lines, 'mark("gone")')

    def test_write_can_be_torn_within_its_own_bounds(self):
        seen = set()

        def look(_, root):
            try:
                with open(os.path.join(root, "x"), "rb") as file:
                    data = file.read()
            except FileNotFoundError:
                return
            self.assertIn(len(data), (0, 3000))
            self.assertLessEqual(set(data), set(b"\0n"))
            seen.add(tuple(data[at] for at in range(0, len(data), 512)))

        self.cut(look, f'fd = write("x", {NEW!r})', 'sync(".")', SYNC_FILE)
        self.assertGreater(len(seen), 3)

    def test_marks_are_in_the_order_of_what_they_are_about(self):
        _, records = self.record('mark("1")', 'os.mkdir("x")', 'mark("2")', 'sync(".")')
        self.assertEqual([record.op for record in records],
                         [Op.ROOT, Op.MARK, Op.MKDIR, Op.MARK, Op.FSYNC])


if __name__ == "__main__":
    unittest.main()
