# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""./dev bench: takes all measures in rounds, one after the other in each, and tells the results.
PACKICE_BUILD names the build. Whatever ends it, its servers and files go with it."""

import argparse
import dataclasses
import datetime
import fnmatch
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import chart
import counts
import machine
import report
from measures import FULL, QUICK, Bench, all_measures
from rows import ALONE, ROWS
from services import Failed, Services

SOURCE = Path(__file__).resolve().parent.parent
KEPT = SOURCE / "bench/results"


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="Measures PackIce beside the kernel and its peers.",
        epilog="rows: " + ", ".join(row.name for row in ROWS))
    parser.add_argument("--quick", action="store_true",
                        help="fewer rounds, fewer objects: does it work? Two minutes")
    parser.add_argument("--output", metavar="FOLDER", type=Path,
                        help="where bench.txt, bench.json and bench.svg go: bench/results for a"
                             " whole run, the build's folder for any other")
    parser.add_argument("--disk", metavar="FOLDER",
                        default=os.path.join(os.environ["PACKICE_BUILD"], "bench"),
                        help="where files are measured: a folder on the disk in question; the"
                             " build's otherwise")
    parser.add_argument("--counts", action="store_true",
                        help="instructions and system calls for each request instead of times,"
                             " held against bench/counts.json")
    parser.add_argument("--keep", action="store_true", help="with --counts: write that file")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these rows; * and ? work")
    given = parser.parse_args()
    given.chosen = [row for row in ROWS
                    if not given.rows or any(fnmatch.fnmatch(row.name, p) for p in given.rows)]
    if not given.chosen:
        parser.error(f"no row is called {given.rows[0]}")
    if given.keep and not given.counts:
        parser.error("--keep goes with --counts")
    return given


def commit():
    """Of the tree, with a + if it was changed since."""
    command = ["git", "-C", str(SOURCE), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True,
                              check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"


def take_round(bench, names, table, results, seed):
    """Every measure once in each of its columns, in an order of this round's own."""
    for column in ("free", "one"):
        order = [name for name in names if column in table[name][1]]
        random.Random(seed).shuffle(order)
        for name in order:
            unit, _, take = table[name]
            machine.pin(bench.services.pids(), column)
            value = take(bench, seed)
            columns = results.setdefault(name, {})
            columns.setdefault(column, {"unit": unit, "values": []})["values"].append(value)


def take_all(given, scale):
    table = all_measures()
    wanted = {name: None for row in given.chosen for name in row.measures()}
    if not given.rows:
        wanted.update(dict.fromkeys(ALONE))
    names = [name for name in table if name in wanted]
    results = {}
    noise = machine.Noise()
    with Services(os.environ["PACKICE_BUILD"], given.disk) as services:
        bench = Bench(os.environ["PACKICE_BUILD"], services, scale)
        for seed in range(1, scale.rounds + 1):
            print(f"round {seed} of {scale.rounds}", file=sys.stderr, flush=True)
            noise.gap()
            take_round(bench, names, table, results, seed)
    return {name: results[name] for name in names}, noise.report()


def measure(given):
    scale = (QUICK if given.quick else FULL).within(machine.raise_descriptors())
    measures, noise = take_all(given, scale)
    words = ["./dev bench", *(["--quick"] if given.quick else []), *given.rows]
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "command": " ".join(words),
        "machine": machine.describe(),
        "scale": dataclasses.asdict(scale),
        "noise": noise,
        "measures": measures,
    }


def write(given, results):
    whole = not given.quick and not given.rows
    folder = given.output or (KEPT if whole else Path(os.environ["PACKICE_BUILD"], "bench"))
    folder.mkdir(parents=True, exist_ok=True)
    said = report.text(given.chosen, results)
    (folder / "bench.txt").write_text(said, "utf-8")
    (folder / "bench.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (folder / "bench.svg").write_text(chart.draw(given.chosen, results), "utf-8")
    print(said)
    print(f"written: bench.txt, bench.json and bench.svg in {folder}")


def end(number, _):
    raise SystemExit(128 + number)


def main():
    given = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        if given.counts:
            return counts.run(SOURCE / "bench/counts.json", given.keep)
        write(given, measure(given))
        return 0
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
