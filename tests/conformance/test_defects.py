# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Every rule of packice-conform can fail: a plugin with one defect breaks the rules that
KIND.defects lists for it, and no other; and every rule stands in one of these lists. A rule behind
"maybe" may break or not: it is a matter of threads."""

import concurrent.futures
import os
import re
import subprocess
import tempfile
import unittest

CONFORM = os.environ["PACKICE_CONFORM"]
BROKEN = os.environ["PACKICE_BROKEN"]
SLOW = "PACKICE_SLOW" in os.environ  # a sanitizer: then only the rules that are listed are run
HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 300
MAYBE = "maybe "


def listed(kind):
    """{defect: [rule...]} of the file: a defect at the margin, its rules indented below."""
    defects = {}
    with open(os.path.join(HERE, kind + ".defects"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            if line.startswith(" "):
                defects[defect].append(line.strip())
            else:
                defect = line.strip()
                defects[defect] = []
    return defects


def run(kind, defect, *flags):
    """The rules that failed."""
    # Memory, where there is some: the rules make many small files.
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    done = subprocess.run(
        [CONFORM, *flags, os.path.join(BROKEN, kind + "_broken.so"), "root=%t", "defect=" + defect],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "TMPDIR": folder},
        check=False,
    )
    failed = re.findall(r"^not ok \d+ - (.*)$", done.stdout, re.M)
    assert done.returncode == (1 if failed else 0), done.stdout + done.stderr
    assert re.search(r"^ok \d+ - ", done.stdout, re.M) or failed, done.stdout + done.stderr
    return failed


def run_listed(kind, defect, rules):
    """As run; under a sanitizer only the first of the rules."""
    if rules and rules[0].startswith("expire: holds no lock"):
        return run(kind, defect, "--deadline", "2", "--rule", rules[0])
    if SLOW and rules:
        return run(kind, defect, "--rule", rules[0])
    return run(kind, defect)


class Defects(unittest.TestCase):
    def check(self, kind):
        defects = listed(kind)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            runs = {defect: pool.submit(run_listed, kind, defect, rules)
                    for defect, rules in defects.items()}
            for defect, failed in runs.items():
                with self.subTest(kind=kind, defect=defect):
                    rules = defects[defect][:1] if SLOW else defects[defect]
                    maybe = {rule[len(MAYBE):] for rule in rules if rule.startswith(MAYBE)}
                    self.assertEqual([rule for rule in failed.result() if rule not in maybe],
                                     [rule for rule in rules if not rule.startswith(MAYBE)])

    def test_blob(self):
        self.check("blob")

    def test_lease(self):
        self.check("lease")

    def test_every_rule_is_broken_by_one(self):
        for kind in ("blob", "lease"):
            plugin = os.path.join(BROKEN, kind + "_broken.so")
            done = subprocess.run([CONFORM, "--list", plugin], capture_output=True, text=True,
                                  check=True)
            rules = [line.split(": ", 1)[1] for line in done.stdout.splitlines()]
            self.assertGreater(len(rules), 60)
            broken = {rule for broken in listed(kind).values() for rule in broken
                      if not rule.startswith(MAYBE)}
            self.assertEqual(sorted(broken), sorted(rules))


if __name__ == "__main__":
    unittest.main()
