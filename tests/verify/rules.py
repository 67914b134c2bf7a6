# SPDX-License-Identifier: BSD-2-Clause
"""Runs the programs of a folder under the verifier, and holds what it says against what stands in
their sources."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import jsonschema

from expectations import Topic, read_kinds

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
PROGRAMS = os.environ.get("VERIFY_PROGRAMS", ".")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

KINDS = read_kinds(os.path.join(ROOT, "src/arena/kinds.def"))
with open(os.path.join(ROOT, "docs/nvrtl-report-1.schema.json"), encoding="utf-8") as schema_file:
    SCHEMA = jsonschema.Draft202012Validator(json.load(schema_file))

# Where not every thread begins in main.
THREADED = ("threads.c", "order.c", "hard.c", "extra.c")
USUAL = ("strict", "volatile")


def read_topics(folder, names):
    """The sources of these names in a folder."""
    return {name: Topic(os.path.join(folder, f"{name}.c"), KINDS) for name in names}


def find_builds(name):
    """The ways in which a program was built: "gcc-O2"."""
    return sorted(file[len(name) + 1:] for file in os.listdir(PROGRAMS)
                  if file.startswith(f"{name}-"))


def memory_folder():
    """A folder in memory, if there is one: the tests ask for many drains."""
    shared = "/dev/shm"
    return shared if os.access(shared, os.W_OK | os.X_OK) else None


class Run:
    """One run of a program under the verifier."""

    def __init__(self, folder, program, arguments, situation=USUAL, options=()):
        self.output = tempfile.mkdtemp(dir=folder)
        judge, domain = situation
        environment = dict(os.environ, NVRTL_DOMAIN=f"{domain}!")
        command = [NVRTL, "run", "--report=text,json", "--output", self.output,
                   f"--judge={judge}", *options, "--", os.path.join(PROGRAMS, program), *arguments]
        self.result = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, check=False)
        with open(os.path.join(self.output, "report.json"), encoding="utf-8") as file:
            self.report = json.load(file)

    def findings(self, source):
        """The findings as Topic.findings tells of them."""
        return sorted(self._finding(finding, source) for finding in self.report["findings"])

    @staticmethod
    def _finding(finding, source):
        at = finding["at"]
        line = at.get("line", 0) if os.path.basename(at.get("file", "")) == source else 0
        roles = {related["role"]: related.get("line", 0) for related in finding["related"]}
        functions = [frame.get("function") for frame in finding["stack"]]
        assert at == (finding["stack"][0] if finding["stack"] else {}), finding
        assert "main" not in functions[:-1], finding
        assert source in THREADED or functions[-1] == "main", finding
        return (line, finding["kind"], finding["severity"], finding["count"], at.get("function"),
                tuple(sorted(roles.items())))


class RulesCase(unittest.TestCase):
    """What a test of rules is made of. topics: by name; stores: what the source is to be."""

    topics = {}
    stores = "api"
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-",
                                       dir=os.environ.get("NVRTL_TEST_DIR", memory_folder()))
        self.addCleanup(shutil.rmtree, self.folder)

    def in_parallel(self, job, jobs):
        """Calls job for each of jobs, several at a time; then the checks that it returns, here."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for task, check in zip(jobs, pool.map(lambda one: job(*one), jobs)):
                with self.subTest(" ".join(map(str, task))):
                    check()

    def start(self, topic, case, wrong, build, situation, options=()):
        """Runs a case; returns the check of what came of it."""
        file = os.path.join(tempfile.mkdtemp(dir=self.folder), "file")
        mode = "wrong" if wrong else "right"
        run = Run(self.folder, f"{topic}-{build}", [mode, file, case], situation, options)
        return lambda: self.check(run, topic, case, wrong, situation)

    def check(self, run, topic, case, wrong, situation):
        wanted = self.topics[topic].findings(case, wrong, situation)
        self.assertEqual(run.findings(f"{topic}.c"), wanted,
                         run.result.stdout + run.result.stderr) # a seed stands in the first
        SCHEMA.validate(run.report)
        own = self.topics[topic].exit_status(case, wrong)
        errors = sum(severity == "error" for _, _, severity, *_ in wanted)
        self.assertEqual(run.report["exit"], own)
        self.assertEqual(run.result.returncode, own or int(errors != 0), run.result.stderr)
        summary = run.report["summary"]
        for name, count in summary.items():
            self.assertEqual(count, sum(severity == name for _, _, severity, *_ in wanted))
        self.assertEqual((run.report["judge"], run.report["stores"]), (situation[0], self.stores))
        self.check_text(run, topic, wanted)

    def check_text(self, run, topic, wanted):
        """The text says the same: kind and file.c:line stand in it unbroken."""
        with open(os.path.join(run.output, "report.txt"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn(text.strip(), run.result.stderr)
        for line, kind, severity, *_ in wanted:
            self.assertIn(f"[{kind}]", text)
            self.assertRegex(text, rf"(?m)\b{topic}\.c:{line}: {severity}:")
        if not wanted:
            self.assertRegex(text, r"^nvrtl: (clean|nothing to judge)")
