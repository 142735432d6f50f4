# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP as tests speak it: whole requests with http.client, and bytes over a bare socket.

It knows HTTP and the paths of docs/protocol.md, and nothing of the SDK. The node of each class
listens on a free port beside its Unix socket, through which the leaks are counted.
"""

import http.client
import json
import re
import socket
from urllib.parse import quote

from harness import DEADLINE, NodeCase, poll

__all__ = ["DEADLINE", "PATIENT", "HttpCase", "Response", "blob_path", "object_path", "port_of"]


def port_of(node, section="transport.web"):
    """The port that the node's log names, which comes once all addresses answer."""
    line = rf"ready: https?://\S+:(\d+) \[{re.escape(section)}\]"
    return int(poll(lambda: re.findall(line, node.errors()), "the port is told")[-1])


def object_path(object_id):
    return "/objects/" + quote(object_id, safe="")


def blob_path(object_id, blob=0):
    return f"{object_path(object_id)}/blobs/{blob}"


class Response:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


# A machine that is busy with something else must not be taken for a client that is slow: who tests
# a timeout sets that one.
PATIENT = {
    "plugin": "transport_http",
    "listen": "127.0.0.1:0",
    **{f"{what}_timeout": "1h" for what in ("header", "body", "write", "idle")},
}


class HttpCase(NodeCase):
    sections = {"transport.web": PATIENT}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = port_of(cls.node)

    def setUp(self):
        super().setUp()
        self._connections = []

    def tearDown(self):
        for connection in self._connections:
            connection.close()
        super().tearDown()

    # ---- whole requests ----

    def http(self):
        """A connection that stays open for several requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        self._connections.append(connection)
        return connection

    def request(self, method, path, body=None, headers=None, connection=None):
        """One request, on a connection of its own unless one is given."""
        own = connection is None
        connection = connection or self.http()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        response = Response(connection.getresponse())
        if own:
            connection.close()
        return response

    def call(self, verb, status=200, connection=None, **members):
        """A verb of the protocol, which has to be answered with this status: its JSON."""
        response = self.request("POST", "/" + verb, members, connection=connection)
        self.assertEqual(response.status, status, response.body)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        return response.json

    def upload(self, object_id, data, status=201, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.request("PUT", object_path(object_id), data, headers)
        self.assertEqual(response.status, status, response.body)
        if status == 201:
            self.left(object_id)
        return response

    def download(self, object_id, blob=0):
        response = self.request("GET", blob_path(object_id, blob))
        self.assertEqual(response.status, 200, response.body)
        return response.body

    # ---- bytes ----

    def raw(self, data=b""):
        """A bare socket that these bytes were sent to."""
        bare = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        self._connections.append(bare)
        bare.sendall(data)
        return bare

    def everything(self, bare):
        """All that the node sends until it ends the connection, which it has to."""
        parts = []
        try:
            while part := bare.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def statuses(self, data):
        """The statuses of all responses in these bytes."""
        return [int(code) for code in re.findall(rb"(?:^|\n|\})HTTP/1\.1 (\d+) ", data)]
