# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The leak check itself: it must notice each kind of thing that a client can leave behind."""

import unittest

from harness import NodeCase


class LeakCheckTest(NodeCase):
    leak_deadline = 0.3

    def noticed(self):
        with self.assertRaises(AssertionError):
            self.check_clean()

    def tearDown(self):
        self.leak_deadline = NodeCase.leak_deadline
        super().tearDown()

    def test_notices_a_session(self):
        self.connect()
        self.noticed()

    def test_notices_an_object_and_its_bytes(self):
        self.put(self.connect(), "left", b"data")
        for client in self._clients:
            client.close()
        self.noticed()

    def test_notices_a_create_lease(self):
        client = self.connect()
        lease = client.create("open", [1])
        client.close()
        self.noticed()
        with self.node.connect() as other:
            other.release(lease["lease_id"])

    def test_notices_a_read_lease(self):
        client = self.connect()
        self.put(client, "left", b"data")
        lease = client.read("left")
        client.close()
        with self.assertRaises(AssertionError):
            self.check_holdings(leases=0)
        with self.node.connect() as other:
            other.release(lease["lease_id"])

    def test_notices_a_wait(self):
        client = self.connect()
        client.send("acquire", object_id="never", intent="read", wait_seconds=60)
        with self.assertRaises(AssertionError):
            self.check_holdings(waits=0)


if __name__ == "__main__":
    unittest.main()
