#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl crash --atomic: what recovery makes of an image has to be a state that the recorded run
went through, or the one that some of its operations make."""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

CHECKER = os.environ["ATOMIC_CHECKER"]
HEAD = """nvrtl-trace-text/1
model x86 streams=drain
region 1 size 4096 line 64 domain memory at 0x200000000000 path /nowhere/file
stack 1 put /src/put.c:31; main /src/main.c:5
stack 2 put /src/put.c:40; main /src/main.c:5
stack 3 main /src/main.c:6
"""
DRAIN = "1 drain\n"


def put(line, value, stack=1, thread=1):
    return (f"{thread} store 1 0x{line * 64:x} 8 {value:02x}00000000000000 @{stack}\n"
            f"{thread} flush 1 0x{line * 64:x} 8\n")


def begin(number):
    return f"mark begin {number}\n"


def ack(number):
    return f"mark ack {number} @3\n"


def operation(number, *stores):
    return begin(number) + "".join(stores) + DRAIN + ack(number)


class AtomicTest(command.FolderTest):
    def explore(self, events, *options, check=CHECKER):
        trace = self.write("trace", (HEAD + events).encode())
        result = command.run("crash", f"--check={check}", "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", *options, trace)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        report = json.loads(result.stderr)
        self.assertEqual(result.returncode != 0, report["findings"] != [])
        return report

    def silent(self, events, *options, **more):
        self.assertEqual(self.explore(events, *options, **more)["findings"], [])

    def found(self, events, words, *options, **more):
        findings = self.explore(events, *options, **more)["findings"]
        told = [one["message"] for one in findings]
        self.assertTrue(any(words in one for one in told), (words, told))
        return next(one for one in findings if words in one["message"])

    def test_one_word_each(self):
        """Operations of one word each, one after the other, are atomic."""
        events = "".join(operation(i, put(i, 7)) for i in (1, 2, 3))
        self.silent(events, "--atomic")
        self.silent(events, "--atomic=prefix")
        self.silent(events, "--atomic=set")

    def test_half_of_an_operation(self):
        """Two words that become durable one by one are not."""
        events = operation(1, put(1, 7)) + operation(2, put(2, 8, 1), put(3, 9, 2))
        for how in ("prefix", "set"):
            finding = self.found(events, f"recovery leaves a state that no {how} of the operations "
                                 "has", f"--atomic={how}")
            self.assertIn(finding["at"]["line"], (31, 40))
            self.assertIn(finding["related"][0]["line"], (31, 40))

    def test_repaired_by_recovery(self):
        """What counts is the state after recovery."""
        mends = put(0, 2) + DRAIN
        moves = operation(1, put(1, 7)) + operation(2, put(2, 8), DRAIN, put(1, 0))
        self.silent(mends + moves, "--atomic")
        self.found(moves, "recovery leaves", "--atomic")

    def test_lost(self):
        """The state before an acknowledged operation is not right any more."""
        events = begin(1) + put(1, 7) + DRAIN + ack(1) + begin(2) + put(2, 8) + ack(2) + DRAIN
        for how in ("prefix", "set"):
            finding = self.found(events, "recovery loses operation 2", f"--atomic={how}")
            self.assertEqual(finding["at"]["line"], 31)

    def test_any_order(self):
        """Operations that are acknowledged together may be there in any set, and in no prefix."""
        events = (begin(1) + put(1, 7) + begin(2) + put(2, 8) + begin(3) + put(3, 9) + DRAIN +
                  ack(1) + ack(2) + ack(3))
        self.silent(events, "--atomic=set")
        self.found(events, "recovery leaves a state that no prefix", "--atomic")

    def test_sets_with_the_same_record(self):
        """The last operation of those that are there says what a record has."""
        events = (operation(1, put(1, 5)) + begin(2) + put(1, 7) + begin(3) + put(1, 8) +
                  put(2, 9) + begin(4) + put(3, 3) + DRAIN + ack(2) + ack(3) + ack(4))
        self.found(events, "no set of the operations has", "--atomic=set")
        events = events.replace(put(2, 9), "")
        self.silent(events, "--atomic=set")
        self.found(events, "no prefix", "--atomic")

    def test_taken_away(self):
        """A record that is taken away is an effect too."""
        events = (operation(1, put(1, 7)) + operation(2, put(2, 7)) + begin(3) + put(1, 0) +
                  begin(4) + put(2, 0) + DRAIN + ack(3) + ack(4))
        self.silent(events, "--atomic=set")
        self.found(events.replace(put(1, 0), put(1, 0) + put(4, 4)), "no set", "--atomic=set")

    def test_threads(self):
        """What operations of several threads do at once cannot be told apart: nobody is blamed."""
        events = (begin(1) + put(1, 7) + begin(2) + put(2, 8, thread=2) + put(3, 9) + DRAIN +
                  "2 drain\n" + ack(2) + ack(1))
        report = self.explore(events, "--atomic=set")
        self.assertEqual(report["findings"], [])
        self.assertIn("the state was not judged", " ".join(report["remarks"]))

    def test_what_was_there(self):
        """Before the first operation the states are those of the run up to there."""
        base = f"base 1 0x0 4096 {'00' * 64 + '05' + '00' * (4096 - 65)}\n"
        self.silent(base + operation(1, put(2, 8)), "--atomic")
        self.silent(base + operation(1, put(2, 8)), "--atomic=set")
        self.silent(base + put(5, 5) + DRAIN + put(6, 5) + DRAIN + operation(1, put(2, 8)),
                    "--atomic")

    def test_failing_recovery(self):
        """To fail is a failure still, and no state."""
        events = operation(1, put(1, 7)) + operation(2, put(0, 1)) + operation(3, put(2, 8))
        self.found(events, "recovery fails (the checker returns 7)", "--atomic")

    def test_not_the_same_twice(self):
        """A state that depends on the process is none of the run's."""
        self.found(operation(1, put(0, 3), put(1, 7)), "recovery leaves a state", "--atomic",
                   "--isolate")

    def test_commands(self):
        """The state that a command makes is its standard output."""
        events = operation(1, put(1, 7)) + operation(2, put(2, 8, 1), put(3, 9, 2))
        check = "od -An -v -tu8 -w64 -N256 {}"
        finding = self.found(events, "no prefix", "--atomic", check=check)
        image = finding["replay"].split("--replay '")[1].split("'")[0]
        self.assertIn("--atomic", finding["replay"])
        result = command.run("crash", f"--check={check}", "--seed=1", "--atomic",
                             f"--replay={image}", self.path("trace"))
        self.assertEqual(result.returncode, 1)
        self.assertIn(" 7 ", result.stdout)
        self.assertIn("recovery leaves a state that no prefix of the operations has", result.stdout)
        self.silent(operation(1, put(1, 7)) + operation(2, put(2, 8)), "--atomic", check=check)

    def test_workers_and_resume(self):
        events = operation(1, put(1, 7)) + operation(2, put(2, 8, 1), put(3, 9, 2), put(4, 9, 2))
        for how in ("prefix", "set"):
            reports = [self.explore(events, f"--atomic={how}", f"--jobs={jobs}")
                       for jobs in (1, 2, 4)]
            self.assertEqual(reports[0], reports[1])
            self.assertEqual(reports[0], reports[2])
            state = self.path(f"state-{how}")
            while not os.path.exists(state) or "pass 2 " not in self.read(f"state-{how}").decode():
                result = command.run("crash", f"--check={CHECKER}", "--seed=1", "--report=json",
                                     f"--keep={self.path('images')}", f"--atomic={how}",
                                     "--images=5", f"--resume={state}", self.path("trace"))
                self.assertIn(result.returncode, (1, 3), result.stderr)
            self.assertEqual(json.loads(result.stderr), reports[0])

    def test_usage(self):
        trace = self.write("trace", (HEAD + put(1, 1)).encode())
        result = command.run("crash", f"--check={CHECKER}", "--atomic=any", trace)
        self.assertEqual(result.returncode, 2)
        self.assertIn("prefix, set", result.stderr)
        result = command.run("crash", f"--check={os.environ['CHECKER']}", "--atomic", trace)
        self.assertEqual(result.returncode, 125)
        self.assertIn("nvrtl_dump", result.stderr)


if __name__ == "__main__":
    unittest.main()
