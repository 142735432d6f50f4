# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Two nodes, one folder: one creates what the other serves, and no name is ever made twice."""

import os
import signal
import unittest

from client import write_all
from files import FilesNode
from harness import poll, scaled, start_all


class SharedCase(unittest.TestCase):
    options = {"shared": "yes", "poll": "20ms"}

    def setUp(self):
        self.one = FilesNode(**self.options)
        self.addCleanup(self.one.remove)
        self.other = FilesNode(self.one.root, **self.options)
        self.addCleanup(self.other.remove)
        self.one.start()
        self.other.start()

    def tearDown(self):
        for node in (self.one, self.other):
            if node.process.poll() is None:
                node.stop()
        self.assertEqual(self.one.files("claims"), [])


class SharedTest(SharedCase):
    def test_each_serves_what_the_other_made(self):
        with self.one.connect() as one, self.other.connect() as other:
            one.put("x", b"hello")
            self.assertEqual(other.get("x"), [b"hello"])
            other.put("y", b"other")
            self.assertEqual(one.get("y"), [b"other"])

    def test_a_wait_ends_when_the_other_node_seals(self):
        with self.one.connect() as one, self.other.connect() as other:
            other.send("acquire", object_id="x", intent="read", wait_seconds=60)
            poll(lambda: self.other.stats()["waits"] == 1, "it waits")
            one.put("x", b"hello")
            with other.receive() as lease:
                self.assertEqual(lease["status"], "ok", dict(lease))
                self.assertEqual(os.pread(lease.fd(0), 9, 0), b"hello")

    def test_a_discard_is_noticed_by_the_other_node(self):
        with self.one.connect() as one, self.other.connect() as other:
            one.put("x", b"hello")
            with other.read("x") as lease:
                one.ok("discard", object_id="x")
                poll(
                    lambda: other.request("stat", object_id="x").error == "not_found",
                    "the other node knows",
                )
                self.assertEqual(os.pread(lease.fd(0), 9, 0), b"hello")
            other.put("x", b"other")
            self.assertEqual(one.get("x"), [b"other"])

    def test_creates_of_one_name_exclude_each_other(self):
        with self.one.connect() as one, self.other.connect() as other:
            with one.create("x", [5]) as made:
                again = other.request("acquire", object_id="x", intent="create", sizes=[5])
                self.assertEqual(again.error, "exists", dict(again))
                write_all(made.fd(0), b"hello")
            one.seal(made["lease_id"]).close()
            again = other.request("acquire", object_id="x", intent="create", sizes=[5])
            self.assertEqual(again.error, "exists", dict(again))
            self.assertEqual(other.get("x"), [b"hello"])

    def test_of_many_who_create_a_name_one_does(self):
        names = [f"n{number}" for number in range(scaled(60, 15))]

        def worker(node, text):
            def run():
                won = []
                with node.connect() as client:
                    for name in names:
                        made = client.request(
                            "acquire", object_id=name, intent="create", sizes=[len(text)]
                        )
                        if made.error is not None:
                            self.assertEqual(made.error, "exists", dict(made))
                            continue
                        with made:
                            write_all(made.fd(0), text)
                        client.seal(made["lease_id"]).close()
                        won.append(name)
                return text, won

            return run

        nodes = [self.one, self.other, self.one, self.other]
        texts = [b"a", b"b", b"c", b"d"]
        results = start_all([worker(*pair) for pair in zip(nodes, texts)])
        winner = {name: text for text, won in results for name in won}
        self.assertEqual(sum(len(won) for _, won in results), len(names))
        for node in (self.one, self.other):
            with node.connect() as client:
                self.assertEqual({name: client.get(name)[0] for name in names}, winner)


class LostNodeTest(SharedCase):
    options = {"shared": "yes", "poll": "20ms", "claim_timeout": "300ms"}

    def create_when_free(self, client, name):
        def attempt():
            made = client.request("acquire", object_id=name, intent="create", sizes=[5])
            self.assertIn(made.error, (None, "exists"), dict(made))
            return made if made.error is None else None

        return poll(attempt, "the name is free")

    def test_what_a_killed_node_was_making_is_made_anew(self):
        with self.one.connect() as one, self.other.connect() as other:
            one.create("x", [5]).close()
            self.one.kill()
            other.put("x", b"hello")
            self.assertEqual(other.get("x"), [b"hello"])

    def test_a_stalled_creator_can_not_publish(self):
        with self.one.connect() as one, self.other.connect() as other:
            with one.create("x", [5]) as late:
                write_all(late.fd(0), b"later")
            self.one.process.send_signal(signal.SIGSTOP)
            with self.create_when_free(other, "x") as made:
                write_all(made.fd(0), b"hello")
            other.seal(made["lease_id"]).close()
            self.one.process.send_signal(signal.SIGCONT)
            reply = one.request("seal", lease_id=late["lease_id"])
            self.assertEqual(reply.error, "lease_not_found", dict(reply))
            poll(lambda: not self.one.files("claims"), "no claim is left")
            poll(lambda: len(self.one.files("objects")) == 2, "nothing is left of the late one")
            self.assertEqual(one.get("x"), [b"hello"])


if __name__ == "__main__":
    unittest.main()
