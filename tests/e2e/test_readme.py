# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The README's examples, run as they are printed: the shell's with a node of its own, the C program
compiled with what is built, the Python reader against an object that is there."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from harness import BUILD, DEADLINE, pattern, poll

SOURCE = os.environ["PACKICE_SOURCE"]
BLOCK = r"```%s\n(.*?)```\n"


def blocks(language, count):
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        found = re.findall(BLOCK % language, file.read(), re.DOTALL)
    assert len(found) == count, f"{len(found)} blocks in {language}"
    return found


def block(language):
    return blocks(language, 1)[0]


class Readme(unittest.TestCase):
    model = pattern(3 << 20)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="packice-readme-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.symlink(BUILD, os.path.join(self.folder, "build"))
        self.socket = os.path.join(self.folder, "packice.sock")
        self.env = dict(os.environ, PACKICE_TARGET=self.socket)

    def run_here(self, *command, **more):
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, timeout=DEADLINE,
            check=False, **more,
        )

    def cli(self, *arguments, data=None):
        return self.run_here("build/cli/packice", *arguments, input=data)

    def start_node(self):
        node = subprocess.Popen(
            ["build/node/packice-node", "--socket", self.socket], cwd=self.folder,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(node.stderr.close)
        self.addCleanup(self.stop, node)
        poll(lambda: self.cli("ls").returncode == 0, "the node")

    def stop(self, node):
        node.send_signal(signal.SIGTERM)
        self.assertEqual(node.wait(DEADLINE), 0)

    def start_shell(self, script):
        """The page's socket and folder are everybody's; the test's are its own. Everything else is
        as printed, and the shell waits for each node that it starts, and ends the last one."""
        self.assertIn("/tmp/packice", script)
        script = script.replace("/tmp/packice", os.path.join(self.folder, "packice"))
        script = script.replace("wait $!", "wait $! || :")  # who was killed ends the script else
        path = re.search(r"--socket (\S+)", script)[1]
        answers = f"until build/cli/packice -t {path} ls >/dev/null 2>&1; do sleep 0.05; done"
        script = script.replace("&\n", "&\n" + answers + "\n")
        with open(os.path.join(self.folder, "model.bin"), "wb") as file:
            file.write(self.model)
        shell = subprocess.Popen(
            ["/bin/bash", "-euc", "trap 'kill $(jobs -p); wait' EXIT\n" + script], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.addCleanup(self.end_session, shell)
        return shell

    def end_session(self, shell):
        """Whatever went wrong, no node is left."""
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        shell.communicate()

    def copy(self):
        with open(os.path.join(self.folder, "copy.bin"), "rb") as file:
            return file.read()

    def test_shell_with_files(self):
        shell = self.start_shell(blocks("sh", 3)[1])
        _, err = shell.communicate(timeout=DEADLINE)
        self.assertEqual(shell.returncode, 0, err)
        self.assertEqual(self.copy(), self.model)

    def test_shell(self):
        shell = self.start_shell(blocks("sh", 3)[0])
        # The page waits for an object of somebody else's.
        poll(lambda: os.path.exists(os.path.join(self.folder, "copy.bin")), "the copy")
        self.assertEqual(self.cli("put", "--id", "weights/v2", "-", data=b"two").returncode, 0)
        out, err = shell.communicate(timeout=DEADLINE)
        self.assertEqual(shell.returncode, 0, err)
        self.assertEqual(self.copy(), self.model)
        self.assertIn(hashlib.sha256(b"two").hexdigest().encode(), out)

    def test_curl(self):
        """As printed, but for the port: the test's node takes a free one."""
        start, _, script = blocks("sh", 3)[2].partition("&\n")
        self.assertEqual(start, "build/node/packice-node --port 8080 ")
        node = subprocess.Popen(
            ["build/node/packice-node", "--port", "0"], cwd=self.folder, stderr=subprocess.PIPE,
        )
        self.addCleanup(node.stderr.close)
        self.addCleanup(self.stop, node)
        port = re.search(rb"ready: http://127.0.0.1:(\d+) ", node.stderr.readline())[1].decode()
        with open(os.path.join(self.folder, "model.bin"), "wb") as file:
            file.write(self.model)
        done = self.run_here("/bin/bash", "-euxc", script.replace("localhost:8080",
                                                                 f"localhost:{port}"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.copy(), self.model)
        self.assertIn(hashlib.sha256(self.model[:1024]).hexdigest().encode(), done.stdout)
        self.assertTrue(done.stdout.endswith(b'{"status":"discarded"}\n'), done.stdout)

    def test_c_program(self):
        source = os.path.join(self.folder, "share.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(block("c"))
        library = os.path.join(BUILD, "sdk")
        built = self.run_here(
            "cc", "-Wall", "-Wextra", "-Werror", "-o", "share", source,
            "-I" + os.path.join(SOURCE, "sdk", "include"), "-L" + library, "-lpackice",
            "-Wl,--allow-shlib-undefined", "-Wl,-rpath," + library,
        )
        self.assertEqual(built.returncode, 0, built.stderr)
        if os.environ.get("PACKICE_SLOW"):
            self.skipTest("a plain program can't load a library built with a sanitizer")
        self.start_node()
        reader = subprocess.Popen(
            ["./share", self.socket, "get"], cwd=self.folder, stdout=subprocess.PIPE
        )
        put = self.run_here("./share", self.socket, "put", "hello there")
        self.assertEqual(put.returncode, 0, put.stderr)
        out, _ = reader.communicate(timeout=DEADLINE)
        self.assertEqual((reader.returncode, out), (0, b"hello there\n"))

    def test_python_reader(self):
        self.start_node()
        read = self.run_here(sys.executable, "-c", block("python"))
        self.assertEqual(read.stdout.split()[0], b"not_found", read.stderr)
        put = self.cli("put", "--id", "weights/v1", "-", data=b"\x2a" * 5000)
        self.assertEqual(put.returncode, 0, put.stderr)
        read = self.run_here(sys.executable, "-c", block("python"))
        self.assertEqual(read.stdout, b"5000 bytes, the first is 42\n", read.stderr)


if __name__ == "__main__":
    unittest.main()
