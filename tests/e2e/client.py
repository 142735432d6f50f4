# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A raw client of the Unix socket, straight from docs/protocol.md.

It knows the bytes of the protocol and nothing of the SDK, so that the tests hold the two against
each other. It owns the descriptors that it receives until a test closes them.
"""

import array
import json
import os
import socket
import struct

MESSAGE_FDS_MAX = 253


class Closed(Exception):
    """The node closed the connection."""


class Reply(dict):
    """One reply's members, and the descriptors that came with it."""

    def __init__(self, members, fds):
        super().__init__(members)
        self.fds = fds

    @property
    def error(self):
        return self.get("error")

    def fd(self, blob):
        """The descriptor of blob number `blob`."""
        return self.fds[self["blobs"][blob]["fd"]]

    def close(self):
        while self.fds:
            os.close(self.fds.pop())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client:
    def __init__(self, path, deadline):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(deadline)
            self.socket.connect(path)
        except BaseException:
            self.socket.close()
            raise
        self._text = bytearray()
        self._fds = []
        self._replies = []

    def close(self):
        for reply in self._replies:
            reply.close()
        self._replies.clear()
        while self._fds:
            os.close(self._fds.pop())
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, command, **members):
        self.send_bytes(encode(command, **members) + b"\n")

    def receive(self):
        """The next reply. Replies end with a newline; descriptors ride on their first byte, so
        that they come no later than it, in order."""
        while b"\n" not in self._text:
            self._receive_some()
        line, _, rest = bytes(self._text).partition(b"\n")
        self._text = bytearray(rest)
        members = json.loads(line)
        count = members.get("fds", 0)
        assert len(self._fds) >= count, f"{count} descriptors promised, {len(self._fds)} came"
        reply = Reply(members, self._fds[:count])
        del self._fds[:count]
        if reply.fds:
            self._replies.append(reply)
        return reply

    def receive_bytes(self, size):
        """The next `size` bytes: those behind the reply that was received last."""
        while len(self._text) < size:
            self._receive_some()
        data = bytes(self._text[:size])
        del self._text[:size]
        return data

    def _receive_some(self):
        data, control, flags, _ = self.socket.recvmsg(
            65536,
            socket.CMSG_SPACE(MESSAGE_FDS_MAX * struct.calcsize("i")),
            socket.MSG_CMSG_CLOEXEC,
        )
        self._fds += descriptors(control)
        assert not flags & socket.MSG_CTRUNC, "descriptors were lost"
        if not data:
            raise Closed("the node closed the connection")
        self._text += data

    def request(self, command, **members):
        self.send(command, **members)
        return self.receive()

    def ok(self, command, **members):
        """A request that has to succeed."""
        reply = self.request(command, **members)
        assert reply.get("status") != "error", f"{command} {members}: {dict(reply)}"
        return reply

    def is_closed(self):
        """Whether the node ended the connection. Waits for it or for a reply, up to the deadline;
        what still arrives before the end is dropped."""
        try:
            while True:
                self._receive_some()
        except (Closed, ConnectionResetError):
            return True

    # ---- the usual sequences ----

    def create(self, object_id, sizes, **members):
        return self.ok("acquire", object_id=object_id, intent="create", sizes=sizes, **members)

    def read(self, object_id, **members):
        return self.ok("acquire", object_id=object_id, intent="read", **members)

    def seal(self, lease_id, **members):
        return self.ok("seal", lease_id=lease_id, **members)

    def release(self, lease_id):
        reply = self.ok("release", lease_id=lease_id)
        assert reply["status"] == "released", dict(reply)

    def put(self, object_id, *contents, **members):
        """Creates, writes, seals and releases an object of these blobs."""
        with self.create(object_id, [len(data) for data in contents], **members) as made:
            for blob, data in enumerate(contents):
                write_all(made.fd(blob), data)
        with self.seal(made["lease_id"]):
            pass
        self.release(made["lease_id"])
        return made["object_id"]

    def get(self, object_id):
        """Acquires, reads whole and releases: the blobs' contents."""
        with self.read(object_id) as lease:
            contents = [read_all(lease, blob) for blob in range(len(lease["blobs"]))]
        self.release(lease["lease_id"])
        return contents


def encode(command, **members):
    return json.dumps({"command": command, **members}, ensure_ascii=False).encode()


def put_text(object_id, *contents, **members):
    """A put with its bytes."""
    data = b"".join(contents)
    if len(contents) > 1:
        members["sizes"] = [len(part) for part in contents]
    return encode("put", object_id=object_id, data=len(data), **members) + data


def descriptors(control):
    """The descriptors in a message's control data."""
    fds = array.array("i")
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def write_all(fd, data, offset=0):
    view = memoryview(data)
    while view:
        size = os.pwrite(fd, view, offset)
        view = view[size:]
        offset += size


def read_all(reply, blob):
    entry = reply["blobs"][blob]
    parts = []
    offset, left = entry.get("offset", 0), entry["size"]
    while left:
        part = os.pread(reply.fd(blob), min(left, 1 << 24), offset)
        assert part, f"blob {blob} ends {left} bytes early"
        parts.append(part)
        offset += len(part)
        left -= len(part)
    return b"".join(parts)
