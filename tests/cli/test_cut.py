#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl cut: correct programs survive, broken ones do not, and a failure can be replayed."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from command import NVRTL, FolderTest, run

STORE = os.environ.get("WORDSTORE_BIN")
BROKEN = os.environ.get("WORDSTORE_BROKEN_BIN")
UNFLUSHED = os.environ.get("WORDSTORE_UNFLUSHED_BIN")
CASES = os.environ.get("CUT_CASES_BIN")
SEED = os.environ.get("NVRTL_TEST_SEED", "1")
CHECK = os.environ.get("CHECK_WORDSTORE_BIN")


class CutTest(FolderTest):
    # What the medium keeps is modelled, not used; so the fastest place will do.
    parent = "/dev/shm" if os.path.isdir("/dev/shm") else None

    def cut(self, *arguments, **options):
        print(f"seed {SEED}", end=" ", flush=True)
        return run("cut", "--seed", SEED, *arguments, cwd=self.folder, **options)

    def reset(self, *names):
        return ("--reset", "rm -f " + " ".join(shlex.quote(self.path(name)) for name in names))

    def assert_survives(self, result, cuts):
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        self.assertRegex(result.stdout, rf"^{cuts} cuts, seed {SEED}, \d+ records to cut at: "
                                        r"nothing was found\n$")

    def assert_found(self, result, within):
        """Returns the number of the failing cut."""
        self.assertEqual((result.returncode, result.stderr), (1, ""), result.stdout)
        number = int(re.match(rf"cut (\d+) of seed {SEED}: the power was cut after ",
                              result.stdout)[1])
        self.assertLessEqual(number, within)
        return number


@unittest.skipIf(STORE is None, "the example is not built")
class WordstoreTest(CutTest):
    WORDS = 4300  # two batches, the last one short

    def load(self, program, cuts, *options):
        words = self.write("list", "".join(f"word-{n}\n" for n in range(self.WORDS)).encode())
        check = " ".join(map(shlex.quote, (CHECK, program, words)))
        return self.cut("--runs", cuts, *self.reset("store"), "--check", check + " {}", *options,
                        "--", program, self.path("store"), "load", words)

    def test_it_survives(self):
        self.assert_survives(self.load(STORE, 60), 60)

    def test_the_broken_twin_does_not(self):
        self.assert_found(self.load(BROKEN, 50), 50)

    def test_jobs_find_the_same(self):
        words = self.write("list", "".join(f"word-{n}\n" for n in range(self.WORDS)).encode())
        check = " ".join(map(shlex.quote, (CHECK, BROKEN, words)))
        told = []
        for jobs in ("1", "3"):
            keep = self.path("keep-" + jobs)
            result = self.cut("--runs", 50, "--jobs", jobs, *self.reset("store-{%}"),
                              "--keep", keep, "--check", check + " {}", "--", BROKEN,
                              self.path("store-{%}"), "load", words)
            self.assert_found(result, 50)
            told.append(re.sub(r"store-\d", "store-N", result.stdout).replace(keep, "keep"))
        self.assertEqual(*told)
        self.assertEqual(self.read("keep-1/image-1"), self.read("keep-3/image-1"))

    def test_without_any_flush_it_fails_at_once(self):
        self.assert_found(self.load(UNFLUSHED, 50), 3)

    def test_a_failure_can_be_replayed(self):
        first = self.load(BROKEN, 50, "--keep", self.path("first"))
        number = self.assert_found(first, 50)
        replay = first.stdout[first.stdout.index("    nvrtl cut "):].strip()
        folder = f"nvrtl-cut-{SEED}-{number}"
        again = subprocess.run(["sh", "-c", replay], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE, cwd=self.folder, check=False,
                               env={**os.environ, "PATH": os.path.dirname(NVRTL) + ":" +
                                    os.environ["PATH"]})
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertEqual(again.stdout.replace(folder, "first"), first.stdout)
        self.assertEqual(self.read(f"{folder}/image-1"), self.read("first/image-1"))
        self.assertEqual(self.read("first/report.txt").decode(), first.stdout)


