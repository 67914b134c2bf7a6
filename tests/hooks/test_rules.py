#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs with hooks: what they do wrong is told at its line, whatever compiler built them, and
how; of what they do right nothing is said."""

import os
import unittest

from rules import HERE as THEIRS
from rules import USUAL, RulesCase, Run, find_builds, read_topics

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = tuple(name for name in ("direct", "copies", "outputs", "commits", "order", "hard",
                              "instructions") if find_builds(name))
EXTRA = ("overwritten-unflushed", "unpersisted-read")
PLACED = tuple(name for name in ("placed",) if find_builds(name))
# Of tests/verify, where nothing is stored but by the routines.
SHARED = ("stores", "tails", "drains", "streams", "calls", "redundant", "threads", "defaults",
          "notes")
ALONE = ("ends", "forks", "tokens")


class HooksTest(RulesCase):
    stores = "hooks"

    def setUp(self):
        super().setUp()
        self.topics = read_topics(HERE, OWN + PLACED + ("extra",))
        self.topics |= read_topics(THEIRS, SHARED + ALONE + ("correct",))

    def test_stores_of_the_program(self):
        builds = find_builds("direct")
        self.assertEqual(len(builds), 6, builds)
        self.in_parallel(self.start, [(topic, "all", wrong, build, USUAL, ["--streams=drain"])
                                      for topic in OWN for wrong in (True, False)
                                      for build in builds])

    def test_beside_files_that_are_watched(self):
        """Then a library stands between the program and the hooks of libc's functions; the lines
        are the program's all the same."""
        options = ["--stores=hooks", "--streams=drain", "--watch=/nowhere"]
        self.in_parallel(self.start, [("copies", "all", wrong, build, USUAL, options)
                                      for wrong in (True, False)
                                      for build in find_builds("copies")])

    def test_what_has_to_be_asked_for(self):
        options = [f"--enable={kind}" for kind in EXTRA]
        self.in_parallel(self.start, [("extra", "all", wrong, build, USUAL, options)
                                      for wrong in (True, False)
                                      for build in find_builds("extra")])
        run = Run(self.folder, f"extra-{find_builds('extra')[0]}",
                  ["wrong", os.path.join(self.folder, "file"), "all"])
        self.assertEqual(run.report["findings"], [], run.result.stderr)

    def test_profile(self):
        """The program's own stores, flushes and fences are counted too."""
        run = Run(self.folder, f"extra-{find_builds('extra')[0]}",
                  ["right", os.path.join(self.folder, "file"), "stored_again"],
                  ("strict", "memory"), ["--profile"])
        names = ("stores", "bytes", "flushes", "lines", "pages", "dirty", "drains")
        self.assertEqual([run.report["profile"][name] for name in names], [2, 16, 2, 2, 2, 16, 2])
        for topic in PLACED:
            run = Run(self.folder, f"{topic}-{find_builds(topic)[0]}",
                      ["wrong", os.path.join(self.folder, "file"), "drained"],
                      ("strict", "memory"), ["--profile"])
            self.assertEqual([run.report["profile"][name] for name in names],
                             [1, 8, 0, 1, 1, 8, 1])

    def test_streams_in_place(self):
        """What is drained and not written back is a warning; where a CPU's vendor documents it as
        durable it is none, and what is right in place is right there."""
        jobs = [(topic, "all", wrong, build, USUAL, ["--streams=inplace"])
                for topic in PLACED for wrong in (True, False) for build in find_builds(topic)]
        self.in_parallel(self.start, jobs)
        for topic in PLACED:
            for mode in "wrong", "right":
                run = Run(self.folder, f"{topic}-{find_builds(topic)[0]}",
                          [mode, os.path.join(self.folder, "file"), "all"],
                          options=["--streams=drain"])
                kinds = {one["kind"] for one in run.report["findings"]}
                self.assertEqual(kinds, {"undrained-flush", "unflushed-write"}
                                 if mode == "wrong" else set(), run.result.stderr)

    def test_streams_by_the_cpu(self):
        """Intel documents that a streaming store is durable when it is drained."""
        with open("/proc/cpuinfo", encoding="ascii") as file:
            warned = [] if "GenuineIntel" in file.read() else ["unflushed-stream"]
        for topic in PLACED:
            run = Run(self.folder, f"{topic}-{find_builds(topic)[0]}",
                      ["wrong", os.path.join(self.folder, "file"), "drained"])
            self.assertEqual([one["kind"] for one in run.report["findings"]], warned)
            self.assertEqual(run.result.returncode, 0)

    def test_the_routines_in_programs_with_hooks(self):
        builds = find_builds("stores")
        jobs = [(topic, "all", wrong, build, USUAL)
                for topic in SHARED for wrong in (True, False) for build in builds]
        jobs += [(topic, case, wrong, build, USUAL) for topic in ALONE
                 for case in self.topics[topic].cases for wrong in (True, False)
                 for build in builds]
        self.in_parallel(self.start, jobs)

    def test_commit_of_several_places(self):
        run = Run(self.folder, f"commits-{find_builds('commits')[0]}",
                  ["wrong", os.path.join(self.folder, "file"), "of_several_places"])
        with open(os.path.join(HERE, "commits.c"), encoding="utf-8") as file:
            lines = file.read().split("\n")
        first = lines.index("CASE(of_several_places) {")
        one, two, three = (f"commits.c:{first + after}" for after in (4, 5, 7))
        (finding,) = run.report["findings"]
        self.assertIn(f"commits 24 bytes stored at {one}, {two} and {three} before they are "
                      "flushed", finding["message"])
        self.assertIn(f"stored at {one}, {two} and {three} and drain", finding["mend"])

    def test_what_nobody_sees(self):
        """It has no place in the program, and is no more than a warning."""
        for case, kind in (("by_the_kernel", "unflushed-write"), ("undrained", "undrained-flush"),
                           ("between_tokens", None), ("where_nobody_stores", "unflushed-write"),
                           ("before_a_store", "unflushed-write"),
                           ("over_content", "unflushed-write"), ("cut_off", None),
                           ("cut_off_unseen", None),
                           ("by_a_descriptor", None), ("beside_a_token", "unflushed-write"),
                           ("after_many_waits", None),
                           ("at_the_end", "unflushed-write"),
                           ("after_a_fork", "unflushed-write"), ("flushed_by_a_child", None),
                           ("waited_for", "unflushed-write"),
                           ("waited_for_by_file", "unflushed-write")):
            for mode in "wrong", "right":
                run = Run(self.folder, f"unseen-{find_builds('unseen')[0]}",
                          [mode, os.path.join(self.folder, "file"), case])
                wanted = [(kind, "warning")] if kind and mode == "wrong" else []
                self.assertEqual([(one["kind"], one["severity"])
                                  for one in run.report["findings"]
                                  if one["kind"] != "leaked-token"], wanted, run.result.stderr)
                self.assertEqual(run.result.returncode, 0)
                if wanted:
                    self.assertIn("does not see", " ".join(run.result.stderr.split()))

    def test_correct_programs(self):
        self.in_parallel(self.start, [("correct", case, False, build, USUAL)
                                      for case in self.topics["correct"].cases
                                      for build in find_builds("correct")])


if __name__ == "__main__":
    unittest.main()
