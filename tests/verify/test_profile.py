#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a profile counts of programs whose stores and flushes are known, and that each format and
every merge says the same of it."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from rules import NVRTL, SCHEMA, Run, find_builds, memory_folder

COUNTS = ("stores", "bytes", "flushes", "lines", "pages", "dirty", "drains")


def counts_of(place):
    return tuple(place[name] for name in COUNTS)


class ProfileTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=memory_folder())
        self.addCleanup(shutil.rmtree, self.folder)

    def run_case(self, program, case, mode="right", options=("--profile",), domain="memory"):
        run = Run(self.folder, f"{program}-{find_builds(program)[-1]}",
                  [mode, os.path.join(self.folder, "file"), case], ("strict", domain), options)
        SCHEMA.validate(run.report)
        return run

    def profile(self, *arguments, **options):
        return self.run_case(*arguments, **options).report["profile"]

    def test_counts(self):
        profile = self.profile("stores", "many_times")
        self.assertEqual(counts_of(profile), (50, 400, 50, 50, 50, 400, 50))
        self.assertEqual((profile["lineFactor"], profile["pageFactor"]), (8.0, 512.0))
        by_count = sorted(profile["sites"], key=lambda site: -site["stores"])
        self.assertEqual([counts_of(site) for site in by_count],
                         [(50, 400, 0, 0, 0, 0, 0), (0, 0, 50, 50, 50, 400, 50)])
        self.assertEqual({site["at"]["function"] for site in by_count}, {"many_times"})

    def test_pages(self):
        """Flushes are counted as well where each is worked off later, as a rule."""
        profile = self.profile("stores", "many_times", options=("--profile", "--stores=pages"))
        self.assertEqual([profile[name] for name in ("flushes", "lines", "pages", "drains")],
                         [50] * 4)

    def test_what_is_flushed_in_vain(self):
        """A flush of clean lines writes back as much, for nothing."""
        wrong, right = (self.profile("redundant", "flush_of_what_is_durable", mode)
                        for mode in ("wrong", "right"))
        self.assertEqual(wrong["dirty"], right["dirty"])
        self.assertGreater(wrong["lines"], right["lines"])
        self.assertGreater(wrong["lineFactor"], right["lineFactor"])

    def test_streams(self):
        """They write their lines themselves; a flush beside them has the other bytes alone."""
        profile = self.profile("streams", "beside_a_cached_store")
        self.assertEqual([profile[name] for name in ("stores", "bytes", "lines", "dirty")],
                         [2, 16, 2, 16])

    def test_times(self):
        profile = self.profile("stores", "many_times")
        costs, what_if = profile["costs"], profile["whatIf"]
        self.assertAlmostEqual(sum(site["share"] for site in profile["sites"]), 1, delta=0.01)
        self.assertAlmostEqual(profile["time"], sum(site["time"] for site in profile["sites"]),
                               delta=1)
        self.assertAlmostEqual(what_if["memory"], 50 * (costs["line"] + costs["drain"]), delta=1)
        self.assertAlmostEqual(what_if["cpu-cache"], 50 * costs["fence"], delta=1)
        self.assertAlmostEqual(profile["time"], what_if["memory"], delta=1)
        if "page-cache" in what_if:
            self.assertAlmostEqual(what_if["page-cache"], 50 * (costs["page"] + costs["wait"]),
                                   delta=1)

    def test_each_file_by_its_domain(self):
        for domain, name in (("memory", "memory"), ("cpu-cache", "cpu-cache"),
                             ("volatile", "memory"), ("page-cache", "page-cache")):
            profile = self.profile("stores", "plain_write", domain=domain)
            self.assertEqual({site["domain"] for site in profile["sites"]}, {name})

    def test_only_where_it_is_asked_for(self):
        self.assertNotIn("profile", self.run_case("stores", "many_times", options=()).report)

    def test_findings_are_the_same(self):
        for options in (), ("--profile",):
            for stores in "api", "pages":
                run = self.run_case("stores", "many_times", "wrong",
                                    (*options, f"--stores={stores}"))
                self.assertEqual([(one["kind"], one["count"]) for one in run.report["findings"]],
                                 [("unflushed-write", 50)], run.result.stderr)

    def report(self, *arguments):
        return subprocess.run([NVRTL, "report", *arguments], capture_output=True, text=True,
                              check=True, cwd=self.folder).stdout

    def test_formats_and_merge(self):
        run = self.run_case("stores", "many_times")
        file = os.path.join(run.output, "report.json")
        profile = run.report["profile"]
        again = json.loads(self.report("json", file))["profile"]
        self.assertEqual(again, profile)
        both = json.loads(self.report("merge", file, file))
        SCHEMA.validate(both)
        self.assertEqual(counts_of(both["profile"]), tuple(2 * one for one in counts_of(profile)))
        self.assertEqual(len(both["profile"]["sites"]), len(profile["sites"]))
        with open(os.path.join(run.output, "report.txt"), encoding="utf-8") as text_file:
            text = text_file.read()
        for wanted in ("profile:", "400 bytes stored by 50 stores", "stores.c:"):
            self.assertIn(wanted, text)
        self.assertIn("400 bytes stored by 50 stores", self.report("text", file))
        self.assertIn("<h2>Profile</h2>", self.report("html", file))

    def test_damaged(self):
        run = self.run_case("stores", "many_times")
        for name, value in (("time", -1), ("stores", "many"), ("sites", {}), ("costs", None)):
            report = json.loads(json.dumps(run.report))
            report["profile"][name] = value
            file = os.path.join(self.folder, "damaged.json")
            with open(file, "w", encoding="utf-8") as out:
                json.dump(report, out)
            result = subprocess.run([NVRTL, "report", "text", file], capture_output=True,
                                    text=True, check=False)
            self.assertEqual(result.returncode, 2, name)
            self.assertIn(f"profile.{name}", result.stderr)


if __name__ == "__main__":
    unittest.main()
