# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A node over blob_fs whose folder outlives it, and what must be true of both after any death."""

import os

from client import Client
from harness import DEADLINE, Node, poll
from traffic import key_of


class DurableNode(Node):
    def __init__(self, sections=None, root=None):
        super().__init__(sections)
        self.root = root or os.path.join(self.folder, "root")
        self._write_config(
            {"blob": {"plugin": "blob_fs", "root": self.root}, **(sections or {})}
        )

    def served(self, ids):
        """All that it serves, of these ids and what it lists: {(id, epoch): (meta, contents)}"""
        found = {}
        with Client(self.socket, DEADLINE) as client:
            ids = set(ids) | {entry["object_id"] for entry in client.ok("list")["objects"]}
            for object_id in ids:
                lease = client.request("acquire", object_id=object_id, intent="read")
                if lease.error == "not_found":
                    continue
                assert lease["status"] == "ok", f"{object_id}: {dict(lease)}"
                with lease:
                    contents = [read_whole(fd) for fd in lease.fds]
                found[key_of(lease)] = (lease["meta"], contents)
                client.release(lease["lease_id"])
        return found

    def files(self):
        """Beneath the root, without what shows that this node lives."""
        return {
            os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
            if os.path.basename(folder) != "nodes" and name != "format"
        }

    def open_files(self):
        """What the node has open of objects and claims."""
        parts = tuple(os.path.join(self.root, part, "") for part in ("objects", "claims"))
        return [name for name in self.descriptors() if name.startswith(parts)]

    def check_tidy(self, found):
        """Waits until there is nothing but what these objects are made of: recovery runs beside
        the first requests, and data goes behind the last reply."""
        blobs = sum(len(contents) for _, contents in found.values())

        def tidy():
            files = self.files()
            manifests = {name for name in files if name.endswith(".json")}
            return (
                len(manifests) == len(found)
                and len(files) == len(manifests) + blobs
                and not os.listdir(os.path.join(self.root, "claims"))
                and len(os.listdir(os.path.join(self.root, "nodes"))) == 1
            )

        poll(tidy, lambda: f"nothing is left over; found {sorted(found)}, files {self.files()}")

    def check_holds(self, objects):
        """Waits until it holds so many objects, and of anybody's leases, waits and sessions none
        but the counter's."""
        wanted = {"objects": objects, "leases": 0, "waits": 0, "sessions": 1}
        poll(
            lambda: {name: self.holdings()[name] for name in wanted} == wanted,
            lambda: f"it holds {wanted}; it holds {self.holdings()}",
        )


def read_whole(fd):
    with open(fd, "rb", closefd=False) as file:
        return file.read()
