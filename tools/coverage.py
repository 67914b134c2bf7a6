#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adds up what gcov counted in the rooms of the library. Branches are those of the source: what the
compiler makes of a call that does not return counts too, and is told apart by nobody."""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What libnvrtl is made of (src/rooms.txt).
ROOMS = ("base", "range", "event", "os", "observe", "isa", "map", "token", "store", "flush",
         "drain", "api")  # fmt: skip
LEAST_LINES, LEAST_BRANCHES = 95, 90


def read(build):
    """{file: {line: [count, {branch: count}]}}; a header is counted wherever it is used."""
    files = defaultdict(lambda: defaultdict(lambda: [0, defaultdict(int)]))
    for room in ROOMS:
        for data in sorted((build / "src" / room).rglob("*.gcda")):
            command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", str(data)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for text in said.splitlines():
                add(files, json.loads(text))
    return files


def add(files, counted):
    for file in counted["files"]:
        path = Path(os.path.normpath(os.path.join(counted["current_working_directory"],
                                                  file["file"])))  # fmt: skip
        if ROOT / "src" not in path.parents:
            continue
        lines = files[str(path.relative_to(ROOT))]
        for line in file["lines"]:
            entry = lines[line["line_number"]]
            entry[0] += line["count"]
            for number, branch in enumerate(line["branches"]):
                entry[1][number] += branch["count"]


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def tell(files, missed):
    """The table; the percentages of all."""
    total = [0, 0, 0, 0]
    for name, lines in sorted(files.items()):
        branches = [count for _, numbered in lines.values() for count in numbered.values()]
        sums = (sum(count > 0 for count, _ in lines.values()), len(lines),
                sum(count > 0 for count in branches), len(branches))  # fmt: skip
        total = [old + new for old, new in zip(total, sums)]
        print(f"{name:32} {percent(*sums[:2]):6.1f} % of {sums[1]:4} lines "
              f"{percent(*sums[2:]):6.1f} % of {sums[3]:4} branches")  # fmt: skip
        for number, (count, numbered) in sorted(lines.items()) if missed else ():
            never = [str(branch) for branch, taken in numbered.items() if taken == 0]
            if count == 0:
                print(f"    {name}:{number}: never")
            elif never:
                print(f"    {name}:{number}: not branch {' '.join(never)} of {len(numbered)}")
    return percent(*total[:2]), percent(*total[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="a build with the preset coverage, tests run")
    parser.add_argument("--missed", action="store_true", help="list what was not reached")
    options = parser.parse_args()
    files = read(options.build.resolve())
    if not files:
        sys.exit("coverage: nothing was counted")
    lines, branches = tell(files, options.missed)
    print(f"libnvrtl: {lines:.1f} % of lines, {branches:.1f} % of branches")
    sys.exit(lines < LEAST_LINES or branches < LEAST_BRANCHES)


if __name__ == "__main__":
    main()
