#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The trace is written while the program runs: whoever is killed, it holds what was done before."""

import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

COUNTING = os.environ["COUNTING_BIN"]
SEED = 20261129


class StreamTest(command.FolderTest):
    def start(self, count):
        self.trace = self.path("trace")
        recorder = subprocess.Popen([command.NVRTL, "record", "-o", self.trace, "--", COUNTING,
                                     self.path("file"), str(count)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        self.addCleanup(recorder.stdout.close)
        self.addCleanup(recorder.stderr.close)
        return recorder, self.number(recorder)

    @staticmethod
    def number(recorder):
        word = recorder.stdout.read(8)
        return struct.unpack("<Q", word)[0] if len(word) == 8 else 0

    def stored(self):
        """The last of the numbers, all of which have to be there."""
        dump = subprocess.run([command.NVRTL, "trace", "dump", self.trace], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(dump.returncode, 0, dump.stderr)
        words = re.findall(r"^1 store 1 0x[0-9a-f]+ 8 ([0-9a-f]{16})", dump.stdout, re.MULTILINE)
        numbers = [int.from_bytes(bytes.fromhex(word), "little") for word in words]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        return len(numbers)

    def test_program_killed(self):
        chance = random.Random(SEED)
        for _ in range(6):
            after = chance.randrange(1, 3000)
            recorder, process = self.start(1 << 40)
            last = [self.number(recorder) for _ in range(after)][-1]
            os.kill(process, signal.SIGKILL)
            for number in iter(lambda: self.number(recorder), 0):
                last = number
            self.assertEqual(recorder.wait(), 128 + signal.SIGKILL, (SEED, after))
            self.assertEqual(recorder.stderr.read(), b"")
            # The very last one is kept when its thread is heard of again.
            self.assertGreaterEqual(self.stored(), last - 1, (SEED, after))

    def test_recorder_killed(self):
        """What is in the file stays readable, and the program goes on to its end."""
        count = 64 << 14
        recorder, _ = self.start(count)
        while self.number(recorder) < count // 4:
            pass
        while os.path.getsize(self.trace) < 256 << 10:
            self.assertNotEqual(self.number(recorder), 0)
        recorder.kill()
        recorder.wait()
        last = 0
        for number in iter(lambda: self.number(recorder), 0):
            last = number
        self.assertEqual(last, count)
        self.assertGreater(self.stored(), 10000)

    def peak(self, *arguments):
        """The most memory that the command had, in MiB, and what it said."""
        with open(self.path("said"), "w+b") as said:
            process = subprocess.Popen([command.NVRTL, *arguments], stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            return usage.ru_maxrss / 1024, process.returncode, said.read().decode()

    def test_long_trace(self):
        """A million events are not held in memory, neither to be counted nor to be explored: as
        traces they would be some hundred MiB."""
        trace = self.path("trace")
        memory, status, said = self.peak("record", "-o", trace, "--", os.environ["APPENDS_BIN"],
                                         self.path("file"), "250000")
        self.assertEqual((status, said), (0, ""))
        self.assertLess(memory, 100)  # of which the ring has 32
        memory, status, said = self.peak("trace", "stat", trace)
        self.assertEqual(status, 0)
        self.assertRegex(said, r"store +500000\nflush +250000\ndrain +250000\n")
        self.assertLess(memory, 40)
        memory, status, said = self.peak("crash", "--check", os.environ["READER"], "--images=20000",
                                         "--memory=16M", "--seed=1", trace)
        self.assertEqual(status, 3, said)
        self.assertIn("its budget is used up", said)
        self.assertLess(memory, 40)


if __name__ == "__main__":
    unittest.main()
