# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Each way in which storage can fail under a request, one at a time: what the client is told, that
nothing is left behind, and that the same request succeeds when it is made again."""

import configparser
import os
import unittest

from client import read_all, write_all
from harness import DEADLINE, Node, NodeCase, poll

# What each errno of a plugin is to a client, as docs/protocol.md has it.
CODES = {
    "EINVAL": "invalid",
    "ENOENT": "not_found",
    "EEXIST": "exists",
    "EAGAIN": "not_sealed",
    "ESTALE": "lease_not_found",
    "EACCES": "access_denied",
    "EBUSY": "busy",
    "ENOSPC": "no_space",
    "EFBIG": "too_large",
    "EOPNOTSUPP": "unsupported",
    "ETIMEDOUT": "timeout",
    "EIO": "io",
    "EMFILE": "internal",
    "ENOMEM": "internal",
}


class FaultCase(NodeCase):
    """A node of its own for each test, since each has rules of its own."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def start(self, *rules, **peer):
        blob = {"plugin": "blob_fault", "child": "blob_memfd", "rules": ",".join(rules)}
        self.start_node({"blob": blob, "peer": peer})

    def start_node(self, sections):
        self.node = Node(sections)
        self.addCleanup(self.node.remove)
        self.begin()

    def begin(self):
        self.node.start()
        poll(lambda: self.node.holdings()["sessions"] == 1, "one session")
        self.baseline = self.node.holdings()
        self.client = self.connect()

    def tearDown(self):
        super().tearDown()
        self.node.stop()

    def injected(self, error, reply, operation):
        """The reply is this error, and says where it comes from."""
        self.refused(error, reply)
        self.assertIn(f" of {operation}, rule ", reply["message"])

    def figure(self, name, value):
        """The plugin's figure gets to be this, once what is done without an answer is done."""
        poll(lambda: self.node.stats()[f"blob_fault_{name}"] == value, f"{name} is {value}")

    def acquire(self, name="name", intent="create", **members):
        return self.client.request("acquire", object_id=name, intent=intent, **members)

    def seal(self, lease, **members):
        return self.client.request("seal", lease_id=lease["lease_id"], **members)

    def filled(self, *contents, name="name", **members):
        """A lease on an object that only needs to be sealed."""
        made = self.client.create(name, [len(data) for data in contents], **members)
        for blob, data in enumerate(contents):
            write_all(made.fd(blob), data)
        return made

    def sealed(self, reply, *contents):
        self.assertEqual(reply["status"], "sealed", dict(reply))
        for blob, data in enumerate(contents):
            self.assertEqual(read_all(reply, blob), data)
        self.client.release(reply["lease_id"])
        self.left(reply["object_id"])
        self.assertEqual(self.client.get(reply["object_id"]), list(contents))


