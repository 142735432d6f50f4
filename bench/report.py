# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The results as text and as JSON. They are a dictionary that JSON can hold:

    {"date", "commit", "command", "machine", "scale", "noise",
     "measures": {NAME: {COLUMN: {"unit", "values"}}}}

from which all else is drawn, also later."""

from figures import Figure, amount, best, judge, number
from machine import COLUMN_TITLES

NOT_YET = "not yet"


def figures_of(results, column):
    """{measure: Figure} of one column."""
    return {
        name: Figure(columns[column]["unit"], columns[column]["values"])
        for name, columns in results["measures"].items()
        if column in columns
    }


def figure_text(figure):
    if figure is None:
        return "-"
    return amount(figure.median, figure.unit)


def spread_text(figure):
    """In percent, from the lowest to the highest round."""
    return f"{figure_text(figure)} ({figure.spread * 100:.0f}%)" if figure else "-"


def ratio_text(ours, base):
    if ours is None or base is None or ours.unit != base.unit:
        return "-"
    return f"{number(ours.median / base.median)}x"


def aligned(lines):
    widths = [max(len(cell) for cell in column) for column in zip(*lines)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines]


def row_line(row, results, column):
    figures = figures_of(results, column)
    ours = figures.get(row.ours)
    floor, peer = best(figures, row.floor), best(figures, row.peers)
    if ours is None and floor is None and peer is None:
        return None
    return [row.name, COLUMN_TITLES[column], spread_text(ours) if row.ours else NOT_YET,
            spread_text(floor), spread_text(peer), ratio_text(ours, floor), ratio_text(ours, peer)]


def table(rows, results):
    lines = [["row", "where", "PackIce", "floor", "peer", "of floor", "of peer"]]
    for row in rows:
        found = [line for column in ("one", "free")
                 if (line := row_line(row, results, column)) is not None]
        lines += found or [[row.name, "", NOT_YET, "-", "-", "-", "-"]]
    return aligned(lines)


def goals(rows, results):
    lines = []
    for row in rows:
        if row.ours is None:
            lines.append([row.name, NOT_YET, "; ".join(goal.text() for goal in row.goals)])
        for verdict in judge(row, figures_of(results, row.column)):
            lines.append([row.name, verdict.goal.text(), verdict.text()])
    return aligned(lines)


def measures(results):
    lines = [["measure", COLUMN_TITLES["one"], COLUMN_TITLES["free"]]]
    one, free = (figures_of(results, column) for column in ("one", "free"))
    for name in results["measures"]:
        lines.append([name, spread_text(one.get(name)), spread_text(free.get(name))])
    return aligned(lines)


def machine_text(machine):
    kind = "virtual, " if machine["virtual"] else ""
    return (f"{machine['processor']}, {machine['processors']} CPUs, {kind}"
            f"{machine['memory_gib']:g} GiB, Linux {machine['kernel']}")


def noise_text(noise):
    return (f"steal {noise['steal']:.1%}; others between the rounds: {noise['others_busy']:.1%}"
            f" of all CPUs on average, {noise['others_busy_most']:.1%} at most,"
            f" {noise['others_runnable']:.1f} runnable; load average {noise['load']:.2f}")


def text(rows, results):
    scale = results["scale"]
    return "\n".join([
        f"{results['command']}, {results['date']}, commit {results['commit']}",
        f"machine: {machine_text(results['machine'])}",
        f"noise: {noise_text(results['noise'])}",
        f"medians of {scale['rounds']} rounds, with the spread of all of them;"
        f" {scale['objects']:,} objects of 4 KiB, {scale['large']:,} of each larger size,"
        f" {scale['held']:,} held",
        "", *table(rows, results),
        "", "to reach:", *goals(rows, results),
        "", *measures(results), "",
    ])
