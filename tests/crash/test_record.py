#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What nvrtl record keeps: every store with its value, its thread and its line, in the order of
visibility, however the program ends."""

import json
import os
import pathlib
import re
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

RECORDED, PAIR = os.environ["RECORDED_BIN"], os.environ["PAIR_BIN"]
SOURCE = pathlib.Path(__file__).with_name("recorded.c").read_text().split("\n")


class RecordTest(command.FolderTest):
    def record(self, *arguments, status=0):
        trace = self.path("trace")
        result = command.run("record", "-o", trace, "--", RECORDED, self.path("file"), *arguments)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (status, "", ""))
        dump = command.run("trace", "dump", trace)
        self.assertEqual((dump.returncode, dump.stderr), (0, ""))
        return dump.stdout.splitlines()

    def events(self, lines):
        """(event without its stack, the text of its line in recorded.c)"""
        stacks, events = {}, []
        for line in lines:
            if line.startswith("stack "):
                _, number, text = line.split(" ", 2)
                stacks[number] = text
                continue
            event, _, stack = line.partition(" @")
            numbers = re.findall(r"recorded\.c:(\d+)", stacks.get(stack.split(" ")[0], ""))
            events.append((event, SOURCE[int(numbers[0]) - 1].strip() if numbers else ""))
        return events

    def test_events(self):
        events = self.events(self.record())
        self.assertIn(("1 store 1 0x0 8 8877665544332211",
                       "*(volatile uint64_t *)&layout->word = 0x1122334455667788;"), events)
        wanted = ["mark begin 7", "1 store 1 0x0 8 8877665544332211",
                  "1 store 1 0x0 8 0500000000000000", "1 clflush 1 0x0 64",
                  "1 (copy|store) 1 0x40 3 [0-9a-f]{6}", "1 flush 1 0x40 3", "1 drain",
                  "1 atomic 1 0x80 8 0300000000000000",
                  "1 stream 1 0x88 8 0900000000000000", "1 drain", "mark ack 7",
                  "1 store 1 0xc0 8 2900000000000000", "2 store 1 0xc8 8 2a00000000000000",
                  "1 msync-begin 1 0x0 4096", "1 msync-end",
                  "1 copy 1 0x10 16 (ab){16}"]  # fmt: skip
        at = 0
        for event, _ in events:
            if at < len(wanted) and re.fullmatch(wanted[at], event):
                at += 1
        self.assertEqual(wanted[at:], [], "\n".join(event for event, _ in events))

    def test_a_file_that_shrinks(self):
        """What the thread has just stored may be gone: nobody reads it then, and no store is made
        up of what is missing."""
        for how in "ftruncate", "truncate", "number", "open":
            with self.subTest(how):
                result = command.run("record", "-o", self.path("trace"), "--",
                                     os.environ["SHRINKS_BIN"], self.path("file"), how)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
                dump = command.run("trace", "dump", self.path("trace")).stdout
                self.assertIn("1 store 1 0x1008 8 0100000000000000", dump)
                self.assertNotRegex(dump, r"(?m)^\d+ (found|unseen|pwrite) ")

    def test_killed(self):
        before = [event for event, _ in self.events(self.record())]
        os.remove(self.path("file"))
        lines = self.record("kill", status=128 + signal.SIGKILL)
        killed = [event for event, _ in self.events(lines)]
        self.assertEqual(re.sub(" at 0x[0-9a-f]+", "", "\n".join(killed)),
                         re.sub(" at 0x[0-9a-f]+", "", "\n".join(before)))

    def test_cut(self):
        """nvrtl cut sees the program's own stores too, and knows the order of two by its drain."""
        check = self.write("check.sh", b"test -s $1 || exit 0\n"
                           b"set -- $(od -An -v -tu8 -w8 -N72 $1)\ntest $9 -ge $1\n")
        reset = f"rm -f {self.path('pair')}"
        for order, status in (("right", 0), ("wrong", 1)):
            result = command.run("cut", "--runs=40", "--seed=3", f"--keep={self.path('kept')}",
                                 f"--reset={reset}", f"--check=sh {check} {{}}", "--", PAIR,
                                 self.path("pair"), order)
            self.assertEqual(result.returncode, status, (order, result.stdout, result.stderr))

    def test_waits(self):
        """The program's own waits are recorded in one way, with hooks and without."""
        wanted = ["store 0x0", "msync-begin 1 0x0 4096", "msync-end",
                  "store 0x1000", "msync-begin 1 0x0 8192", "msync-end",
                  "msync-begin 2 0x0 8192", "msync-end",
                  "store 0x80", "store 0x80",
                  # sync(2), file by file: the end of one must not wait for the beginning of another
                  "msync-begin 1 0x0 8192", "msync-end", "msync-begin 2 0x0 8192", "msync-end",
                  "store 0xc0", "msync-begin 1 0x0 8192", "store 0x100"]  # fmt: skip
        for program in os.environ["WAITS_BIN"], os.environ["WAITS_HOOKED"]:
            trace = self.path("trace")
            result = command.run("record", "-o", trace, "--", program, self.path("a"),
                                 self.path("b"))
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            dump = command.run("trace", "dump", trace).stdout
            told = [re.sub(r" @\d+$", "", line) for line in dump.splitlines()]
            told = [re.sub(r"^1 store (1|2) (0x[0-9a-f]+) .*|^1 (msync.*)",
                           lambda match: match[3] or f"store {match[2]}", line) for line in told]
            self.assertEqual([line for line in told if line.startswith(("store", "msync"))],
                             wanted[:1] + ["store 0x40"] + wanted[1:], program)

    def test_no_hooks(self):
        """Who asks for the stores of code with hooks is told where there is none."""
        for program, told in ((os.environ["POINTERS_BIN"], True), (PAIR, False)):
            result = command.run("record", "--stores=hooks", "-o", self.path("trace"), "--",
                                 program, self.path("pair"), "right" if program == PAIR else "none")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("no code with hooks has run" in result.stderr, told, result.stderr)

    def test_flushes_that_nobody_tells_of(self):
        """The same code tells of its clflush where it has hooks."""
        for program, told in ((os.environ["RECORDED_PLAIN"], True), (RECORDED, False)):
            result = command.run("record", "-o", self.path("trace"), "--", program,
                                 self.path("file"))
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(bool(re.search(r"clflush at recorded\.c:\d+ \(.*\) may have made",
                                            result.stderr)), told, result.stderr)

    def test_nothing_is_written_over(self):
        """By a trace that was forgotten to be named."""
        file = self.write("file", b"data")
        result = command.run("record", "-o", file, "--", RECORDED, file)
        self.assert_fails(result, 125, "would write over")
        self.assertEqual(self.read("file"), b"data")

    def test_stores_through_pointers(self):
        """What the program stores by itself and makes durable by the routines, or by a wait, is
        there when what rests on it is: recovery must not be held against images without it."""
        for how, status in (("flush", 0), ("ranges", 0), ("msync", 0), ("again", 0), ("none", 1)):
            with self.subTest(how):
                result = command.run("crash", "--seed=1", "--report=json", "--stores=api",
                                     f"--keep={self.path('kept')}", "--",
                                     os.environ["POINTERS_BIN"], self.path(how), how)
                self.assertEqual(result.returncode, status, result.stderr)
                # Who explores what has just been recorded is told of the program, and its end.
                report = json.loads(result.stderr[result.stderr.index("{"):])
                self.assertEqual(report["program"][1:], [self.path(how), how])
                self.assertEqual(report["exit"], 0)
                told = "something was stored by no routine" in result.stderr
                self.assertEqual(told, how != "none", result.stderr)

    def test_content(self):
        """What the file held before is in the trace."""
        self.write("file", bytes(4096) + b"there" + bytes(4091))
        events = self.events(self.record())
        told = [event[:28] for event, _ in events if event.startswith("base ")]
        self.assertEqual(told, ["base 1 0x1000 4096 7468657265"[:28]])


if __name__ == "__main__":
    unittest.main()
