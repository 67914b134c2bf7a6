#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sums what ctest left of each stage in a folder, STAGE.xml (JUnit) and STAGE.status (its exit
status), and prints `N passed, N failed` last. What did not run did not pass: a test that ctest
skipped, a stage without tests or results, and a ctest that failed in a way that no test shows. What
was skipped inside of a test that passed is told before."""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CMOCKA = re.compile(r"^\[  SKIPPED \] (\w+)$", re.MULTILINE)
# With a docstring in a line of its own; the reason comes as Python's repr.
UNITTEST = re.compile(
    r"^(\w+) \([^)\n]*\)(?:\n[^\n]*)?? \.\.\. skipped (['\"])(.*)\2$", re.MULTILINE
)
UNITTEST_COUNT = re.compile(r"^(?:OK|FAILED) \(.*\bskipped=(\d+)", re.MULTILINE)


def skips(output):
    """What a test program says that it skipped, a line each."""
    found = list(dict.fromkeys(CMOCKA.findall(output)))
    named = [f"{name}: {reason}" for name, _, reason in UNITTEST.findall(output)]
    nameless = sum(map(int, UNITTEST_COUNT.findall(output))) - len(named)
    return found + named + ([f"{nameless} without a name"] if nameless > 0 else [])


def count(folder, stage):
    """(passed, complaints, skips) of one stage."""
    try:
        cases = list(ElementTree.parse(folder / f"{stage}.xml").getroot().iter("testcase"))
        status = (folder / f"{stage}.status").read_text().strip()
    except (OSError, ElementTree.ParseError):
        return 0, [f"{stage}: no results"], []
    if not cases:
        return 0, [f"{stage}: no tests"], []
    bad = [case for case in cases if case.get("status") != "run"]
    complaints = [f"{stage}: {case.get('name')}: {case.get('status')}" for case in bad]
    if status != "0" and not bad:
        complaints.append(f"{stage}: ctest ended with status {status}")
    inside = [f"{stage}: {case.get('name')}: {skip}" for case in cases if case not in bad
              for skip in skips(case.findtext("system-out") or "")]
    return len(cases) - len(bad), complaints, inside


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stages", nargs="+")
    options = parser.parse_args()
    passed, complaints, inside = 0, [], []
    for stage in options.stages:
        more = count(options.folder, stage)
        passed, complaints, inside = passed + more[0], complaints + more[1], inside + more[2]
    for title, lines in (("Skipped inside of tests that passed", inside), ("Failed", complaints)):
        if lines:
            print(f"\n== {title}: {len(lines)}", *lines, sep="\n")
    print(f"\n{passed} passed, {len(complaints)} failed")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
