#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every file says its licence in its first line, or in the second below an interpreter line."""

import tree

LINE = "SPDX-License-Identifier: BSD-2-Clause"
NO_COMMENTS = (".json", ".log", ".svg", ".png", ".csv")  # formats that have none, or records
EXEMPT = ("LICENSE",)


def check(root):
    complaints = []
    for path in tree.files(root):
        if path.suffix in NO_COMMENTS or path.name in EXEMPT or path.suffix == ".md":
            continue
        lines = (root / path).read_text(errors="replace").splitlines()[:2]
        if lines and lines[0].startswith(("#!", "#compdef")):
            lines = lines[1:]
        if not lines or LINE not in lines[0]:
            complaints.append(f"{path}: the first line is not a comment with {LINE}")
    return complaints


if __name__ == "__main__":
    tree.main(check, __doc__)
