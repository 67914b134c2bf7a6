#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lines up to 100 columns; C files up to 500 lines; functions of the sources up to 60 lines."""

import re

import tree

COLUMNS, FILE_LINES, FUNCTION_LINES = 100, 500, 60
CODE = (".c", ".h", ".S", ".def", ".py", ".sh", ".cmake", ".map", ".in")
# In the layout of .clang-format a definition starts in the first column and ends at a brace there.
START = re.compile(r"^[A-Za-z_]")
NO_FUNCTION = re.compile(r"^(typedef|struct|enum|union|extern \"C\")\b[^()]*$|.*= \{$")
NAME = re.compile(r"(\w+)\(")


def functions(lines):
    """(name, first line number, number of lines) of each function."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("}") and start is not None:
            first, text = start
            if "(" in text and not NO_FUNCTION.match(text):
                name = NAME.search(text)
                yield (name.group(1) if name else text, first, number - first + 1)
            start = None
        elif START.match(line) and not line.rstrip().endswith((";", ":")):
            start = (number, line.rstrip())


def check_file(path, lines):
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield f"{path}:{number}: {len(line)} columns"
    if path.suffix not in (".c", ".h"):
        return
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines"
    if path.parts[0] == "src":
        for name, first, length in functions(lines):
            if length > FUNCTION_LINES:
                yield f"{path}:{first}: {name} has {length} lines"


def check(root):
    complaints = []
    for path in tree.files(root):
        if path.suffix in CODE or path.name == "CMakeLists.txt":
            complaints += check_file(path, (root / path).read_text().splitlines())
    return complaints


if __name__ == "__main__":
    tree.main(check, __doc__)
