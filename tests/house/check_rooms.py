#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds every #include in src/ against src/rooms.txt."""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
PUBLIC = "nvrtl.h"


def read_rooms(path):
    """room -> set of what it may include; and complaints about the table itself."""
    allowed, complaints = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        room, colon, rest = line.partition(":")
        if not colon or room in allowed:
            complaints.append(f"rooms.txt:{number}: not a new room: {line}")
            continue
        names = set(rest.split())
        for name in sorted(names - {f"<{PUBLIC}>"} - set(allowed)):
            complaints.append(f"rooms.txt:{number}: {room} names {name}, which is not above it")
        allowed[room] = names | {room}
    return allowed, complaints


def check_include(source, room, allowed, bracket, name):
    """One #include: a complaint, or None."""
    if bracket == "<":
        if name == PUBLIC and f"<{PUBLIC}>" not in allowed:
            return f"{room} may not include <{PUBLIC}>"
        if (source / name).exists():
            return f'write "{name}": brackets are for headers from outside'
        return None
    if name == PUBLIC:
        return f"write <{PUBLIC}>"
    if "/" not in name or ".." in name.split("/") or not (source / name).exists():
        return f'"{name}" is no path of a header below src/'
    if name.split("/")[0] not in allowed:
        return f"{room} may not include {name}"
    return None


def check(root):
    source = root / "src"
    allowed, complaints = read_rooms(source / "rooms.txt")
    folders = {path.name for path in source.iterdir() if path.is_dir()}
    complaints += [f"src/{name} is not in rooms.txt" for name in sorted(folders - set(allowed))]
    complaints += [f"rooms.txt lists {name}, no folder" for name in sorted(set(allowed) - folders)]
    for path in tree.files(root):
        if path.parts[0] != "src" or path.suffix not in (".c", ".h", ".S", ".def"):
            continue
        if len(path.parts) < 3:
            complaints.append(f"{path}: lies in no room")
            continue
        room = path.parts[1]
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match is None or room not in allowed:
                continue
            wrong = check_include(source, room, allowed[room], *match.groups())
            if wrong:
                complaints.append(f"{path}:{number}: {wrong}")
    return complaints


if __name__ == "__main__":
    tree.main(check, __doc__)
