#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checkers that do what no checker should, and searches that end early: nvrtl crash tells nothing
that is not so, and loses nothing."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import command  # noqa: E402

CHECKER, CLOCK = os.environ["ODD_CHECKER"], os.environ["CLOCK"]
HEAD = """nvrtl-trace-text/1
model x86 streams=drain
region 1 size 65536 line 64 domain memory at 0x200000000000 path /nowhere/file
stack 1 put /src/log.c:31; main /src/main.c:5
stack 2 put /src/log.c:40; main /src/main.c:5
"""


def put(offset, value, drain="1 drain\n", stack=1):
    return (f"1 store 1 0x{offset:x} 8 {value:02x}{14 * '0'} @{stack}\n"
            f"1 flush 1 0x{offset:x} 8\n{drain}")


# Some images of each of a few points, all of which are right.
RIGHT = put(0x800, 7) + "".join(put(0x400 + 64 * i, 1) for i in range(8)) + put(0, 1)
# Of the last one some are wrong.
WRONG = ("".join(put(0x400 + 64 * i, 1) for i in range(8)) + put(0x800, 7, drain="") +
         put(0, 1, stack=2))


class OddTest(command.FolderTest):
    def run_check(self, way, events, *options, **variables):
        trace = self.write("trace", (HEAD + events).encode())
        return command.run("crash", f"--check={CHECKER}", "--seed=1", "--report=json", "--jobs=1",
                           f"--keep={self.path('images')}", *options, trace,
                           env={**os.environ, "ODD": way, **variables},
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def explore(self, way, events, *options, **variables):
        result = self.run_check(way, events, *options, **variables)
        self.assertIn(result.returncode, (0, 1, 3), result.stderr)
        report = json.loads(result.stderr)
        self.assertEqual(result.returncode == 1, report["findings"] != [], report["remarks"])
        return report

    def assert_right(self, report):
        self.assertEqual(report["findings"], [])
        self.assertNotIn("fail", " ".join(report["remarks"]))

    def test_keeps_something(self):
        """It fails from the second image of a process on: no fresh process confirms that, and none
        of the failures counts, however many look alike."""
        report = self.explore("keeps", RIGHT)
        self.assertEqual(report["findings"], [])
        self.assertIn("failed once and not in a fresh process", " ".join(report["remarks"]))
        images = int(report["remarks"][0].split(" ")[0])
        self.assertGreater(images, 4)
        self.assertIn(f"{images - 1} images failed once", " ".join(report["remarks"]))

    def test_keeps_something_and_is_wrong(self):
        """What it says of images when it has kept something is no cause, and no other failure."""
        findings = self.explore("keeps", WRONG)["findings"]
        self.assertEqual([one["message"] for one in findings],
                         ["recovery fails (the checker returns 4); its cause was not found: it "
                          "does not fail each time"])

    def test_leaves_a_file(self):
        """It is gone for a fresh process."""
        report = self.explore("leaves-a-file", RIGHT)
        self.assertEqual(report["findings"], [])
        self.assertIn("failed once and not in a fresh process", " ".join(report["remarks"]))
        self.assert_right(self.explore("leaves-a-file", RIGHT, "--isolate"))

    def test_returns_twice(self):
        """What a child of the checker says is not heard."""
        self.assert_right(self.explore("returns-twice", RIGHT, "--check-timeout=2"))

    def test_image_is_there_again(self):
        """Who has no view of the image any more, or another one, meets each image all the same."""
        for way in ("unmaps", "maps-over"):
            with self.subTest(way):
                self.assert_right(self.explore(way, RIGHT))
                findings = self.explore(way, WRONG)["findings"]
                self.assertIn("the store at log.c:40 is durable and the store at log.c:31 is not",
                              findings[0]["message"])

    def test_does_not_fail_each_time(self):
        """Two processes have met it, and then nobody any more: it is told all the same."""
        key = str(0x4e560000 + os.getpid() % 0x10000)
        self.addCleanup(subprocess.run, ["ipcrm", "-M", key], check=True)
        finding = self.explore("wavers", put(0x800, 7) + put(0, 1), ODD_KEY=key)["findings"][0]
        self.assertIn("(the checker returns 3); its cause was not found: it does not fail each "
                      "time", finding["message"])
        self.assertNotIn("image", finding)
        self.assertIn("--replay", finding["replay"])

    def test_fresh_processes(self):
        for option in ("--respawn=1", "--isolate"):
            self.assert_right(self.explore("keeps", RIGHT, option))

    def test_image_is_whole_again(self):
        """What it has cut off, or can no longer be reached, is there for the next image."""
        for way in ("truncates-image", "closes"):
            with self.subTest(way):
                self.assert_right(self.explore(way, RIGHT))

    def test_files_of_the_user(self):
        file = self.write("precious", b"precious")
        for way in ("unlinks", "truncates", "makes"):
            report = self.explore(way, RIGHT, ODD_FILE=file)
            self.assert_right(report)
            if "Landlock" not in " ".join(report["remarks"]):
                self.assertEqual(self.read("precious"), b"precious", way)
                self.assertFalse(os.path.exists(file + ".new"), way)

    def test_files_that_were_images(self):
        """What a command links or moves to a place of its own is its own, and written no more."""
        for takes in ("ln {} kept", "mv {} kept && cp kept {}"):
            kept = self.path("kept")
            takes = takes.replace("kept", f"'{kept}'")
            check = f"test -e '{kept}' || {{ {takes} && cp '{kept}' '{kept}.then'; }}"
            self.assert_right(self.explore("none", RIGHT, f"--check={check}", TMPDIR=self.folder))
            self.assertEqual(self.read("kept"), self.read("kept.then"), takes)
            os.remove(kept)

    def test_children_of_commands(self):
        """What a command has started ends with it: it does not write to the next image."""
        started = self.path("started")
        check = (f"setsid sh -c 'sleep 0.1; printf \\\\1 | dd of=\"$0\" conv=notrunc; exec sleep "
                 f"300' {{}} >&- 2>&- & echo $! >>'{started}'; "
                 "test $(od -An -v -tu1 -N1 {}) = 0 || test $(od -An -v -tu1 -j2048 -N1 {}) = 7")
        for option in ("--isolate", "--jobs=2"):
            self.assert_right(self.explore("none", RIGHT, f"--check={check}", option))
        numbers = self.read("started").split()
        self.assertGreater(len(numbers), 8)
        for number in numbers:
            self.assertFalse(os.path.exists(f"/proc/{int(number)}"), number)

    def test_unguarded(self):
        """Where nothing keeps the checker from the user's files, the report says so."""
        variables = {"LD_PRELOAD": os.environ["NO_LANDLOCK"],
                     "ASAN_OPTIONS": "verify_asan_link_order=0"}
        report = self.explore("none", RIGHT, **variables)
        self.assertEqual(report["findings"], [])
        self.assertIn("this system has no Landlock", " ".join(report["remarks"]))

    def test_memory(self):
        """A checker has as much as the search is given."""
        self.assert_right(self.explore("allocates", RIGHT, "--memory=64M"))
        finding = self.explore("allocates", RIGHT, "--memory=1G")["findings"][0]
        self.assertIn("the checker returns 5", finding["message"])

    def test_timeout(self):
        finding = self.explore("waits", put(0x800, 7) + put(0, 1), "--check-timeout=1")
        self.assertIn("does not end in time", finding["findings"][0]["message"])

    # What the search has met before is judged by then: this does not fit into the same batch.
    APART = f"1 copy 1 0x4000 8192 {'00' * 8192}\n"

    def test_long_timeout(self):
        """So many seconds are more milliseconds than a number holds."""
        longest = f"--check-timeout={2**64 // 1000 + 1}"
        self.assert_right(self.explore("takes-a-moment", put(0x800, 7), longest))

    def test_loading(self):
        """What a checker does when it is loaded has its time too."""
        for way, words in (("hangs-when-loaded", "not loaded in time"),
                           ("ends-when-loaded", "ends while it is loaded")):
            result = self.run_check(way, RIGHT, "--check-timeout=1")
            self.assertEqual(result.returncode, 125, result.stderr)
            self.assertIn(words, result.stderr)

    def test_interrupted(self):
        """The report so far, with the causes of what was found."""
        wrong = put(0x800, 7) + put(0x40, 0x42, drain="") + put(0, 1)
        right = put(0x800, 7) + put(0x40, 0x42) + put(0, 1)
        for events, status in ((right, 128 + 2), (wrong, 1)):
            result = self.run_check("interrupts", events + self.APART + put(0, 2) + put(0, 3))
            self.assertEqual(result.returncode, status, result.stderr)
            report = json.loads(result.stderr)
            self.assertIn("the search was not finished: it was interrupted", report["remarks"])
        self.assertIn("no drain stands between them", report["findings"][0]["message"])

    def test_interrupted_image_has_no_say(self):
        """What a process says of an image after the end of the search is of no other image."""
        events = put(0x800, 7) + put(0x40, 0x42, drain="") + put(0, 1) + self.APART + put(0, 2)
        report = self.explore("interrupts-and-holds", events, "--check-timeout=2")
        self.assertIn("it was interrupted", " ".join(report["remarks"]))
        self.assertIn("no drain stands between them", report["findings"][0]["message"])

    def test_interrupted_while_it_confirms(self):
        """A failure that no fresh process has met does not count, and is tried again later."""
        events = put(0x800, 7) + put(0x40, 0x42, drain="") + put(0, 1)
        state = f"--resume={self.path('state')}"
        result = self.run_check("interrupts-fresh", events, state)
        self.assertEqual(result.returncode, 128 + 2, result.stderr)
        self.assertEqual(json.loads(result.stderr)["findings"], [])
        whole = self.explore("interrupts", events)
        self.assertNotEqual(whole["findings"], [])
        report = self.explore("interrupts", events, state)
        self.assertEqual(report["findings"], whole["findings"])
        self.assertEqual(report["remarks"], whole["remarks"])

    def test_memory_of_the_search(self):
        """What it no longer remembers is tried again; without end it does not remember."""
        stores = put(0x800, 7) + "".join(
            f"1 store 1 0x{0x1000 + 64 * i:x} 8 01{14 * '0'}\n" for i in range(15))
        again = "1 drain\n1 store 1 0x1000 8 0100000000000000\n1 drain\n"
        counts = []
        for memory in ("256M", "1M"):
            report = self.explore("none", stores + again, "--exhaustive=65536",
                                  f"--memory={memory}")
            self.assert_right(report)
            counts.append(int(report["remarks"][0].split(" ")[0]))
        self.assertLess(counts[0], counts[1])

    def test_time(self):
        """What was spent on the first reading of the trace counts."""
        variables = {"LD_PRELOAD": CLOCK, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        report = self.explore("none", RIGHT, "--time=1000", **variables)
        self.assertIn("its budget is used up", " ".join(report["remarks"]))
        self.assertTrue(report["remarks"][0].startswith("0 images "), report["remarks"])
        report = self.explore("none", RIGHT, "--time=1001", **variables)
        self.assertNotIn("budget", " ".join(report["remarks"]))

    def test_same_image_after_other_marks(self):
        """What is right before an operation begins may be wrong after it."""
        report = self.explore("begun", put(0x800, 7) + "mark begin 1\n" + put(0x40, 1))
        self.assertIn("the checker returns 6", report["findings"][0]["message"])

    def test_near_images_first(self):
        """One line is missing of all that is in flight: soon met, whichever line it is."""
        others = "".join(put(0x100 + 64 * i, 1, drain="") for i in range(9))
        self.assert_right(self.explore("none", others + put(0x800, 7) + put(0, 1)))
        last = put(0, 1, drain="") + others + put(0x800, 7)
        report = self.explore("none", last, "--images=30")
        self.assertIn("the checker returns 4", report["findings"][0]["message"])

    def test_first_members_first(self):
        """Many points with the same stacks do not keep the search from the one that is another."""
        many = "".join(put(0x1000 + 64 * i, 1) for i in range(60))
        report = self.explore("none", many + put(0, 1, stack=2), "--images=20")
        self.assertIn("the checker returns 4", report["findings"][0]["message"])


if __name__ == "__main__":
    unittest.main()
