# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured, ours and the peers: each on a private socket in a folder of this
run, started here, and ended by its process id whatever happens."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/e2e"))

from node import Node, poll  # noqa: E402  pylint: disable=wrong-import-position

DEADLINE = 60  # seconds, for a server to be there or gone
HTTP_SIZES = {"1k": 1 << 10, "1m": 1 << 20, "256m": 256 << 20}


class Failed(Exception):
    """Something is not as it should be: the bench ends with this line."""


class Server:
    """A foreign server."""

    def __init__(self, folder, name, command, ready):
        self.name = name
        self._log = Path(folder, f"{name}.log")
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is None:
            raise Failed(f"{command[0]} is not installed: ./dev bench does that")
        with open(self._log, "wb") as log:
            # In a session of its own: Ctrl-C is for the bench, which then ends it.
            self.process = subprocess.Popen(
                [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=folder, start_new_session=True)
        try:
            self._await(ready)
        except BaseException:
            self.stop()
            raise

    def _await(self, ready):
        end = time.monotonic() + DEADLINE
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.name} does not start:\n{self._log.read_text('utf-8')}")
            time.sleep(0.01)

    def pids(self):
        """It and its children: nginx has workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
        return [pid, *map(int, children)]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def answers(family, address):
    def ready():
        with socket.socket(family) as probe:
            return probe.connect_ex(address) == 0

    return ready


class OurNode:
    """A node of the build, on a plain config but for these sections."""

    def __init__(self, sections):
        self._node = Node({"node": {"log_level": "warn"}, "peer": {"capacity": "1000TiB"},
                           **sections})
        self.socket = self._node.socket
        try:
            self._node.start()
        except BaseException:
            self._node.remove()
            raise

    def pids(self):
        return [self._node.process.pid]

    def stop(self):
        self._node.remove()


class Redis(Server):
    def __init__(self, folder):
        self.socket = os.path.join(folder, "redis")
        super().__init__(
            folder, "redis",
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--appendonly", "no", "--dir", folder],
            answers(socket.AF_UNIX, self.socket))


class Memcached(Server):
    def __init__(self, folder):
        self.socket = os.path.join(folder, "memcached")
        as_root = ["-u", "root"] if os.geteuid() == 0 else []
        super().__init__(
            folder, "memcached",
            ["memcached", *as_root, "-s", self.socket, "-m", "512", "-I", "8m", "-t", "1"],
            answers(socket.AF_UNIX, self.socket))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def web_files(folder):
    """{name: path} of what is served over HTTP, made when first asked for."""
    www = Path(folder, "www")
    if not www.exists():
        www.mkdir()
        chunk = os.urandom(1 << 20)
        for name, size in HTTP_SIZES.items():
            with open(www / name, "wb") as file:
                for start in range(0, size, len(chunk)):
                    file.write(chunk[: size - start])
    return {name: www / name for name in HTTP_SIZES}


class WebNode(OurNode):
    """One that serves these files over HTTP too, from memory."""

    def __init__(self, folder):
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/objects"
        super().__init__({"transport.web": {"plugin": "transport_http",
                                            "listen": f"127.0.0.1:{port}"}})
        try:
            poll(answers(socket.AF_INET, ("127.0.0.1", port)), "the node serves HTTP")
            self.files = web_files(folder)
            for name, path in self.files.items():
                self._put(name, path)
        except BaseException:
            self.stop()
            raise

    def _put(self, name, path):
        with open(path, "rb") as file:
            request = urllib.request.Request(
                f"{self._url}/{name}", data=file, method="PUT",
                headers={"Content-Length": str(path.stat().st_size)})
            with urllib.request.urlopen(request, timeout=DEADLINE) as reply:
                reply.read()

    def url_of(self, name):
        return f"{self._url}/{name}/blobs/0"


NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
worker_processes auto;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""


class Nginx(Server):
    def __init__(self, folder):
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self.files = web_files(folder)
        user = "user root;" if os.geteuid() == 0 else ""
        config = Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, port=port, user=user), "utf-8")
        super().__init__(folder, "nginx",
                         ["nginx", "-e", "stderr", "-p", folder, "-c", str(config)],
                         answers(socket.AF_INET, ("127.0.0.1", port)))

    def url_of(self, name):
        return f"{self._url}/{name}"


class Services:
    """Those that are asked for, started when they first are."""

    def __init__(self, build, disk):
        try:
            self._disk = tempfile.mkdtemp(prefix="packice-bench-", dir=disk)
        except OSError as error:
            raise Failed(f"{disk}: {error.strerror}") from None
        self._folder = tempfile.mkdtemp(prefix="packice-bench-")
        self._running = {}
        files = {"blob": {"plugin": "blob_fs", "root": os.path.join(self._disk, "root")}}
        null = {"blob": {"plugin": os.path.join(build, "bench/blob_null.so")}}
        self._makers = {
            "node": lambda: OurNode({}),
            "files": lambda: OurNode(files),
            "few": lambda: OurNode(null),
            "many": lambda: OurNode(null),
            "web": lambda: WebNode(self._folder),
            "redis": lambda: Redis(self._folder),
            "memcached": lambda: Memcached(self._folder),
            "nginx": lambda: Nginx(self._folder),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in self._running.values():
            service.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._disk, ignore_errors=True)

    def scratch(self):
        """A folder on the disk that blob_fs is on too."""
        path = os.path.join(self._disk, "scratch")
        os.makedirs(path, exist_ok=True)
        return path

    def get(self, name):
        if name not in self._running:
            self._running[name] = self._makers[name]()
        return self._running[name]

    def pids(self):
        return [pid for service in self._running.values() for pid in service.pids()]
