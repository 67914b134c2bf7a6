#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The verifier, while it is off, costs a call one load and one branch, and a short one nothing.
Counts on valgrind's CPU what calls of the library take, and of the same library compiled without a
listener."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOMAINS = ("page-cache!", "memory!")
# What one look at a variable takes: its address, a load, a test and a branch.
MOST = {"Ir": 4, "Dr": 1, "Dw": 0, "Bc": 1, "Bi": 0}
# ... and where a token has a way for when nobody will ever listen.
NOTHING = dict.fromkeys(MOST, 0)
# Instructions of a call, and of the loop around it: what a store without a write-back may take in
# every domain. What needs clwb is counted by steps.c.
SHORT = {"measured_write_plain": 90, "measured_fill_plain": 84}


def inclusive_costs(text):
    """measured function -> event -> count, callees included."""
    events, costs, current = [], {}, None
    for line in text.splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("fn="):
            current = costs.setdefault(line[3:], dict.fromkeys(events, 0))
        elif re.match(r"\d", line) and current is not None:
            # A line of its own, or the inclusive cost of the call before it.
            for event, count in zip(events, line.split()[1:]):
                current[event] += int(count)
    return {name: cost for name, cost in costs.items() if name.startswith("measured_")}


def measure(program, domain, folder):
    out = Path(folder) / "out"
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", "--cache-sim=yes", "--branch-sim=yes",
         "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}",
         program, domain],
        capture_output=True, text=True, check=False)  # fmt: skip
    match = re.match(r"(\d+) calls\n", result.stdout)
    if result.returncode != 0 or match is None:
        sys.exit(f"{program} {domain}: status {result.returncode}\n{result.stderr}")
    return int(match[1]), inclusive_costs(out.read_text())


def compare(domain, calls, observed, unobserved):
    complaints = []
    for name in sorted(observed):
        extra = {event: (observed[name][event] - unobserved[name][event]) / calls
                 for event in MOST}  # fmt: skip
        words = ", ".join(f"{event} {extra[event]:+g}" for event in MOST)
        print(f"{domain} {name}: {observed[name]['Ir'] / calls:g} instructions a call; {words}")
        most = NOTHING if name in SHORT else MOST
        complaints += [f"{domain} {name}: {event} {extra[event]:+g} a call"
                       for event in most if extra[event] > most[event]]  # fmt: skip
        if observed[name]["Ir"] / calls > SHORT.get(name, float("inf")):
            complaints.append(f"{domain} {name}: more than {SHORT[name]} instructions a call")
        # Both libraries would have to be the same one for the counts to be equal.
        if name not in SHORT and extra["Dr"] <= 0 and extra["Bc"] <= 0:
            complaints.append(f"{domain} {name}: no look for a listener was counted")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observed", help="the program with the library as it is")
    parser.add_argument("unobserved", help="the program with the other")
    options = parser.parse_args()
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        for domain in DOMAINS:
            calls, observed = measure(options.observed, domain, folder)
            _, unobserved = measure(options.unobserved, domain, folder)
            if len(observed) < 10 or observed.keys() != unobserved.keys():
                sys.exit(f"measured {sorted(observed)} and {sorted(unobserved)}")
            complaints += compare(domain, calls, observed, unobserved)
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
