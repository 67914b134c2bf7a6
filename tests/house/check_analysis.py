#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs clang-tidy or cppcheck over the sources as the build compiles them."""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


# The analyzer's own limit is 225,000 states a function; the last of them take most of the time.
ANALYZER = ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=60000")


def tidy(build, sources):
    """One process a file: clang-tidy itself uses one thread."""

    def one(source):
        command = ["clang-tidy", "--quiet", "--warnings-as-errors=*", "-p", str(build), source]
        command += [f"--extra-arg={argument}" for argument in ANALYZER]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(one, sources))
    return [result.stdout + result.stderr for result in results if result.returncode]


def cppcheck(build, sources):
    command = [
        "cppcheck", f"--project={build}/compile_commands.json", f"-j{os.cpu_count()}", "--quiet",
        "--std=c11", "--enable=warning,performance,portability", "--inline-suppr",
        "--error-exitcode=1", "--platform=unix64", "-D__linux__", "-D__x86_64__", "-D__LP64__",
        "-D__GNUC__=12", f"--suppressions-list={ROOT}/tests/house/cppcheck.txt",
    ]  # fmt: skip
    command += [f"--file-filter={source}" for source in sources]
    result = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
    return [result.stdout + result.stderr] if result.returncode else []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=("clang-tidy", "cppcheck"))
    parser.add_argument("build", type=Path, help="a build tree with compile_commands.json")
    options = parser.parse_args()
    build = options.build.resolve()
    commands = json.loads((build / "compile_commands.json").read_text())
    files = {entry["file"] for entry in commands}
    sources = sorted(
        file for file in files if file.startswith(f"{ROOT}/src/") and file.endswith(".c")
    )
    if not sources:
        sys.exit("no sources in compile_commands.json")
    complaints = (tidy if options.tool == "clang-tidy" else cppcheck)(build, sources)
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
