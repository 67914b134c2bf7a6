#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What nvrtl crash --check says of traces that were written by hand."""

import json
import os
import pathlib
import sys
import time
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
        for model in ("x86", "eadr"):
            finding = self.explore(torn + DRAIN, f"--model={model}", check=f"sh {check} {{}}")[0]
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

    def test_what_commands_leave_behind(self):
        """A server that a check starts would go on in the next image, and after the search."""
        seconds = f"1000.{os.getpid()}"
        server = f"setsid sleep {seconds} >/dev/null 2>&1 &"
        for ending in "exit 0", "exit 1", "sleep 1000":
            with self.subTest(ending):
                self.run_check(DATA, check=f"{server} ({server}) ; : {{}}; {ending}")
                for _ in range(1000):  # who was killed need not be gone yet
                    if not self.runs("sleep", seconds):
                        break
                    time.sleep(0.01)
                else:
                    self.fail("the server runs on")

    def runs(self, *words):
        cmdline = b"".join(word.encode() + b"\0" for word in words)
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes() == cmdline:
                    return True
            except OSError:  # it has ended
                continue
        return False

    def test_programs_must_not_crash(self):
        trace = self.write("trace", (HEAD + order(1) + DRAIN).encode())
        script = "od -An -tu8 -j56 -N8 \"$1\" | grep -q ' 1$' && kill -SEGV $$; exit 3"
        result = command.run("crash", "--seed=1", "--report=json",
                             f"--keep={self.path('images')}", trace, "--", "sh", "-c", script,
                             "sh", "/nowhere/file")
        self.assertEqual(result.returncode, 1, result.stderr)
        finding = json.loads(result.stderr)["findings"][0]
        self.assertIn("recovery is killed by signal 11", finding["message"])

    def test_words_that_name_files_of_the_run(self):
        """The file may be gone by now, and stand behind a =; a program that is told of none would
        meet no image, and find all of them right."""
        gone = os.path.realpath(self.folder) + "/gone"
        head = HEAD.replace("/nowhere/file", gone) + "region 2 size 4096 line 64 domain memory " \
            "at 0x200000100000 path /nowhere/other\n"
        trace = self.write("trace", (head + order(1) + DRAIN).encode())
        script = "test -f \"${1#--file=}\" && kill -SEGV $$"
        for word, told in (("gone", "signal 11"), ("./gone", "signal 11"), (gone, "signal 11"),
                           ("--file=gone", "signal 11"), ("else", "no word of the program")):
            with self.subTest(word):
                result = command.run("crash", "--seed=1", f"--keep={self.path('images')}", trace,
                                     "--", "sh", "-c", script, "sh", word, cwd=self.folder)
                self.assertEqual(result.returncode, 2 if word == "else" else 1, result.stderr)
                self.assertIn(told, result.stderr)
                not_all = "is not told of 1 of the files of the run" in " ".join(
                    result.stderr.split())
                self.assertEqual(not_all, word != "else", result.stderr)

    def test_names_of_images(self):
        """{} is one name within quotes too, and a checker need not have a slash."""
        events = DATA + DRAIN
        for check in ("test -f {}", 'test -f "{}"', "test -f '{}'", 'test -f "$(echo {})"'):
            self.assertEqual(self.explore(events, check=check), [], check)
        self.assertFalse(os.path.exists(self.path("images")))
        os.symlink(CHECKER, self.path("checker.so"))
        trace = self.write("trace", (HEAD + order(4) + DRAIN).encode())
        result = command.run("crash", "--check=checker.so", "--seed=1", trace, cwd=self.folder)
        self.assertEqual(result.returncode, 1, result.stderr)

    def test_checks_that_always_fail(self):
        result = self.run_check(DATA + DRAIN, check="test -f {} && exit 9")
        self.assertIn("all of them", result.stderr)
        result = self.run_check(BEGIN + DATA + COMMIT + DRAIN + ACK)
        self.assertNotIn("all of them", result.stderr)

    def test_stores_of_one_line(self):
        """They are told apart by who has called there, if that is another one."""
        callers = ("stack 4 put /src/log.c:9; one /src/log.c:20; main /src/main.c:5\n"
                   "stack 5 put /src/log.c:9; two /src/log.c:21; main /src/main.c:5\n")
        for data, commit, words in (
                (4, 5, "the store at log.c:9 (called at log.c:21) is durable and the store at "
                 "log.c:9 (called at log.c:20) is not"),
                (4, 4, "the store at log.c:9 is durable and another store there is not")):
            events = callers + (DATA.replace("@1", f"@{data}") +
                                COMMIT.replace("@2", f"@{commit}") + DRAIN)
            self.assertIn(words, self.explore(events)[0]["message"])

    def test_spaces_in_names(self):
        """Functions of C++ have spaces, and so have folders of sources, and modules."""
        frames = (("put /my src/log a.c:31", "put", "/my src/log a.c", 31),
                  ("operator new(unsigned long) /my src/new.c:4", "operator new(unsigned long)",
                   "/my src/new.c", 4),
                  ("one(int, long) log.c:8", "one(int, long)", "log.c", 8),
                  ("/usr/my lib.so+0x12af", None, None, None),
                  ("operator+(a const&, a)", "operator+(a const&, a)", None, None))
        stack = "stack 4 " + "; ".join(frame[0] for frame in frames) + "\n"
        finding = self.explore(stack + BEGIN + DATA + DRAIN + COMMIT.replace("@2", "@4") + ACK)[0]
        told = [tuple(frame.get(key) for key in ("function", "file", "line"))
                for frame in finding["stack"]]
        self.assertEqual(told, [frame[1:] for frame in frames])
        self.assertEqual(finding["stack"][3]["module"], "/usr/my lib.so")

    def test_replay_is_for_the_shell(self):
        trace = self.write("a  trace", (HEAD + order(4) + DRAIN).encode())
        search = ("crash", f"--check={CHECKER}", "--seed=1", "--check-timeout=3",
                  f"--keep={self.path('images')}", trace)
        result = command.run(search[0], "--report=json", *search[1:])
        replay = json.loads(result.stderr)["findings"][0]["replay"]
        self.assertIn(f"'{trace}'", replay)
        self.assertIn(" --check-timeout=3 ", replay)
        # As it can be copied from the text: on one line, with the spaces that it has.
        self.assertIn(f"= again: {replay}\n", command.run(*search).stderr)

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

    # Points that are tried whole and points that are not, and failures of several looks.
    MANY = ("".join(f"1 store 1 0x{256 + i * 64:x} 8 01{14 * '0'}\n" for i in range(7)) +
            BEGIN + DATA + COMMIT + DRAIN + ACK + order(4) + DRAIN +
            (DATA + "1 store 1 0x48 8 0500000000000000\n" + COMMIT + DRAIN) * 4)

    def told(self, report):
        """What is the same for every way to do the same search; images lie elsewhere."""
        return [{key: value for key, value in finding.items() if key != "image"}
                for finding in report["findings"]]

    def search(self, events, *options, status=1):
        result = self.run_check(events, "--report=json", *options)
        self.assertEqual(result.returncode, status, result.stderr)
        return json.loads(result.stderr)

    def test_shards(self):
        """All parts together find what one search finds, in its order."""
        for exhaustive in ("--exhaustive=16", "--exhaustive=4096"):
            whole = self.search(self.MANY, exhaustive)
            self.assertGreaterEqual(len(whole["findings"]), 3)
            for count in (2, 3, 7):
                parts = []
                for part in range(1, count + 1):
                    result = self.run_check(self.MANY, exhaustive, "--report=json",
                                            f"--shard={part}/{count}")
                    self.assertIn(result.returncode, (0, 1), result.stderr)
                    parts.append(self.write(f"part{part}", result.stderr.encode()))
                merged = command.run("report", "merge", *parts)
                self.assertEqual((merged.returncode, merged.stderr), (0, ""))
                self.assertEqual(self.told(json.loads(merged.stdout)), self.told(whole))
                again = self.write("merged", merged.stdout.encode())
                text = command.run("report", "text", again)
                self.assertIn("recovery fails (the checker returns 5)", text.stdout)

    def test_shards_share_the_work(self):
        """No image is tried by two parts."""
        whole = self.search(self.MANY)
        images = 0
        for part in (1, 2):
            result = self.run_check(self.MANY, "--report=json", f"--shard={part}/2")
            remark = json.loads(result.stderr)["remarks"][0]
            self.assertTrue(remark.startswith(f"part {part} of 2: "), remark)
            own = int(remark.split(": ")[1].split(" ")[0])
            self.assertGreater(own, 0)
            images += own
        self.assertEqual(f"{images} images", " ".join(whole["remarks"][0].split(" ")[:2]))

    def test_shards_of_one_point(self):
        """Where one point has all the images, each part has its share of them."""
        stores = "".join(f"1 store 1 0x{256 + i * 64:x} 8 01{14 * '0'}\n" for i in range(8))
        for part in (1, 2, 3):
            report = self.search(stores, f"--shard={part}/3", status=0)
            self.assertRegex(report["remarks"][0], r"^part \d of 3: [5-9]\d images checked at 1 ")

    def test_no_image_is_tried_twice(self):
        """What a line holds before its first store is the same image as not having got there."""
        events = DATA + DRAIN + "1 store 1 0x80 8 4200000000000000\n1 flush 1 0x80 8\n" + DRAIN
        report = self.search(events, status=0)
        self.assertRegex(report["remarks"][0], "^3 images checked at 3 crash points")

    def test_other_searches_are_not_parts(self):
        """Reports of two searches lose nothing when they are told as one."""
        parts = []
        for seed in (1, 2):
            result = self.run_check(self.MANY, "--report=json", f"--seed={seed}")
            parts.append(self.write(f"part{seed}", result.stderr.encode()))
        merged = json.loads(command.run("report", "merge", *parts).stdout)
        whole = self.search(self.MANY)
        self.assertEqual(sorted(one["message"] for one in merged["findings"]),
                         sorted(one["message"] for one in whole["findings"]))
        self.assertEqual(sum(one["count"] for one in merged["findings"]),
                         2 * sum(one["count"] for one in whole["findings"]))

    def test_workers(self):
        for exhaustive in ("--exhaustive=16", "--exhaustive=4096"):
            reports = [self.search(self.MANY, exhaustive, f"--jobs={jobs}") for jobs in (1, 2, 4)]
            self.assertEqual(reports[0], reports[1])
            self.assertEqual(reports[0], reports[2])

    def test_more_in_flight_than_is_kept(self):
        """Where the model lets stores of a line go, no point counts as exhausted from there on."""
        stores = "".join(f"1 store 1 0x80 8 {i:04x}000000000000\n" for i in range(4100))
        report = self.search(DATA + DRAIN + stores + DATA, status=0)
        self.assertIn("all images of 1, a choice of 1", report["remarks"][0])
        self.assertIn("more stores in flight than are kept", report["remarks"][1])
        report = self.search(DATA + DRAIN + DATA, status=0)
        self.assertIn("all images of 2, a choice of 0", report["remarks"][0])
        self.assertEqual(len(report["remarks"]), 1)

    def test_budget(self):
        result = self.run_check((BEGIN + DATA + DRAIN + COMMIT + DRAIN + ACK) * 3, "--images=1")
        self.assertEqual(result.returncode, 3)
        self.assertIn("its budget is used up", result.stderr)
        self.assertIn("nvrtl: incomplete: recovery copes", result.stderr)
        self.assertIn("1 image checked at 1 crash point", result.stderr)

    def test_resume(self):
        """In steps of a few images it finds what it finds at once, in the same words, and counts
        nothing twice."""
        state = self.path("state")
        for options in (("--exhaustive=16",), ("--exhaustive=4096",), ("--shard=2/3",)):
            whole = self.search(self.MANY, *options)
            for images in (9, 70):
                if os.path.exists(state):
                    os.remove(state)
                steps, report = 0, None
                while not os.path.exists(state) or "pass 2 " not in self.read("state").decode():
                    result = self.run_check(self.MANY, f"--resume={state}", f"--images={images}",
                                            "--report=json", f"--jobs={(1, 2, 4)[steps % 3]}",
                                            *options)
                    self.assertIn(result.returncode, (1, 3), result.stderr)
                    steps += 1
                    self.assertLess(steps, 2000)
                    report = json.loads(result.stderr)
                self.assertGreater(steps, 1)
                self.assertEqual(self.told(report), self.told(whole))
                self.assertEqual(report["remarks"], whole["remarks"])
        for other in ("--exhaustive=7", "--model=eadr"):
            result = self.run_check(self.MANY, f"--resume={state}", "--shard=2/3", other)
            self.assertEqual(result.returncode, 125)
            self.assertIn("of other options", result.stderr)

    def test_usage(self):
        for options in (("--shard=4/3",), ("--jobs=0",), ("--exhaustive=x",), ("--enumerate",),
                        ("--shard=1/-1",), ("--resume=/dev/null",), ("--resume=/",),
                        ("--resume=/nowhere/state",)):  # fmt: skip
            self.assertEqual(self.run_check(DATA, *options).returncode, 2, options)
        for check in ("true", "/nowhere/checker.so", ""):
            result = self.run_check(DATA + DRAIN, check=check)
            self.assertEqual(result.returncode, 2, check)
            self.assertIn("does not name the image", result.stderr)
        result = self.run_check(DATA + DRAIN, check="/nowhere/checker {}")
        self.assertEqual(result.returncode, 125)
        self.assertIn("cannot be run", result.stderr)


if __name__ == "__main__":
    unittest.main()
