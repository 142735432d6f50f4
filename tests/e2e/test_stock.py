# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A node that starts over many objects in files: it serves at once, lists each exactly once, and
keeps little of each in memory and no descriptor. 100,000 of them in the soak."""

import unittest

from files import FilesNode
from harness import SLOW, SOAK, poll, scaled

COUNT = 100000 if SOAK else scaled(2000, 300)
PER_OBJECT = 1536  # bytes of memory, at most
SLACK = 8 << 20  # of worker threads and pages of replies


class StockTest(unittest.TestCase):
    def setUp(self):
        self.node = FilesNode()
        self.addCleanup(self.node.remove)
        self.node.start()
        self.await_recovery()
        self.empty = self.descriptors()
        self.empty_memory = self.memory()

    def await_recovery(self):
        poll(lambda: self.node.stats()["recovering"] == 0, "recovery is over")
        poll(lambda: self.node.holdings()["sessions"] == 1, "one session")

    def descriptors(self):
        """How many the node has open with one client."""
        return len(self.node.holdings()["descriptors"])

    def memory(self):
        """Bytes resident."""
        with open(f"/proc/{self.node.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS:"))

    def pages(self, client):
        """All objects, and the number of pages that they came in."""
        names, pages, cursor = [], 0, {}
        while True:
            reply = client.ok("list", **cursor)
            names += [entry["object_id"] for entry in reply["objects"]]
            pages += 1
            if not reply.get("cursor"):
                return names, pages
            cursor = {"cursor": reply["cursor"]}

    def test_many_objects_outlive_a_restart(self):
        names = [f"stock/{number}" for number in range(COUNT)]
        with self.node.connect() as client:
            for name in names:
                client.put(name, name.encode())
        self.node.restart()
        with self.node.connect() as client:
            # None of these waits for recovery, which may be over or not; test_peer_recovery knows.
            early = client.ok("stats")["stats"]
            for name in (names[-1], names[0], names[COUNT // 2]):
                self.assertEqual(client.get(name), [name.encode()])
            client.put("new", b"bytes")
            late = client.ok("stats")["stats"]
            listed, pages = self.pages(client)
            self.assertEqual(len(listed), COUNT + 1)
            self.assertEqual(listed, names + ["new"])
            self.assertEqual(pages, COUNT // 1000 + 1)
        self.await_recovery()
        poll(lambda: self.descriptors() == self.empty, "it has no descriptor more than empty")
        grown = self.memory() - self.empty_memory
        print(
            f"{COUNT} objects: {grown} bytes of memory; recovering at the first request: "
            f"{early['recovering']}, {early['objects']} known; after four: "
            f"{late['recovering']}, {late['objects']} known"
        )
        if not SLOW:
            self.assertLess(grown, SLACK + COUNT * PER_OBJECT)


if __name__ == "__main__":
    unittest.main()
