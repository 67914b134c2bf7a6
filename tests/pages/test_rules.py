#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What Write and Fill tell of is told by --stores=pages as without it."""

import unittest

from rules import HERE, USUAL, RulesCase, find_builds, read_topics

TOGETHER = ("stores", "tails", "drains", "streams", "calls", "redundant", "threads", "defaults",
            "notes", "failures")
ALONE = ("ends", "forks", "tokens")
SITUATIONS = (USUAL, ("memory", "volatile"), ("actual", "page-cache"), ("page-cache", "page-cache"))

BUILD = find_builds("stores")[-1]


class PagesRulesTest(RulesCase):
    topics = read_topics(HERE, TOGETHER + ALONE + ("correct",))
    stores = "pages"

    def start(self, topic, case, wrong, build, situation, options=()):
        return super().start(topic, case, wrong, build, situation, ["--stores=pages", *options])

    def test_the_rules(self):
        jobs = [(topic, "all", wrong, BUILD, situation)
                for topic in TOGETHER for wrong in (True, False) for situation in SITUATIONS]
        jobs += [(topic, case, wrong, BUILD, USUAL) for topic in ALONE
                 for case in self.topics[topic].cases for wrong in (True, False)]
        self.in_parallel(self.start, jobs)

    def test_correct_programs(self):
        fences = ["--disable=redundant-drain"]
        self.in_parallel(self.start, [
            ("correct", case, False, BUILD, situation, [] if situation[0] == "strict" else fences)
            for case in self.topics["correct"].cases for situation in SITUATIONS])


if __name__ == "__main__":
    unittest.main()
