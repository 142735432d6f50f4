# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Cuts the power at every point of a recording, and looks at what is left.

For each point: all that was done is on disk; only what was synced is; and some seeded states in
between. Each is written to a folder and given to a check. It knows neither what was recorded nor
what is right.
"""

from disk import choices, seeded
from tree import fingerprint, lay_out
from recording import Op


class Failure(AssertionError):
    """What the check said, and where."""


class PowerCut:
    """seed: which states in between. between: how many of them for each point. root: the folder
    in which each state is laid out."""

    def __init__(self, seed, between, root):
        self.seed = seed
        self.between = between
        self.root = root
        self.states = 0
        self._seen = set()

    def run(self, disk, records, check, points=None):
        """check(marks, tree, point): looks at self.root; marks: the lines of record_mark before the
        cut. points: those alone. Applies the records to the disk."""
        marks = []
        for point in range(len(records) + 1):
            if point > 0:
                record = records[point - 1]
                disk.apply(record)
                if record.op == Op.MARK:
                    marks.append(record.data.decode())
            if points is None or point in points:
                self._cut(disk, records, point, tuple(marks), check)

    def _cut(self, disk, records, point, marks, check):
        dice = seeded(self.seed, point)
        for kept in choices(disk, dice, self.between):
            tree = disk.state(kept)
            key = hash((marks, fingerprint(tree)))
            if key in self._seen:
                continue
            self._seen.add(key)
            self.states += 1
            lay_out(tree, self.root)
            try:
                check(marks, tree, point)
            except AssertionError as error:
                raise Failure(self._story(disk, records, point, kept, tree, error)) from error

    def _story(self, disk, records, point, kept, tree, error):
        lines = [str(error), f"seed {self.seed}, cut after record {point} of {len(records)}:"]
        lines += [f"    {record}" for record in records[max(0, point - 12) : point]]
        lines.append("  what was not synced, and whether it was there:")
        for effect in disk.pending():
            there = "no" if effect not in kept else "yes" if kept[effect] is None else "torn"
            lines.append(f"    {there:4} {effect}")
        lines.append("  the folder after the cut:")
        lines += [f"    {path} {kind} {mode:o} {len(data)}"
                  for path, (_, kind, mode, data) in sorted(tree.items()) if kind != "folder"]
        return "\n".join(lines)
