# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The results as a picture (SVG): for each row the time of one piece of work, ours beside the floor
and the peer, on a logarithmic scale. Legible on light and on dark pages."""

import math
from xml.sax.saxutils import escape

import report
from figures import MICROSECONDS, amount, best
from machine import COLUMN_TITLES

WIDTH = 960
LEFT = 400  # where the scale begins
RIGHT = 40
TOP = 96
LINE = 26

STYLE = """
  .page { fill: #ffffff } .grid { stroke: #d8dee4 } text { fill: #1f2328 }
  .small { fill: #59636e; font-size: 11px } .ours { fill: #0969da } .peer { fill: #bc4c00 }
  .floor { fill: none; stroke: #59636e; stroke-width: 2 } .span { stroke: #d8dee4 }
  .goal { stroke: #1a7f37; stroke-width: 3 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .grid { stroke: #30363d } text { fill: #f0f6fc }
    .small { fill: #9198a1 } .ours { fill: #4493f8 } .peer { fill: #f0883e }
    .floor { stroke: #9198a1 } .span { stroke: #30363d }
    .goal { stroke: #3fb950 }
  }
"""


class Scale:
    """From microseconds to a place, a decade at a time."""

    def __init__(self, times):
        self.first = math.floor(math.log10(min(times)))
        self.last = max(math.ceil(math.log10(max(times))), self.first + 1)

    def at(self, time):
        share = (math.log10(time) - self.first) / (self.last - self.first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def decades(self):
        return [10.0**power for power in range(self.first, self.last + 1)]


def label(x, y, words, kind="", anchor="start"):
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{name} text-anchor="{anchor}">{escape(words)}</text>'


def mark(kind, x, y, title):
    if kind == "peer":
        shape = f'<rect class="peer" x="{x - 5}" y="{y - 5}" width="10" height="10">'
        return f"{shape}<title>{escape(title)}</title></rect>"
    radius = 6 if kind == "ours" else 5
    return (f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}">'
            f"<title>{escape(title)}</title></circle>")


def points(row, results):
    """[(kind, Figure)] of a row, in the column of its goals."""
    figures = report.figures_of(results, row.column)
    found = [("floor", best(figures, row.floor)), ("peer", best(figures, row.peers)),
             ("ours", figures.get(row.ours))]
    return [(kind, figure) for kind, figure in found if figure is not None]


def goal_time(row, results):
    """The time that reaches all goals of a row; None where none can be told."""
    figures = report.figures_of(results, row.column)
    times = []
    for goal in row.goals:
        base = best(figures, goal.of)
        if base is not None:
            times.append(base.time * goal.factor if goal.sense == "at_most"
                         else base.time / goal.factor)
        elif not goal.of:
            times.append(goal.factor if goal.sense == "at_most" else 1e6 / goal.factor)
    return min(times, default=None)


def goal_mark(x, y, title):
    return (f'<line class="goal" x1="{x}" x2="{x}" y1="{y - 9}" y2="{y + 9}">'
            f"<title>{escape(title)}</title></line>")


def row_lines(row, marks, goal, scale, y):
    where = "" if row.column == "one" else f", {COLUMN_TITLES[row.column]}"
    lines = [label(20, y + 4, row.title + where)]
    if not row.ours:
        lines.append(label(LEFT - 12, y + 4, report.NOT_YET, "small", "end"))
    places = [scale.at(figure.time) for _, figure in marks]
    if len(places) > 1:
        lines.append(f'<line class="span" x1="{min(places)}" x2="{max(places)}"'
                     f' y1="{y}" y2="{y}" stroke-width="2"/>')
    if goal is not None:
        lines.append(goal_mark(scale.at(goal), y, f"to reach: {amount(goal, MICROSECONDS)}"))
    for (kind, figure), x in zip(marks, places):
        title = f"{kind}: {report.figure_text(figure)}"
        lines.append(mark(kind, x, y, title))
    return lines


def legend(y):
    lines = []
    words = {"ours": "PackIce", "floor": "the least the kernel allows",
             "peer": "Redis, memcached or nginx"}
    for place, (kind, word) in zip((LEFT, LEFT + 80, LEFT + 270), words.items()):
        lines += [mark(kind, place, y - 4, word), label(place + 12, y, word, "small")]
    place = LEFT + 490
    return [*lines, goal_mark(place, y - 4, ""), label(place + 8, y, "to reach", "small")]


def grid(scale, bottom):
    lines = []
    for time in scale.decades():
        x = scale.at(time)
        lines += [f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 12}" y2="{bottom}"/>',
                  label(x, bottom + 18, amount(time, MICROSECONDS), "small", "middle")]
    return lines


def draw(rows, results):
    """The whole file. Rows without any figure are left out."""
    shown = [(row, marks, goal_time(row, results))
             for row in rows if (marks := points(row, results))]
    scale = Scale([figure.time for _, marks, _ in shown for _, figure in marks]
                  + [goal for _, _, goal in shown if goal is not None])
    bottom = TOP + LINE * len(shown)
    height = bottom + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>Time for one piece of work</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        label(20, 28, f"Time for one piece of work: {results['command']}, {results['date']},"
                      f" commit {results['commit']}"),
        label(20, 48, report.machine_text(results["machine"])
              + "; client and server on one CPU unless said otherwise", "small"),
        *legend(76), *grid(scale, bottom),
        label(20, height - 16, report.noise_text(results["noise"]), "small"),
    ]
    for index, (row, marks, goal) in enumerate(shown):
        lines += row_lines(row, marks, goal, scale, TOP + LINE * index + LINE // 2)
    return "\n".join([*lines, "</svg>", ""])
