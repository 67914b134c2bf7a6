#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tools/demo.sh does what the README says, in a copy of the tree that nothing was built in, and
leaves nothing outside of build/."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import documents


class DemoTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name) / "nvrtl"
        shutil.copytree(documents.ROOT, self.tree, symlinks=True,
                        ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
        # A test installs nothing.
        (self.tree / "tools/deps.sh").write_text("#!/bin/sh\nexit 0\n")

    def files(self):
        return sorted(path.relative_to(self.tree) for path in self.tree.rglob("*")
                      if path.relative_to(self.tree).parts[0] != "build")

    def test_demo(self):
        before = self.files()
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("NVRTL_")}
        result = subprocess.run(["tools/demo.sh"], cwd=self.tree, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False, env=environment)
        self.assertEqual(result.returncode, 0, result.stdout)
        clean, found = result.stdout.partition("nvrtl: clean: ")[::2]
        self.assertIn("sound, words: 104334\n", clean)
        self.assertRegex(found, r"error: 64 bytes stored at wordstore\.c:\d+ were never flushed")
        self.assertIn("must(RtlWriteNonVolatileMemory(token, slot", found)
        self.assertLess(max(map(len, result.stdout.splitlines())), 200)
        self.assertEqual(self.files(), before)
        for name in ("report.txt", "report.json"):
            self.assertTrue((self.tree / "build/demo/report" / name).exists(), name)


if __name__ == "__main__":
    unittest.main()
