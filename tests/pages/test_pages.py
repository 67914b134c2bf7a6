#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each mistake of direct.c is told of at the right bytes, its twin is not; what harmless.c does
goes on as it would without the verifier."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
PROGRAMS = os.environ.get("PAGES_PROGRAMS", ".")
HERE = os.path.dirname(os.path.abspath(__file__))
UNFLUSHED = ("unflushed-write", "error")
# By case: kind, severity, count and the first ranges of what is to be told of the wrong program.
EXPECTED = {
    "forgotten": (*UNFLUSHED, 1, [(64, 8)]),
    "second_line": (*UNFLUSHED, 1, [(64, 40)]),
    "never_drained": ("undrained-flush", "error", 1, [(128, 8)]),
    "stored_again": (*UNFLUSHED, 1, [(136, 8)]),
    "asserted": (*UNFLUSHED, 1, [(512, 8)]),
    "beside_write": (*UNFLUSHED, 1, [(16, 8)]),
    "ignored": (*UNFLUSHED, 1, [(64, 8)]),
    "flushed_twice": ("redundant-flush", "performance", 1, []),
    "drained_twice": ("redundant-drain", "performance", 1, []),
    "old_content": (*UNFLUSHED, 1, [(5000, 1)]),
    "read_into": (*UNFLUSHED, 1, [(200, 16)]),
    "written_beside": (*UNFLUSHED, 1, [(12280, 8)]),
    "two_views": (*UNFLUSHED, 1, [(64, 8)]),
    "two_tokens": (*UNFLUSHED, 1, [(64, 8)]),
    "by_a_thread": (*UNFLUSHED, 1, [(64, 8)]),
    "shared_lines": (*UNFLUSHED, 1, [(8192, 8)]),
    "handed_over": (*UNFLUSHED, 1, [(8, 8)]),
    "taken_over": ("undrained-flush", "error", 1, [(1024, 8)]),
    "looked_at_meanwhile": (*UNFLUSHED, 1, [(4096, 8)]),
    "place_of_another": ("redundant-flush", "performance", 1, []),
    "after_fork": (*UNFLUSHED, 1, [(64, 8)]),
    "of_a_child": (*UNFLUSHED, 1, [(72, 8)]),
    "in_a_handler": (*UNFLUSHED, 1, [(1024, 8)]),
    "many_lines": (*UNFLUSHED, 1, [(4160, 2)]),
    "many_flushes": ("undrained-flush", "error", 1024, [(1, 1), (65, 1), (129, 1)]),
    "two_tokens_pending": ("undrained-flush", "warning", 1, [(64, 8)]),
    "partly_unmapped": (*UNFLUSHED, 2, [(24576, 8), (65528, 8)]),
    "forgotten_pages": (*UNFLUSHED, 16, [(8, 8), (4104, 8), (8200, 8)]),
}


def cases(name):
    with open(os.path.join(HERE, f"{name}.c"), encoding="utf-8") as file:
        return re.findall(r'\{"(\w+)",', file.read())


class PagesTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        shared = "/dev/shm"
        parent = os.environ.get("NVRTL_TEST_DIR", shared if os.access(shared, os.W_OK) else None)
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=parent)
        self.addCleanup(shutil.rmtree, self.folder)

    def run_case(self, program, mode, case, *options, stores="pages"):
        output = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run(
            [NVRTL, "run", "--report=text,json", "--output", output, f"--stores={stores}", *options,
             "--", os.path.join(PROGRAMS, program), mode, os.path.join(output, "file"), case],
            env=dict(os.environ, NVRTL_DOMAIN="volatile!"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, check=False, timeout=120)
        with open(os.path.join(output, "report.json"), encoding="utf-8") as file:
            return json.load(file), result.stderr

    @staticmethod
    def told(report):
        return [(one["kind"], one["severity"], one["count"],
                 [(span["offset"], span["length"]) for span in one["ranges"]][:3])
                for one in report["findings"]]

    def in_parallel(self, jobs, check):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = [(job, pool.submit(self.run_case, *job)) for job in jobs]
            for job, future in futures:
                with self.subTest(" ".join(job)):
                    report, text = future.result()
                    check(job, report, text)

    def check_direct(self, job, report, text):
        _, mode, case = job[:3]
        self.assertEqual(report["exit"], 0, text)
        self.assertNotIn("not seen", " ".join(report["remarks"][:-1]))
        self.assertEqual(self.told(report), [EXPECTED[case]] if mode == "wrong" else [], text)

    def test_direct_stores(self):
        jobs = [("direct", mode, case) for case in cases("direct") for mode in ("wrong", "right")]
        self.in_parallel(jobs, self.check_direct)

    def test_sanitizers(self):
        """They want to be loaded first, and have names that the runtime has for its hooks."""
        jobs = [(f"direct-{sanitizer}", mode, "forgotten") for mode in ("wrong", "right")
                for sanitizer in ("address", "thread")]
        self.in_parallel(jobs, self.check_direct)

    def check_harmless(self, job, report, text):
        _, mode, case = job
        killed = case == "killed" and mode == "wrong"
        self.assertEqual(report["exit"], 137 if killed else 0, text)
        notes = [("undrained-flush", "note", 1, [(64, 8)])] if killed else []
        self.assertEqual(self.told(report), notes, text)

    def test_harmless_programs(self):
        jobs = [("harmless", "right", case) for case in cases("harmless")]
        self.in_parallel(jobs + [("harmless", "wrong", "killed")], self.check_harmless)

    def test_intervals(self):
        """pages=interval names the calls before and after a store."""
        report, text = self.run_case("direct", "wrong", "forgotten", stores="pages=interval")
        self.assertEqual(self.told(report), [EXPECTED["forgotten"]], text)
        self.assertRegex(report["findings"][0]["message"],
                         r"^8 bytes at 0x40 stored directly between the calls at "
                         r"direct\.c:\d+ and direct\.c:\d+ were never flushed$")
        for case in ("forgotten", "stored_again", "two_tokens", "shared_lines", "many_flushes",
                     "looked_at_meanwhile"):
            report, text = self.run_case("direct", "right", case, stores="pages=interval")
            self.assertEqual(self.told(report), [], text)
        report, text = self.run_case("direct", "wrong", "stored_again", stores="pages=interval")
        self.assertEqual(self.told(report), [EXPECTED["stored_again"]], text)

    def test_the_words(self):
        report, text = self.run_case("direct", "wrong", "forgotten")
        finding = report["findings"][0]
        self.assertRegex(finding["message"], "^8 bytes at 0x40 stored directly near what the "
                                             r"call at direct\.c:\d+ is about were never flushed$")
        self.assertIn("never flushed", text)
        report, _ = self.run_case("direct", "wrong", "never_drained")
        self.assertRegex(report["findings"][0]["message"],
                         r"^8 bytes stored directly: the flush at direct\.c:\d+ was never "
                         "completed by a drain$")
        self.assertIn("one that stores what is there already is not", report["remarks"][-1])


if __name__ == "__main__":
    unittest.main()