class CreateTest(FaultCase):
    def nothing_there(self):
        self.refused("not_found", self.client.request("stat", object_id="name"))
        self.check_holdings(objects=0, bytes=0, leases=0)
        self.figure("child_blobs", 0)

    def again(self, sizes=(3, 3, 3)):
        self.nothing_there()
        self.sealed(self.seal(self.filled(*[b"abc"[:size] for size in sizes])),
                    *[b"abc"[:size] for size in sizes])

    def test_create_of_a_later_blob(self):
        self.start("create:EIO:#3")
        self.injected("io", self.acquire(sizes=[3, 3, 3]), "create")
        self.again()

    def test_create_after_the_blob_was_made(self):
        self.start("create:EIO:after:#2")
        self.injected("io", self.acquire(sizes=[3, 3, 3]), "create")
        self.again()

    def test_handle_of_a_later_blob(self):
        self.start("handle:EIO:#2")
        self.injected("io", self.acquire(sizes=[3, 3, 3]), "handle")
        self.again()

    def test_handle_after_it_was_opened(self):
        self.start("handle:EIO:after:#2")
        self.injected("io", self.acquire(sizes=[3, 3, 3]), "handle")
        self.again()

    def test_every_error_has_its_name(self):
        names = list(CODES)
        half = len(names) // 2  # a line of a config is not long enough for all
        self.start_node({"blob": {
            "plugin": "blob_fault",
            "rules": ", ".join(f"create:{name}:#{n + 1}" for n, name in enumerate(names[:half])),
            "child": "blob_fault",
            "child.rules": ", ".join(
                f"create:{name}:#{n + 1}" for n, name in enumerate(names[half:])
            ),
            "child.child": "blob_memfd",
        }})
        for name, code in CODES.items():
            with self.subTest(error=name):
                self.injected(code, self.acquire(sizes=[3]), "create")
                self.refused("not_found", self.client.request("stat", object_id="name"))
                self.check_holdings(objects=0, bytes=0, leases=0)
        self.sealed(self.seal(self.filled(b"abc")), b"abc")

    def test_repeat_of_a_failed_create_tries_again(self):
        self.start("create:EIO:#1")
        self.injected("io", self.acquire(sizes=[3], request_id="one"), "create")
        self.sealed(self.seal(self.filled(b"abc", request_id="one")), b"abc")

    def test_remove_of_what_failed(self):
        """Nothing is told of it but to the log: the storage cleans up, and the name is free."""
        self.start("create:EIO:#3", "remove:EIO:#1-2")
        self.injected("io", self.acquire(sizes=[3, 3, 3]), "create")
        self.again()
        self.assertIn("storage of object 'name' not freed", self.node.errors())

    def test_one_of_a_batch(self):
        self.start("create:EIO:#2")
        requests = [
            {"command": "acquire", "object_id": f"name {n}", "intent": "create", "sizes": [3]}
            for n in range(3)
        ]
        reply = self.client.ok("batch", requests=requests)
        replies = reply["replies"]
        self.assertEqual(sorted(item["status"] for item in replies), ["error", "ok", "ok"])
        self.assertEqual([item.get("error") for item in replies if item["status"] == "error"],
                         ["io"])
        reply.close()
        for item in replies:
            if item["status"] == "ok":
                self.client.release(item["lease_id"])


class SealTest(FaultCase):
    CONTENTS = (b"first", b"second", b"third")

    def test_busy_half_way(self):
        """What was sealed stays sealed; the rest can still be written."""
        self.start("seal:EBUSY:#2-3")
        made = self.filled(*self.CONTENTS)
        self.injected("busy", self.seal(made), "seal")
        with self.assertRaises(PermissionError):
            write_all(made.fd(0), b"FIRST")
        write_all(made.fd(1), b"SECOND")
        self.injected("busy", self.seal(made), "seal")
        self.sealed(self.seal(made), b"first", b"SECOND", b"third")

    def test_io_half_way(self):
        self.start("seal:EIO:#2")
        made = self.filled(*self.CONTENTS)
        self.injected("io", self.seal(made), "seal")
        self.sealed(self.seal(made), *self.CONTENTS)

    def test_io_after_the_blob_was_sealed(self):
        self.start("seal:EIO:after:#2")
        made = self.filled(*self.CONTENTS)
        self.injected("io", self.seal(made), "seal")
        self.sealed(self.seal(made), *self.CONTENTS)

    def test_invalid_is_the_end_of_the_object(self):
        self.start("seal:EINVAL:#2")
        made = self.filled(*self.CONTENTS)
        self.injected("invalid", self.seal(made), "seal")
        self.refused("lease_not_found", self.seal(made))
        self.refused("not_found", self.client.request("stat", object_id="name"))
        self.client.release(made["lease_id"])
        self.sealed(self.seal(self.filled(*self.CONTENTS)), *self.CONTENTS)

    def test_waiting_read_gets_the_next_of_the_name(self):
        self.start("seal:EIO:#1", "seal:EINVAL:#2")
        made = self.filled(b"lost")
        waiter = self.connect()
        waiter.send("acquire", object_id="name", intent="read", wait_seconds=DEADLINE)
        poll(lambda: self.node.stats()["waits"] == 1, "the read waits")
        self.injected("io", self.seal(made), "seal")
        self.injected("invalid", self.seal(made), "seal")
        self.sealed(self.seal(self.filled(b"kept")), b"kept")
        with waiter.receive() as lease:
            self.assertEqual(read_all(lease, 0), b"kept")
        waiter.release(lease["lease_id"])

    def test_released_after_a_failure(self):
        self.start("seal:EIO:#2")
        made = self.filled(*self.CONTENTS)
        self.injected("io", self.seal(made), "seal")
        self.client.release(made["lease_id"])
        self.refused("not_found", self.client.request("stat", object_id="name"))
        self.sealed(self.seal(self.filled(*self.CONTENTS)), *self.CONTENTS)

    def test_size_of_what_was_made_without_one(self):
        self.start("size:EIO:#1", sample="1h")
        made = self.client.ok("acquire", object_id="name", intent="create", blobs=2)
        write_all(made.fd(0), b"some")
        self.injected("io", self.seal(made), "size")
        write_all(made.fd(1), b"more")
        self.sealed(self.seal(made), b"some", b"more")

    def test_size_while_it_grows(self):
        """Nobody is told: what is wrong with it shows at its seal."""
        self.start("size:EIO:#1-3", sample="5ms")
        made = self.client.ok("acquire", object_id="name", intent="create", blobs=1)
        write_all(made.fd(0), b"some")
        self.figure("failed_size", 3)
        poll(lambda: self.node.stats()["bytes"] == 4, "the next one sees what it holds")
        self.sealed(self.seal(made), b"some")

    def test_handle_of_what_is_sealed(self):
        """It is sealed, whatever is told: others read it, and the same request tells so."""
        self.start("handle:EIO:#2", "handle:EIO:after:#3")
        made = self.filled(b"data")
        self.injected("io", self.seal(made), "handle")
        self.assertEqual(self.client.ok("stat", object_id="name")["state"], "sealed")
        self.injected("io", self.seal(made), "handle")
        self.sealed(self.seal(made), b"data")


