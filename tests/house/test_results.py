#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tools/test.sh is green only when everything was built, run and passed, says so in its last line,
and tells what was skipped inside of tests."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"
STAGES = ("dev", "asan-ubsan", "tsan")
PASSED = '<testcase name="good" status="run"><system-out>{}</system-out></testcase>'

CMOCKA = """[==========] Running 2 test(s).
[ RUN      ] test_one
[  SKIPPED ] test_one
[ RUN      ] test_two
[       OK ] test_two
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] test_one
"""
UNITTEST = """test_one (__main__.Case) ... ok
test_two (__main__.Case)
What it shows. ... skipped 'no name spaces'
test_three (__main__.Case)
What that shows. ... ok
test_four (__main__.Case) ... skipped "it's late"

----------------------------------------------------------------------
Ran 4 tests in 0.001s

OK (skipped=2)
"""

# Imitations of cmake and ctest: the one fails if it is told to, the other leaves what lies in
# $RESULTS for its preset.
CMAKE = """#!/bin/sh
[ ! -e "$BROKEN" ] || { echo "it does not compile"; exit 1; }
"""
CTEST = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in --preset) preset=$2 ;; --output-junit) junit=$2 ;; esac
    shift
done
[ ! -e "$RESULTS/$preset.xml" ] || cp "$RESULTS/$preset.xml" "$junit"
exit "$(cat "$RESULTS/$preset.status")"
"""


class ResultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        shutil.copytree(TOOLS, self.root / "tools")
        self.program("tools/deps.sh", "#!/bin/sh\nexit 0\n")
        self.program("bin/cmake", CMAKE)
        self.program("bin/ctest", CTEST)
        for stage in STAGES:
            self.leave(stage, PASSED.format("") * 2)

    def program(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def leave(self, stage, cases, status=0):
        """What ctest will leave of a stage."""
        folder = self.root / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{stage}.xml").write_text(f"<testsuite>{cases}</testsuite>")
        (folder / f"{stage}.status").write_text(str(status))

    def run_all(self):
        """(exit status, last line, everything) of tools/test.sh."""
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "RESULTS": str(self.root / "results"),
                       "BROKEN": str(self.root / "broken")}
        result = subprocess.run(["bash", self.root / "tools/test.sh"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=environment, check=False)
        return result.returncode, result.stdout.splitlines()[-1], result.stdout

    def assert_red(self, last, *words):
        status, line, text = self.run_all()
        self.assertEqual((status, line), (1, last), text)
        for word in words:
            self.assertIn(word, text)

    def test_all_passed(self):
        status, line, text = self.run_all()
        self.assertEqual((status, line), (0, "6 passed, 0 failed"), text)
        self.assertNotIn("kipped", text)

    def test_one_failed(self):
        self.leave("dev", PASSED.format("") + '<testcase name="bad" status="fail"/>', 8)
        self.assert_red("5 passed, 1 failed", "dev: bad: fail")

    def test_one_did_not_run(self):
        self.leave("tsan", PASSED.format("") + '<testcase name="off" status="disabled"/>', 0)
        self.assert_red("5 passed, 1 failed", "tsan: off: disabled")

    def test_build_fails(self):
        (self.root / "broken").touch()
        self.assert_red("0 passed, 3 failed", "it does not compile", "dev: no results")

    def test_a_stage_without_tests(self):
        self.leave("asan-ubsan", "", 8)
        self.assert_red("4 passed, 1 failed", "asan-ubsan: no tests")

    def test_results_are_cut_off(self):
        (self.root / "results/dev.xml").write_text("<testsuite><testcase")
        self.assert_red("4 passed, 1 failed", "dev: no results")

    def test_ctest_fails_beside_the_tests(self):
        self.leave("dev", PASSED.format(""), 8)
        self.assert_red("5 passed, 1 failed", "dev: ctest ended with status 8")

    def test_ctest_is_missing(self):
        (self.root / "bin/ctest").unlink()
        self.program("bin/ctest", "#!/nonexistent/ctest\n")
        self.assert_red("0 passed, 3 failed", "dev: no results")

    def test_a_package_is_missing(self):
        self.program("tools/deps.sh", "#!/bin/sh\necho missing: cmocka >&2\nexit 1\n")
        self.assert_red("0 passed, 1 failed", "missing: cmocka")

    def test_python_is_missing(self):
        self.program("bin/python3", "#!/bin/sh\nexit 127\n")
        self.assert_red("0 passed, 1 failed", "could not be counted")

    def test_skips_are_told(self):
        self.leave("dev", PASSED.format(CMOCKA) + PASSED.format(UNITTEST))
        status, line, text = self.run_all()
        self.assertEqual((status, line), (0, "6 passed, 0 failed"), text)
        self.assertIn("Skipped inside of tests that passed: 3\n", text)
        for skip in ("test_one", "test_two: no name spaces", "test_four: it's late"):
            self.assertIn(f"\ndev: good: {skip}\n", text)

    def test_nameless_skips_are_told(self):
        self.leave("dev", PASSED.format(UNITTEST.replace(" ... skipped", "")))
        self.assertIn("\ndev: good: 2 without a name\n", self.run_all()[2])


if __name__ == "__main__":
    unittest.main()
