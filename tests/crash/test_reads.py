#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""At crash points with too many images nvrtl crash varies what recovery reads: of a checker with
hooks line by line, so that all images are tried that it can tell apart; else page by page."""

import json
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

HOOKED, PLAIN = os.environ["READS_HOOKED"], os.environ["READS_CHECKER"]
HEAD = """nvrtl-trace-text/1
model x86 streams=drain
region 1 size 16384 line 64 domain memory at 0x200000000000 path /nowhere/file
"""
WAYS = ("words", "memcmp", "strlen", "memcpy", "atomic", "exchange", "others", "memchr", "abort")
CHAINS = ("chain", "chain-abort")


def trace(way, right, first=1):
    """Two lines, and the word that says so; with thirty others in flight on the same page."""
    drain = "1 drain\n" if right else ""
    data = "".join(f"1 copy 1 0x{64 * (first + i):x} 64 {'42' * 64}\n"
                   f"1 flush 1 0x{64 * (first + i):x} 64\n" for i in range(2))
    others = "".join(f"1 store 1 0x{64 * (8 + i):x} 8 0100000000000000\n" for i in range(30))
    return (HEAD + f"1 store 1 0x8 8 {(WAYS + CHAINS).index(way):02x}00000000000000\n"
            f"1 store 1 0x10 8 {first:02x}00000000000000\n1 flush 1 0x8 8\n1 drain\n" +
            others + data + drain + "1 store 1 0x0 8 0200000000000000\n1 flush 1 0x0 8\n1 drain\n")


class ReadsTest(command.FolderTest):
    def explore(self, events, check, *options):
        path = self.write("trace", events.encode())
        result = command.run("crash", f"--check={check}", "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", *options, path)
        self.assertIn(result.returncode, (0, 1, 3), result.stderr)
        return json.loads(result.stderr)

    def counts(self, report):
        return tuple(int(number) for number in re.search(
            r"(\d+) images checked at (\d+) crash points: all images of (\d+), "
            r"(?:of (\d+) all that the checker's code with hooks can tell apart, )?"
            r"a choice of (\d+)",
            report["remarks"][0]).groups(default=0))

    def test_exhausted(self):
        """With hooks all images are tried that can be told apart, and they are few. It is not said
        that all are: code without hooks might read more."""
        for way in ("words", "memcpy", "atomic", "exchange"):
            report = self.explore(trace(way, True), HOOKED)
            self.assertEqual(report["findings"], [], way)
            images, points, exhausted, apart, chosen = self.counts(report)
            self.assertEqual((exhausted + apart, chosen), (points, 0), way)
            self.assertGreater(apart, 0, way)
            self.assertLess(images, 2000, way)
        report = self.explore(trace("words", True), PLAIN, "--exhaustive=1024")
        self.assertEqual(report["findings"], [])
        self.assertEqual(self.counts(report)[3], 0)
        self.assertGreater(self.counts(report)[4], 0)

    def test_found(self):
        """Whatever it reads by, a line that only it looks at is varied."""
        for way in WAYS:
            for check in (HOOKED, PLAIN):
                report = self.explore(trace(way, False), check, "--exhaustive=1024")
                self.assertNotEqual(report["findings"], [], (way, check))
                report = self.explore(trace(way, True), check, "--exhaustive=1024")
                self.assertEqual(report["findings"], [], (way, check))

    def test_code_without_hooks(self):
        """What it reads on a page of its own counts as read, all of it. Where code with hooks does
        too nobody sees it; but other images are tried as well, and the point is not exhausted."""
        report = self.explore(trace("others", False), HOOKED)
        self.assertNotEqual(report["findings"], [])
        self.assertGreater(self.counts(report)[4], 0)
        report = self.explore(trace("others", False, first=64), HOOKED)
        self.assertIn("recovery fails (the checker returns 3)", report["findings"][0]["message"])
        self.assertGreater(self.counts(report)[0], 4096)

    def test_images_that_end_the_process(self):
        """What such an image would have made recovery read is not known: a choice."""
        report = self.explore(trace("abort", False), HOOKED)
        self.assertIn("killed by signal 6", report["findings"][0]["message"])
        self.assertGreater(self.counts(report)[4], 0)
        report = self.explore(trace("abort", True), HOOKED)
        self.assertEqual((report["findings"], self.counts(report)[4]), ([], 0))

    def test_lines_that_lead_to_lines(self):
        """A line joins once another one's content makes recovery look at it, and so on; that of
        which nobody knows where it would have led is a choice."""
        for way, words in (("chain", "the checker returns 4"), ("chain-abort", "signal 6")):
            report = self.explore(trace(way, True), HOOKED)
            self.assertIn(words, report["findings"][0]["message"])
            self.assertLess(self.counts(report)[0], 4096)
            self.assertEqual(self.counts(report)[4] > 0, way == "chain-abort", report["remarks"])

    def test_same_however_it_is_done(self):
        events = trace("memcmp", False) + trace("words", True)[len(HEAD):]
        whole = self.explore(events, HOOKED, "--exhaustive=64")
        for jobs in (1, 4):
            report = self.explore(events, HOOKED, "--exhaustive=64", f"--jobs={jobs}")
            self.assertEqual(report, whole)
        state, report = self.path("state"), None
        while not os.path.exists(state) or "pass 2 " not in self.read("state").decode():
            report = self.explore(events, HOOKED, "--exhaustive=64", "--images=7",
                                  f"--resume={state}")
        self.assertEqual(report, whole)


if __name__ == "__main__":
    unittest.main()
