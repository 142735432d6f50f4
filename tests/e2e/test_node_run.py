# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The process of a running node: its start, its signals, its log, its limits and its end.

What clients get from it is for other tests.
"""

import os
import re
import resource
import signal
import socket
import subprocess
import unittest

from client import Closed
from node import DEADLINE, NODE, Node, poll


class RunCase(unittest.TestCase):
    def make(self, sections=None):
        node = Node(sections)
        self.addCleanup(node.remove)
        return node

    def start(self, sections=None):
        return self.make(sections).start()

    def await_log(self, node, pattern):
        return poll(
            lambda: re.search(pattern, node.errors(), re.M),
            lambda: f"{pattern} in the log:\n{node.errors()}",
        )


class StartTest(RunCase):
    def test_a_ready_line_tells_each_address(self):
        node = self.make()
        other = node.socket + "2"
        with open(node.config, "a", encoding="utf-8") as file:
            file.write(f"[transport.second]\nplugin = transport_uds\npath = {other}\n")
        node.start()
        self.await_log(node, rf"ready: unix:{node.socket} \[transport.local\]$")
        self.await_log(node, rf"ready: unix:{other} \[transport.second\]$")
        node.stop()
        self.assertFalse(os.path.exists(other))

    def test_several_transports_serve_one_peer(self):
        node = self.make()
        other = node.socket + "2"
        with open(node.config, "a", encoding="utf-8") as file:
            file.write(f"[transport.second]\nplugin = transport_uds\npath = {other}\n")
        node.start()
        with node.connect() as client:
            client.put("shared", b"bytes")
        node.socket = other
        with node.connect() as client:
            self.assertEqual(client.ok("stat", object_id="shared")["state"], "sealed")

    def test_an_address_in_use_ends_the_start_with_one_line(self):
        node = self.start()
        done = subprocess.run(
            [NODE, "-c", node.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        line = done.stderr.splitlines()[-1]
        self.assertRegex(line, rf"^{re.escape(node.config)}:\d+: \[transport.local\]: transport_uds")
        self.assertIn(node.socket, line)
        with node.connect() as client:
            self.assertEqual(client.request("stats")["status"], "ok")
        node.stop()

    def test_a_start_that_fails_late_takes_back_what_was_opened(self):
        node = self.make()
        with open(node.config, "a", encoding="utf-8") as file:
            file.write("[transport.second]\nplugin = transport_uds\npath = /nowhere/at/all\n")
        node.spawn()
        self.assertEqual(node.wait(), 1)
        self.assertFalse(os.path.exists(node.socket))
        self.assertRegex(node.errors(), r":\d+: \[transport.second\]: transport_uds")

    def test_standard_descriptors_that_are_closed_go_to_no_client(self):
        node = self.make()
        node.process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', NODE, "-c", node.config]
        )
        poll(lambda: os.path.exists(node.socket), "the socket")
        for fd in range(3):
            self.assertEqual(os.readlink(f"/proc/{node.process.pid}/fd/{fd}"), "/dev/null")
        node.stop()

    @unittest.skipIf(os.environ.get("PACKICE_NODE_WRAPPER"), "valgrind keeps limits of its own")
    def test_the_limit_of_descriptors_is_raised_to_the_hard_one(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        try:
            node = self.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(
            resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE), (hard, hard)
        )

    def test_no_thread_but_the_main_one_takes_the_node_s_signals(self):
        node = self.start()
        mine = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            mine |= 1 << (number - 1)
        folder = f"/proc/{node.process.pid}/task"
        threads = os.listdir(folder)
        self.assertGreater(len(threads), 1)
        for thread in threads:
            if int(thread) == node.process.pid:
                continue  # while it waits in sigwaitinfo, the kernel shows them unblocked
            with open(os.path.join(folder, thread, "status"), encoding="utf-8") as file:
                blocked = int(re.search(r"^SigBlk:\s*(\w+)", file.read(), re.M)[1], 16)
            self.assertEqual(blocked & mine, mine)


class LogTest(RunCase):
    LINE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) [a-z_]+: .+$"

    def spawn(self, node, environment, *flags):
        """Starts the node with its log in a pipe; returns that."""
        reader, writer = os.pipe()
        environment = environment(os.fstat(writer))
        node.process = subprocess.Popen(
            [NODE, "-c", node.config, *flags],
            stdin=subprocess.DEVNULL,
            stderr=writer,
            env={**os.environ, **environment},
        )
        os.close(writer)
        return os.fdopen(reader, encoding="utf-8")

    def lines_of_a_life(self, environment, *flags):
        """All that a node logs between its start and its end."""
        node = self.make()
        with self.spawn(node, environment, *flags) as log:
            poll(lambda: os.path.exists(node.socket), "the socket")
            node.process.send_signal(signal.SIGTERM)
            lines = log.read().splitlines()
        self.assertEqual(node.wait(), 0)
        self.assertTrue(any("stopping: SIGTERM" in line for line in lines), lines)
        return lines

    def test_lines_have_time_level_and_source(self):
        for line in self.lines_of_a_life(lambda _: {"JOURNAL_STREAM": ""}, "--log-level", "debug"):
            self.assertRegex(line, self.LINE)

    def test_another_stream_than_the_journal_s_gets_times(self):
        for line in self.lines_of_a_life(lambda pipe: {"JOURNAL_STREAM": f"{pipe.st_dev}:1"}):
            self.assertRegex(line, self.LINE)

    def test_the_journal_gets_levels_and_no_times(self):
        lines = self.lines_of_a_life(
            lambda pipe: {"JOURNAL_STREAM": f"{pipe.st_dev}:{pipe.st_ino}"}
        )
        for line in lines:
            self.assertRegex(line, r"^<[3467]>[a-z_]+: .+$")
        self.assertIn("<6>node: stopping: SIGTERM", lines)

    def test_a_quiet_level_logs_nothing_of_a_good_life(self):
        node = self.start({"node": {"log_level": "warn"}})
        node.stop()
        self.assertEqual(node.errors(), "")


class NotifyTest(RunCase):
    def test_systemd_is_told_of_the_start_and_the_end(self):
        node = self.make()
        name = os.path.join(node.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
            service.bind(name)
            service.settimeout(DEADLINE)
            os.environ["NOTIFY_SOCKET"] = name
            try:
                node.spawn()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertIn("READY=1", service.recv(4096).decode().splitlines())
            with node.connect() as client:  # at once: it was ready
                self.assertEqual(client.request("stats")["status"], "ok")
            node.process.send_signal(signal.SIGTERM)
            self.assertIn("STOPPING=1", service.recv(4096).decode().splitlines())
            self.assertEqual(node.wait(), 0)


class SignalTest(RunCase):
    def test_both_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            node = self.start()
            node.process.send_signal(number)
            self.assertEqual(node.wait(), 0)
            self.assertFalse(os.path.exists(node.socket))
            self.await_log(node, rf"node: stopping: {number.name}\n.*node: stopped$")

    def test_a_signal_right_at_the_start_ends_it_cleanly(self):
        node = self.make()
        # Blocked from birth, so that it is sure to wait there until the node takes it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            node.spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        node.process.send_signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0)
        self.assertFalse(os.path.exists(node.socket))

    def test_what_waits_is_answered_before_the_end(self):
        node = self.start()
        with node.connect() as client:
            client.send("acquire", object_id="never", intent="read", wait_seconds=600)
            poll(lambda: node.stats()["waits"] == 1, "one wait")
            node.process.send_signal(signal.SIGTERM)
            self.assertEqual(client.receive().error, "busy")
            with self.assertRaises(Closed):
                client.receive()
        self.assertEqual(node.wait(), 0)

    def test_what_clients_mapped_outlives_the_node(self):
        node = self.start()
        with node.connect() as client:
            client.put("kept", b"bytes")
            reply = client.read("kept")
            node.stop()
            self.assertEqual(os.pread(reply.fd(0), 16, 0), b"bytes")
            reply.close()

    def fill(self, client, node):
        """Asks and never reads, until the node takes no more of it while another gets answers."""
        request = b'{"command":"list"}\n' * 64
        client.socket.setblocking(False)
        refusals = 0
        with node.connect() as other:
            while refusals < 3:
                try:
                    client.socket.send(request)
                    refusals = 0
                except BlockingIOError:
                    refusals += 1
                    for _ in range(300):
                        other.ok("stats")

    def test_a_second_signal_ends_it_at_once(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            node = self.start({"node": {"stop_timeout": "1h"}})
            with node.connect() as client:
                self.fill(client, node)
                node.process.send_signal(signal.SIGTERM)
                self.await_log(node, "stopping: SIGTERM")
                self.assertIsNone(node.process.poll())
                node.process.send_signal(number)
                self.assertEqual(node.wait(), status)
            node.start()  # on what the other one left behind
            node.stop()

    def test_the_stop_waits_no_longer_than_it_may(self):
        node = self.start({"node": {"stop_timeout": "10ms"}})
        with node.connect() as client:
            self.fill(client, node)
            node.process.send_signal(signal.SIGTERM)
            self.assertEqual(node.wait(), 0)
        self.assertFalse(os.path.exists(node.socket))

    def test_hangup_has_the_config_read_again(self):
        node = self.start()
        text = self.read_config(node)
        self.reload(node, text.replace("log_level = info", "log_level = debug"))
        self.await_log(node, "info node: reloaded$")
        with node.connect() as client:
            client.put("one", b"12345")
        node.stop()

    def test_a_config_that_a_running_node_can_not_follow_changes_nothing(self):
        node = self.start()
        text = self.read_config(node)
        for change, message in (
            (("capacity = 4GiB", "capacity = 5GiB"),
             r"\[peer\] capacity: can't change while the node runs"),
            (("default_ttl = 60s", "default_ttl = 61s"),
             r"\[lease\] default_ttl: can't change while the node runs"),
            (("[lease]", "[node]\nworkers = 5\n[lease]"), r"\[node\]: given twice"),
            (("log_level = info", "workers = 5"),
             r"\[node\] workers: can't change while the node runs"),
            (("transport.local", "transport.other"),
             r"\[transport.other\]: can't be added while the node runs"),
            (("plugin = blob_memfd", "plugin = no_such"), r"\[blob\] plugin: plugin not found"),
            (("capacity = 4GiB", "capacity = much"), r"\[peer\] capacity: "),
            (("[peer]", "[pear]"), r"\[pear\]: unknown section; did you mean \[peer\]"),
        ):
            with self.subTest(change=change):
                self.assertIn(change[0], text)
                self.reload(node, text.replace(*change))
                self.await_log(node, rf"error node: not reloaded: {node.config}:\d+: {message}")
        added = text + f"[transport.more]\nplugin = transport_uds\npath = {node.socket}2\n"
        self.reload(node, added)
        self.await_log(node, r"not reloaded: .*\[transport.more\]: can't be added")
        os.unlink(node.config)
        node.process.send_signal(signal.SIGHUP)
        self.await_log(node, rf"not reloaded: .*{node.config}")
        with node.connect() as client:
            client.put("one", b"12345")
        node.stop()

    @staticmethod
    def read_config(node):
        with open(node.config, encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def reload(node, text):
        with open(node.config, "w", encoding="utf-8") as file:
            file.write(text)
        node.process.send_signal(signal.SIGHUP)

    def test_usr1_logs_the_figures(self):
        node = self.start()
        with node.connect() as client:
            client.put("one", b"12345")
            node.process.send_signal(signal.SIGUSR1)
            line = self.await_log(node, "info node: stats: (.*)$")[1]
        figures = dict(figure.split("=") for figure in line.split())
        self.assertEqual((figures["objects"], figures["bytes"]), ("1", "5"))
        node.stop()

    def test_a_log_that_nobody_reads_any_more_kills_nothing(self):
        node = self.make()
        reader, writer = os.pipe()
        node.process = subprocess.Popen(
            [NODE, "-c", node.config], stdin=subprocess.DEVNULL, stderr=writer
        )
        os.close(writer)
        os.close(reader)
        poll(lambda: os.path.exists(node.socket), "the socket")
        node.process.send_signal(signal.SIGUSR1)

        def answers():
            try:
                return node.stats()["objects"] == 0
            except ConnectionRefusedError:
                return False

        poll(answers, "an answer")
        node.stop()


if __name__ == "__main__":
    unittest.main()
