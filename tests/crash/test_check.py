#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What nvrtl crash --check says of traces that were written by hand."""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

CHECKER = os.environ["CHECKER"]
HEAD = """nvrtl-trace-text/1
model x86 streams=drain
region 1 size 4096 line 64 domain memory at 0x200000000000 path /nowhere/file
stack 1 put /src/log.c:31; main /src/main.c:5
stack 2 put /src/log.c:40; main /src/main.c:5
stack 3 main /src/main.c:6
"""
DATA = "1 store 1 0x40 8 4200000000000000 @1\n1 flush 1 0x40 8\n"
COMMIT = "1 store 1 0x0 8 0100000000000000 @2\n1 flush 1 0x0 8\n"
BEGIN, ACK, DRAIN = "mark begin 1\n", "mark ack 1 @3\n", "1 drain\n"


def order(number):
    return f"1 store 1 0x38 8 {number:02x}00000000000000 @2\n1 flush 1 0x38 8\n"


class CheckTest(command.FolderTest):
    def run_check(self, events, *options, check=CHECKER):
        trace = self.write("trace", (HEAD + events).encode())
        return command.run("crash", f"--check={check}", "--seed=1", "--check-timeout=1",
                           f"--keep={self.path('images')}", *options, trace)

    def explore(self, events, *options, check=CHECKER):
        result = self.run_check(events, "--report=json", *options, check=check)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        report = json.loads(result.stderr)
        self.assertEqual(result.returncode != 0, report["findings"] != [])
        return report["findings"]

    def assert_found(self, events, message, at, **related):
        findings = self.explore(events)
        told = [one["message"] for one in findings]
        self.assertTrue(any(message in one for one in told), told)
        finding = next(one for one in findings if message in one["message"])
        self.assertEqual(finding["at"]["line"], at)
        told = {one["role"]: one["line"] for one in finding["related"]}
        self.assertEqual(told, related)
        return finding

    def test_right(self):
        self.assertEqual(self.explore(BEGIN + DATA + DRAIN + COMMIT + DRAIN + ACK), [])

    def test_order(self):
        self.assert_found(BEGIN + DATA + COMMIT + DRAIN + ACK,
                          "recovery fails (the checker returns 3) when the store at log.c:40 is "
                          "durable and the store at log.c:31 is not; no drain stands between them",
                          40, missing=31)

    def test_not_yet_made(self):
        self.assert_found(BEGIN + COMMIT + DRAIN + DATA + DRAIN + ACK,
                          "the store at log.c:40 is durable and the store at log.c:31 is not yet "
                          "made", 40, missing=31)

    def test_lost(self):
        self.assert_found(BEGIN + DATA + DRAIN + COMMIT + ACK + DRAIN,
                          "recovery loses operation 1 when the store at log.c:40 is not durable",
                          40, ack=6)

    def test_torn(self):
        torn = "1 copy 1 0x0 16 01000000000000004200000000000000 @2\n1 flush 1 0x0 16\n"
        check = self.write("check.sh", b"set -- $(od -An -v -tu8 -w8 -N16 $1)\n"
                           b"test $1 = 0 || test $2 = 66\n")
        finding = self.explore(torn + DRAIN, check=f"sh {check} {{}}")[0]
        self.assertIn("when a part of the store at log.c:40 is durable and the rest is not",
                      finding["message"])
        self.assertEqual(finding["at"]["line"], 40)

    def test_ends(self):
        for number, words in ((1, "recovery is killed by signal 6 (Aborted)"),
                              (2, "recovery exits with status 6"),
                              (3, "recovery does not end in time"),
                              (4, "recovery fails (the checker returns 5)")):  # fmt: skip
            for options in ((), ("--isolate",)):
                finding = self.explore(order(number) + DRAIN, *options)[0]
                self.assertIn(words, finding["message"])
                self.assertEqual(finding["at"]["line"], 40)

    def test_replay_says_what_the_checker_says(self):
        finding = self.explore(order(4) + DRAIN)[0]
        image = finding["replay"].split("--replay '")[1].split("'")[0]
        result = self.run_check(order(4) + DRAIN, f"--replay={image}")
        self.assertEqual((result.returncode, result.stdout),
                         (1, "no luck\nrecovery fails (the checker returns 5)\n"))
        result = self.run_check(order(4) + DRAIN, "--replay=77:full")
        self.assertEqual(result.returncode, 2)

    def test_commands_see_marks(self):
        events = BEGIN + DATA + DRAIN + COMMIT + DRAIN + ACK
        check = 'test -f {} && test "$NVRTL_BEGUN,$NVRTL_ACKED" != 1,1'
        finding = self.explore(events, check=check)[0]
        self.assertIn("recovery loses operation 1", finding["message"])

    def test_programs_must_not_crash(self):
        trace = self.write("trace", (HEAD + order(1) + DRAIN).encode())
        script = "od -An -tu8 -j56 -N8 \"$1\" | grep -q ' 1$' && kill -SEGV $$; exit 3"
        result = command.run("crash", "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", trace, "--", "sh", "-c", script,
                             "sh", "/nowhere/file")
        self.assertEqual(result.returncode, 1, result.stderr)
        finding = json.loads(result.stderr)["findings"][0]
        self.assertIn("recovery is killed by signal 11", finding["message"])

    def test_more_images_than_are_tried(self):
        """Lines on pages that recovery does not look at do not matter."""
        head = HEAD.replace("size 4096", "size 65536")
        stores = "".join(f"1 store 1 0x{4096 + i * 64:x} 8 0100000000000000\n" for i in range(40))
        trace = self.write("trace", (head + stores + DATA + COMMIT + DRAIN).encode())
        result = command.run("crash", f"--check={CHECKER}", "--seed=1", "--report=json", trace,
                             "--exhaustive=64", f"--keep={self.path('images')}")
        self.assertEqual(result.returncode, 1, result.stderr)
        report = json.loads(result.stderr)
        self.assertIn("log.c:31 is not", report["findings"][0]["message"])
        self.assertIn("a choice of", report["remarks"][0])

    def test_shards(self):
        """All parts together find what one search finds."""
        events = (BEGIN + DATA + COMMIT + DRAIN + ACK) * 3
        whole = {one["message"] for one in self.explore(events)}
        parts = set()
        for part in (1, 2, 3):
            parts |= {one["message"] for one in self.explore(events, f"--shard={part}/3")}
        self.assertEqual(parts, whole)

    def test_budget(self):
        result = self.run_check((BEGIN + DATA + DRAIN + COMMIT + DRAIN + ACK) * 3, "--images=1")
        self.assertEqual(result.returncode, 3)
        self.assertIn("its budget is used up", result.stderr)

    def test_resume(self):
        """In steps of a few images it finds what it finds at once, in the same words."""
        events = (BEGIN + DATA + COMMIT + DRAIN + ACK) * 3 + order(4) + DRAIN
        whole = [one["message"] for one in self.explore(events)]
        state, steps, status = self.path("state"), 0, None
        while not os.path.exists(state) or "pass 2 " not in self.read("state").decode():
            result = self.run_check(events, f"--resume={state}", "--images=2", "--report=json")
            self.assertIn(result.returncode, (1, 3), result.stderr)
            steps += 1
            self.assertLess(steps, 50)
            status = json.loads(result.stderr)
        self.assertGreater(steps, 2)
        self.assertEqual([one["message"] for one in status["findings"]], whole)
        result = self.run_check(events, f"--resume={state}", "--exhaustive=7")
        self.assertEqual(result.returncode, 125)
        self.assertIn("of other options", result.stderr)

    def test_usage(self):
        for options in (("--shard=4/3",), ("--jobs=0",), ("--exhaustive=x",), ("--enumerate",)):
            self.assertEqual(self.run_check(DATA, *options).returncode, 2, options)
        result = self.run_check(DATA + DRAIN, check="/nowhere/checker")
        self.assertEqual(result.returncode, 125)
        self.assertIn("cannot be run", result.stderr)


if __name__ == "__main__":
    unittest.main()
