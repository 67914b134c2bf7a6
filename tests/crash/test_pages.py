#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that map a file and wait for it by themselves, recorded under --watch: what recovery
does not survive is found, with the lines; in their correct twins nothing is."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

PAGES, CHECKER = os.environ["PAGES_BIN"], os.environ["PAGES_CHECKER"]
SOURCE = pathlib.Path(__file__).with_name("pages.c").read_text().split("\n")


def expected(case):
    """role -> line, by the comments; the finding's own place is "at"."""
    return {match[1]: number for number, line in enumerate(SOURCE, 1)
            if (match := re.search(rf"/\* at {case}: (\w+) \*/", line))}


def lines_of(place):
    return [frame.get("line") for frame in place["stack"]]


class PagesTest(command.FolderTest):
    def record(self, case, mode, *options):
        trace, file = self.path(f"{case}-{mode}.trace"), self.path(f"{case}-{mode}")
        result = command.run("record", "-o", trace, *(options or (f"--watch={file}",)), "--", PAGES,
                             mode, file, case)
        self.assertEqual((result.returncode, result.stderr), (0, ""), case)
        return trace

    def explore(self, trace, *options):
        result = command.run("crash", "--check", CHECKER, "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", *options, trace)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        return result.returncode, json.loads(result.stderr)["findings"]

    def test_watched(self):
        for case in ("meta", "written", "synced", "ordered"):
            with self.subTest(case=case):
                self.assertEqual(self.explore(self.record(case, "right")), (0, []))
                status, findings = self.explore(self.record(case, "wrong"))
                self.assertEqual(status, 1)
                self.check(expected(case), findings)

    def check(self, wanted, findings):
        told = []
        self.assertTrue(wanted)
        for finding in findings:
            places = {"at": lines_of(finding)}
            for one in finding["related"]:
                places.setdefault(one["role"], []).extend(lines_of(one))
            told.append((finding["message"], places))
            if all(line in places.get(role, []) for role, line in wanted.items()):
                return
        self.fail(f"wanted {wanted}, told {told}")

    def test_interval(self):
        """What the routines' regions get through pointers is found at each drain."""
        for mode in "right", "wrong":
            file = self.path(f"pair-{mode}")
            trace = self.path(f"pair-{mode}.trace")
            result = command.run("record", "--stores=pages=interval", "-o", trace, "--",
                                 os.environ["INTERVAL_BIN"], file, mode)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            status, findings = self.explore(trace, "--model=x86")
            self.assertEqual(status, int(mode == "wrong"), findings)
            if mode == "wrong":
                self.assertIn("what was stored before interval.c:", findings[0]["message"])

    def test_program(self):
        """A program in place of a trace is recorded, and its images are looked at."""
        file, kept = self.path("file"), self.path("kept")
        for mode in "right", "wrong":
            result = command.run("crash", "--check", CHECKER, f"--watch={file}", "--report=json",
                                 f"--keep={kept}", "--seed=1", "--", PAGES, mode, file, "meta")
            self.assertEqual(result.returncode, int(mode == "wrong"), result.stderr)
            os.remove(file)
            self.assertEqual(os.path.exists(kept), mode == "wrong")  # nothing to keep
        replay = json.loads(result.stderr)["findings"][0]["replay"]
        again = subprocess.run(replay.replace("nvrtl ", f"'{command.NVRTL}' ", 1), shell=True,
                               stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual((again.returncode, again.stdout),
                         (1, "recovery fails (the checker returns 2)\n"))
        # Without a check it has to recover by itself.
        result = command.run("crash", f"--keep={kept}", "--watch", file, "--", PAGES, "wrong", file,
                             "meta")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_wrong_usage(self):
        for words in (["--watch=x", "trace"], ["--check=c"],
                      ["--stores=api", "--watch=x", "--", "p"],
                      ["--check=c", "--replay=1:full", "--", "p"]):
            result = command.run("crash", *words)
            self.assertEqual(result.returncode, 2, words)

    def test_cut(self):
        """The same stores by random cuts: over views that are watched, and by intervals."""
        file, interval = self.path("cut"), os.environ["INTERVAL_BIN"]
        programs = [(f"--watch={file}", PAGES, "{}", file, "meta"),
                    (f"--watch={file}", PAGES, "{}", file, "written"),
                    ("--stores=pages=interval", interval, file, "{}")]
        for option, *program in programs:
            for mode in "right", "wrong":
                result = command.run("cut", "--runs=60", "--seed=5", option,
                                     f"--keep={self.path('kept')}", f"--reset=rm -f {file}",
                                     f"--check={os.environ['PAGES_RUN']} {{}}", "--",
                                     *(word.format(mode) for word in program))
                self.assertEqual(result.returncode, int(mode == "wrong"),
                                 (program, mode, result.stdout, result.stderr))
                if mode == "wrong":
                    self.assert_cut_again(result.stdout)

    def assert_cut_again(self, told):
        """The printed replay cuts at the same place, and recovery fails in the same way."""
        replay = told[told.index("    nvrtl cut "):].strip()
        again = subprocess.run(replay.replace("nvrtl ", f"'{command.NVRTL}' ", 1), shell=True,
                               cwd=self.folder, capture_output=True, text=True, timeout=60,
                               check=False)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertEqual(again.stdout.splitlines()[:2], told.splitlines()[:2])

    def test_cuts_of_a_program_that_has_nothing_left_to_do(self):
        file = self.path("done")
        result = command.run("cut", "--runs=6", f"--watch={file}", "--check=true", "--",
                             PAGES, "right", file, "none")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("6 cuts met no store in flight: without --reset ", result.stdout)


if __name__ == "__main__":
    unittest.main()
