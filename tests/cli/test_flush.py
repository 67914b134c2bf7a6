#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl flush."""

import os
import unittest

from command import NVRTL, FolderTest, is_memory, run

SIZE = 3 << 20


class FlushTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.file = self.write("file", b"x" * SIZE)

    def assert_flushed(self, result):
        """On a folder in memory the same command says that nothing is durable."""
        if is_memory(self.folder):
            self.assert_fails(result, 1, "nothing makes", self.file, "durable")
        else:
            self.assert_silent(result)

    def test_ranges_inside(self):
        for offset, size in ((0, 1), (0, SIZE), (4097, 17), ("2M", "1M"), ("1024K", "2M"),
                             (SIZE - 1, 1), (0, "0G"), (SIZE - 1, 0), (5, "-")):
            with self.subTest(offset=offset, size=size):
                self.assert_flushed(run("flush", self.file, offset, size))
        self.assertEqual(self.read("file"), b"x" * SIZE)

    def test_ranges_outside(self):
        for offset, size in ((SIZE, 1), (SIZE, "-"), (0, SIZE + 1), ("2M", "2M"), ("8T", 1),
                             (1, "17179869183G")):
            with self.subTest(offset=offset, size=size):
                self.assert_fails(run("flush", self.file, offset, size), 1, self.file,
                                  f"{SIZE} bytes")
        empty = self.write("empty", b"")
        for offset, size in ((0, 1), (1, 0)):
            with self.subTest(offset=offset, size=size):
                self.assert_fails(run("flush", empty, offset, size), 1, "empty", "0 bytes")

    def test_empty_file(self):
        empty = self.write("empty", b"")
        for size in 0, "-":
            with self.subTest(size=size):
                self.assert_flushed(run("flush", empty, 0, size))

    def test_wrong_numbers_are_wrong_usage(self):
        for offset, size in (("x", 1), (0, "1X"), (0, "1MB"), (0, "0x10"), (0, ""), ("K", 1),
                             (0, "17179869184G"), (0, "18446744073709551616"), (0, " 1")):
            with self.subTest(offset=offset, size=size):
                self.assert_fails(run("flush", self.file, offset, size), 2, "nvrtl flush")
        self.assert_fails(run("flush", self.file, 0), 2, "FILE, OFFSET and SIZE")
        self.assert_fails(run("flush", self.file, 0, 1, 2), 2, "one argument too many")

    def test_not_a_file(self):
        self.assert_fails(run("flush", self.path("none"), 0, 1), 1, "none", "No such file")
        self.assert_fails(run("flush", self.folder, 0, 1), 1, self.folder, "not a regular file")

    def test_holes_are_not_filled(self):
        with open(self.file, "wb") as file:
            file.truncate(SIZE)
        blocks = os.stat(self.file).st_blocks
        self.assert_flushed(run("flush", self.file, 0, "-"))
        self.assertEqual(os.stat(self.file).st_blocks, blocks)

    def test_volatile_file_is_refused(self):
        if not is_memory("/dev/shm"):
            self.skipTest("/dev/shm is no tmpfs")
        path = f"/dev/shm/nvrtl-test-{os.getpid()}"
        for content in b"", b"x":
            with self.subTest(content=content):
                with open(path, "wb") as file:
                    file.write(content)
                self.addCleanup(os.unlink, path)
                self.assert_fails(run("flush", path, 0, "-"), 1, "nothing makes", path, "tmpfs")
                self.doCleanups()

    @unittest.skipIf(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), "no setpriv")
    def test_read_only_file(self):
        os.chmod(self.file, 0o444)
        without = ["--bounding-set=-dac_override,-dac_read_search", NVRTL]
        prefix = {"program": "setpriv"} if os.geteuid() == 0 else {}
        for content in b"x", b"":
            with self.subTest(content=content):
                os.truncate(self.file, len(content))
                result = run(*(without if prefix else []), "flush", self.file, 0, "-", **prefix)
                self.assert_fails(result, 1, self.file, "denied")


if __name__ == "__main__":
    unittest.main()
