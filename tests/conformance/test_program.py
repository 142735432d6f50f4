# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice-conform as a program: its flags, its errors, its output, and what it does about plugins
that crash, hang or end the process."""

import glob
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

CONFORM = os.environ["PACKICE_CONFORM"]
BROKEN = os.environ["PACKICE_BROKEN"]
SOURCE = os.environ["PACKICE_SOURCE"]
BLOB = os.path.join(BROKEN, "blob_broken.so")
LEASE = os.path.join(BROKEN, "lease_broken.so")
DEADLINE = 300


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="packice-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def tearDown(self):
        self.assertEqual(os.listdir(self.folder), [], "folders were left")

    def start(self, *arguments, **more):
        return subprocess.Popen([CONFORM, *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "TMPDIR": self.folder}, **more)

    def run_conform(self, *arguments, **more):
        with self.start(*arguments, **more) as process:
            out, err = process.communicate(timeout=DEADLINE)
        return process.returncode, out, err

    def refused(self, message, *arguments):
        code, out, err = self.run_conform(*arguments)
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, message)

    # ---- usage ----

    def test_refuses_wrong_usage(self):
        self.refused(r"which plugin\? See --help")
        self.refused(r"unrecognized option '--frob'", "--frob", BLOB)
        self.refused(r"--deadline: seconds", "--deadline", "0", BLOB)
        self.refused(r"--deadline: seconds", "--deadline", "1s", BLOB)
        self.refused(r"'root' is not KEY=VALUE", BLOB, "root")
        self.refused(r"no rule begins with 'frob'", "--rule", "frob", BLOB, "root=%t")

    def test_refuses_what_is_no_plugin(self):
        self.refused(r"plugin not found: '/nowhere/x\.so'", "/nowhere/x.so")
        self.refused(r"test_program\.py: not a (plugin|shared object)", os.path.abspath(__file__))
        transport = os.path.join(BROKEN, "../../plugins/transport_uds/transport_uds.so")
        self.refused(r"a transport: there are rules for blob and lease", transport)

    def test_refuses_wrong_options(self):
        self.refused(r"rot: unknown key; did you mean 'root'\?", BLOB, "rot=%t")
        self.refused(r"root: must be set(.|\n)*with root=%t it gets a fresh folder", BLOB)
        self.refused(r"root: .*twice", BLOB, "root=%t", "root=%t")

    def test_help_and_version(self):
        code, out, err = self.run_conform("--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("usage: packice-conform", out)
        code, out, err = self.run_conform("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^packice-conform \d\S*, plugin interface \d+\.\d+\n$")

    def test_a_plugin_in_the_working_folder(self):
        code, out, _ = self.run_conform("--list", "blob_broken.so", cwd=BROKEN)
        self.assertEqual(code, 0)
        self.assertIn("blob: open: comes and goes\n", out)

    def test_an_output_that_is_full(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([CONFORM, "--list"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output: No space left", done.stderr)

    # ---- the list ----

    def test_names_are_unique(self):
        _, out, _ = self.run_conform("--list")
        names = out.splitlines()
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, r"^(blob|lease): [a-z_, ]+: [^#]+$")

    def test_sentences_stand_in_the_headers(self):
        text = ""
        for path in glob.glob(os.path.join(SOURCE, "core/include/packice/*.h")):
            with open(path, encoding="utf-8") as file:
                text += re.sub(r"^\s*\*(?!/)|/\*|\*/", " ", file.read(), flags=re.M)
        text = " ".join(text.split())
        sentences = set()
        for path in glob.glob(os.path.join(SOURCE, "conform/*.c")):
            with open(path, encoding="utf-8") as file:
                source = file.read()
            source = re.sub(r'"\s*\n?\s*"', "", source)
            texts = dict(re.findall(r'^#define (\w+)\s+(?:\\\n\s*)?"((?:[^"\\]|\\.)*)"', source,
                                    re.M))
            rules = re.findall(r'^    \{ "(?:[^"\\]|\\.)*",\s*("(?:[^"\\]|\\.)*"|\w+),', source,
                               re.M)
            sentences |= {texts.get(rule, rule.strip('"')) for rule in rules}
        self.assertGreater(len(sentences), 80)
        for sentence in sorted(sentences):
            with self.subTest(sentence):
                self.assertTrue(sentence.replace('\\"', '"').rstrip(".") in text)

    # ---- output ----

    def test_output_is_tap(self):
        code, out, err = self.run_conform("--rule", "seal", BLOB, "root=%t", "defect=seal-twice")
        self.assertEqual((code, err), (1, ""))
        head, plan, *lines = out.splitlines()
        self.assertEqual(head, "TAP version 14")
        count = int(re.fullmatch(r"1\.\.(\d+)", plan)[1])
        points = [line for line in lines if not line.startswith("#")]
        self.assertEqual(len(points), count)
        for number, line in enumerate(points, 1):
            self.assertRegex(line, rf"^(not )?ok {number} - seal")
        self.assertRegex(out, r"not ok \d+ - seal: twice at the same size is 0\n"
                              r"# came:     seal at 5000 bytes returned -22: sealed\n"
                              r"# expected: 0 when it is sealed already at that size\.\n")

    def test_skips_say_why(self):
        code, out, _ = self.run_conform("--rule", "remove: leaves no file", BLOB, "root=%t")
        self.assertEqual(code, 0)
        self.assertNotIn("SKIP", out)
        code, out, _ = self.run_conform("--rule", "remove: leaves no file", BLOB,
                                        "root=" + self.folder)
        self.assertEqual(code, 0)
        self.assertIn("# SKIP no option was given a folder (%t)", out)

    # ---- plugins that misbehave ----

    def test_a_crash_is_a_rule_that_failed(self):
        code, out, _ = self.run_conform("--rule", "o", BLOB, "root=%t", "defect=crash")
        self.assertEqual(code, 1)
        self.assertRegex(out, r"not ok 1 - open: comes and goes\n"
                              r"# came:     it was ended by signal SIGABRT \(Aborted\)\n")
        self.assertRegex(out, r"\nok 2 - open: a failure leaves the output alone")

    def test_a_hang_is_a_rule_that_failed(self):
        code, out, _ = self.run_conform("--deadline", "1", "--rule", "write: what", BLOB,
                                        "root=%t", "defect=hang")
        self.assertEqual(code, 1)
        self.assertIn("# came:     it was not done after 1 s\n", out)

    def test_an_exit_is_a_rule_that_failed(self):
        code, out, _ = self.run_conform("--rule", "write: what", BLOB, "root=%t", "defect=exit")
        self.assertEqual(code, 1)
        self.assertIn("# came:     the plugin ended the process, with status 0\n", out)

    def test_told_to_stop_it_leaves_nothing(self):
        with self.start("--rule", "write: what", BLOB, "root=%t", "defect=hang") as process:
            end = time.monotonic() + DEADLINE
            while not glob.glob(self.folder + "/packice-conform-*/b") and process.poll() is None:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn("told to stop", err)
        self.assertIn("Bail out! told to stop", out)


if __name__ == "__main__":
    unittest.main()
