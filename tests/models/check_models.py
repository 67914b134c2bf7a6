#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the models of docs/models by spin, each over all of its states: the model itself must
hold, and each variant that its first comment lists must fail."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "docs" / "models"
VARIANT = re.compile(r"^ \* -D(\w+) ", re.MULTILINE)
ERRORS = re.compile(r"errors: (\d+)")
STATES = re.compile(r"(\d+) states, stored")


def run(*command, folder):
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=True,
    ).stdout  # fmt: skip


def search(model, variant=None):
    """(errors, states) of an exhaustive search."""
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-D{variant}=1"] if variant else []
        run("spin", *defines, "-a", str(model), folder=folder)
        how, size = ["-O2"], ["-w24"]
        if variant:
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
    variants = VARIANT.findall(model.read_text())
    if not variants:
        sys.exit(f"{model}: lists no variant that must fail")
    failed = False
    for variant in [*variants, None]:
        errors, states = search(model, variant)
        failed = failed or (errors == 0) != (variant is None)
        print(f"{model.name} {variant or 'as it is'}: {errors} errors, {states} states", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
