# SPDX-License-Identifier: BSD-2-Clause
"""The guest's root folder as a cpio archive (format "newc"). Programs keep the paths that they have
here, so that what they refer to is found."""

import os
import re
import stat
from pathlib import Path

from kernel import output


class Initramfs:
    def __init__(self):
        self.entries = {}  # path without the first slash: (mode, content)

    def folder(self, path):
        path = path.strip("/")
        if path and path not in self.entries:
            self.folder(str(Path(path).parent) if "/" in path else "")
            self.entries[path] = (stat.S_IFDIR | 0o755, b"")

    def put(self, path, content, mode=stat.S_IFREG | 0o755):
        self.folder(str(Path(path).parent))
        self.entries[path.strip("/")] = (mode, content)

    def link(self, path, target):
        self.put(path, target.encode(), stat.S_IFLNK | 0o777)

    def file(self, source, path=None):
        """A copy of a file, at its own path or another."""
        self.put(path or str(source), Path(source).read_bytes())

    def program(self, source, path=None):
        """A program with the libraries that it is linked with."""
        self.file(source, path)
        for library in re.findall(r"(/\S+) \(0x", output("ldd", source)):
            self.file(library, os.path.normpath(library))

    def write(self, path):
        with open(path, "wb") as file:
            for number, (name, (mode, content)) in enumerate(self.entries.items(), 1):
                write_entry(file, number, name, mode, content)
            write_entry(file, 0, "TRAILER!!!", 0, b"")


def write_entry(file, number, name, mode, content):
    name = name.encode() + b"\0"
    # inode, mode, owner, group, links, time, size, device, node, length of the name, check
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + name, content):
        file.write(part + bytes(-len(part) % 4))
