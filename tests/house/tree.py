# SPDX-License-Identifier: BSD-2-Clause
"""What the checks of the house share: which files are ours, and how a check ends."""

import argparse
import sys
from pathlib import Path

FOLDERS = (".ci", "bench", "cmake", "docs", "examples", "include", "man", "src", "tests", "tools")
RECORDED = ("tests/fixtures", "tests/fuzz/corpus")  # as they came from machines and fuzzers


def files(root):
    """Every file of the project below root, sorted; relative paths."""
    found = [path for path in root.iterdir() if path.is_file() and path.name != ".git"]
    for folder in FOLDERS:
        found += [path for path in (root / folder).rglob("*") if path.is_file()]
    relative = sorted(path.relative_to(root) for path in found)
    return [
        path
        for path in relative
        if "__pycache__" not in path.parts and not path.as_posix().startswith(RECORDED)
    ]


def c_files(root, *folders):
    """The C sources and headers below the folders."""
    return [
        path
        for path in files(root)
        if path.suffix in (".c", ".h") and (not folders or path.parts[0] in folders)
    ]


def main(check, description):
    """Runs check(root), which returns complaints; no files looked at is a complaint too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("root", type=Path, nargs="?", default=Path(__file__).parents[2])
    complaints = check(parser.parse_args().root.resolve())
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)
