# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""What packice-node does with its command line and its config, up to the point where it would run.

Nothing here starts a node: every process ends by itself, with a status that scripts can use.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from node import BUILD, DEADLINE, NODE

SOURCE = os.environ["PACKICE_SOURCE"]
PLUGINS = {
    "blob_fs": "blob",
    "blob_memfd": "blob",
    "lease_mem": "lease",
    "transport_http": "transport",
    "transport_uds": "transport",
}


class FlagsCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="packice-flags-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.socket = self.path("p.sock")
        self.quick = ["--impl", "mem", "--transport", "uds", "--socket", self.socket]

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, text, name="n.ini"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def run_node(self, *arguments, **options):
        options = {"stdout": subprocess.PIPE, "cwd": self.folder, **options}
        return subprocess.run(
            [NODE, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
            text=True,
            **options,
        )

    def output(self, *arguments):
        """The standard output of a run that must go well, without a word on standard error."""
        done = self.run_node(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, arguments, message, status=2):
        """The run fails with a line that matches, and prints nothing else."""
        done = self.run_node(*arguments)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        lines = done.stderr.splitlines()
        self.assertRegex(lines[0], message)
        self.assertIn(lines[1:], ([], ["Try 'packice-node --help'."]))

    def config_refused(self, text, message):
        """--check and a start refuse the config alike: FILE, LINE and all."""
        file = self.write(text)
        for flags in (["--check"], ["--print-config"], []):
            self.refused(["-c", file, *flags], "^" + re.escape(file) + message)


class CommandLineTest(FlagsCase):
    def test_help_and_version_are_printed(self):
        self.assertIn("Usage: packice-node -c FILE", self.output("--help"))
        self.assertEqual(self.output("-h"), self.output("--help"))
        self.assertRegex(self.output("--version"), r"^packice-node \d+\.\d+\.\d+ \(ABI \d+\.\d+\)\n$")
        self.assertEqual(self.output("-V"), self.output("--version"))

    def test_unknown_flags_and_words_are_refused(self):
        self.refused(["--no-such-flag"], "unrecognized option '--no-such-flag'")
        self.refused(["-c"], "requires an argument")
        self.refused(["n.ini"], "^packice-node: 'n.ini': not a flag; a config is named by -c")

    def test_nothing_to_run_is_refused(self):
        self.refused([], "^packice-node: what to run\\? Give -c FILE, or --impl mem")
        self.refused(["--check"], "what to run")

    def test_a_flag_is_given_once_and_not_empty(self):
        self.refused(["--port", "1", "--port", "2"], "--port: given twice")
        self.refused(["-c", ""], "--config: empty")

    def test_one_thing_is_asked_for_at_a_time(self):
        self.refused(["--check", "--print-config"], "--print-config: asks for something else")
        self.refused(["--list-plugins", "--dump-plugin", "x"], "--dump-plugin: asks for something")

    def test_quick_flags_and_a_file_do_not_go_together(self):
        for flag in ("--impl", "--transport", "--socket", "--port", "--data-dir"):
            self.refused(["-c", "n.ini", flag, "x"], f"{flag}: doesn't go with -c")
            self.refused(["--list-plugins", flag, "x"], f"{flag}: doesn't go with --list-plugins")

    def test_quick_flags_that_contradict_each_other_are_refused(self):
        for arguments, message in (
            (["--impl", "men", "--socket", "s"], "--impl: 'men' is none of mem, fs; did you mean"),
            (["--impl", "disk", "--socket", "s"], "--impl: 'disk' is none of mem, fs$"),
            (["--transport", "usd"], "--transport: 'usd' is none of uds, http; did you mean 'uds'"),
            (["--transport", "uds"], "--transport uds: needs --socket PATH"),
            (["--transport", "uds", "--socket", "s", "--port", "1"], "--port: doesn't go with"),
            (["--transport", "http", "--socket", "s"], "--socket: doesn't go with --transport http"),
            (["--port", "0", "--socket", "s"], "--port: doesn't go with --socket; a config"),
            (["--port", "65536"], "--port: '65536' is not 0 to 65535"),
            (["--port", "-1"], "--port: '-1' is not 0 to 65535"),
            (["--impl", "mem", "--data-dir", "d"], "--data-dir: doesn't go with --impl mem"),
            (["--impl", "mem"], "nobody could reach the node: give --socket PATH or --port PORT"),
            (self.quick + ["--log-level", "warm"], "--log-level: 'warm' is none of .*mean 'warn'"),
        ):
            with self.subTest(arguments=arguments):
                self.refused(arguments, "^packice-node: " + message)

    def test_files_need_a_folder(self):
        for flags in (["--data-dir", "data"], ["--impl", "fs", "--data-dir", "data"]):
            config = self.output("--print-config", "--socket", self.socket, *flags)
            self.assertIn(f"plugin = blob_fs\nroot = {self.path('data')}\n", config)
        self.refused(["--impl", "fs", "--socket", self.socket], "--impl fs: needs --data-dir DIR")

    def test_output_that_can_not_be_written_is_an_error(self):
        for arguments in (["--help"], ["--list-plugins"], ["--print-config", *self.quick]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.run_node(*arguments, stdout=full)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("standard output: No space left on device", done.stderr)


class CheckTest(FlagsCase):
    def test_check_is_silent_and_opens_nothing(self):
        file = self.write(f"[transport.local]\nplugin = transport_uds\npath = {self.socket}\n")
        self.assertEqual(self.output("-c", file, "--check"), "")
        self.assertEqual(self.output("--check", *self.quick), "")
        self.assertFalse(os.path.exists(self.socket))

    def test_the_ready_configs_are_fine(self):
        files = glob.glob(os.path.join(SOURCE, "conf", "*.ini"))
        self.assertGreaterEqual(len(files), 2)
        for file in files:
            self.assertEqual(self.output("-c", file, "--check"), "")

    def test_a_missing_file_or_a_folder_is_said(self):
        self.refused(["-c", "none.ini"], "^none.ini: No such file or directory$")
        self.refused(["-c", "."], "^.: Is a directory$")

    def test_errors_name_file_line_section_and_key(self):
        transport = "[transport.local]\nplugin = transport_uds\npath = p.sock\n"
        for text, message in (
            ("[node]\nlog_levle = info\n", r":2: \[node\] log_levle: .*did you mean 'log_level'"),
            ("[node]\nlog_level = loud\n", r":2: \[node\] log_level: "),
            ("[node]\nworkers = 0\n", r":2: \[node\] workers: must be 1 to 256"),
            ("[node]\nstop_timeout = 5 parsecs\n", r":2: \[node\] stop_timeout: "),
            ("\n[peer]\ncapactiy = 1\n", r":3: \[peer\] capactiy: .*did you mean 'capacity'"),
            ("[peer]\ncapacity = much\n", r":2: \[peer\] capacity: "),
            ("[peer]\ncapacity = 0\n", r":2: \[peer\] capacity: must be more than 0"),
            ("[peer]\nsample = 0s\n", r":2: \[peer\] sample: must be more than 0"),
            ("[peer]\nmax_calls = 1\nmax_sessions = 0\n", r":3: \[peer\] max_sessions: must be"),
            ("[blobb]\n", r":1: \[blobb\]: unknown section; did you mean \[blob\]\?"),
            ("[transprot.a]\n", r":1: \[transprot.a\]: .*did you mean \[transport.a\]\?"),
            ("[transport]\n", r":1: \[transport\]: .*did you mean \[transport.NAME\]\?"),
            ("[else]\n", r":1: \[else\]: unknown section; "),
            ("[blob]\nplugin = blob_memdf\n", r":2: \[blob\] plugin: .*did you mean 'blob_memfd'"),
            ("[blob]\nplugin = lease_mem\n", r":2: \[blob\] plugin: .*is a lease plugin"),
            ("[blob]\nplugin =\n", r":1: \[blob\] plugin: missing"),
            ("[transport.a]\npath = x\n", r":1: \[transport.a\] plugin: missing"),
            ("[lease]\ndefualt_ttl = 1s\n", r":2: \[lease\] defualt_ttl: .*'default_ttl'"),
            ("[lease]\ndefault_ttl = soon\n", r":2: \[lease\] default_ttl: "),
            (transport + "mod = 0600\n", r":4: \[transport.local\] mod: .*did you mean 'mode'"),
            ("[blob]\nplugin = ./x.so\n", r":2: \[blob\] plugin: .*x\.so"),
            ("", r": no \[transport.NAME\]: nobody could reach the node"),
            ("[node]\nlog_level = info ; all\n", r":2: \[node\] log_level: a comment stands on"),
            ("[node]\nlog_level = info\n  more\n", r":3: a line can't begin with a space"),
            ("[node]\n[node]\n", r":2: \[node\]: given twice, first on line 1"),
            ("[node]\nworkers = 1\nworkers = 1\n", r":3: \[node\] workers: given twice"),
        ):
            with self.subTest(text=text):
                self.config_refused(text, message)

    def test_a_quick_flag_s_error_names_section_and_key(self):
        self.refused(["--socket", "/" + "x" * 200], r"^packice-node: \[transport.uds\]: .*path: ")


class PrintConfigTest(FlagsCase):
    def test_what_is_printed_is_read_back_as_the_same(self):
        os.mkdir(self.path("more"))
        shutil.copy(os.path.join(BUILD, "plugins", "lease_mem", "lease_mem.so"), self.path("more"))
        file = self.write(
            "[node]\nplugin_dir = more, /nowhere\nlog_level = debug\n[lease]\n"
            "plugin = ./more/lease_mem.so\ndefault_ttl = 90s\n"
            "[transport.a]\nplugin = transport_uds\npath = a.sock\n"
            "[transport.b]\nplugin = transport_uds\npath = .././b.sock\n"
        )
        printed = self.output("-c", file, "--print-config")
        for line in (
            f"plugin_dir = {self.path('more')}, /nowhere",
            "log_level = debug",
            "default_ttl = 90s",
            f"plugin = {self.path('more', 'lease_mem.so')}",
            "plugin = blob_memfd",
            f"path = {self.path('a.sock')}",
            f"path = {os.path.join(os.path.dirname(self.folder), 'b.sock')}",
        ):
            self.assertIn(line, printed.splitlines())
        os.mkdir(self.path("else"))
        copy = self.write(printed, "else/copy.ini")
        self.assertEqual(self.output("-c", copy, "--print-config"), printed)

    def test_quick_flags_print_the_file_they_stand_for(self):
        printed = self.output("--print-config", "--log-level", "warn", *self.quick)
        self.assertIn(f"[transport.uds]\nplugin = transport_uds\npath = {self.socket}\n", printed)
        self.assertIn("[node]\nlog_level = warn\n", printed)
        copy = self.write(printed)
        self.assertEqual(self.output("-c", copy, "--print-config"), printed)

    def test_quick_flags_for_http_print_the_file_they_stand_for(self):
        for flags, address in (
            (["--transport", "http"], "127.0.0.1:8080"),
            (["--port", "0"], "127.0.0.1:0"),
            (["--impl", "mem", "--transport", "http", "--port", "9"], "127.0.0.1:9"),
        ):
            printed = self.output("--print-config", *flags)
            self.assertIn(f"[transport.http]\nplugin = transport_http\nlisten = {address}\n", printed)
            copy = self.write(printed)
            self.assertEqual(self.output("-c", copy, "--print-config"), printed)

    def test_log_level_stands_above_the_file(self):
        printed = self.output("--print-config", "--log-level", "error", *self.quick)
        file = self.write(printed)
        self.assertIn("log_level = error\n", self.output("-c", file, "--print-config"))
        printed = self.output("-c", file, "--print-config", "--log-level", "debug")
        self.assertIn("log_level = debug\n", printed)
        self.assertNotIn("log_level = error\n", printed)

    def test_plugins_within_plugins_are_printed_with_their_options(self):
        plugins = os.path.join(BUILD, "tests", "lib", "plugins")
        file = self.write(
            f"[node]\nplugin_dir = {plugins}\n[blob]\nplugin = test_tier\n"
            "upper = test_tier\nupper.upper = test_blob\nupper.upper.limit = 1KiB\n"
            f"[transport.a]\nplugin = transport_uds\npath = {self.socket}\n"
        )
        printed = self.output("-c", file, "--print-config")
        self.assertIn(
            "upper = test_tier\nupper.upper = test_blob\nupper.upper.label = plain\n"
            "upper.upper.limit = 1KiB\nupper.upper.fail = no\n# upper.lower =\n",
            printed,
        )
        copy = self.write(printed, "copy.ini")
        self.assertEqual(self.output("-c", copy, "--print-config"), printed)

    def test_every_option_of_every_section_is_there(self):
        printed = self.output("--print-config", *self.quick)
        for section, plugin in (
            ("blob", "blob_memfd"),
            ("lease", "lease_mem"),
            ("transport.uds", "transport_uds"),
        ):
            body = printed.split(f"[{section}]\n", 1)[1].split("\n[", 1)[0]
            keys = re.findall(r"^(?:# )?([a-z0-9_]+) =", body, re.M)
            options = re.findall(r"^  ([a-z0-9_]+)  ", self.output("--dump-plugin", plugin), re.M)
            self.assertEqual(keys, ["plugin", *options])

    def test_a_value_that_no_file_can_hold_is_refused(self):
        self.refused(["--socket", "a ;b", "--print-config"], r"\[transport.uds\] can't be printed")


class PluginsTest(FlagsCase):
    def test_the_build_s_plugins_are_found_without_any_setting(self):
        found = {}
        for line in self.output("--list-plugins").splitlines():
            name, kind, version, summary = line.split(None, 3)
            found[name] = kind
            self.assertRegex(version, r"^\d+\.\d+")
            self.assertTrue(summary)
        self.assertEqual(found, {**found, **PLUGINS})
        self.assertEqual(list(found), sorted(found))

    def test_list_plugins_without_any_says_where_it_looked(self):
        lonely = shutil.copy(NODE, self.path("packice-node"))
        done = subprocess.run(
            [lonely, "--list-plugins"], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=DEADLINE, check=False, text=True,
        )
        if done.returncode == 0:
            self.skipTest("plugins are installed on this machine")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "no plugins found; looked in /")

    def test_socket_may_be_written_as_clients_write_it(self):
        plain = self.output("--socket", self.socket, "--print-config")
        self.assertEqual(self.output("--socket", "unix:" + self.socket, "--print-config"), plain)

    def test_a_plugin_that_can_not_be_loaded_is_named(self):
        os.mkdir(self.path("bad"))
        with open(self.path("bad", "blob_bad.so"), "wb") as file:
            file.write(b"not a shared object")
        self.write("[node]\nplugin_dir = bad\n")
        done = self.run_node("-c", "n.ini", "--list-plugins")
        self.assertEqual(done.returncode, 1)
        self.assertIn("blob_bad.so", done.stderr)
        self.assertIn("lease_mem", done.stdout)

    def test_dump_takes_a_name_or_a_file(self):
        for name, kind in PLUGINS.items():
            file = os.path.join(BUILD, "plugins", name, name + ".so")
            dump = self.output("--dump-plugin", file)
            self.assertTrue(dump.startswith(f"name: {name}\nkind: {kind}\n"), dump)
            self.assertIn(f"name: {name}\n", self.output("--dump-plugin", name))
        shutil.copy(file, self.folder)
        self.assertIn(f"name: {name}\n", self.output("--dump-plugin", name + ".so"))

    def test_dump_refuses_what_is_no_plugin(self):
        self.write("text", "x.so")
        self.refused(["--dump-plugin", "x.so"], r"^packice-node: .*x\.so")
        self.refused(["--dump-plugin", "no_such"], "^packice-node: plugin not found: 'no_such'")


if __name__ == "__main__":
    unittest.main()
