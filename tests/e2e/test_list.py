# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""stat and list: what they tell, page by page, while objects come and go."""

import unittest

from harness import NodeCase


class ListTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def pages(self, **members):
        """The pages of one listing, each a list of objects."""
        cursor = {}
        while True:
            reply = self.client.ok("list", **members, **cursor)
            yield reply["objects"]
            if not reply.get("cursor"):
                return
            cursor = {"cursor": reply["cursor"]}

    def names(self, **members):
        return [entry["object_id"] for page in self.pages(**members) for entry in page]

    def test_empty(self):
        self.assertEqual(list(self.pages()), [[]])

    def test_epoch_order(self):
        names = ["z", "a", "m", "/", "ü"]
        for name in names:
            self.put(self.client, name, b"x")
        self.assertEqual(self.names(), names)
        self.discard(self.client, "z")
        self.put(self.client, "z", b"x")
        self.assertEqual(self.names(), ["a", "m", "/", "ü", "z"])

    def test_pages_of_any_length(self):
        names = [f"object {number}" for number in range(25)]
        for name in names:
            self.put(self.client, name, b"x")
        for limit in (1, 7, 24, 25, 26, 1000):
            with self.subTest(limit=limit):
                pages = list(self.pages(limit=limit))
                self.assertTrue(all(len(page) <= limit for page in pages))
                self.assertEqual(
                    [entry["object_id"] for page in pages for entry in page], names
                )

    def test_more_than_a_page_without_a_limit(self):
        names = [f"{number:04}" for number in range(1500)]
        for name in names:
            self.put(self.client, name, b"")
        self.assertEqual(self.names(), names)

    def test_object_present_throughout_appears_exactly_once(self):
        """Between any two pages others are discarded, made and made anew."""
        kept = [f"kept {number}" for number in range(20)]
        for number, name in enumerate(kept):
            self.put(self.client, name, b"x")
            self.put(self.client, f"goes {number}", b"x")
        seen = []
        for turn, page in enumerate(self.pages(limit=3)):
            seen += [entry["object_id"] for entry in page]
            if turn < 20:
                self.discard(self.client, f"goes {turn}")
                self.put(self.client, f"comes {turn}", b"x")
            self.assertLess(turn, 100, "the listing does not end")
        self.assertEqual([name for name in seen if name.startswith("kept")], kept)
        self.assertEqual(len(seen), len(set(seen)))

    def test_prefix(self):
        for name in ("a/1", "a/2", "a", "b/1", "aa"):
            self.put(self.client, name, b"x")
        self.assertEqual(self.names(prefix="a/"), ["a/1", "a/2"])
        self.assertEqual(self.names(prefix="a/", limit=1), ["a/1", "a/2"])
        self.assertEqual(self.names(prefix="a"), ["a/1", "a/2", "a", "aa"])
        self.assertEqual(self.names(prefix="c"), [])
        self.assertEqual(len(self.names(prefix="")), 5)

    def test_stat_and_list_tell_the_same(self):
        self.put(self.client, "sealed", b"12", b"345", meta={"a": [1]})
        young = self.client.create("young", [10])
        for name, state, size, blobs in (("sealed", "sealed", 5, 2), ("young", "creating", 10, 1)):
            with self.subTest(name=name):
                stat = self.client.ok("stat", object_id=name)
                listed = next(
                    entry for entry in self.client.ok("list")["objects"]
                    if entry["object_id"] == name
                )
                for entry in (stat, listed):
                    self.assertEqual(
                        (entry["object_id"], entry["state"], entry["size"], entry["blobs"]),
                        (name, state, size, blobs),
                    )
                for key, value in listed.items():
                    self.assertEqual(stat[key], value, key)
        self.assertEqual(self.client.ok("stat", object_id="sealed")["meta"], {"a": [1]})
        self.client.release(young["lease_id"])

    def test_stat_of_nothing(self):
        self.refused("not_found", self.client.request("stat", object_id="none"))

    def test_listing_is_quick_between_others(self):
        """A long listing does not end the service of others: both get answers, interleaved."""
        for number in range(300):
            self.put(self.client, f"object {number}", b"")
        other = self.connect()
        for _ in range(10):
            self.client.send("list")
            other.ok("stat", object_id="object 1")
            self.assertEqual(len(self.client.receive()["objects"]), 300)


if __name__ == "__main__":
    unittest.main()
