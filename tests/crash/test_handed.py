#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What one thread or process has stored and another one makes durable, or follows in its line, is
recorded in that order, in whatever way the one has let the other know: else a power cut could leave
what it cannot leave, and a correct program would be blamed."""

import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

HANDED = os.environ["HANDED_BIN"]


class HandedTest(command.FolderTest):
    def record(self, how, before, *wait, options=(), program=HANDED):
        """Its events, without threads, bytes and stacks."""
        trace = self.path("trace")
        pathlib.Path(self.path("file")).unlink(missing_ok=True)
        result = command.run("record", *options, "-o", trace, "--", program, self.path("file"),
                             how, before, *wait)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        dump = command.run("trace", "dump", trace).stdout
        return re.findall(r"^\d+ ([\w-]+(?: 1 0x[0-9a-f]+)?)", dump, re.MULTILINE)

    def test_order(self):
        for how in "create", "byte", "word", "child", "stays", "to-child", "line":
            for before in "none", "some", "wide":
                with self.subTest(how=how, before=before):
                    events = self.record(how, before)
                    store = "copy 1 0x40" if before == "wide" else "store 1 0x40"
                    then = (["store 1 0x48"] if how == "line" else
                            ["flush 1 0x40", "drain", "store 1 0x0", "flush 1 0x0", "drain"])
                    at = events.index(store)
                    self.assertEqual(events[at + 1:at + 1 + len(then)], then, events)
                    self.assertFalse([event for event in events if event.startswith("unseen")])

    def test_pages(self):
        """What a page of another process has got is found before the flush, or wait, that covers
        it: the kernel tells nothing of that."""
        for how in "child", "stays", "to-child":
            for wait in "none", "msync", "fsync":
                with self.subTest(how=how, wait=wait):
                    events = self.record(how, "none", wait, options=("--stores=pages=interval",),
                                         program=os.environ["HANDED_PLAIN"])
                    wanted = (["flush 1 0x40", "drain"] if wait == "none" else
                              ["msync-begin 1 0x0", "msync-end"])
                    at = events.index("found 1 0x40")
                    self.assertEqual(events[at + 1:at + 4], [*wanted, "found 1 0x0"], events)


if __name__ == "__main__":
    unittest.main()
