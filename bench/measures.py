# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""How each measure is taken: which program runs against which server, on how many objects. Bytes
are checked by the programs, which fail on the first wrong one."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from figures import MICROSECONDS, RATE
from services import HTTP_SIZES, Failed, Node

SIZES = {"1k": 1 << 10, "4k": 4 << 10, "1m": 1 << 20, "64m": 64 << 20, "1g": 1 << 30}
BOTH = ("one", "free")
FREE = ("free",)
PROGRAM_DEADLINE = 900  # seconds


@dataclass(frozen=True)
class Scale:
    """How much of everything. Objects: as many as are read, each once a round."""

    rounds: int
    objects: int  # of 4 KiB
    large: int  # of 1 MiB, 64 MiB and 1 GiB, each
    held: int
    trips: int
    puts: dict
    milliseconds: int  # of several clients at once

    def within(self, descriptors):
        """A node has a descriptor for each object in memory, and no more than its limit."""
        return Scale(self.rounds, min(self.objects, descriptors // 2),
                     min(self.large, descriptors // 20), self.held, self.trips, self.puts,
                     self.milliseconds)


FULL = Scale(7, 10000, 1000, 1000000, 20000, {"4k": 2000, "1m": 100, "64m": 8}, 1000)
QUICK = Scale(3, 2000, 100, 10000, 2000, {"4k": 200, "1m": 10, "64m": 2}, 150)


class Bench:
    """One run: its servers, what they were filled with, and the programs of the build."""

    def __init__(self, build, services, scale):
        self.build = build
        self.services = services
        self.scale = scale
        self._filled = set()

    def run(self, program, *arguments):
        """Runs one of the bench's programs; what it tells, if it tells anything."""
        path = os.path.join(self.build, "bench", program)
        if not os.path.exists(path):
            raise Failed(f"{path} was not built: is its library installed?")
        command = [path, *map(str, arguments)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                said, errors = process.communicate(timeout=PROGRAM_DEADLINE)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)}\n{errors.strip()}")
        return json.loads(said) if said else None

    def target(self, service, program, command, size, count):
        """A server's socket, once it holds `count` objects of this size."""
        path = self.services.get(service).socket
        if (service, size) not in self._filled:
            self.run(program, command, path, size, count, 1)
            self._filled.add((service, size))
        return path


def value(said, unit):
    if said["unit"] != unit:
        raise Failed(f"{said['unit']} where {unit} was expected")
    return said["figure"]


# ---- the kinds of measures: each makes a function (bench, seed) -> value ----


def floor(unit, *arguments):
    """arguments: of the program; a function is given the scale, "SEED" is the round's."""

    def take(bench, seed):
        words = [word(bench.scale) if callable(word) else word for word in arguments]
        return value(bench.run("floor", *(seed if w == "SEED" else w for w in words)), unit)

    return take


def count_of(size):
    return lambda scale: scale.objects if size == "4k" else scale.large


def ours(command, size, unit=MICROSECONDS, clients=()):
    def take(bench, seed):
        count = count_of(size)(bench.scale)
        target = bench.target("node", "ours", "fill", SIZES[size], count)
        more = [*clients, bench.scale.milliseconds] if clients else []
        return value(bench.run("ours", command, target, SIZES[size], count, seed, *more), unit)

    return take


def our_put(size, service="node", count=None, command="put"):
    def take(bench, seed):
        target = bench.services.get(service).socket
        return value(bench.run("ours", command, target, SIZES[size],
                               count or bench.scale.puts[size], seed), MICROSECONDS)

    return take


FILES = 50  # puts with sync: a disk may take milliseconds for each


def floor_files(order):
    def take(bench, _):
        return value(bench.run("floor", "files", order, bench.services.scratch(), SIZES["4k"],
                               FILES), MICROSECONDS)

    return take


def embedded(command, unit=MICROSECONDS, clients=()):
    def take(bench, seed):
        more = [*clients, bench.scale.milliseconds] if clients else []
        return value(bench.run("ours", command, "memory://bench", SIZES["4k"],
                               bench.scale.objects, seed, *more), unit)

    return take


def embedded_connect(bench, _):
    return value(bench.run("ours", "connect", "embedded", 1, bench.scale.puts["4k"], 1),
                 MICROSECONDS)


def held(service, objects):
    def take(bench, _):
        count = objects(bench.scale)
        target = bench.target(service, "ours", "claim", SIZES["4k"], count)
        # The order is drawn from the number of objects, which takes the place of the seed.
        return value(bench.run("ours", "acquire", target, SIZES["4k"], bench.scale.trips, count),
                     MICROSECONDS)

    return take


def peer(service, program, command, size, unit=MICROSECONDS, clients=()):
    """Large values are real ones here, so there are few."""

    def take(bench, seed):
        count = count_of(size)(bench.scale)
        if SIZES[size] > SIZES["4k"]:
            count = bench.scale.puts[size]
        target = bench.target(service, program, "fill", SIZES[size], count)
        more = [*clients, bench.scale.milliseconds] if clients else []
        return value(bench.run(program, command, target, SIZES[size], count, seed, *more), unit)

    return take


def redis(command, size, unit=MICROSECONDS, clients=()):
    return peer("redis", "redis_client", command, size, unit, clients)


def memcached(command, size):
    return peer("memcached", "memcached_client", command, size)


def node_start(*_):
    """From the start of the process to what it tells systemd when it is ready."""
    with tempfile.TemporaryDirectory(prefix="packice-bench-") as folder:
        node = Node()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(os.path.join(folder, "notify"))
            listener.settimeout(60)
            os.environ["NOTIFY_SOCKET"] = listener.getsockname()
            try:
                start = time.monotonic_ns()
                node.spawn()
                while b"READY=1" not in listener.recv(4096):
                    pass
                return (time.monotonic_ns() - start) / 1e3
            except TimeoutError:
                raise Failed(f"a node does not become ready:\n{node.errors()}") from None
            finally:
                del os.environ["NOTIFY_SOCKET"]
                if node.process is not None:
                    node.process.send_signal(signal.SIGTERM)
                    node.wait()
                node.remove()


BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def requests_of(said, size):
    """Requests a second, from what wrk prints: of large ones, by the bytes, since few end."""
    if re.search(r"Non-2xx|Socket errors", said):
        raise Failed(f"wrk met errors:\n{said}")
    requests = re.search(r"^Requests/sec:\s+([\d.]+)", said, re.M)
    moved = re.search(r"^Transfer/sec:\s+([\d.]+)([KMG]?)B", said, re.M)
    if not requests or not moved:
        raise Failed(f"wrk said something else:\n{said}")
    if size < 1 << 20:
        return float(requests.group(1))
    return float(moved.group(1)) * BINARY[moved.group(2)] / size


def http(service, size):
    def take(bench, _):
        server = bench.services.get(service)
        url = server.url_of(size)
        with urllib.request.urlopen(url) as reply:
            if reply.read() != Path(server.files[size]).read_bytes():
                raise Failed(f"{url} holds other bytes than were put")
        seconds = max(1, round(bench.scale.milliseconds / 500))
        # 16 large ones at once take longer than wrk thinks that an answer may.
        done = subprocess.run(["wrk", "--timeout", f"{PROGRAM_DEADLINE}s", "-t", "2", "-c", "16",
                               "-d", str(seconds), url],
                              capture_output=True, text=True, check=False,
                              timeout=PROGRAM_DEADLINE)
        if done.returncode != 0:
            raise Failed(f"wrk: {done.stderr}")
        return requests_of(done.stdout, HTTP_SIZES[size])

    return take


# ---- all of them: {name: (unit, columns, function)} ----


def trips(scale):
    return scale.trips


def puts(size):
    return lambda scale: scale.puts[size]


def all_measures():
    table = {
        "ping_blocking": (MICROSECONDS, BOTH, floor(MICROSECONDS, "ping", "blocking", trips)),
        "ping_epoll": (MICROSECONDS, BOTH, floor(MICROSECONDS, "ping", "epoll", trips)),
        "pass": (MICROSECONDS, BOTH, floor(MICROSECONDS, "pass", trips)),
        "floor_clients_1": (RATE, FREE,
                            floor(RATE, "clients", 1, lambda scale: scale.milliseconds)),
        "floor_clients_4": (RATE, FREE,
                            floor(RATE, "clients", 4, lambda scale: scale.milliseconds)),
        "bytes_4k": (MICROSECONDS, BOTH, ours("bytes", "4k")),
        "clients_1": (RATE, FREE, ours("clients", "4k", RATE, (1,))),
        "clients_4": (RATE, FREE, ours("clients", "4k", RATE, (4,))),
        "batch_1k": (RATE, BOTH, ours("batch", "1k", RATE)),
        "embedded_4k": (MICROSECONDS, BOTH, embedded("bytes")),
        "embedded_threads_1": (RATE, FREE, embedded("clients", RATE, (1,))),
        "embedded_threads_2": (RATE, FREE, embedded("clients", RATE, (2,))),
        "embedded_connect": (MICROSECONDS, BOTH, embedded_connect),
        "held_few": (MICROSECONDS, BOTH, held("few", lambda _: 1000)),
        "held_many": (MICROSECONDS, BOTH, held("many", lambda scale: scale.held)),
        "files_4k": (MICROSECONDS, BOTH, floor_files("plain")),
        "files_together_4k": (MICROSECONDS, BOTH, floor_files("together")),
        "fs_put_4k": (MICROSECONDS, BOTH, our_put("4k", "files", FILES, "keep")),
        "node_start": (MICROSECONDS, BOTH, node_start),
        "redis_clients_4": (RATE, FREE, redis("clients", "4k", RATE, (4,))),
        "redis_mget_1k": (RATE, BOTH, redis("batch", "1k", RATE)),
        "memcached_get_4k": (MICROSECONDS, BOTH, memcached("get", "4k")),
        "memcached_set_4k": (MICROSECONDS, BOTH, memcached("set", "4k")),
    }
    for size in ("4k", "1m", "64m", "1g"):
        files = count_of(size)
        table[f"map_{size}"] = (MICROSECONDS, BOTH, floor(
            MICROSECONDS, "map", SIZES[size],
            lambda scale: min(scale.large, 1000), files, "SEED"))
        table[f"read_{size}"] = (MICROSECONDS, BOTH, ours("read", size))
    for size in ("4k", "1m", "64m"):
        table[f"put_{size}"] = (MICROSECONDS, BOTH, our_put(size))
        table[f"redis_get_{size}"] = (MICROSECONDS, BOTH, redis("get", size))
        table[f"redis_set_{size}"] = (MICROSECONDS, BOTH, redis("set", size))
        table[f"copy_{size}"] = (MICROSECONDS, BOTH, floor(
            MICROSECONDS, "copy", SIZES[size], puts(size)))
        for way in ("mmap", "write", "fallocate"):
            table[f"memfd_{way}_{size}"] = (MICROSECONDS, BOTH, floor(
                MICROSECONDS, "memfd", way, SIZES[size], puts(size)))
    for size in HTTP_SIZES:
        table[f"http_{size}"] = (RATE, FREE, http("web", size))
        table[f"nginx_{size}"] = (RATE, FREE, http("nginx", size))
    return table
