# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What ./dev bench makes of what it measured: medians and spread, goals, table, picture, and how
kept counts are held against new ones."""

import os
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.environ["PACKICE_SOURCE"], "bench"))

import chart  # noqa: E402
import counts  # noqa: E402
import report  # noqa: E402
from figures import Figure, Goal, Row, best, judge  # noqa: E402
from measures import all_measures, requests_of  # noqa: E402
from rows import ALONE, ROWS  # noqa: E402
from services import Failed  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def results(**measures):
    """As a run makes them: {measure: (unit, values)}, all in the one-CPU column."""
    return {
        "date": "2026-01-02",
        "commit": "abc",
        "command": "./dev bench",
        "machine": {"processor": "A <fast> & odd one", "processors": 2, "virtual": True,
                    "memory_gib": 4.0, "kernel": "6.1"},
        "scale": {"rounds": 3, "objects": 10, "large": 10, "held": 10},
        "noise": {"steal": 0.01, "others_busy": 0.02, "others_busy_most": 0.03,
                  "others_runnable": 0.5, "load": 1.0},
        "measures": {name: {"one": {"unit": unit, "values": values}}
                     for name, (unit, values) in measures.items()},
    }


ROW = Row("read", "read it", "ours", ("floor",), ("peer", "other"),
          (Goal("at_most", 2, ("floor",)), Goal("at_most", 1, ("peer", "other")),
           Goal("at_most", 5)))
SOME = {"ours": ("us", [9.0, 6.0, 7.0]), "floor": ("us", [3.0, 2.0, 4.0]),
        "peer": ("us", [9.0]), "other": ("us", [8.0])}


class FigureTest(unittest.TestCase):
    def test_median_and_spread(self):
        figure = Figure("us", [9.0, 6.0, 7.0])
        self.assertEqual((figure.median, figure.low, figure.high), (7.0, 6.0, 9.0))
        self.assertAlmostEqual(figure.spread, 3 / 7)

    def test_a_rate_is_a_time_for_each_piece(self):
        self.assertEqual(Figure("1/s", [500000.0]).time, 2.0)

    def test_the_best_is_the_fastest(self):
        slow, fast = Figure("1/s", [10.0]), Figure("1/s", [20.0])
        self.assertIs(best({"a": slow, "b": fast}, ("a", "b", "missing")), fast)
        self.assertIsNone(best({}, ("a",)))


class GoalTest(unittest.TestCase):
    def judged(self, goal, **measures):
        row = Row("row", "row", "ours", goals=(goal,))
        (verdict,) = judge(row, report.figures_of(results(**measures), "one"))
        return verdict

    def test_all_goals_of_a_row(self):
        verdicts = judge(ROW, report.figures_of(results(**SOME), "one"))
        self.assertEqual([verdict.met for verdict in verdicts], [False, True, False])
        self.assertEqual([round(verdict.reached, 3) for verdict in verdicts], [2.333, 0.875, 7.0])
        self.assertEqual(verdicts[0].text(), "2.33x, missed by a factor of 1.17")
        self.assertEqual(verdicts[1].text(), "0.875x, met")
        self.assertEqual(verdicts[2].text(), "7 us, missed by a factor of 1.4")

    def test_rates_are_to_be_high(self):
        goal = Goal("at_least", 0.6, ("base",))
        base = ("1/s", [100.0])
        self.assertTrue(self.judged(goal, ours=("1/s", [60.0]), base=base).met)
        missed = self.judged(goal, ours=("1/s", [30.0]), base=base)
        self.assertEqual(missed.text(), "0.3x, missed by a factor of 2")

    def test_units_do_not_mix(self):
        with self.assertRaises(ValueError):
            self.judged(Goal("at_most", 1, ("base",)), ours=("us", [1.0]), base=("1/s", [1.0]))

    def test_what_was_not_measured_is_not_judged(self):
        row = Row("row", "row", None, goals=(Goal("at_most", 1),))
        self.assertEqual(judge(row, {}), [])

    def test_goals_in_words(self):
        self.assertEqual(Goal("at_most", 1.05, ("memfd_mmap_1m", "memfd_write_1m")).text(),
                         "at most 1.05x the best memfd_*_1m")
        self.assertEqual(Goal("at_least", 500000).text(), "at least 500,000/s")


class RowsTest(unittest.TestCase):
    def test_every_measure_of_a_row_is_taken_where_its_goals_are(self):
        table = all_measures()
        for row in ROWS:
            for name in row.measures():
                with self.subTest(row=row.name, measure=name):
                    self.assertIn(row.column, table[name][1])
        for name in ALONE:
            self.assertIn(name, table)

    def test_goals_compare_what_has_one_unit(self):
        table = all_measures()
        for row in ROWS:
            for goal in row.goals:
                for name in goal.of if row.ours else ():
                    with self.subTest(row=row.name, measure=name):
                        self.assertEqual(table[name][0], table[row.ours][0])

    def test_names_are_said_once(self):
        names = [row.name for row in ROWS]
        self.assertEqual(len(names), len(set(names)))


class TableTest(unittest.TestCase):
    def test_a_line_tells_figures_and_ratios(self):
        said = report.text([ROW], results(**SOME))
        self.assertRegex(said, r"(?m)^read +one CPU +7 us \(43%\) +3 us \(67%\) +8 us \(0%\)"
                               r" +2\.33x +0\.875x$")
        self.assertIn("steal 1.0%", said)

    def test_what_can_not_be_done_yet_says_so(self):
        rows = [Row("later", "later", None), Row("soon", "soon", None, (), ("peer",))]
        said = report.text(rows, results(peer=("us", [2.0])))
        self.assertRegex(said, r"(?m)^later +not yet")
        self.assertRegex(said, r"(?m)^soon +one CPU +not yet +- +2 us")


class ChartTest(unittest.TestCase):
    def marks(self, rows, measured):
        return xml.fromstring(chart.draw(rows, measured)).iter()

    def test_it_is_well_formed_and_holds_every_mark(self):
        marks = list(self.marks([ROW], results(**SOME)))
        titles = [mark.findtext(f"{SVG}title") for mark in marks if mark.get("class")]
        for title in ("ours: 7 us", "floor: 3 us", "peer: 8 us", "to reach: 5 us"):
            self.assertIn(title, titles)
        self.assertIn("A <fast> & odd one", "".join(mark.text or "" for mark in marks))

    def test_faster_is_further_left(self):
        places = {mark.get("class"): float(mark.get("cx"))
                  for mark in self.marks([ROW], results(**SOME))
                  if mark.tag == f"{SVG}circle" and float(mark.get("cy")) > chart.TOP}
        self.assertLess(places["floor"], places["ours"])

    def test_all_lies_on_the_page(self):
        measured = results(ours=("us", [0.01]), floor=("us", [1e9]), peer=("us", [1.0]))
        for mark in self.marks([ROW], measured):
            for name in ("cx", "x1", "x2", "x"):
                if mark.get(name):
                    self.assertTrue(0 <= float(mark.get(name)) <= chart.WIDTH, mark.attrib)

    def test_rows_without_a_figure_are_left_out(self):
        said = chart.draw([ROW, Row("later", "something later", None)], results(**SOME))
        self.assertNotIn("something later", said)


class ToolsTest(unittest.TestCase):
    def test_callgrind(self):
        self.assertEqual(counts.parse_callgrind("events: Ir\nsummary: 123\n"), 123)
        self.assertEqual(counts.parse_callgrind("fn=x\n1 2\ntotals: 456\n"), 456)
        self.assertIsNone(counts.parse_callgrind("events: Ir\n"))

    def test_strace(self):
        one = " 99.00    0.1           1        10         1 read\n"
        total = "100.00    0.000123           1       321 {:>9} total\n"
        self.assertEqual(counts.parse_strace(one + total.format(4)), 321)
        self.assertEqual(counts.parse_strace(one + total.format("")), 321)
        self.assertIsNone(counts.parse_strace(one))

    def test_wrk(self):
        said = "Requests/sec:  1000.50\nTransfer/sec:      1.50GB\n"
        self.assertEqual(requests_of(said, 1024), 1000.5)
        self.assertEqual(requests_of(said, 1 << 20), 1536.0)
        with self.assertRaises(Failed):
            requests_of("  Non-2xx or 3xx responses: 1\n" + said, 1024)
        with self.assertRaises(Failed):
            requests_of("unable to connect", 1024)


class KeptTest(unittest.TestCase):
    def errors(self, kept, now, tools=("gcc", "gcc")):
        _, errors = counts.compare({"tools": tools[0], "counts": {"get": kept}},
                                   {"tools": tools[1], "counts": {"get": now}})
        return errors

    def test_a_tenth_more_is_an_error(self):
        self.assertEqual(self.errors({"node, system calls": 10}, {"node, system calls": 10.9}), [])
        (error,) = self.errors({"node, system calls": 10}, {"node, system calls": 11.1})
        self.assertIn("10 kept, 11.1 now, +11.0%", error)

    def test_less_is_told(self):
        lines, errors = counts.compare({"tools": 1, "counts": {"get": {"calls": 10}}},
                                       {"tools": 1, "counts": {"get": {"calls": 5}}})
        self.assertEqual(errors, [])
        self.assertIn("keep the new figure", lines[-1])

    def test_instructions_of_another_compiler_are_not_judged(self):
        kept = {"node, instructions": 10, "node, system calls": 10}
        now = {"node, instructions": 20, "node, system calls": 20}
        self.assertEqual(len(self.errors(kept, now)), 2)
        (error,) = self.errors(kept, now, ("gcc", "clang"))
        self.assertIn("system calls", error)

    def test_what_one_side_lacks_is_an_error(self):
        self.assertEqual(len(self.errors({"a": 1}, {"b": 1})), 2)


if __name__ == "__main__":
    unittest.main()