class ReadTest(FaultCase):
    def test_handle(self):
        self.start("handle:EIO:#6", "handle:EIO:after:#8")
        self.put(self.client, "name", b"first", b"second")  # four handles
        for _ in range(2):
            self.injected("io", self.acquire(intent="read"), "handle")
            self.check_holdings(leases=0)
        self.assertEqual(self.client.get("name"), [b"first", b"second"])

    def test_handle_for_one_that_waited(self):
        """Another that waits for the same name is none the worse for it."""
        self.start("handle:EIO:#3")
        made = self.filled(b"data")
        waiters = [self.connect(), self.connect()]
        for count, waiter in enumerate(waiters):
            waiter.send("acquire", object_id="name", intent="read", wait_seconds=DEADLINE)
            poll(lambda: self.node.stats()["waits"] == count + 1, "the read waits")
        self.sealed(self.seal(made), b"data")
        errors = []
        for waiter in waiters:
            with waiter.receive() as reply:
                if reply["status"] == "error":
                    errors.append(reply.error)
                else:
                    self.assertEqual(read_all(reply, 0), b"data")
                    waiter.release(reply["lease_id"])
        self.assertEqual(errors, ["io"])


class EndTest(FaultCase):
    def test_remove(self):
        """A discard, a release and a lost client are answered and done with all the same."""
        self.start("remove:EIO:1/2", "remove:EBUSY:after")
        self.put(self.client, "discarded", b"first", b"second")
        self.discard(self.client, "discarded")
        self.client.release(self.filled(b"first", b"second")["lease_id"])
        lost = self.connect()
        lost.ok("acquire", object_id="name", intent="create", sizes=[1, 1], bind="connection")
        lost.close()
        self.check_holdings(objects=0, bytes=0, leases=0)
        self.figure("child_blobs", 0)
        self.figure("failed_remove", 6)
        self.sealed(self.seal(self.filled(b"data")), b"data")

    def test_remove_at_the_end_of_the_node(self):
        self.start("remove:EIO")
        self.put(self.client, "name", b"data")
        self.gone("name")
        self.node.stop()
        self.begin()
        self.assertEqual(self.node.stats()["objects"], 0)


