#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sums the JUnit files of ctest in a folder: prints `N passed, N failed`, and fails unless every
test passed. What did not run did not pass."""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--broken", type=int, default=0, help="stages that gave no results")
    options = parser.parse_args()
    passed, failed = 0, options.broken
    for path in sorted(options.folder.glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.get("status") == "run":
                passed += 1
            else:
                failed += 1
                print(f"{path.stem}: {case.get('name')}: {case.get('status')}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)


if __name__ == "__main__":
    main()
