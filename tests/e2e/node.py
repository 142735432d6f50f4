# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""One real node for a test: its private folder, config, process and end.

It starts the node of the build under test on a socket nobody else knows, says when it answers, and
counts what it holds. What counts are right is for the tests to say.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from client import Client

BUILD = os.environ["PACKICE_BUILD"]
NODE = os.path.join(BUILD, "node", "packice-node")
CLI = os.path.join(BUILD, "cli", "packice")

# Sanitizers and valgrind: smaller counts, longer deadlines.
SLOW = os.environ.get("PACKICE_SLOW") == "1"
SOAK = os.environ.get("PACKICE_SOAK") == "1"

# Where nodes keep their objects: in "memory"; in "files", in memory too where there is such a file
# system, since a disk is slow to sync; in files on a "disk".
STORAGE = os.environ.get("PACKICE_STORAGE", "memory")
FILES = STORAGE != "memory"

# How long anything may take before it counts as hung. Nothing is asserted about durations.
DEADLINE = 120.0 if SLOW or SOAK else 30.0

REPORTS = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|^==\d+== ", re.M
)


def scaled(count, slow_count):
    return slow_count if SLOW else count


def poll(condition, what, deadline=None):
    """Waits until condition() is true (and returns what it gave), or fails naming `what`."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"still not so at the deadline: {what() if callable(what) else what}")
        time.sleep(0.003)


def fast_folder():
    """A folder of a file system in memory with room for the tests, or None for the usual one."""
    folder = "/dev/shm"
    if STORAGE != "files" or not os.access(folder, os.W_OK | os.X_OK):
        return None
    room = os.statvfs(folder)
    return folder if room.f_bavail * room.f_frsize >= (4 << 30 if SOAK else 1 << 29) else None


def ini(sections):
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


class Node:
    """sections: {section: {key: value}}, on top of a plain config."""

    def __init__(self, sections=None):
        self.folder = tempfile.mkdtemp(prefix="packice-", dir=fast_folder())
        self.socket = os.path.join(self.folder, "s")
        self.config = os.path.join(self.folder, "node.ini")
        self.process = None
        self.user = None  # whom to run it as; None = whoever runs the tests
        self.environment = {}  # on top of that of the tests
        self._errors = os.path.join(self.folder, "stderr")
        self._write_config(sections or {})

    def _write_config(self, sections):
        whole = {
            "node": {"log_level": "info"},
            "peer": {"capacity": "4GiB"},
            "blob": self._storage(),
            "lease": {"plugin": "lease_mem", "default_ttl": "60s"},
            "transport.local": {"plugin": "transport_uds", "path": self.socket},
        }
        for name, keys in sections.items():
            if keys is None:  # not wanted
                del whole[name]
            else:
                whole.setdefault(name, {}).update(keys)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(ini(whole))

    def _storage(self):
        if FILES:
            return {"plugin": "blob_fs", "root": os.path.join(self.folder, "data")}
        return {"plugin": "blob_memfd"}

    # ---- the process ----

    def spawn(self):
        """Starts the process, without waiting until it answers."""
        wrapper = shlex.split(os.environ.get("PACKICE_NODE_WRAPPER", ""))
        with open(self._errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*wrapper, NODE, "-c", self.config],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd="/",
                user=self.user,
                env={**os.environ, **self.environment},
            )

    def reachable(self):
        """Whether self.user can run the build under test at all."""
        command = [NODE, "--version"]
        try:
            done = subprocess.run(command, user=self.user, capture_output=True, check=False)
        except PermissionError:
            return False
        return done.returncode == 0

    def start(self):
        self.spawn()
        poll(self._answers, lambda: f"the node answers\n{self.errors()}")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the node ended with {self.process.returncode}\n{self.errors()}")
        try:
            with self.connect() as client:
                return client.request("stats")["status"] == "ok"
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def wait(self):
        """The exit code, once it ended."""
        return self.process.wait(DEADLINE)

    def stop(self):
        """Ends the node as an operator would, and checks that it ended well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node does not end on SIGTERM\n{self.errors()}") from None
        errors = self.errors()
        assert code == 0, f"the node ended with {code}\n{errors}"
        assert not REPORTS.search(errors), errors
        assert not os.path.exists(self.socket), "the socket file is left"

    def kill(self):
        self.process.kill()
        self.wait()

    def remove(self):
        """Ends what is left, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def errors(self):
        try:
            with open(self._errors, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # ---- what it holds ----

    def connect(self, deadline=None):
        return Client(self.socket, deadline or DEADLINE)

    def stats(self):
        with self.connect() as probe:
            return probe.ok("stats")["stats"]

    def descriptors(self):
        """Its open descriptors, by name of what they are."""
        folder = f"/proc/{self.process.pid}/fd"
        names = []
        for entry in os.listdir(folder):
            try:
                names.append(os.readlink(os.path.join(folder, entry)))
            except FileNotFoundError:
                pass  # closed in between
        return sorted(re.sub(r"^socket:.*", "socket", name) for name in names)

    def holdings(self):
        """All that a client could have left behind, counted while nobody but the counter is
        connected: figures by name."""
        with self.connect() as probe:
            stats = probe.ok("stats")["stats"]
            names = ("objects", "bytes", "leases", "sessions", "waits")
            held = {name: stats[name] for name in names}
            held["descriptors"] = self.descriptors()
        return held

    # ---- the CLI ----

    def cli(self, *arguments, **options):
        """Runs one packice command and returns it, ended."""
        return subprocess.run(
            [CLI, "-t", self.socket, *arguments],
            stdin=options.pop("stdin", subprocess.DEVNULL if "input" not in options else None),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
            **options,
        )
