# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What was measured, and what it is held against: figures, rows of the table, goals. It measures
and prints nothing."""

import os
import statistics
from dataclasses import dataclass, field

MICROSECONDS = "us"
RATE = "1/s"


def number(value):
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def amount(value, unit):
    if unit == RATE:
        return f"{number(value)}/s"
    if value >= 1e6:
        return f"{number(value / 1e6)} s"
    if value >= 1e3:
        return f"{number(value / 1e3)} ms"
    return f"{number(value)} us"


@dataclass
class Figure:
    """One measure in one column: a value for each round."""

    unit: str
    values: list = field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def high(self):
        return max(self.values)

    @property
    def spread(self):
        """From the lowest to the highest round, as a share of the median."""
        return (self.high - self.low) / self.median

    @property
    def time(self):
        """Microseconds for one piece of work, also of a rate."""
        return self.median if self.unit == MICROSECONDS else 1e6 / self.median


@dataclass(frozen=True)
class Goal:
    """at_most or at_least `factor` times the best of the measures `of`; where there are none, so
    many microseconds, or pieces a second."""

    sense: str
    factor: float
    of: tuple = ()

    def reached_text(self, value):
        """A value in the goal's own terms."""
        if self.of:
            return f"{number(value)}x"
        return amount(value, MICROSECONDS if self.sense == "at_most" else RATE)

    def text(self):
        words = f"{self.sense.replace('_', ' ')} {self.reached_text(self.factor)}"
        return f"{words} {pattern(self.of)}" if self.of else words


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    reached: float  # in the goal's own terms
    met: bool

    def text(self):
        reached = self.goal.reached_text(self.reached)
        if self.met:
            return f"{reached}, met"
        pair = (self.reached, self.goal.factor)
        return f"{reached}, missed by a factor of {number(max(pair) / min(pair))}"


@dataclass(frozen=True)
class Row:
    """One line of the table. ours: a measure; None as long as the product can't do it."""

    name: str
    title: str
    ours: str = None
    floor: tuple = ()
    peers: tuple = ()
    goals: tuple = ()
    column: str = "one"  # the one that the goals are about

    def measures(self):
        names = [self.ours] if self.ours else []
        names += [*self.floor, *self.peers]
        for goal in self.goals:
            names += goal.of
        return dict.fromkeys(names)


def pattern(names):
    """Several names as one: memfd_*_1m."""
    if len(names) == 1:
        return names[0]
    ends = os.path.commonprefix([name[::-1] for name in names])[::-1]
    return f"the best {os.path.commonprefix(names)}*{ends}"


def best(figures, names):
    """The figure of the best of these measures, of those that there are; None of none."""
    there = [figures[name] for name in names if name in figures]
    return min(there, key=lambda figure: figure.time, default=None)


def judge(row, figures):
    """The goals of a row against the figures {measure: Figure} of its column."""
    verdicts = []
    ours = figures.get(row.ours)
    for goal in row.goals:
        base = best(figures, goal.of)
        if ours is None or (goal.of and base is None):
            continue
        if base is None:
            reached = ours.median
        elif ours.unit == base.unit:
            reached = ours.median / base.median
        else:
            raise ValueError(f"{row.name}: {ours.unit} against {base.unit}")
        met = reached <= goal.factor if goal.sense == "at_most" else reached >= goal.factor
        verdicts.append(Verdict(goal, reached, met))
    return verdicts
