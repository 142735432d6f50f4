# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A node that evicts: the least recently acquired goes when room is short, and nobody who reads it
notices; what is held stays."""

import os
import re
import signal
import subprocess
import unittest

from client import read_all, write_all
from harness import DEADLINE, NODE, NodeCase, pattern, poll, scaled, start_all

MIB = 1 << 20


class EvictCase(NodeCase):
    sections = {"peer": {"capacity": "16MiB", "evict": "lru", "sample": "20ms"}}

    def setUp(self):
        super().setUp()
        self.client = self.connect()
        self.before = self.node.stats()["evictions"]

    def evictions(self):
        return self.node.stats()["evictions"] - self.before

    def fill(self, *names):
        """Objects of 4 MiB, of which four fit."""
        for name in names:
            self.put(self.client, name, pattern(4 * MIB, len(name)))

    def names(self):
        return {item["object_id"] for item in self.client.ok("list")["objects"]}

    def check_left(self, *names):
        self.assertEqual(self.names(), set(names))
        self._left = set(names)


class EvictTest(EvictCase):
    def test_the_oldest_goes_and_the_others_are_whole(self):
        self.fill("a", "b", "c", "d")
        self.client.get("a")
        self.fill("e", "f")
        self.check_left("a", "d", "e", "f")
        self.assertEqual(self.evictions(), 2)
        for name in ("a", "d", "e", "f"):
            self.assertTrue(self.client.get(name) == [pattern(4 * MIB, 1)], name)
        self.refused("not_found", self.client.request("acquire", object_id="b", intent="read"))
        self.assertEqual(self.node.stats()["bytes"], 16 * MIB)

    def test_an_evicted_name_is_free_and_its_descriptors_stay_readable(self):
        self.fill("a", "b", "c", "d")
        with self.client.read("a") as lease:
            self.client.release(lease["lease_id"])
            for name in ("b", "c", "d"):
                self.client.get(name)
            self.put(self.client, "large", bytes(8 * MIB))
            self.check_left("c", "d", "large")
            self.assertTrue(read_all(lease, 0) == pattern(4 * MIB, 1))
            self.put(self.client, "a", b"anew")
            self.assertTrue(read_all(lease, 0) == pattern(4 * MIB, 1))
            self.assertEqual(self.client.get("a"), [b"anew"])
        self.check_left("a", "d", "large")

    def test_leased_objects_stay(self):
        self.fill("a", "b", "c", "d")
        lease = self.client.read("a")
        lease.close()
        self.refused("no_space", self.client.request(
            "acquire", object_id="whole", intent="create", sizes=[13 * MIB]))
        self.assertEqual((self.evictions(), len(self.names())), (0, 4))
        self.put(self.client, "large", bytes(12 * MIB))
        self.check_left("a", "large")
        self.assertTrue(self.client.get("a") == [pattern(4 * MIB, 1)])
        self.client.release(lease["lease_id"])

    def test_a_reader_that_dies_lets_go(self):
        self.fill("a", "b", "c", "d")
        with self.node.connect() as reader:
            for name in ("a", "b", "c", "d"):
                reader.read(name, bind="connection").close()
            self.refused("no_space", self.client.request(
                "acquire", object_id="e", intent="create", sizes=[1]))
        poll(lambda: self.node.stats()["leases"] == 0, "the leases end with the reader")
        self.fill("e")
        self.check_left("b", "c", "d", "e")

    def test_what_grows_makes_room(self):
        self.fill("a", "b", "c", "d")
        made = self.client.ok("acquire", object_id="grows", intent="create")
        write_all(made.fd(0), bytes(5 * MIB))
        made.close()
        self.client.seal(made["lease_id"]).close()
        self.client.release(made["lease_id"])
        self.check_left("c", "d", "grows")

    def test_many_small_ones_go_for_a_large_one(self):
        count = scaled(300, 60)
        for number in range(count):
            self.put(self.client, f"small {number}", bytes(4096))
        self.put(self.client, "large", bytes(16 * MIB - 8192))
        self.check_left(f"small {count - 2}", f"small {count - 1}", "large")
        self.assertEqual(self.evictions(), count - 2)

    def test_writers_and_readers_at_once(self):
        """Nobody fails for want of room while there is something to evict, and what is read is
        whole."""
        rounds = scaled(40, 10)

        def writer(number):
            def work():
                with self.node.connect() as client:
                    for turn in range(rounds):
                        client.put(f"{number} {turn}", pattern(MIB, number))
            return work

        def reader():
            found = 0
            with self.node.connect() as client:
                for turn in range(2 * rounds):
                    for number in range(2):
                        lease = client.request(
                            "acquire", object_id=f"{number} {turn // 2}", intent="read")
                        if lease.error is None:
                            with lease:
                                self.assertTrue(read_all(lease, 0) == pattern(MIB, number))
                            client.release(lease["lease_id"])
                            found += 1
            return found

        start_all([writer(0), writer(1), reader])
        self.check_left(*self.names())
        stats = self.node.stats()
        self.assertLessEqual(stats["bytes"], 16 * MIB)
        self.assertEqual(self.evictions() + stats["objects"], 2 * rounds)


class RestartTest(EvictCase):
    def test_what_was_found_at_the_start_goes_first_in_its_order(self):
        if "data" not in os.listdir(self.node.folder):
            self.skipTest("memory does not outlive the node")
        self.fill("a", "b", "c", "d")
        self.client.get("a")
        self.client.close()
        self.node.stop()
        self.node.start()
        self.count_anew()
        self.client = self.connect()
        self.client.get("b")
        self.fill("e", "f", "g")
        self.check_left("b", "e", "f", "g")
        files = [name for _, _, names in os.walk(os.path.join(self.node.folder, "data", "objects"))
                 for name in names]
        self.assertEqual(len(files), 8, files)  # a manifest and a blob each
        for name in ("b", "e", "f", "g"):
            self.discard(self.client, name)
        self.client.close()
        self.node.stop()
        self.node.start()
        self.count_anew()


class OptionTest(NodeCase):
    def check(self, text, message):
        file = os.path.join(self.node.folder, "other.ini")
        with open(file, "w", encoding="utf-8") as config:
            config.write(text + "[transport.local]\nplugin = transport_uds\npath = other.sock\n")
        done = subprocess.run([NODE, "-c", file, *self.flags], capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, message)

    flags = ()

    def test_what_makes_no_sense_is_refused(self):
        self.flags = ("--check",)
        self.check("[peer]\nevict = lru\n", r":2: \[peer\] evict: lru: needs a capacity")
        self.check("[peer]\ncapacity = 1MiB\nevict = lur\n", r":3: \[peer\] evict: ")
        self.flags = ()
        root = os.path.join(self.node.folder, "shared")
        self.check("[peer]\ncapacity = 1MiB\nevict = lru\n"
                   f"[blob]\nplugin = blob_fs\nshared = yes\nroot = {root}\n",
                   "evict: lru is not for storage that other nodes share")

    def test_it_can_not_change_while_the_node_runs(self):
        with open(self.node.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.node.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[peer]\n", "[peer]\nevict = lru\n"))
        self.node.process.send_signal(signal.SIGHUP)
        poll(lambda: re.search(r"not reloaded: .*\[peer\] evict: can't change while the node runs",
                               self.node.errors()), self.node.errors)
        with open(self.node.config, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    unittest.main()
