#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stores that are wrong in one way each: nvrtl crash finds it and names the lines, and finds
nothing in their correct twins. What is found is the same for any number of workers."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

STORES, CHECKER = os.environ["STORES_BIN"], os.environ["STORES_CHECKER"]
SOURCE = pathlib.Path(__file__).with_name("stores.c")


def expected():
    """case -> role -> line numbers; the role of the finding's own place is "at"."""
    lines = {}
    text = SOURCE.read_text()
    for comment in re.finditer(r"/\*(.*?)\*/", text[text.index("#include"):], re.DOTALL):
        start = text.index("#include") + comment.start()
        for role, case in re.findall(r"\b(at|early|missing|ack) ([a-z]+-[a-z-]+)", comment[1]):
            # The statement may have begun some lines before.
            code = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match[0]),
                          text[:start], flags=re.DOTALL).rstrip()
            first = max(code.rfind(end, 0, len(code) - 1) for end in ";{}") + 1
            first += len(code[first:]) - len(code[first:].lstrip())
            numbers = {text.count("\n", 0, at) + 1 for at in range(first, len(code))}
            lines.setdefault(case, {}).setdefault(role, set()).update(numbers)
    return lines


class StoresTest(command.FolderTest):
    def record(self, case, mode):
        trace = self.path(f"{case}-{mode}.trace")
        result = command.run("record", "-o", trace, "--", STORES, case, mode,
                             self.path(f"{case}-{mode}"), self.path(f"{case}-{mode}-2"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return trace

    def explore(self, trace, *options, check=CHECKER):
        result = command.run("crash", "--check", check, "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", *options, trace)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        return result.returncode, json.loads(result.stderr)

    def lines_of(self, place):
        """Where it is, or was called from: the statement's line in stores.c."""
        return {frame["line"] for frame in place.get("stack", []) if "line" in frame}

    def test_cases(self):
        wanted = expected()
        cases = subprocess.run([STORES], stdout=subprocess.PIPE, text=True, check=True)
        names = cases.stdout.split()
        self.assertGreaterEqual(len(names), 20)
        self.assertEqual(sorted(names), sorted(wanted))
        for case in names:
            options = ["--model=page"] if case.startswith("meta-") else []
            with self.subTest(case=case):
                status, report = self.explore(self.record(case, "right"), *options)
                self.assertEqual((status, report["findings"]), (0, []), report)
                status, report = self.explore(self.record(case, "wrong"), *options)
                self.assertEqual(status, 1, report)
                self.check(wanted[case], report["findings"])

    def load(self, program):
        """The trace of the small word store that puts sixteen words, four at a time."""
        words = self.write("words", "".join(f"word{i}\n" for i in range(1, 17)).encode())
        trace = self.path("words.trace")
        if os.path.exists(self.path("words.store")):
            os.remove(self.path("words.store"))
        result = command.run("record", "-o", trace, "--", program, self.path("words.store"), "load",
                             words)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return trace

    def test_wordstore(self):
        """The example survives each power cut, in its recovery too; its twin, which leaves out one
        flush, loses words when the log that has them is used again."""
        check = os.environ["WORDSTORE_CHECKER"]
        trace = self.load(os.environ["WORDSTORE"])
        for options in (("--exhaustive=1024",), ("--exhaustive=64", "--nested", "--images=20000")):
            status, report = self.explore(trace, *options, check=check)
            self.assertEqual((status, report["findings"]), (0, []), report)
            self.assertNotIn("not finished", " ".join(report["remarks"]))
        status, report = self.explore(self.load(os.environ["BROKEN"]), "--exhaustive=64",
                                      check=check)
        self.assertEqual(status, 1)
        source = SOURCE.parents[2] / "examples" / "wordstore" / "wordstore.c"
        lines = source.read_text().split("\n")
        finding = next(one for one in report["findings"] if "no drain stands" in one["message"])
        missing = next(one for one in finding["related"] if one["role"] == "missing")
        self.assertIn("store_set_commit", [frame.get("function") for frame in finding["stack"]])
        self.assertIn("RtlWriteNonVolatileMemory(token, slot,", lines[missing["line"] - 1])

    def check(self, wanted, findings):
        told = []
        for finding in findings:
            self.assertEqual(finding["kind"], "crash-inconsistency")
            places = {"at": self.lines_of(finding)}
            for related in finding["related"]:
                places.setdefault(related["role"], set()).update(self.lines_of(related))
            told.append((finding["message"], places))
            if all(lines & places.get(role, set()) for role, lines in wanted.items()):
                return
        self.fail(f"wanted {wanted}, told {told}")

    def test_workers(self):
        trace = self.record("commit-without-drain", "wrong")
        reports = [self.explore(trace, f"--jobs={jobs}") for jobs in (1, 2, 4)]
        self.assertEqual(reports[0], reports[1])
        self.assertEqual(reports[0], reports[2])

    def test_replay(self):
        trace = self.record("commit-without-drain", "wrong")
        _, report = self.explore(trace)
        replay = report["findings"][0]["replay"]
        result = subprocess.run(replay.replace("nvrtl ", f"'{command.NVRTL}' ", 1), shell=True,
                                stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout.strip()),
                         (1, "recovery fails (the checker returns 2)"))
        image = pathlib.Path(report["findings"][0]["image"]).read_bytes()
        self.assertEqual(len(image), 16384)

    def test_isolated(self):
        trace = self.record("commit-without-drain", "wrong")
        status, report = self.explore(trace, "--isolate", "--images=200")
        self.assertEqual(status, 1)
        self.assertTrue(report["findings"])


if __name__ == "__main__":
    unittest.main()
