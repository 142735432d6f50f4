# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The machine that measures: what it is, which processors processes run on, and how much else it
does meanwhile."""

import os
import platform
import re
import resource
import statistics
import time
from pathlib import Path

CPUS = sorted(os.sched_getaffinity(0))
COLUMNS = {"one": {CPUS[-1]}, "free": set(CPUS)}
COLUMN_TITLES = {"one": "one CPU", "free": "unpinned"}


def pin(pids, column):
    """Has all threads of these processes, and this one with all it starts, run there."""
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                os.sched_setaffinity(int(task), COLUMNS[column])
            except ProcessLookupError:
                pass  # a thread that has ended since
    os.sched_setaffinity(0, COLUMNS[column])


def raise_descriptors():
    """To the hard limit, for all that is started from here; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def describe():
    info = Path("/proc/cpuinfo").read_text("utf-8")
    name = re.search(r"^model name\s*: (.*)$", info, re.M)
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text("utf-8"))
    return {
        "processor": name.group(1) if name else platform.machine(),
        "processors": len(CPUS),
        "virtual": " hypervisor" in info,
        "memory_gib": round(int(memory.group(1)) / 2**20, 1),
        "kernel": platform.release(),
    }


def ticks():
    """Of all processors since the start: all, idle, stolen."""
    words = Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()
    numbers = [int(word) for word in words[1:9]]
    return sum(numbers), numbers[3] + numbers[4], numbers[7]


class Noise:
    """What else went on: time stolen by the hypervisor over the whole run, and what others did in
    the gaps between rounds, when nothing of the bench runs."""

    GAP = 0.3  # seconds

    def __init__(self):
        self._start = ticks()
        self._busy = []
        self._runnable = []

    def gap(self):
        before = ticks()
        time.sleep(self.GAP)
        after = ticks()
        total = after[0] - before[0]
        idle = after[1] - before[1]
        self._busy.append((total - idle) / total if total else 0.0)
        self._runnable.append(int(Path("/proc/loadavg").read_text("utf-8").split()[3]
                                  .split("/")[0]) - 1)

    def report(self):
        total, _, stolen = (now - then for now, then in zip(ticks(), self._start))
        return {
            "steal": stolen / total if total else 0.0,
            "others_busy": statistics.mean(self._busy),
            "others_busy_most": max(self._busy),
            "others_runnable": statistics.mean(self._runnable),
            "load": os.getloadavg()[0],
        }
