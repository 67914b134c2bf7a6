#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every shell script passes shellcheck."""

import subprocess

import tree


def is_shell(path):
    with path.open("rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh"))


def check(root):
    scripts = [str(path) for path in tree.files(root) if is_shell(root / path)]
    if not scripts:
        return []
    command = ["shellcheck", *scripts]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return result.stdout.splitlines() if result.returncode else []


if __name__ == "__main__":
    tree.main(check, __doc__)