class AnyErrorTest(FaultCase):
    """Every errno at every operation: none does more harm than any other."""

    def once(self, code):
        """One life of an object. False: it failed somewhere, in a way that is known."""
        def ask(command, *more, **members):
            reply = self.client.request(command, **members)
            if reply["status"] == "error":
                self.assertIn(reply.error, {code, *more}, (command, dict(reply)))
            return reply

        made = ask("acquire", object_id="name", intent="create", blobs=2)
        if made["status"] == "error":
            return False
        write_all(made.fd(0), b"first")
        for _ in range(4):
            sealed = ask("seal", "lease_not_found", lease_id=made["lease_id"])
            if sealed["status"] == "sealed":
                break
        self.client.release(made["lease_id"])
        if sealed["status"] == "error":
            self.client.request("discard", object_id="name")  # if only its handles failed
            return False
        read = ask("acquire", object_id="name", intent="read")
        if read["status"] != "error":
            self.assertEqual(read_all(read, 0), b"first")
            self.client.release(read["lease_id"])
        discarded = ask("discard", "not_found", object_id="name")
        return "error" not in (read["status"], discarded["status"])

    def test_any_error_anywhere(self):
        for name, code in CODES.items():
            for after in ("", ":after"):
                with self.subTest(error=name, after=after):
                    rules = ["create:E:#1", "create:E:#4", "handle:E:#1", "handle:E:1/7",
                             "size:E:#2", "seal:E:#2", "remove:E:1/3"]
                    self.start(*[rule.replace("E", name) + after for rule in rules])
                    results = [self.once(code) for _ in range(12)]
                    self.assertIn(True, results)
                    self.assertIn(False, results)
                    for operation in ("create", "handle", "size", "seal", "remove"):
                        self.assertGreater(
                            self.node.stats()[f"blob_fault_failed_{operation}"], 0, operation
                        )
                    self.figure("child_blobs", 0)
                    self.client.close()
                    self.check_clean()
                    self.node.stop()
        self.start()


class RulesTest(FaultCase):
    def test_bad_rule_stops_the_start(self):
        blob = {"plugin": "blob_fault", "child": "blob_memfd", "rules": "seal:EIO:5%, sael:EIO"}
        node = Node({"blob": blob})
        self.addCleanup(node.remove)
        node.spawn()
        self.assertNotEqual(node.wait(), 0)
        self.assertIn("rules: rule 2: 'sael' at character 1: ", node.errors())
        self.assertIn("did you mean 'seal'?", node.errors())
        self.start()

    def test_ready_config(self):
        """conf/fault.ini is one, and runs."""
        path = os.path.join(os.environ["PACKICE_SOURCE"], "conf", "fault.ini")
        sections = configparser.RawConfigParser()
        self.assertEqual(sections.read(path), [path])
        self.start_node({"blob": dict(sections["blob"])})
        stats = self.node.stats()
        self.assertEqual(stats["blob_fault_child_blobs"], 0)

    def test_without_a_child(self):
        node = Node({"blob": {"plugin": "blob_fault"}})
        self.addCleanup(node.remove)
        node.spawn()
        self.assertNotEqual(node.wait(), 0)
        self.assertIn("child: must be set", node.errors())
        self.start()

    def test_faults_in_front_of_faults(self):
        """Each has rules of its own, and figures of its own."""
        blob = {
            "plugin": "blob_fault",
            "rules": "create:EIO:#1",
            "child": "blob_fault",
            "child.rules": "create:EBUSY:#1",
            "child.child": "blob_memfd",
        }
        self.start_node({"blob": blob})
        self.injected("io", self.acquire(sizes=[4]), "create")
        self.injected("busy", self.acquire(sizes=[4]), "create")
        self.sealed(self.seal(self.filled(b"data")), b"data")
        stats = self.node.stats()
        self.assertEqual(stats["blob_fault_failed_create"], 1)
        self.assertEqual(stats["blob_fault_child_failed_create"], 1)
        self.assertEqual(stats["blob_fault_child_child_blobs"], 1)


if __name__ == "__main__":
    unittest.main()