@unittest.skipIf(CASES is None, "the cases are not built")
class CasesTest(CutTest):
    def run_case(self, kind, cuts, *options, files=("file",), check=True):
        paths = [self.path(name) for name in files]
        if check:
            options += ("--check", f"{shlex.quote(CASES)} check {kind} " +
                        " ".join(map(shlex.quote, paths)))
        return self.cut("--runs", cuts, *options, "--", CASES, kind, *paths)

    def test_correct_programs_survive(self):
        for kind in ("count", "plain", "system", "waits", "fork", "threads", "truncate"):
            with self.subTest(kind=kind):
                self.assert_survives(self.run_case(kind, 40, *self.reset("file")), 40)

    def test_two_files(self):
        result = self.run_case("two", 30, *self.reset("a", "b"), files=("a", "b"))
        self.assert_survives(result, 30)

    def test_every_model(self):
        for model in ("eadr", "page"):
            result = self.run_case("count", 20, "--model", model, *self.reset("file"))
            self.assert_survives(result, 20)

    def test_the_program_itself_is_the_check(self):
        self.assert_survives(self.run_case("pair-good", 30, *self.reset("file"), check=False), 30)
        result = self.run_case("pair-bad", 60, *self.reset("file"), check=False)
        self.assert_found(result, 60)
        self.assertIn("The program, run again, was killed by signal 6", result.stdout)

    def test_eadr_loses_nothing(self):
        result = self.run_case("pair-bad", 30, "--model", "eadr", *self.reset("file"), check=False)
        self.assert_survives(result, 30)

    def test_a_replay_without_a_reset_puts_the_file_back(self):
        first = self.run_case("pair-bad", 200, check=False)
        number = self.assert_found(first, 200)
        folder = f"nvrtl-cut-{SEED}-{number}"
        os.rename(self.path(folder), self.path("first"))
        self.assertTrue(os.path.exists(self.path("first/before-1")))
        replay = first.stdout[first.stdout.index("    nvrtl cut "):].strip()
        again = run(*shlex.split(replay.replace(self.path(folder), self.path("first")))[1:],
                    cwd=self.folder)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertEqual(self.read(f"{folder}/image-1"), self.read("first/image-1"))

    def test_a_replay_leaves_a_file_that_was_there_already(self):
        """The first run does not name it, so that there is no copy of what it held."""
        self.write("old", b"x" * 16384)
        program = 'test -e first && exec "$0" once old; : >first; exec "$0" count new'
        result = self.cut("--check", "test $(od -An -tu8 -N8 old) -eq 1", "--", "sh", "-c", program,
                          CASES)
        number = self.assert_found(result, 100)
        self.assertIn(f"the first to name {self.path('old')}: ", result.stdout)
        self.assertNotIn(f"rm -f {self.path('old')}", result.stdout)
        # Both have the number that the first run gave it.
        kept = f"nvrtl-cut-{SEED}-{number}"
        self.assertEqual(sorted(os.listdir(self.path(kept))),
                         ["before-1", "image-1", "image-2", "report.txt"])
        self.assertEqual(self.read(f"{kept}/before-1"), self.read("new"))
        self.assertEqual(self.read(f"{kept}/image-1"), self.read("new"))

    def test_the_files_name_is_quoted(self):
        result = self.cut("--runs", "3", "--check", "test -e {}", "--", CASES, "count",
                          self.path("it's a file"))
        self.assert_survives(result, 3)

    def test_the_check_gets_the_ids_and_its_words_are_shown(self):
        check = 'echo "ids:$NVRTL_ACKED"; test -z "$NVRTL_ACKED"'
        result = self.cut("--runs", "60", "--check", check, "--", CASES, "count", self.path("file"))
        self.assert_found(result, 60)
        self.assertRegex(result.stdout, r"\n    \| ids:1")
        self.assertRegex(result.stdout, r"; acknowledged: 1[ .]")
        self.assertIn("The check ended with status 1.", result.stdout)

    def test_the_first_store_to_a_page_is_seen(self):
        self.assert_found(self.run_case("once", 50, *self.reset("file")), 50)

    def test_jobs(self):
        paths = self.path("file-{%}")
        check = f"{shlex.quote(CASES)} check count {{}}"
        result = self.cut("--runs", 41, "--jobs", 4, *self.reset("file-{%}"), "--check", check,
                          "--", CASES, "count", paths)
        self.assert_survives(result, 41)
        self.assertEqual(sorted(os.listdir(self.folder)), [f"file-{n}" for n in range(1, 5)])

    def test_jobs_must_not_meet(self):
        for options in ((), self.reset("file")):
            result = self.cut("--jobs", "2", *options, "--", CASES, "count", self.path("file"))
            self.assert_fails(result, 2, "--reset", "{%}")

    def test_a_program_that_stores_nothing(self):
        self.assert_survives(self.run_case("get", 5, *self.reset("file"), check=False), 5)

    def test_a_check_that_hangs(self):
        check = "echo $$ >pid; exec sleep 1000"
        result = self.cut("--timeout", 5, "--check", check, "--", CASES, "count", self.path("file"))
        self.assert_found(result, 1)
        self.assertIn("The check did not end within 5 seconds (--timeout).", result.stdout)
        self.assertIn(" --timeout 5 ", result.stdout)
        self.assert_gone(int(self.read("pid")))

    def test_a_program_that_never_ends(self):
        for check in (True, False):
            result = self.run_case("forever", 2, "--timeout", 3, *self.reset("file"), check=check)
            self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
            self.assertIn("the program did not end within 3 seconds (--timeout)", result.stdout)
            self.assertIn("nothing was found", result.stdout)

    def assert_gone(self, pid):
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def interrupt(self, number, files, *arguments):
        """Sends the signal once the files are there, each with the id of a process."""
        def as_usual():  # whoever runs the tests may ignore some
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(number, signal.SIG_DFL)
        with subprocess.Popen([NVRTL, "cut", *arguments], stdout=subprocess.PIPE, text=True,
                              cwd=self.folder, preexec_fn=as_usual) as cut:
            pids = [self.wait_for(name, cut) for name in files]
            cut.send_signal(signal.SIGHUP)  # or the status would tell of it
            cut.send_signal(number)
            told = cut.communicate()[0]
        self.assertEqual(cut.returncode, 128 + number)
        self.assertRegex(told, r"^\d+ cuts, .*; interrupted\n$")
        for pid in pids:
            self.assert_gone(pid)

    def wait_for(self, name, process):
        while process.poll() is None:
            if os.path.exists(self.path(name)) and self.read(name).endswith(b"\n"):
                return int(self.read(name))
            time.sleep(0.01)
        self.fail("it has ended")

    def test_an_interrupt_leaves_nothing(self):
        program = ("--", "sh", "-c", 'echo $$ >pid-{%}; exec "$0" "$1" "$2"', CASES)
        self.interrupt(signal.SIGINT, ["pid-1"], *program, "forever", self.path("file-{%}"))
        os.unlink(self.path("pid-1"))
        self.interrupt(signal.SIGTERM, ["check-1", "check-2"], "--jobs", "2",
                       *self.reset("file-{%}"), "--check", "echo $$ >check-{%}; exec sleep 1000",
                       *program, "count", self.path("file-{%}"))
        self.assertEqual(sorted(os.listdir(self.folder)),
                         [f"{kind}-{n}" for kind in ("check", "file", "pid") for n in (1, 2)])

    @staticmethod
    def status_of(pid):
        """Its state, its parent, and more."""
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as status:
            return status.read().rsplit(")", 1)[1].split()

    def test_the_terminal_interrupts_the_check_too(self):
        """Ctrl-C goes to all of them: a check that dies of it has found nothing."""
        for check in "echo $$ >pid; exec sleep 1000", \
                     "trap 'exit 3' INT; sleep 1000 & echo $$ >pid; wait":
            with self.subTest(check=check), \
                    subprocess.Popen([NVRTL, "cut", "--check", check, "--", CASES, "count",
                                      self.path("file")], stdout=subprocess.PIPE, text=True,
                                     cwd=self.folder, start_new_session=True) as cut:
                pid = self.wait_for("pid", cut)
                job = int(self.status_of(pid)[1])
                os.kill(job, signal.SIGSTOP)  # so that it finds the check ended already
                os.killpg(cut.pid, signal.SIGINT)
                while self.status_of(pid)[0] != "Z":
                    time.sleep(0.01)
                os.kill(job, signal.SIGCONT)
                told = cut.communicate()[0]
            self.assertEqual(cut.returncode, 128 + signal.SIGINT, told)
            self.assertRegex(told, r"^0 cuts, .*; interrupted\n$")
            os.unlink(self.path("pid"))

    def test_a_directory_that_cannot_be_kept_in(self):
        self.write("keep", b"")
        for keep in ("keep", "no/keep"):
            result = self.cut("--keep", keep, "--", CASES, "count", self.path("file"))
            self.assert_fails(result, 2, "cannot write to the directory " + keep)
        self.assertFalse(os.path.exists(self.path("file")))

    def test_programs_that_cannot_be_cut(self):
        self.assert_fails(self.cut("--", CASES, "none"), 2, "made no token", "nothing to cut")
        self.assert_fails(self.cut("--", CASES, "fail"), 125, "without any cut", "status 3")
        self.assert_fails(self.cut("--", CASES, "abort"), 125, "without any cut", "signal 6")
        self.assert_fails(self.cut("--", self.path("none")), 125, "No such file")

    def test_commands_that_cannot_be_run(self):
        for options, words in ((("--check", "no-such-command"), "the check cannot be run"),
                               (("--reset", "false"), "the reset failed")):
            result = self.cut(*options, "--", CASES, "count", self.path("file"))
            self.assert_fails(result, 125, words)

    def test_a_file_that_is_gone(self):
        """A cut leaves it as it was, and does not mistake another one for it."""
        same = f"test $(tr -d N <{self.path('file')} | wc -c) -eq 0"
        for kind, check in (("removed", "true"), ("replaced", same)):
            with self.subTest(kind=kind):
                result = self.cut("--runs", 40, *self.reset("file"), "--check", check, "--", CASES,
                                  kind, self.path("file"))
                self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
                self.assertRegex(result.stdout, r"^[1-9]\d* cuts? left a file as it was: ")
                self.assertIn("40 cuts, ", result.stdout)

    def test_a_file_with_another_name(self):
        for kind in "moved", "moved-once":
            check = f"test ! -e moved || {shlex.quote(CASES)} check {kind} moved"
            result = self.cut("--runs", 40, *self.reset("file", "moved"), "--check", check, "--",
                              CASES, kind, self.path("file"), self.path("moved"))
            with self.subTest(kind=kind):
                if kind == "moved":
                    self.assert_survives(result, 40)
                else:
                    self.assert_found(result, 40)

    def test_a_file_that_is_met_under_two_names(self):
        """Whatever a drain under one name covers is not cut off under the other. On a disk a new
        file gets the number of one that was deleted."""
        folder = tempfile.mkdtemp(prefix="nvrtl-test-")
        self.addCleanup(shutil.rmtree, folder)
        kept = os.path.join(folder, "moved")
        names = kept + "-not-yet", kept
        check = f"{shlex.quote(CASES)} check renamed {shlex.quote(kept)}"
        for kind in "renamed", "recreated", "renamed-bad":
            result = self.cut("--runs", 100, "--reset", "rm -f " + shlex.join(names), "--check",
                              check, "--", CASES, kind, *names)
            with self.subTest(kind=kind):
                if kind == "renamed-bad":
                    self.assert_found(result, 100)
                    self.assertIn(f" bytes at 0x8 of {kept}\n", result.stdout)
                else:
                    self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)

    def test_many_ids(self):
        """More than the environment of a process takes. Who has no check needs none of them."""
        program = ("--", CASES, "marks", self.path("file"))
        result = self.cut("--at", 39000, *program)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, f"1 cut, seed {SEED}: nothing was found\n")
        result = self.cut("--at", 39000, "--check", "true", *program)
        self.assert_fails(result, 125, "Argument list too long", "NVRTL_ACKED", "128 KiB")
        result = self.cut("--at", 20000, "--check", "false", *program)
        self.assert_found(result, 1)
        self.assertRegex(result.stdout, r"; acknowledged: \d{5}, the last of them( \d{5}){16}\.\n")

    def test_a_record_that_is_never_made(self):
        program = ("--", CASES, "count", self.path("file"), "2")
        result = self.cut("--at", 10 ** 9, *program)
        told = re.search(r"come to its end with record (\d+): it was cut there\n", result.stderr)
        self.assertEqual(result.returncode, 0)
        self.assertTrue(told, result.stderr)
        result = self.cut("--at", int(told[1]) + 1, *program)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_time_ends(self):
        result = self.run_case("count", 10 ** 9, "--time", "1", *self.reset("file"))
        self.assertEqual((result.returncode, result.stderr), (3, ""))
        self.assertIn("nothing was found", result.stdout)

    def test_wrong_usage(self):
        for option, value in (("--runs", "0"), ("--runs", "many"), ("--first", "0"),
                              ("--seed", "-1"), ("--model", "arm"), ("--time", "x")):
            self.assert_fails(self.cut(option, value, "--", CASES, "none"), 2, value)
        self.assert_fails(self.cut(), 2, "which program?")

    def test_the_seed_is_printed(self):
        result = run("cut", "--runs", "1", "--", CASES, "count", self.path("file"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^1 cut, seed [1-9]\d*, ")


if __name__ == "__main__":
    unittest.main()
