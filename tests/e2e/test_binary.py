# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The binary notation over a real socket: whatever JSON says can be said in it, either may follow the
other, and what is no message ends the connection that it came on and no other."""

import pathlib
import re
import unittest

import binary
from client import Client, Reply
from harness import DEADLINE, NodeCase

NAME_H = pathlib.Path(__file__).parents[2] / "core" / "wire" / "name.h"


class BinaryClient(Client):
    """Says all in binary."""

    def send(self, command, **members):
        self.send_bytes(binary.encode({"command": command, **members}))

    def receive(self):
        """The next reply, which has to be binary."""
        while not self._text:
            self._receive_some()
        assert self._text[0] == binary.HEAD[0], bytes(self._text)
        members, size = None, 0
        while members is None:
            members, size = binary.decode(bytes(self._text))
            if members is None:
                self._receive_some()
        del self._text[:size]
        count = members.get("fds", 0)
        reply = Reply(members, self._fds[:count])
        del self._fds[:count]
        self._replies.append(reply)
        return reply


class BinaryTest(NodeCase):
    def binary(self):
        client = BinaryClient(self.node.socket, DEADLINE)
        self._clients.append(client)
        return client

    def json(self, client):
        """The next reply, which has to be JSON."""
        return Client.receive(client)

    def test_names_have_the_numbers_of_the_page(self):
        names = re.findall(r'X\(PK_NAME_\w+, "(\w+)"\)', NAME_H.read_text())
        self.assertGreater(len(names), 40)
        self.assertEqual(binary.NUMBERS, {name: i + 1 for i, name in enumerate(names)})

    def test_puts_and_gets(self):
        client = self.binary()
        self.put(client, "a", b"one", b"", b"three" * 1000, meta={"type": "text", "n": [1, 2.5]})
        self.assertEqual(client.get("a"), [b"one", b"", b"three" * 1000])
        stat = client.ok("stat", object_id="a", tag="t")
        self.assertEqual((stat["tag"], stat["sizes"]), ("t", [3, 0, 5000]))
        self.assertEqual(stat["meta"], {"type": "text", "n": [1, 2.5]})
        self.assertGreater(client.ok("stats")["stats"]["objects"], 0)
        listed = client.ok("list")
        self.assertEqual([entry["object_id"] for entry in listed["objects"]], ["a"])
        self.put(client, "a2", b"")
        self.assertEqual(client.ok("list", limit=1)["cursor"], str(stat["epoch"]))
        self.assertNotIn("cursor", client.ok("list", cursor=str(stat["epoch"])))

    def test_says_what_json_does(self):
        client, plain = self.binary(), self.connect()
        self.put(client, "b", b"bytes")
        for command, members in (
            ("stat", {"object_id": "b"}),
            ("stat", {"object_id": "nowhere", "tag": 7}),
            ("list", {}),
            ("list", {"prefix": "b", "limit": 1}),
            ("acquire", {"object_id": "b", "intent": "read", "inline_max": 0.5}),
            ("acquire", {"object_id": "b"}),
            ("seal", {"lease_id": 1}),
            ("renew", {"lease_id": "l", "ttl_seconds": 2.5}),
            ("release", {"lease_id": "l"}),
            ("verify", {"object_id": "b"}),
            ("fly", {}),
            ("batch", {"tag": "t", "requests": [{"command": "stat", "object_id": "b"}, {}, 7]}),
        ):
            with self.subTest(command=command, members=members):
                said = client.request(command, **members)
                expected = filled_out(plain.request(command, **members))
                self.assertEqual(filled_out(said), expected)

    def test_bytes_come_right_behind(self):
        client = self.binary()
        client.send_bytes(
            binary.encode({"command": "put", "object_id": "c", "data": 5})
            + b"\xfb{\n\0!"
            + binary.encode(
                {"command": "acquire", "object_id": "c", "intent": "read", "inline_max": 9}
            )
            + binary.encode({"command": "stat", "object_id": "c"})
        )
        self.left("c")
        self.assertEqual(client.receive()["status"], "sealed")
        read = client.receive()
        self.assertEqual((read["data"], read["blobs"][0]["kind"]), (5, "data"))
        self.assertNotIn("lease_id", read)
        self.assertEqual(client.receive_bytes(5), b"\xfb{\n\0!")
        self.assertEqual(client.receive()["size"], 5)

    def test_a_batch_with_bytes_and_descriptors(self):
        client = self.binary()
        self.put(client, "d", b"dd")
        read = {"command": "acquire", "object_id": "d", "intent": "read"}
        many = [{"command": "put", "object_id": "e", "data": 3}, {**read, "inline_max": 2}]
        client.send_bytes(
            binary.encode({"command": "batch", "data": 3, "requests": [*many, read, {}]}) + b"eee"
        )
        self.left("e")
        reply = client.receive()
        put, inline, lease, wrong = reply["replies"]
        self.assertEqual((reply["fds"], reply["data"], put["status"]), (1, 2, "sealed"))
        self.assertEqual(client.receive_bytes(2), b"dd")
        self.assertEqual(inline["blobs"], [{"kind": "data", "size": 2, "offset": 0}])
        self.assertEqual((lease["blobs"][0]["fd"], wrong["error"]), (0, "invalid"))
        client.release(lease["lease_id"])

    def test_each_request_is_answered_in_its_notation(self):
        client = self.binary()
        client.send_bytes(
            b'{"command":"stat","object_id":"x","binary":1}\n'
            + binary.encode({"command": "stat", "object_id": "x"})
            + b'{"command":"batch","requests":[{}]} '
            + binary.encode({"command": "batch", "requests": [{}], "binary": 1})
        )
        self.assertEqual(self.json(client)["binary"], 1)
        said = client.receive()
        self.assertEqual((said["error"], "binary" in said), ("not_found", False))
        self.assertEqual(self.json(client)["replies"][0]["error"], "invalid")
        self.assertEqual(client.receive()["binary"], 1)

    def test_however_it_is_split(self):
        message = binary.encode({"command": "stat", "object_id": "nowhere", "tag": "t"})
        client = self.binary()
        for size in range(1, len(message)):
            client.send_bytes(message[:size])
            client.send_bytes(message[size:])
            self.assertEqual(client.receive()["error"], "not_found")
        for at in range(len(message)):
            client.send_bytes(message[at : at + 1])
        self.assertEqual(client.receive()["tag"], "t")

    def test_a_wait_is_folded_and_unfolded(self):
        """A request that stands behind a wait is kept as what came, whatever bytes that has."""
        client, other = self.binary(), self.connect()
        client.send("acquire", object_id="f", intent="read", inline_max=9, wait_seconds=60)
        client.send("stat", object_id="f")
        client.send("release", lease_id="l", tag=5)
        self.assertEqual(client.receive()["tag"], 5)
        self.put(other, "f", b"late")
        self.assertEqual(client.receive()["data"], 4)
        self.assertEqual(client.receive_bytes(4), b"late")
        self.assertEqual(client.receive()["size"], 4)

    def test_what_is_no_message_ends_its_connection(self):
        stat = binary.encode({"command": "stat", "object_id": "x"})
        twice = binary.members({"tag": 1}) * 2
        for wrong, error, message in (
            (b"\xfb\x02\0\0" + stat[4:], "invalid", "version"),
            (b"\xfb\x01\0\x01" + stat[4:], "invalid", "version"),
            (b"\xfb\x01\0\0\xff\xff\xff\xff", "too_large", "longer than"),
            (binary.HEAD + b"\x01\0\0\0" + b"\x05", "invalid", "cut off"),
            (stat[:-1] + b"y", "invalid", "without a NUL"),
            (stat.replace(b"stat", b"st\xff\xff"), "invalid", "UTF-8"),
            (stat.replace(b"stat", b"st\0\0"), "invalid", "UTF-8"),
            (binary.HEAD + binary.sized(twice, b""), "invalid", "twice"),
        ):
            with self.subTest(wrong=wrong):
                client = self.binary()
                client.send_bytes(b'{"command":"stats"}' + wrong + stat)
                self.assertEqual(self.json(client)["status"], "ok")
                reply = client.receive()
                self.assertEqual(reply["error"], error)
                self.assertIn(message, reply["message"])
                self.assertIn("status", reply)
                self.assertTrue(client.is_closed())
        client = self.binary()
        client.send_bytes(b"\xfc")
        self.assertEqual(self.json(client)["error"], "invalid")
        self.assertTrue(client.is_closed())

    def test_a_message_that_never_ends_holds_up_nobody(self):
        client = self.binary()
        client.send_bytes(binary.HEAD + b"\x10\0\0\0\x05")
        self.assertEqual(self.connect().request("stat", object_id="x").error, "not_found")


def filled_out(reply):
    """What binary leaves out, put in; and lease ids, which are never the same, taken out."""
    reply = dict(reply)
    reply.pop("handles", None)
    for name in ("fds", "data"):
        if not reply.get(name):
            reply.pop(name, None)
    for name in ("cursor", "lease_id", "created_at", "sealed_at"):
        if reply.get(name) is None:
            reply.pop(name, None)
    if reply.get("meta") == {}:
        reply.pop("meta")
    for name in ("replies", "objects"):
        if name in reply:
            reply[name] = [filled_out(entry) for entry in reply[name]]
    return reply


if __name__ == "__main__":
    unittest.main()
