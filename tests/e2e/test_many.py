# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Many objects, and many processes on one."""

import unittest

from harness import NodeCase, pattern, poll, scaled

READER = """
import sys
from client import Client
socket, count, size = sys.argv[0], int(sys.argv[1]), int(sys.argv[2])
from harness import DEADLINE, pattern
expected = pattern(size)
with Client(socket, DEADLINE) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(count):
        assert client.get("shared") == [expected]
print("read", count, flush=True)
"""


class ManyTest(NodeCase):
    def test_thousands_of_small_objects_in_and_out(self):
        count = scaled(5000, 500)
        client = self.connect()
        contents = [pattern(1024, seed) for seed in range(count)]
        for number, data in enumerate(contents):
            self.put(client, f"small/{number}", data)
        self.check_held(objects=count, bytes_at_least=count * 1024, leases=0)
        for number, data in enumerate(contents):
            self.assertEqual(client.get(f"small/{number}"), [data])
        for number in range(count):
            self.discard(client, f"small/{number}")

    def check_held(self, objects, bytes_at_least, leases):
        stats = self.node.stats()
        self.assertEqual((stats["objects"], stats["leases"]), (objects, leases))
        self.assertGreaterEqual(stats["bytes"], bytes_at_least)

    def test_eight_processes_read_one_object_while_a_ninth_creates(self):
        size, reads = 1 << 20, scaled(100, 20)
        client = self.connect()
        self.put(client, "shared", pattern(size))
        readers = [self.run_python(READER, reads, size) for _ in range(8)]
        for reader in readers:
            self.assertEqual(reader.stdout.readline(), "ready\n")
        for reader in readers:
            reader.stdin.write("go\n")
            reader.stdin.flush()
        made = 0
        while any(reader.poll() is None for reader in readers) or made < 50:
            name = self.put(client, f"other {made}", pattern(4096, made))
            self.assertEqual(client.get(name), [pattern(4096, made)])
            self.discard(client, name)
            made += 1
        for reader in readers:
            output, errors = reader.communicate()
            self.assertEqual((reader.returncode, output), (0, f"read {reads}\n"), errors)

    def test_readers_of_one_object_have_offsets_of_their_own(self):
        client = self.connect()
        self.put(client, "shared", b"0123456789")
        first, second = client.read("shared"), client.read("shared")
        with open(first.fds.pop(), "rb") as one, open(second.fds.pop(), "rb") as two:
            self.assertEqual(one.read(4), b"0123")
            self.assertEqual(two.read(), b"0123456789")
            self.assertEqual(one.read(), b"456789")
        for lease in (first, second):
            client.release(lease["lease_id"])

    def test_connections_come_and_go(self):
        for _ in range(scaled(500, 100)):
            with self.node.connect() as client:
                client.ok("stats")
        poll(lambda: self.node.stats()["sessions"] == 1, "one session")


if __name__ == "__main__":
    unittest.main()
