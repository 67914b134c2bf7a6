#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every C file is laid out as clang-format and .clang-format say."""

import subprocess

import tree


def check(root):
    command = ["clang-format", "--dry-run", "-Werror", "--style=file"]
    result = subprocess.run(
        command + [str(path) for path in tree.c_files(root)],
        cwd=root, capture_output=True, text=True, check=False)  # fmt: skip
    return result.stderr.splitlines() if result.returncode else []


if __name__ == "__main__":
    tree.main(check, __doc__)
