# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""./dev bench --counts: how many instructions (callgrind) and system calls (strace) a node and its
client need for one piece of work. Each figure is the difference between a run and one that does
more, so that start, end and the making of the objects cancel out; a node's holds a connection in
each hundred pieces or two. Unlike times these are much the same in every run, and are kept in
bench/counts.json: one that grows by more than a tenth is an error."""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from services import DEADLINE, Failed, Node

GROWTH = 0.10
SIZE = 4096

# What is done: the command of bench/ours.c, and on how many objects.
WORK = {
    "read 4 KiB": ("read", 200),
    "bytes of 4 KiB": ("bytes", 200),
    "put, read back and discard 4 KiB": ("put", 100),
    "one of a batch of 100 reads": ("batch", 200),
}

# How often a node is made to serve them more in the longer run. Many: what making the objects takes
# is not quite the same each time.
MORE = 4


def parse_callgrind(text):
    """Instructions of the whole run."""
    found = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
    return int(found.group(1)) if found else None


def parse_strace(text):
    """System calls of the whole run: the column `calls` of the last line."""
    found = re.search(r"^100\.00\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+total$", text, re.M)
    return int(found.group(1)) if found else None


class Callgrind:
    unit = "instructions"

    def wrapper(self, path):
        return ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={path}"]

    parse = staticmethod(parse_callgrind)


class Strace:
    unit = "system calls"

    def wrapper(self, path):
        # -D: what is traced stays a child of this process.
        return ["strace", "-D", "-f", "-c", "-o", path]

    parse = staticmethod(parse_strace)


def await_total(tool, path):
    """The tool may write a little after what it watched has ended."""
    end = time.monotonic() + DEADLINE
    while True:
        text = Path(path).read_text("utf-8", "replace") if os.path.exists(path) else ""
        total = tool.parse(text)
        if total is not None:
            return total
        if time.monotonic() > end:
            raise Failed(f"{tool.wrapper(path)[0]} tells no total:\n{text}")
        time.sleep(0.02)


class Watched:
    """A node with objects in it, under a tool or not."""

    def __init__(self, wrapper, objects):
        self._node = Node({"node": {"log_level": "warn"}})
        os.environ["PACKICE_NODE_WRAPPER"] = " ".join(wrapper)
        try:
            self._node.start()
            self.client("fill", objects)
        except BaseException:
            self._node.remove()
            raise
        finally:
            del os.environ["PACKICE_NODE_WRAPPER"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._node.remove()

    def stop(self):
        self._node.stop()

    def client(self, command, objects, wrapper=()):
        program = os.path.join(os.environ["PACKICE_BUILD"], "bench/ours")
        words = [*wrapper, program, command, self._node.socket, str(SIZE), str(objects), "1"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            raise Failed(f"{' '.join(words)}\n{done.stderr}")


def node_total(tool, command, objects, passes):
    with tempfile.TemporaryDirectory(prefix="packice-bench-") as folder:
        path = os.path.join(folder, "total")
        with Watched(tool.wrapper(path), objects) as node:
            for _ in range(passes):
                node.client(command, objects)
            node.stop()
            return await_total(tool, path)


def client_totals(tool, command, counts):
    """Of one client each, which does it so many times."""
    with tempfile.TemporaryDirectory(prefix="packice-bench-") as folder:
        totals = []
        with Watched([], max(counts)) as node:
            for count in counts:
                path = os.path.join(folder, str(count))
                node.client(command, count, tool.wrapper(path))
                totals.append(await_total(tool, path))
        return totals


def measure():
    """{work: {figure: number}}."""
    machine.pin([], "one")
    counts = {}
    for name, (command, objects) in WORK.items():
        counts[name] = {}
        for tool in (Callgrind(), Strace()):
            less, more = (node_total(tool, command, objects, n) for n in (1, 1 + MORE))
            counts[name][f"node, {tool.unit}"] = round((more - less) / (MORE * objects), 2)
            less, more = client_totals(tool, command, (objects, 2 * objects))
            counts[name][f"client, {tool.unit}"] = round((more - less) / objects, 2)
    return counts


def tools():
    """What instructions depend on, beside the code."""
    said = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True, check=True)
    return {
        "compiler": said.stdout.strip(),
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
    }


def compare(kept, now):
    """Lines that tell how the figures moved, and those of them that are errors. Instructions of
    another compiler, libc or machine can't be compared, and are only told."""
    lines, errors = [], []
    same = kept["tools"] == now["tools"]
    if not same:
        lines.append(f"kept with {kept['tools']}, counted with {now['tools']}:"
                     " instructions are told and not judged")
    for work in {**kept["counts"], **now["counts"]}:
        before, after = kept["counts"].get(work, {}), now["counts"].get(work, {})
        for name in {**before, **after}:
            if name not in before or name not in after:
                errors.append(f"{work}: {name}: {'kept' if name in before else 'counted'} only")
                continue
            moved = after[name] / before[name] - 1 if before[name] else float(after[name] > 0)
            line = f"{work}: {name}: {before[name]:,g} kept, {after[name]:,g} now, {moved:+.1%}"
            lines.append(line)
            judged = same or "instructions" not in name
            if moved > GROWTH and judged:
                errors.append(line)
            elif moved < -GROWTH and judged:
                lines.append("  less than what is kept: keep the new figure")
    return lines, errors


def run(path, keep):
    """The exit code of ./dev bench --counts."""
    now = {"tools": tools(), "counts": measure()}
    if keep:
        path.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
        print(f"written: {path}")
        return 0
    if not path.exists():
        raise Failed(f"{path} is missing: ./dev bench --counts --keep writes it")
    lines, errors = compare(json.loads(path.read_text("utf-8")), now)
    print("\n".join(lines))
    for error in errors:
        print(f"bench: grown by more than {GROWTH:.0%}: {error}", file=sys.stderr)
    if errors:
        print("bench: if that is worth it, ./dev bench --counts --keep in the same commit",
              file=sys.stderr)
    return 1 if errors else 0
