#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program may flush by instructions of its own, which nobody hears of: then what no routine
flushed is a note, and the run is not clean. Without such instructions it is an error as ever."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
PROGRAMS = os.environ.get("PAGES_PROGRAMS", ".")
INCOMPLETE = 125
NOT_JUDGED = "may have flushed that"


class OwnFlushTest(unittest.TestCase):
    def setUp(self):
        shared = "/dev/shm"
        parent = os.environ.get("NVRTL_TEST_DIR", shared if os.access(shared, os.W_OK) else None)
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=parent)
        self.addCleanup(shutil.rmtree, self.folder)

    def run_case(self, program, case, mode="right", stores="pages", domain="volatile!", options=()):
        output = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run(
            [NVRTL, "run", "--report=text,json", "--output", output, f"--stores={stores}", *options,
             "--", os.path.join(PROGRAMS, program), mode, os.path.join(output, "file"), case],
            env=dict(os.environ, NVRTL_DOMAIN=domain,
                     OWN_LIBRARY=os.path.join(PROGRAMS, "libown.so")),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
        with open(os.path.join(output, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual(report["exit"], 0, result.stderr)
        told = [(one["kind"], one["severity"], [span["offset"] for span in one["ranges"]])
                for one in report["findings"]]
        return told, result.returncode, " ".join(report.get("remarks", [])), result.stderr

    def check_noted(self, *job, where, **options):
        """The correct program: no more than a note, and the run says what it could not see."""
        told, status, remarks, text = self.run_case(*job, **options)
        self.assertEqual(told, [("unflushed-write", "note", [64])], text)
        self.assertEqual(status, INCOMPLETE, text)
        self.assertRegex(remarks, f"1 finding was not judged: {where} {NOT_JUDGED}")
        return text

    def check_error(self, *job, **options):
        """A flush that was forgotten where only routines flush."""
        told, status, remarks, text = self.run_case(*job, "wrong", **options)
        self.assertEqual(told, [("unflushed-write", "error", [64])], text)
        self.assertEqual(status, 1, text)
        self.assertNotIn(NOT_JUDGED, remarks)

    def test_own_instructions(self):
        where = r"clflush at own\.h:\d+ \(.*/own\)"
        for stores in ("pages", "pages=interval"):
            text = self.check_noted("own", "own", stores=stores, where=where)
            self.assertIn("flushed by no routine", text)
        for stores in ("pages", "api"):
            self.check_noted("own", "own_write", stores=stores, where=where)

    def test_a_program_that_has_them_and_flushes_by_routines(self):
        told, status, remarks, text = self.run_case("own", "routines")
        self.assertEqual((told, status), ([], 0), text)
        self.assertNotIn(NOT_JUDGED, remarks)

    def test_a_drain_is_still_asked_for(self):
        told, status, _, text = self.run_case("own", "undrained", "wrong")
        self.assertEqual(told, [("undrained-flush", "error", [192]),
                                ("unflushed-write", "note", [64])], text)
        self.assertEqual(status, 1, text)
        told, status, _, text = self.run_case("own", "undrained")
        self.assertEqual(told, [("unflushed-write", "note", [64])], text)

    def test_pages_that_only_a_wait_makes_durable(self):
        """There no instruction helps."""
        for options in (["--judge=page-cache"], ["--judge=actual"]):
            told, status, remarks, text = self.run_case("own", "own", domain="page-cache!",
                                                        options=options)
            self.assertEqual(told, [("unflushed-write", "error", [64])], text)
            self.assertEqual(status, 1, text)
            self.assertNotIn(NOT_JUDGED, remarks)

    def test_programs_without(self):
        """libnvrtl's own flushes are told by itself, wherever they lie."""
        for program in ("plain", "plain-static"):
            for stores in ("pages", "pages=interval"):
                self.check_error(program, "routines", stores=stores)

    def test_a_library_that_has_gone(self):
        self.check_noted("plain", "library", where=r"clflush at own\.h:\d+ \(.*/libown\.so\)")

    def test_code_made_at_run_time(self):
        self.check_noted("plain", "made",
                         where="code that was made at run time, or whose file is gone,")
        self.check_error("plain", "made_without")

    def test_a_library_beside_hooks(self):
        """Hooks tell what the program does; what a library flushes without is not seen."""
        self.check_noted("hooked", "library", stores="hooks",
                         where=r"clflush at own\.h:\d+ \(.*/libown\.so\)")
        told, status, _, text = self.run_case("hooked", "own", stores="hooks")
        self.assertEqual((told, status), ([], 0), text)
        self.check_error("hooked", "routines", stores="hooks")

    def test_parts_without_call_outs_beside_hooks(self):
        for program, case in (("hooked-mixed", "linked"), ("hooked-opaque", "own")):
            text = self.check_noted(program, case, stores="hooks",
                                    where=rf"clflush at own\.h:\d+ \(.*/{program}\)")
            self.assertIn("--audit", text)

    def test_a_fence_without_call_outs_beside_hooks(self):
        """It may have completed a flush that hooks have told of."""
        told, status, remarks, text = self.run_case("hooked-mixed", "linked_fence", stores="hooks")
        self.assertEqual(told, [("undrained-flush", "note", [64])], text)
        self.assertEqual(status, INCOMPLETE, text)
        self.assertRegex(remarks, r"1 finding was not judged: sfence at own\.h:\d+ "
                                  r"\(.*/hooked-mixed\) may have drained that")
        for mode, found in ("wrong", [("undrained-flush", "error", [64])]), ("right", []):
            told, status, _, text = self.run_case("hooked", "begun", mode, stores="hooks")
            self.assertEqual((told, status), (found, int(found != [])), text)

    def test_what_hooks_could_not_follow(self):
        """It is said, whatever is found."""
        for program, said in (("hooked-opaque", True), ("hooked", False)):
            told, status, remarks, text = self.run_case(program, "routines", stores="hooks")
            self.assertEqual((told, status), ([], 0), text)
            self.assertEqual(f"{program} does at 1 place is not seen" in remarks, said, text)
            self.assertEqual("the code counts its own bytes" in remarks, said, text)


if __name__ == "__main__":
    unittest.main()
