#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each rule of the verifier has a program that breaks it and a twin that does not. What is to be
told of the first, at which line, stands in its source; of the second nothing is to be told."""

import unittest

from rules import HERE, KINDS, USUAL, RulesCase, find_builds, read_topics

SITUATIONS = [(judge, domain) for judge in ("strict", "memory", "actual", "page-cache")
              for domain in ("volatile", "page-cache")]
# Cases of these share a run; those of the others end it.
TOGETHER = ("stores", "tails", "drains", "streams", "calls", "redundant", "threads", "defaults",
            "notes", "failures")
ALONE = ("ends", "forks", "tokens")

builds = find_builds("stores")


class RulesTest(RulesCase):
    topics = read_topics(HERE, TOGETHER + ALONE + ("correct",))

    def test_the_usual_way_in_all_builds(self):
        self.assertEqual(len(builds), 4, builds)
        jobs = [(topic, "all", wrong, build, USUAL)
                for topic in TOGETHER for wrong in (True, False) for build in builds]
        jobs += [(topic, case, wrong, build, USUAL) for topic in ALONE
                 for case in self.topics[topic].cases for wrong in (True, False)
                 for build in builds]
        self.in_parallel(self.start, jobs)

    def test_every_judge_and_domain(self):
        jobs = [(topic, "all", wrong, builds[-1], situation)
                for topic in TOGETHER for wrong in (True, False)
                for situation in SITUATIONS if situation != USUAL]
        jobs += [(topic, case, wrong, builds[-1], situation)
                 for topic in ALONE for case in self.topics[topic].cases for wrong in (True, False)
                 for situation in (("strict", "page-cache"), ("actual", "page-cache"))]
        self.in_parallel(self.start, jobs)

    def test_correct_programs(self):
        jobs = []
        for case in self.topics["correct"].cases:
            for judge, domain in SITUATIONS:
                # A CPU's fence is every token's: of two in a row the second is for nothing.
                fences = judge in ("memory", "page-cache")
                options = ["--disable=redundant-drain"] if fences else []
                jobs.append(("correct", case, False, builds[-1], (judge, domain), options))
            jobs.append(("correct", case, False, builds[0], USUAL))
        self.in_parallel(self.start, jobs)

    def test_every_kind_is_here(self):
        """But for those that hooks or nvrtl crash show, and those that have to be asked for."""
        later = {"torn-commit", "unflushed-stream", "unpersisted-read", "overwritten-unflushed",
                 "crash-inconsistency"}
        here = {one.kind for topic in self.topics.values() for one in topic.expected}
        self.assertEqual(here, set(KINDS) - later)


if __name__ == "__main__":
    unittest.main()
