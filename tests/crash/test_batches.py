#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stores that are recorded several at once: with the values that they had, before whatever another
one may do who has seen them, and all of them however their process ends."""

import os
import pathlib
import re
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

BATCHES = os.environ["BATCHES_BIN"]
KILLED = 128 + signal.SIGKILL


def word(number):
    return number.to_bytes(8, "little").hex()


def counted(first, last, thread=1):
    """What the program's numbers are in the trace."""
    return [f"{thread} store 1 {8 * (i - 1):#x} 8 {word(i)}" for i in range(first, last + 1)]


class BatchesTest(command.FolderTest):
    def record(self, how, status=0, said="", thread=1):
        """Its events behind the first stores to its pages, without stacks."""
        trace = self.path("trace")
        pathlib.Path(self.path("file")).unlink(missing_ok=True)
        result = command.run("record", "-o", trace, "--", BATCHES, self.path("file"), how)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (status, "", said))
        dump = command.run("trace", "dump", trace)
        self.assertEqual((dump.returncode, dump.stderr), (0, ""))
        events = [re.sub(r" @\d+", "", line) for line in dump.stdout.splitlines()
                  if re.match(r"\d+ |mark ", line)]
        if thread is None:  # whichever it was
            events, thread = [re.sub(r"^\d+ ", "1 ", event) for event in events], 1
        self.assertEqual(sorted(events[:2]), [f"{thread} store 1 {at:#x} 8 {word(1)}"
                                              for at in (0x1ff8, 0xff8)])
        return events[2:]

    def test_overlap(self):
        self.assertEqual(self.record("overlap"), [
            "1 store 1 0x0 8 1111111111111111", "1 store 1 0x4 4 22222222",
            "1 store 1 0x0 4 33333333", "1 store 1 0x7 1 44",
            "1 store 1 0x0 8 5555555555555555", "1 store 1 0x1000 8 6666666666666666",
            "1 store 1 0x8 8 7777777777777777", "1 copy 1 0xe 4 88888888",
            "1 store 1 0x11 1 99"])  # fmt: skip

    def test_turns(self):
        """The order of a thread's stores is that of the program, whatever the page; and more than a
        batch has room for."""
        self.assertEqual(self.record("turns"),
                         [f"1 store 1 {(i % 3 == 0) * 0x1000 + 8 * i:#x} 8 {word(i)}"
                          for i in range(100)])

    def test_views(self):
        events = self.record("views")
        self.assertEqual([event for event in events if " store 1 0x0 " in event],
                         [f"1 store 1 0x0 8 {word(i)}" for i in range(1, 11)])

    def order(self, events, *wanted):
        """They come in this order, once each."""
        self.assertEqual([event for event in events if event in wanted], list(wanted), events)

    def test_another_stores(self):
        """Who comes to a page tells what waits there: but the last one, which may be still to come.
        That is told as soon as its thread is heard of."""
        for how in "stores", "child":
            with self.subTest(how):
                events = self.record(how)
                self.order(events, *counted(1, 9), f"2 store 1 0x0 8 {word(100)}")
                self.order(events, *counted(10, 10), f"1 store 1 0x1000 8 {word(300)}")
                self.order(events, *counted(10, 10), f"2 store 1 0x48 8 {word(200)}")
                self.assertEqual(len(events), 13, events)

    def test_another_flushes(self):
        events = self.record("flushes")
        self.order(events, *counted(1, 9), "2 flush 1 0x0 64",
                   "2 flush 1 0x40 64", "2 drain")
        self.order(events, *counted(1, 10))
        self.assertNotIn("unseen", "".join(events))

    def test_a_store_that_is_still_to_come(self):
        self.assertEqual(self.record("delays"), [*counted(1, 9), "2 flush 1 0x0 64",
                                                 "2 flush 1 0x40 64", "2 drain", *counted(10, 10)])

    def test_another_waits(self):
        events = self.record("waits")
        self.order(events, *counted(1, 9), "2 msync-begin 1 0x0 4096", "2 msync-end")
        self.order(events, *counted(1, 10))

    def test_another_unmaps(self):
        """What the last one has stored, which may have been still to come, is gone."""
        for how in "unmaps", "frees", "remaps":
            with self.subTest(how):
                events = self.record(how)
                self.assertEqual(events[:9], counted(1, 9))
                self.assertNotIn("eeee", "".join(events))
                self.assertNotIn("unseen", "".join(events))

    def test_something_else_lies_there(self):
        self.assertEqual(self.record("replaces"), counted(1, 10))

    def test_a_pipe_tells(self):
        self.order(self.record("writes"), *counted(1, 10), 'mark note 1 read')

    def test_a_lock_or_a_word_tells(self):
        """Even where it is not known what happened before what."""
        for how in "crowd", "flags":
            with self.subTest(how):
                events = self.record(how, thread=None)
                self.order(events, *counted(1, 10), "mark note 1 told")

    def test_a_child_sees(self):
        events = self.record("forks")
        self.order(events, *counted(1, 10), f"2 store 1 0x48 8 {word(200)}")

    def test_another_program_goes_on(self):
        """Nobody comes back to tell the last one."""
        events = self.record("becomes")
        self.assertEqual(events, [*counted(1, 10), f"2 store 1 0x0 8 {word(100)}"])

    def test_another_process_waits(self):
        events = self.record("survives", thread=2)
        self.order(events, *counted(1, 10, 2), "1 msync-begin 1 0x0 8192", "1 msync-end")

    def test_a_store_that_was_not_made(self):
        """The one at which the program was killed."""
        self.assertEqual(self.record("faults", 128 + signal.SIGSEGV), counted(1, 9))

    def test_ends(self):
        """A thread that is never heard of again."""
        for how, status in ("exit", 0), ("kill", KILLED):
            with self.subTest(how):
                self.assertEqual(self.record(how, status, thread=2), counted(1, 10, 2))

    def test_the_file_is_gone(self):
        """Then nobody can tell what a killed program had stored last, and that is said."""
        for how in "gone", "again":
            with self.subTest(how):
                said = "nvrtl: not all that the program did could be recorded\n"
                self.assertEqual(self.record(how, KILLED, said, 2), [])


if __name__ == "__main__":
    unittest.main()
