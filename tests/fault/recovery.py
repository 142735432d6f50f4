# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""A durable blob factory, started on a folder again and again, and what it then finds there.

It runs build/tests/fault/recover, recorded, so that the power can be cut during a recovery as well.
"""

import json
import os
import subprocess

from recording import Recording

RECOVER = os.path.join(os.environ["PACKICE_BUILD"], "tests", "fault", "recover")


class Found:
    """What one start found. recovered: {(id, epoch): meta}; found: {(id, epoch): (meta, contents)}
    """

    def __init__(self, head, read):
        self.errors = head["errors"]
        self.log = head["log"]
        self.recovered = {}
        for entry in head["recovered"]:
            key = (entry["id"], entry["epoch"])
            assert key not in self.recovered, f"{key} was recovered twice"
            self.recovered[key] = json.loads(entry["meta"])
        self.found = {}
        for entry in head["found"]:
            key = (entry["id"], entry["epoch"])
            contents = [read(size) for size in entry["sizes"]]
            what = (json.loads(entry["meta"]), contents)
            assert self.found.setdefault(key, what) == what, f"{key}: two lookups differ"


class Recovery:
    def __init__(self, plugin, root, log, **options):
        self.recording = Recording(root, log)
        self._process = subprocess.Popen(
            [RECOVER, plugin, f"root={root}"]
            + [f"{name}={value}" for name, value in options.items()],
            env={**os.environ, **self.recording.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def end(self):
        """Lets it end, and says with what."""
        self._process.communicate()
        return self._process.returncode

    def start(self, ids=(), make=()):
        """One start on what is in the folder now. The recording has nothing but this start."""
        self.recording.clear()
        request = json.dumps({"ids": list(ids), "make": list(make)})
        self._process.stdin.write(request.encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the recovery ended with {self._process.wait(60)}"
        return Found(json.loads(line), self._read)

    def _read(self, size):
        data = self._process.stdout.read(size)
        assert len(data) == size, "the recovery ended amid its answer"
        return data
