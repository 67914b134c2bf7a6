#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the models of docs/models by spin, each over all of its states: the model itself must
hold, also with what its first comment adds by a +, and each variant that it lists must fail."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "docs" / "models"
VARIANT = re.compile(r"^ \* -D(\w+) ", re.MULTILINE)
ADDITION = re.compile(r"^ \* \+(\w+) ", re.MULTILINE)
ERRORS = re.compile(r"errors: (\d+)")
STATES = re.compile(r"(\d+) states, stored")


def run(*command, folder):
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=True,
    ).stdout  # fmt: skip


def search(model, define, holds):
    """(errors, states) of an exhaustive search; holds: no error is expected."""
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-D{define}=1"] if define else []
        run("spin", *defines, "-a", str(model), folder=folder)
        how, size = ["-O2"], ["-w24"]
        if not holds:
            # A search in random order, of the same states, comes upon an error a hundred times
            # sooner; most of its time is the compiler's.
            how, size = ["-O1", "-DT_RAND", "-DP_RAND"], ["-w20", "-RS1"]
        run("gcc", *how, "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c", folder=folder)
        text = run("./pan", "-m100000", *size, folder=folder)
    errors, states = ERRORS.search(text), STATES.search(text)
    cut_short = "Search not completed" in text or "max search depth too small" in text
    if errors is None or states is None or (cut_short and errors.group(1) == "0"):
        sys.exit(text)
    return int(errors.group(1)), int(states.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="the name of a file in docs/models, without .pml")
    model = MODELS / f"{parser.parse_args().model}.pml"
    text = model.read_text()
    variants = VARIANT.findall(text)
    if not variants:
        sys.exit(f"{model}: lists no variant that must fail")
    searches = [(variant, False) for variant in variants]
    searches += [(addition, True) for addition in [*ADDITION.findall(text), None]]
    failed = False
    for define, holds in searches:
        errors, states = search(model, define, holds)
        failed = failed or (errors == 0) != holds
        print(f"{model.name} {define or 'as it is'}: {errors} errors, {states} states", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
