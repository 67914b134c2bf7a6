#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What threads store to pages that they share is in the trace, in the order in which they did, also
when they are killed: who makes the stores of the trace gets the file."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

SHARED = os.environ["SHARED_BIN"]
SIZE = 8 * 4096


class SharedTest(command.FolderTest):
    def start(self, seed, rounds):
        self.file, self.trace = self.path(f"file{seed}"), self.path("trace")
        recorder = subprocess.Popen([command.NVRTL, "record", "-o", self.trace, "--", SHARED,
                                     self.file, str(seed), str(rounds)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        self.addCleanup(recorder.stdout.close)
        self.addCleanup(recorder.stderr.close)
        self.assertEqual(recorder.stdout.read(1), b"\0")
        return recorder

    def differing(self):
        """Words of the file that the trace's stores do not give."""
        dump = command.run("trace", "dump", self.trace)
        self.assertEqual((dump.returncode, dump.stderr), (0, ""))
        made = bytearray(SIZE)
        for kind, offset, value in re.findall(
                r"^\d+ (\w+) 1 0x([0-9a-f]+) \d+ ([0-9a-f]{2,})(?: @\d+)?$", dump.stdout,
                re.MULTILINE):
            self.assertIn(kind, ("store", "copy"))
            at = int(offset, 16)
            made[at:at + len(value) // 2] = bytes.fromhex(value)
        now = pathlib.Path(self.file).read_bytes()
        self.assertEqual(len(now), SIZE)
        return sum(now[at:at + 8] != made[at:at + 8] for at in range(0, SIZE, 8))

    def test_end(self):
        for seed in 1, 2, 3:
            recorder = self.start(seed, 400)
            self.assertEqual((recorder.wait(), recorder.stderr.read()), (0, b""))
            self.assertEqual(self.differing(), 0, seed)

    def test_killed(self):
        """Each thread's last store is kept when it is heard of again, where the page is not its."""
        for seed in range(4, 10):
            recorder = self.start(seed, 1 << 40)
            while os.path.getsize(self.trace) < seed * 20000:
                self.assertIsNone(recorder.poll())
            children = pathlib.Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children")
            os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
            self.assertEqual((recorder.wait(), recorder.stderr.read()), (128 + 9, b""))
            self.assertLessEqual(self.differing(), 4, seed)


if __name__ == "__main__":
    unittest.main()
