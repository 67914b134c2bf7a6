#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the built libraries show to a linker and a loader, and what they ask of them."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECLARATION = re.compile(r"^NVRTL_API\s[^;(]*?(\w+)\(", re.MULTILINE)
LIBC = {"libc.so.6", "ld-linux-x86-64.so.2"}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def difference(what, found, expected):
    lines = [f"{what}: {name} is missing" for name in sorted(expected - found)]
    return lines + [f"{what}: {name} is too much" for name in sorted(found - expected)]


def exports(library):
    lines = run("nm", "-D", "--defined-only", "--with-symbol-versions", library).splitlines()
    fields = [line.split() for line in lines]
    return {name for _, kind, name in fields if kind != "A"}  # A: the versions themselves


def globals_of(archive):
    lines = run("nm", "-g", "--defined-only", archive).splitlines()
    return {line.split()[2] for line in lines if len(line.split()) == 3}


def check_dynamic(library, soname):
    """What the loader reads: who it is, what it needs, how it is held."""
    dynamic = run("readelf", "-dW", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    complaints = [f"{library}: needs {name}" for name in sorted(needed - LIBC)]
    found = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    if found != soname:
        complaints.append(f"{library}: SONAME {found}, not {soname}")
    for flag in ("NODELETE", "NOW"):
        if not re.search(rf"\(FLAGS_1\).*\b{flag}\b", dynamic):
            complaints.append(f"{library}: not linked with -z {flag.lower()}")
    if "TEXTREL" in dynamic:
        complaints.append(f"{library}: has text relocations")
    headers = run("readelf", "-lW", library)
    if "GNU_RELRO" not in headers:
        complaints.append(f"{library}: not linked with -z relro")
    if re.search(r"GNU_STACK.*\bRWE\b", headers):
        complaints.append(f"{library}: wants an executable stack")
    return complaints


def read_names(file):
    lines = (ROOT / "tests/abi" / file).read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", required=True)
    parser.add_argument("--static", required=True)
    parser.add_argument("--rt")
    options = parser.parse_args()

    golden = read_names("symbols.txt")
    names = {name.partition("@")[0] for name in golden}
    declared = set(DECLARATION.findall((ROOT / "include/nvrtl.h").read_text()))
    complaints = difference("tests/abi/symbols.txt against nvrtl.h", names, declared)
    complaints += difference("libnvrtl.so", exports(options.shared), golden)
    complaints += difference("libnvrtl.a", globals_of(options.static), names)
    complaints += check_dynamic(options.shared, ["libnvrtl.so.0"])
    if options.rt:
        complaints += difference("libnvrtl-rt.so", exports(options.rt),
                                 read_names("rt-symbols.txt"))
        complaints += check_dynamic(options.rt, ["libnvrtl-rt.so"])
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
