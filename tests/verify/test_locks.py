#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program's POSIX locks on its file survive the routines, with the verifier and without."""

import os
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
PROGRAMS = os.environ.get("VERIFY_PROGRAMS", ".")


class Locks(unittest.TestCase):
    def run_locks(self, *before, **settings):
        with tempfile.TemporaryDirectory() as folder:
            command = [*before, os.path.join(PROGRAMS, "locks-gcc-O2"), f"{folder}/file"]
            return subprocess.run(command, env=dict(os.environ, **settings), capture_output=True,
                                  text=True, check=False)  # fmt: skip

    def check_held(self, *before, domain):
        result = self.run_locks(*before, NVRTL_DOMAIN=domain)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("held\n", result.stdout)

    def test_without(self):
        for domain in ("page-cache!", "volatile", "memory!", "cpu-cache!"):
            self.check_held(domain=domain)

    def test_under_the_verifier(self):
        for domain in ("page-cache!", "volatile"):
            for judge in ("strict", "actual"):
                with self.subTest(domain=domain, judge=judge):
                    self.check_held(NVRTL, "run", f"--judge={judge}", "--", domain=domain)

    def test_a_lost_lock_is_seen(self):
        result = self.run_locks(LOCKS_DROP="1")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stderr, "locks: lost after a close\n")


if __name__ == "__main__":
    unittest.main()
