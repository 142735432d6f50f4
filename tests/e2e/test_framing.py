# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The byte stream: however a request is cut or glued, it is understood; what is not one is refused
without harm to others."""

import array
import json
import socket
import unittest

from client import encode, write_all
from harness import DEADLINE, SLOW, NodeCase, poll


class SimplestClient:
    """A new connection for each request, no newline, one recvmsg of 4096 bytes with room for 16
    descriptors. Nothing else."""

    def __init__(self, path):
        self.path = path

    def request(self, **members):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(self.path)
            connection.sendall(json.dumps(members).encode())
            data, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(16 * 4))
            fds = array.array("i")
            for _, _, payload in control:
                fds.frombytes(payload)
            return json.loads(data), [open(fd, "r+b" if write(members) else "rb") for fd in fds]


def write(members):
    return members.get("intent") == "create"


class SimplestClientTest(NodeCase):
    def test_puts_and_gets(self):
        client = SimplestClient(self.node.socket)
        for blobs in (1, 16):
            with self.subTest(blobs=blobs):
                self.put_and_get(client, f"simple {blobs}", blobs)

    def put_and_get(self, client, name, blobs):
        made, files = client.request(
            command="acquire", object_id=name, intent="create", sizes=[3] * blobs
        )
        self.assertEqual((made["status"], made["fds"], len(files)), ("ok", blobs, blobs))
        for number, file in enumerate(files):
            with file:
                file.write(b"%03d" % number)
        sealed, files = client.request(command="seal", lease_id=made["lease_id"])
        self.assertEqual(sealed["status"], "sealed")
        for file in files:
            file.close()
        released, _ = client.request(command="release", lease_id=made["lease_id"])
        self.assertEqual(released["status"], "released")
        self.left(name)
        read, files = client.request(command="acquire", object_id=name, intent="read")
        self.assertEqual([entry["fd"] for entry in read["blobs"]], list(range(blobs)))
        for number, file in enumerate(files):
            with file:
                self.assertEqual(file.read(), b"%03d" % number)
        client.request(command="release", lease_id=read["lease_id"])

    def test_errors_are_replies(self):
        reply, files = SimplestClient(self.node.socket).request(
            command="acquire", object_id="none", intent="read"
        )
        self.assertEqual((reply["status"], reply["error"]), ("error", "not_found"))
        self.assertEqual(files, [])


class FramingTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def test_split_at_every_byte(self):
        request = encode("stat", object_id='a "quoted\\" {[ünï]} \\\\', tag='}"\\')
        for cut in range(1, len(request)):
            self.client.send_bytes(request[:cut])
            self.client.send_bytes(request[cut:])
            reply = self.client.receive()
            self.assertEqual((reply.error, reply["tag"]), ("not_found", '}"\\'), cut)

    def test_one_byte_at_a_time(self):
        for byte in encode("stat", object_id="ü{}") + b"\r\n\t " + encode("stats"):
            self.client.send_bytes(bytes([byte]))
        self.assertEqual(self.client.receive().error, "not_found")
        self.assertEqual(self.client.receive()["status"], "ok")

    def test_split_at_every_byte_with_the_node_reading_each_part(self):
        """Between the parts another connection is answered, so that the node has read the first."""
        other = self.connect()
        request = encode("stat", object_id="a}b")
        for cut in range(1, len(request), 5 if SLOW else 1):
            self.client.send_bytes(request[:cut])
            other.ok("stats")
            self.client.send_bytes(request[cut:])
            self.assertEqual(self.client.receive().error, "not_found")

    def test_many_in_one_write(self):
        for separator in (b"", b"\n", b" \r\n\t"):
            count = 500
            names = [f"none {number}" for number in range(count)]
            self.client.send_bytes(
                separator.join(encode("stat", object_id=name, tag=name) for name in names)
            )
            tags = sorted(self.client.receive()["tag"] for _ in range(count))
            self.assertEqual(tags, sorted(names))

    def test_untagged_are_answered_in_order(self):
        """Creates of several objects and their reads in one write: each reply is that of its
        request, descriptors too."""
        made = []
        self.client.send_bytes(
            b"".join(
                encode("acquire", object_id=f"o{n}", intent="create", sizes=[n] * n)
                for n in range(1, 60)
            )
        )
        for number in range(1, 60):
            reply = self.client.receive()
            self.assertEqual((reply["object_id"], len(reply.fds)), (f"o{number}", number))
            for fd in reply.fds:
                write_all(fd, bytes([number]) * number)
            reply.close()
            made.append(reply["lease_id"])
        self.client.send_bytes(b"".join(encode("seal", lease_id=lease) for lease in made))
        for number in range(1, 60):
            with self.client.receive() as reply:
                self.assertEqual(reply["status"], "sealed")
                self.assertEqual(len(reply.fds), number)
        for number, lease in enumerate(made, 1):
            self.client.release(lease)
            self.left(f"o{number}")
            self.assertEqual(self.client.get(f"o{number}"), [bytes([number]) * number] * number)

    def test_untagged_wait_holds_back_the_next_untagged(self):
        """Order holds although the first one has to wait for what another client does."""
        other = self.connect()
        self.client.send("acquire", object_id="late", intent="read", wait_seconds=DEADLINE)
        self.client.send("stat", object_id="never")
        poll(lambda: other.ok("stats")["stats"]["waits"] == 1, "the first request waits")
        self.put(other, "late", b"x")
        with self.client.receive() as first:
            self.assertEqual(first.get("object_id"), "late", dict(first))
        self.refused("not_found", self.client.receive())
        self.client.release(first["lease_id"])

    def test_tagged_are_answered_when_they_complete(self):
        other = self.connect()
        self.client.send(
            "acquire", object_id="late", intent="read", wait_seconds=DEADLINE, tag="slow"
        )
        for tag in (0, -1, 2**53, "quick", ""):
            self.client.send("stat", object_id="never", tag=tag)
            reply = self.client.receive()
            self.assertEqual((reply.error, reply["tag"]), ("not_found", tag))
        self.put(other, "late", b"x")
        with self.client.receive() as slow:
            self.assertEqual((slow["status"], slow["tag"]), ("ok", "slow"))
        self.client.release(slow["lease_id"])

    def test_tags_of_other_types_are_refused(self):
        for tag in (None, 1.5, True, [1], {"a": 1}):
            reply = self.client.request("stat", object_id="never", tag=tag)
            self.assertIn(reply.error, ("invalid", "not_found"), tag)
            if reply.error == "not_found":
                self.assertIsNone(tag, "only null may stand for no tag")

    def test_unknown_members_are_ignored(self):
        reply = self.client.request("stat", object_id="never", colour="blue", deep={"a": [1, {}]})
        self.refused("not_found", reply)

    def test_unknown_command_is_unsupported(self):
        self.refused("unsupported", self.client.request("teleport", object_id="a"))
        self.client.ok("stats")

    def test_bad_members_are_invalid_and_named(self):
        cases = [
            ("acquire", {"object_id": 7, "intent": "read"}, "object_id"),
            ("acquire", {"object_id": "a", "intent": "steal"}, "intent"),
            ("acquire", {"object_id": "a"}, "intent"),
            ("acquire", {"object_id": "a", "intent": "create", "ttl_seconds": -1}, "ttl_seconds"),
            ("acquire", {"object_id": "a", "intent": "create", "ttl_seconds": "1"}, "ttl_seconds"),
            ("acquire", {"object_id": "a", "intent": "create", "sizes": [-1]}, "sizes"),
            ("acquire", {"object_id": "a", "intent": "create", "sizes": ["1"]}, "sizes"),
            ("acquire", {"object_id": "a", "intent": "create", "meta": []}, "meta"),
            ("acquire", {"object_id": "a", "intent": "read", "wait_seconds": -1}, "wait_seconds"),
            ("seal", {}, "lease_id"),
            ("seal", {"lease_id": "x" * 1000}, "lease_id"),
            ("release", {"lease_id": None}, "lease_id"),
            ("discard", {}, "object_id"),
            ("list", {"limit": -1}, "limit"),
            ("batch", {"requests": {}}, "requests"),
        ]
        for command, members, culprit in cases:
            with self.subTest(command=command, members=str(members)[:60]):
                reply = self.client.request(command, **members)
                self.assertIn(reply.error, ("invalid", "lease_not_found"), dict(reply))
                if reply.error == "invalid":
                    self.assertIn(culprit, reply["message"])

    def test_not_json_is_refused(self):
        """The connection may end after it; the node goes on."""
        garbage = [b"{]", b"{}", b'{"command":}', b'{"command":"stat"', b"{" * 100, b"\xff\xfe",
                   b"GET / HTTP/1.1\r\n\r\n", b"[1]", b'{"a":"\xff\xff"}', b'{"a":"\x01"}']
        for data in garbage:
            with self.subTest(data=data[:20]), self.node.connect() as client:
                client.send_bytes(data)
                client.socket.shutdown(socket.SHUT_WR)
                self.assertTrue(client.is_closed())
        self.client.ok("stats")

    def test_request_without_end_is_cut_off(self):
        """More than a request may hold, and no closing brace: refused, not hoarded."""
        with self.node.connect() as client:
            try:
                client.send_bytes(b'{"a":"' + b"x" * (4 << 20))
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertTrue(client.is_closed())
        self.client.ok("stats")

    def test_disconnect_in_the_middle_of_a_request(self):
        for _ in range(20):
            with self.node.connect() as client:
                client.send_bytes(b'{"command":"stat","obj')
        self.client.ok("stats")

    def test_descriptors_sent_to_the_node_are_not_kept(self):
        """Only puts take any; a client that sends them with something else costs nothing."""
        with open("/dev/null", "rb") as file:
            passed = array.array("i", [file.fileno()] * 200)
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)]
            for _ in range(50):
                self.client.socket.sendmsg([encode("stat", object_id="never")], control)
                self.refused("not_found", self.client.receive())
        poll(lambda: len(self.node.descriptors()) < 100, "all are closed")

    def test_half_closed_client_gets_its_answers(self):
        with self.node.connect() as client:
            client.send_bytes(encode("stat", object_id="never") * 50)
            client.socket.shutdown(socket.SHUT_WR)
            for _ in range(50):
                self.assertEqual(client.receive().error, "not_found")
            self.assertTrue(client.is_closed())


if __name__ == "__main__":
    unittest.main()
