#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl report fix on the programs of this folder: for each mistake of which a call is missing it
makes a patch; patched, built anew and run again, the program is free of such findings, and what it
did right it still does."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
LIBRARY = os.environ.get("NVRTL_LIBRARY", "libnvrtl.so")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

KINDS = ("unflushed-write", "undrained-flush")
# Every topic that has findings of these kinds. Cases of some share a run, those of others end it.
TOGETHER = ("stores", "tails", "drains", "streams", "calls", "threads", "defaults", "notes")
ALONE = ("ends", "forks")
CASE = re.compile(r"^CASE\((\w+)\)", re.MULTILINE)


def is_told(finding):
    return finding["kind"] in KINDS and finding["severity"] in ("error", "warning")


class FixesTest(unittest.TestCase):
    def setUp(self):
        shared = "/dev/shm"
        usable = os.access(shared, os.W_OK | os.X_OK)
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir=os.environ.get(
            "NVRTL_TEST_DIR", shared if usable else None))
        self.addCleanup(shutil.rmtree, self.folder)

    def flatten(self, topic, folder):
        """The program with its macros expanded, as a person would write it: a fix is for calls that
        stand in the source. What <nvrtl.h> and the system define stays."""
        text = ""
        for name in ("program.h", f"{topic}.c"):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                text += file.read().replace('#include "program.h"', "")
        include = re.compile(r"^#include <.*>$", re.MULTILINE)
        bare = subprocess.run(["gcc", "-E", "-P", "-x", "c", "-"], input=include.sub("", text),
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        with open(os.path.join(folder, f"{topic}.c"), "w", encoding="utf-8") as file:
            file.write("\n".join(include.findall(text)) + "\n" + bare)

    def build(self, compiler, level, folder, topic):
        subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                        "-Wno-unused-function", "-g", level, f"-I{ROOT}/include",
                        f"{topic}.c", "-o", topic, LIBRARY,
                        f"-Wl,-rpath,{os.path.dirname(LIBRARY)}", "-pthread"],
                       cwd=folder, check=True)

    def run_case(self, folder, topic, mode, case, name):
        """The report of a run, and the file that it is in."""
        output = os.path.join(folder, f"{name}-{case}")
        environment = dict(os.environ, NVRTL_DOMAIN="volatile!")
        subprocess.run([NVRTL, "run", "--report=json", "--output", output, "--", f"./{topic}", mode,
                        f"{output}.file", case], cwd=folder, env=environment,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        path = os.path.join(output, "report.json")
        with open(path, encoding="utf-8") as file:
            return json.load(file), path

    def mend(self, topic, compiler, level):
        """Everything that is said of a program before and after it was patched."""
        folder = tempfile.mkdtemp(dir=self.folder)
        self.flatten(topic, folder)
        with open(os.path.join(HERE, f"{topic}.c"), encoding="utf-8") as file:
            cases = CASE.findall(file.read()) if topic in ALONE else ["all"]
        self.build(compiler, level, folder, topic)
        before = [self.run_case(folder, topic, "wrong", case, "before") for case in cases]
        fix = subprocess.run([NVRTL, "report", "fix", *(path for _, path in before)], cwd=folder,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        patch = subprocess.run(["patch", "-p1", "--fuzz=0"], cwd=folder, input=fix.stdout,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               check=False)
        self.build(compiler, level, folder, topic)
        after = [self.run_case(folder, topic, mode, case, mode)[0]
                 for mode in ("wrong", "right") for case in cases]
        return [report for report, _ in before], fix, patch, after

    def told(self, reports):
        return [finding["message"] for report in reports for finding in report["findings"]
                if is_told(finding)]

    def check(self, before, fix, patch, after):
        self.assertTrue(self.told(before))
        self.assertEqual((fix.returncode, fix.stderr), (0, ""))
        self.assertEqual((patch.returncode, patch.stdout.count("patching file")), (0, 1),
                         patch.stdout)
        self.assertEqual(self.told(after), [])
        self.assertEqual([report["exit"] for report in before],
                         [report["exit"] for report in after[:len(before)]])

    def test_every_topic(self):
        jobs = [(topic, compiler, level) for topic in TOGETHER + ALONE
                for compiler, level in (("gcc", "-O0"), ("clang", "-O2"))]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for job, result in zip(jobs, pool.map(lambda one: self.mend(*one), jobs)):
                with self.subTest(" ".join(job)):
                    self.check(*result)

    def test_every_topic_is_here(self):
        """But for those that have other kinds of findings alone."""
        other = {"tokens", "locks", "correct", "redundant", "failures"}
        there = {name[:-2] for name in os.listdir(HERE) if name.endswith(".c")}
        self.assertEqual(there - other, set(TOGETHER + ALONE))


if __name__ == "__main__":
    unittest.main()
