# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""packice put, get and cat: bytes go in and come out, whole or not at all."""

import os
import resource
import signal
import stat
import subprocess
import unittest

from cli_case import CODES, CliCase, documents
from harness import DEADLINE, SLOW, pattern, poll

MIB = 1 << 20
UUID = r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n\Z"


class PutTest(CliCase):
    def test_every_size_comes_back(self):
        for size in (0, 1, 4095, 4096, MIB, 33 * MIB):
            with self.subTest(size=size):
                data = pattern(size, size)
                self.file("in", data)
                self.put_file("--id", f"size {size}", "in")
                self.assertEqual(self.run_cli("get", f"size {size}", "-o", "out"), b"")
                self.assertTrue(self.contents("out") == data)
                self.assertTrue(self.client.get(f"size {size}") == [data])

    def test_prints_the_id_it_was_given_or_made(self):
        self.file("in", b"data")
        self.assertEqual(self.run_cli("put", "--id", "a/../b c", "in"), b"a/../b c\n")
        made = self.run_cli("put", "in").decode()
        self.assertRegex(made, UUID)
        self.left("a/../b c", made.strip())
        self.assertEqual(self.client.get(made.strip()), [b"data"])

    def test_several_files_are_the_blobs_of_one_object(self):
        contents = [pattern(n, n) for n in (5, 0, 70000, 1)]
        names = [self.file(f"in{n}", data) for n, data in enumerate(contents)]
        self.put_file("-i", "parts", *names)
        self.assertEqual(self.client.get("parts"), contents)
        for number, data in enumerate(contents):
            self.assertEqual(self.run_cli("get", "parts", "--blob", str(number)), data)
        self.assertEqual(self.run_cli("get", "parts"), b"".join(contents))

    def test_64_blobs(self):
        names = [self.file(f"in{n}", pattern(n, n)) for n in range(64)]
        self.put_file("-i", "parts", *names)
        self.assertEqual(self.client.get("parts"), [pattern(n, n) for n in range(64)])

    def test_standard_input_is_a_stream(self):
        data = pattern(3 * MIB + 17)
        self.left("piped")
        self.assertEqual(self.run_cli("put", "--id", "piped", "-", data=data), b"piped\n")
        self.assertTrue(self.run_cli("get", "piped", "-o", "-") == data)

    def test_empty_standard_input_is_an_empty_object(self):
        self.put_file("--id", "empty", "-", data=b"")
        self.assertEqual(self.run_cli("cat", "empty"), b"")

    def test_standard_input_that_is_a_file_is_read_from_where_it_stands(self):
        self.file("in", b"skipped rest")
        with open(self.path("in"), "rb", buffering=0) as file:
            file.seek(8)
            self.put_file("--id", "rest", "-", stdin=file)
        self.assertEqual(self.client.get("rest"), [b"rest"])

    def test_standard_input_among_files(self):
        self.file("in", b"file")
        self.put_file("--id", "mixed", "in", "-", "in", data=b"stream")
        self.assertEqual(self.client.get("mixed"), [b"file", b"stream", b"file"])

    def test_a_dash_is_a_file_by_its_path(self):
        self.file("-", b"dashed")
        self.put_file("--id", "dash", "./-")
        self.assertEqual(self.client.get("dash"), [b"dashed"])

    def test_files_that_lie_about_their_size(self):
        """/proc says 0 of everything."""
        self.put_file("--id", "proc", "/proc/version")
        with open("/proc/version", "rb") as file:
            self.assertEqual(self.client.get("proc"), [file.read()])

    def test_json(self):
        self.file("one", b"1234")
        self.file("two", b"")
        output = self.run_cli("put", "--json", "--id", "j", "one", "two")
        self.left("j")
        (document,) = documents(output)
        self.assertGreater(document.pop("epoch"), 0)
        self.assertEqual(document, {"object_id": "j", "size": 4, "blobs": 2, "sizes": [4, 0]})

    def test_meta_is_kept(self):
        self.file("in", b"")
        self.put_file("--id", "m", "--meta", '{"kind": "d\u00e9mo", "n": [1, 2]}', "in")
        self.assertEqual(
            self.client.ok("acquire", object_id="m", intent="read", bind="connection")["meta"],
            {"kind": "d\u00e9mo", "n": [1, 2]},
        )

    def test_a_ttl_is_never_ignored(self):
        """The node either ends the object in time or refuses to make it."""
        self.file("in", b"short-lived")
        process = self.start("put", "--id", "brief", "--ttl", "50ms", "in")
        process.communicate(timeout=DEADLINE)
        self.assertIn(process.returncode, (CODES["ok"], CODES["unsupported"]))
        poll(lambda: not self.exists("brief"), "the object's time is over")

    def test_sizes_reserve_for_streams(self):
        self.file("in", b"file")
        self.put_file("--id", "s", "--sizes", "1KiB", "in", "-", data=bytes(1024))
        self.assertEqual(self.client.get("s"), [b"file", bytes(1024)])

    def test_a_stream_that_ends_early_leaves_nothing(self):
        process = self.start("put", "--id", "s", "--sizes", "6", "-", stdin=subprocess.PIPE)
        _, errors = process.communicate(b"short", timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(errors, b"packice: put: standard input: ended after 5 of 6 bytes\n")
        self.assertFalse(self.exists("s"))

    def test_a_stream_that_goes_on_leaves_nothing(self):
        process = self.start("put", "--id", "s", "--sizes", "4", "-", stdin=subprocess.PIPE)
        _, errors = process.communicate(b"long!", timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(errors, b"packice: put: standard input: has more than 4 bytes\n")
        self.assertFalse(self.exists("s"))

    def changing_file(self, change):
        """Puts a pipe and a file that changes after it was measured and before it is read: the
        pipe holds the program up in between."""
        os.mkfifo(self.path("pipe"))
        self.file("changes", bytes(1000))
        process = self.start("put", "--id", "c", "pipe", "changes")
        with open(self.path("pipe"), "wb"):
            poll(lambda: self.exists("c"), "the object is being made")
            with open(self.path("changes"), "r+b") as file:
                change(file)
        return process

    def test_a_file_that_shrinks_leaves_nothing(self):
        process = self.changing_file(lambda file: file.truncate(999))
        _, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(errors, b"packice: put: changes: ended after 999 of 1000 bytes\n")
        self.assertFalse(self.exists("c"))

    def test_a_file_that_grows_is_put_as_it_was_measured(self):
        process = self.changing_file(lambda file: file.truncate(1001))
        self.left("c")
        self.finish(process)
        self.assertEqual(self.client.get("c"), [b"", bytes(1000)])

    def test_nothing_can_be_read_while_it_is_written(self):
        process = self.start("put", "--id", "w", "-", stdin=subprocess.PIPE)
        poll(lambda: self.exists("w"), "the object is being made")
        self.assertEqual(self.fails("not_sealed", "cat", "w"), "cat: object 'w' is not sealed yet")
        self.left("w")
        self.finish(process, data=b"now")
        self.assertEqual(self.run_cli("cat", "w"), b"now")

    def test_an_interrupted_put_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number):
                process = self.start("put", "--id", "i", "-", stdin=subprocess.PIPE)
                poll(lambda: self.exists("i"), "the object is being made")
                process.send_signal(number)
                self.assertEqual(process.wait(DEADLINE), -number)
                poll(lambda: not self.exists("i"), "the name is free")

    def test_a_file_that_is_missing_keeps_all_from_being_made(self):
        self.file("in", b"data")
        self.assertEqual(
            self.fails("failure", "put", "--id", "p", "in", "missing"),
            "put: missing: No such file or directory",
        )
        self.assertFalse(self.exists("p"))

    def test_a_folder_is_no_file(self):
        self.assertEqual(self.fails("failure", "put", "."), "put: .: Is a directory")


class GetTest(CliCase):
    def setUp(self):
        super().setUp()
        self.data = pattern(2 * MIB + 5)
        self.put(self.client, "data", self.data)

    def test_a_file_is_replaced(self):
        self.file("out", b"old")
        os.chmod(self.path("out"), 0o604)
        self.run_cli("get", "data", "-o", "out")
        self.assertTrue(self.contents("out") == self.data)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("out")).st_mode), 0o604)
        self.assertEqual(self.files(), ["out"])

    def test_a_new_file_heeds_the_umask(self):
        self.run_cli("get", "data", "-o", "out", umask=0o027)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("out")).st_mode), 0o640)

    def test_a_link_stays_and_its_file_is_replaced(self):
        os.mkdir(self.path("folder"))
        self.file("folder/real", b"old")
        os.symlink("folder/real", self.path("link"))
        self.run_cli("get", "data", "-o", "link")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertTrue(self.contents("folder/real") == self.data)
        self.assertEqual(self.files(), ["folder", "link"])

    def test_a_failure_keeps_the_old_file(self):
        self.file("out", b"old")
        self.assertEqual(
            self.fails("not_found", "get", "missing", "-o", "out"), "get: no object 'missing'"
        )
        self.assertEqual(self.contents("out"), b"old")
        self.assertEqual(self.files(), ["out"])

    def test_a_full_disk_keeps_the_old_file(self):
        self.file("out", b"old")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

        process = self.start("get", "data", "-o", "out", preexec_fn=limit)
        _, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(errors, b"packice: get: out: File too large\n")
        self.assertEqual(self.contents("out"), b"old")
        self.assertEqual(self.files(), ["out"])

    @unittest.skipIf(SLOW, "sanitizers need the whole address space")
    def test_an_object_larger_than_the_address_space(self):
        data = pattern(MIB) * 300
        self.put(self.client, "large", data)

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (256 * MIB, 256 * MIB))

        self.run_cli("get", "large", "-o", "out", preexec_fn=limit)
        self.assertTrue(self.contents("out") == data)

    def test_a_killed_get_leaves_no_unfinished_file(self):
        """The signal comes while the hidden file is there, or, if the program was quicker, finds
        the whole file."""
        self.put(self.client, "large", bytes(64 * MIB))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start("get", "large", "-o", "out")
            poll(self.files, "a file is there")
            process.send_signal(number)
            self.assertIn(process.wait(DEADLINE), (-number, 0))
            self.assertIn(self.files(), ([], ["out"]))
            if self.files():
                self.assertEqual(os.path.getsize(self.path("out")), 64 * MIB)
                os.unlink(self.path("out"))

    def test_ignored_signals_stay_ignored(self):
        """As under nohup."""
        reader, writer = os.pipe()
        process = self.start(
            "get",
            "data",
            "-o",
            "/dev/stdout",
            stdout=writer,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        os.close(writer)
        with open(reader, "rb") as output:
            start = output.read(1)
            process.send_signal(signal.SIGHUP)
            self.assertTrue(start + output.read() == self.data)
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_devices_and_pipes_are_written_in_place(self):
        self.run_cli("get", "data", "-o", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        os.mkfifo(self.path("pipe"))
        process = self.start("get", "data", "-o", "pipe")
        self.assertTrue(self.contents("pipe") == self.data)
        self.finish(process)
        self.assertEqual(self.files(), ["pipe"])

    def test_outputs_that_cannot_be(self):
        os.symlink("nowhere", self.path("dangling"))
        for output, reason in (
            (".", "Is a directory"),
            ("no/such/folder", "No such file or directory"),
            ("dangling", "No such file or directory"),
            ("/dev/full", "No space left on device"),
        ):
            with self.subTest(output=output):
                self.assertEqual(
                    self.fails("failure", "get", "data", "-o", output), f"get: {output}: {reason}"
                )
        self.assertEqual(self.files(), ["dangling"])

    def test_json(self):
        (document,) = documents(self.run_cli("get", "data", "-o", "out", "--json"))
        self.assertGreater(document.pop("epoch"), 0)
        self.assertEqual(
            document, {"object_id": "data", "size": len(self.data), "file": "out"}
        )

    def test_a_blob_that_is_not_there(self):
        self.assertEqual(
            self.fails("invalid", "get", "data", "--blob", "1", "-o", "out"),
            "get: object 'data' has no blob 1: it has 1, counted from 0",
        )
        self.assertEqual(self.files(), [])

    def test_wait_for_what_is_not_there_yet(self):
        process = self.start("get", "later", "--wait", "forever", "-o", "out")
        poll(lambda: self.node.stats()["waits"] == 1, "it waits")
        self.assertEqual(self.files(), [])
        self.put(self.client, "later", b"came")
        self.finish(process)
        self.assertEqual(self.contents("out"), b"came")

    def test_wait_that_times_out(self):
        self.fails("timeout", "get", "later", "--wait", "10ms", "-o", "out")
        self.assertEqual(self.files(), [])


class CatTest(CliCase):
    def test_all_blobs_of_all_objects(self):
        self.put(self.client, "a", b"1", b"", b"2")
        self.put(self.client, "b", b"3")
        self.assertEqual(self.run_cli("cat", "b", "a", "b"), b"3123")

    def test_goes_on_after_one_that_is_missing(self):
        self.put(self.client, "a", b"1")
        process = self.start("cat", "missing", "a")
        output, errors = process.communicate(timeout=DEADLINE)
        self.assertEqual((process.returncode, output), (3, b"1"))
        self.assertEqual(errors, b"packice: cat: no object 'missing'\n")

    def test_a_reader_that_leaves_is_no_error(self):
        self.put(self.client, "large", bytes(4 * MIB))
        for command in ("cat", "get"):
            for ignored, code in ((False, -signal.SIGPIPE), (True, 1)):
                with self.subTest(command=command, ignored=ignored):
                    process = self.start(
                        command,
                        "large",
                        restore_signals=not ignored,  # Python ignores SIGPIPE
                    )
                    process.stdout.read(1)
                    process.stdout.close()
                    self.assertEqual(process.stderr.read(), b"")
                    self.assertEqual(process.wait(DEADLINE), code)


class StandardStreamTest(CliCase):
    """Streams that the caller closed or that can't be written."""

    def closed(self, number, *arguments):
        process = self.start(*arguments, preexec_fn=lambda: os.close(number), stdin=None)
        return process.communicate(timeout=DEADLINE) + (process.returncode,)

    def test_closed_standard_output(self):
        self.put(self.client, "a", b"1")
        for arguments in (("cat", "a"), ("get", "a"), ("ls",), ("stat", "a"), ("stat",)):
            with self.subTest(arguments=arguments):
                _, errors, code = self.closed(1, *arguments)
                self.assertEqual(code, 1)
                self.assertEqual(
                    errors.decode(),
                    f"packice: {arguments[0]}: standard output: Bad file descriptor\n",
                )

    def test_closed_standard_input(self):
        _, errors, code = self.closed(0, "put", "--id", "x", "-")
        self.assertEqual(code, 1)
        self.assertEqual(errors, b"packice: put: standard input: Bad file descriptor\n")
        self.assertFalse(self.exists("x"))

    def test_closed_standard_error(self):
        _, _, code = self.closed(2, "cat", "missing")
        self.assertEqual(code, 3)

    def test_full_standard_output(self):
        self.put(self.client, "a", b"1")
        for arguments in (("cat", "a"), ("get", "a"), ("ls", "-l"), ("stat", "--json"), ("--help",)):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                process = self.start(*arguments, stdout=full)
                _, errors = process.communicate(timeout=DEADLINE)
                self.assertEqual(process.returncode, 1)
                self.assertTrue(
                    errors.endswith(b"standard output: No space left on device\n"), errors
                )

    def test_streams_that_do_not_block(self):
        """Pipes that somebody else made so: the program waits for them itself."""
        data = pattern(MIB)
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        process = self.start("put", "--id", "slow", "-", stdin=read_end)
        os.close(read_end)
        self.left("slow")
        poll(lambda: self.exists("slow"), "the object is being made")
        with open(write_end, "wb") as pipe:
            pipe.write(data)
        self.finish(process)

        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        process = self.start("cat", "slow", stdout=write_end)
        os.close(write_end)
        with open(read_end, "rb") as pipe:
            self.assertTrue(pipe.read() == data)
        self.finish(process)


if __name__ == "__main__":
    unittest.main()
