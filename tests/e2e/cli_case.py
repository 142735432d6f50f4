# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line stand on: the program against a node of the class, in a folder
of the test's own. Success is quiet and failure is one line: that is checked at each run."""

import json
import os
import shutil
import subprocess
import tempfile

from harness import BUILD, DEADLINE, NodeCase

CLI = os.path.join(BUILD, "cli", "packice")

# The exit codes of packice(1), by the protocol's names.
CODES = {
    "ok": 0,
    "failure": 1,
    "usage": 2,
    "not_found": 3,
    "exists": 4,
    "not_sealed": 5,
    "timeout": 6,
    "access_denied": 7,
    "busy": 8,
    "no_space": 9,
    "unreachable": 10,
    "lease_not_found": 11,
    "too_large": 12,
    "unsupported": 13,
    "unauthorized": 14,
    "invalid": 15,
    "disconnected": 16,
}


def documents(output):
    """JSON documents, one on each line."""
    return [json.loads(line) for line in output.splitlines()]


class CliCase(NodeCase):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="packice-cli-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.client = self.connect()

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def contents(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def files(self):
        """What lies in the test's folder, hidden files too."""
        return sorted(os.listdir(self.folder))

    def start(self, *arguments, target=None, **options):
        """A packice that runs beside the test; tearDown ends it."""
        environment = {**os.environ, "PACKICE_TARGET": target or self.node.socket, "TZ": "UTC"}
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(
            [CLI, *arguments],
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            cwd=self.folder,
            env=environment,
            **options,
        )
        self._processes.append(process)
        return process

    def finish(self, process, outcome="ok", data=None):
        """Waits for its end and returns what it printed, checked."""
        output, errors = process.communicate(data, timeout=DEADLINE)
        errors = (errors or b"").decode()
        self.assertEqual(process.returncode, CODES[outcome], errors)
        if outcome == "ok":
            self.assertEqual(errors, "")
        elif not process.args[1:2] == ["cat"]:
            self.assertRegex(errors, r"\A(packice: [^\n]+\n)+\Z")
        return output

    def run_cli(self, *arguments, outcome="ok", data=None, **options):
        if data is not None:
            options["stdin"] = subprocess.PIPE
        return self.finish(self.start(*arguments, **options), outcome, data)

    def fails(self, outcome, *arguments, **options):
        """Runs it to this end and returns the one line it says, without 'packice: '."""
        process = self.start(*arguments, **options)
        output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, output), (CODES[outcome], b""), errors)
        self.assertRegex(errors.decode(), r"\Apackice: [^\n]+\n\Z")
        return errors.decode()[len("packice: ") : -1]

    def put_file(self, *arguments, **options):
        """packice put; returns the id it prints. The object may stay until the test's end."""
        object_id = self.run_cli("put", *arguments, **options).decode().splitlines()[0]
        self.left(object_id)
        return object_id

    def exists(self, object_id):
        return self.client.request("stat", object_id=object_id).error != "not_found"
