#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl crash --nested: power is cut in recovery too, which a recovery that is right survives."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

SOURCE = pathlib.Path(__file__).with_name("nested_check.c").read_text().split("\n")
CHECKERS = {"routines": os.environ["NESTED_CHECKER"], "hooks": os.environ["NESTED_HOOKED"]}
HEAD = """nvrtl-trace-text/1
model x86 streams=drain
region 1 size 4096 line 64 domain memory at 0x200000000000 path /nowhere/account
"""


def put(line, value):
    return (f"1 store 1 0x{line * 64:x} 8 {value:02x}00000000000000\n"
            f"1 flush 1 0x{line * 64:x} 8\n1 drain\n")


def events(how):
    """An entry of 5 is logged and committed; recovery brings it in."""
    return HEAD + put(0, how) + "mark begin 1\n" + put(2, 5) + put(1, 1) + "mark ack 1\n"


def lines(role, case):
    return {number for number, line in enumerate(SOURCE, 1) if f"{role} {case}" in line}


class NestedTest(command.FolderTest):
    def explore(self, how, *options, check=CHECKERS["routines"]):
        trace = self.write("trace", events(how).encode())
        result = command.run("crash", f"--check={check}", "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", *options, trace)
        self.assertIn(result.returncode, (0, 1, 3), result.stderr)
        return json.loads(result.stderr)

    def places(self, finding):
        told = {"at": {frame.get("line") for frame in finding.get("stack", [])}}
        for related in finding["related"]:
            told.setdefault(related["role"], set()).update(
                frame.get("line") for frame in related["stack"])
        return told

    def test_right(self):
        for check in CHECKERS.values():
            report = self.explore(0, "--nested", check=check)
            self.assertEqual(report["findings"], [])
            self.assertRegex(" ".join(report["remarks"]),
                             "power was cut in recovery too, of [1-9][0-9]* image")

    def test_found(self):
        for name, check in CHECKERS.items():
            for how, case, words in ((1, "twice", "recovery fails (the checker returns 3)"),
                                     (2, "too-early", "recovery loses operation 1")):
                with self.subTest(checker=name, case=case):
                    self.assertEqual(self.explore(how, check=check)["findings"], [])
                    findings = self.explore(how, "--nested", check=check)["findings"]
                    self.assertEqual(len(findings), 1, findings)
                    self.assertIn(f"power is cut in recovery too, and {words}",
                                  findings[0]["message"])
                    places = self.places(findings[0])
                    self.assertTrue(places["at"] & lines("at", case), places)
                    if case == "too-early":
                        self.assertTrue(places["missing"] & lines("missing", case), places)

    def test_regions_that_recovery_leaves_alone(self):
        """They hold in the second cut what they held in the first, though recovery's trace tells
        nothing of what a command does not open."""
        head = HEAD + ("region 2 size 4096 line 64 domain memory at 0x200000100000 "
                       "path /nowhere/other\nbase 2 0x0 8 0700000000000000\n")
        trace = self.write("trace", (head + events(0)[len(HEAD):]).encode())
        check = (f"set -- {{}}; '{os.environ['NESTED_RUN']}' \"$1\" && "
                 "od -An -tu1 -N1 \"$2\" | grep -q 7")
        result = command.run("crash", f"--check={check}", "--seed=1", "--nested",
                             f"--keep={self.path('images')}", trace)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, "cut in recovery too, of [1-9]")

    def test_replay(self):
        finding = self.explore(2, "--nested")["findings"][0]
        image = pathlib.Path(finding["image"]).read_bytes()
        self.assertEqual(len(image), 4096)
        self.assertEqual((image[64], image[192]), (0, 0)) # neither a commit word nor a balance
        replay = finding["replay"].replace("nvrtl ", f"'{command.NVRTL}' ", 1)
        result = subprocess.run(replay, shell=True, stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout.strip()),
                         (1, "recovery fails (the checker returns 2)"))

    def test_same_however_it_is_done(self):
        whole = self.explore(1, "--nested")
        for jobs in (2, 4):
            self.assertEqual(self.explore(1, "--nested", f"--jobs={jobs}"), whole)
        state, report = self.path("state"), None
        while not os.path.exists(state) or "pass 3 " not in self.read("state").decode():
            report = self.explore(1, "--nested", "--images=3", f"--resume={state}")
        self.assertEqual(report, whole)
        parts = [self.write(f"part{part}", json.dumps(
            self.explore(1, "--nested", f"--shard={part}/2")).encode()) for part in (1, 2)]
        merged = json.loads(command.run("report", "merge", *parts).stdout)
        for told in (merged, whole):
            for finding in told["findings"]:
                del finding["image"]
        self.assertEqual(merged["findings"], whole["findings"])

    def test_commands(self):
        """A command's programs are recorded where they use the routines; a shell that stores by
        itself is not seen, and is told of by the number of recoveries."""
        report = self.explore(1, "--nested", check="test -s {}")
        self.assertEqual(report["findings"], [])
        self.assertIn("power was cut in recovery too, of 0 images", report["remarks"])


if __name__ == "__main__":
    unittest.main()
