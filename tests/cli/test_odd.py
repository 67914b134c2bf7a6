#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that do unusual things run under the verifier as they run without it, and the report
says what it should."""

import json
import os
import signal
import subprocess
import unittest

from command import NVRTL, FolderTest, run

ODD = os.environ.get("ODD_BIN", "odd")
ODD_MALLOC = os.environ.get("ODD_MALLOC_BIN", "odd-malloc")

# Findings as "kind severity function".
FORGOT = "unflushed-write error odd_forget"
FORGOT_NOTE = "unflushed-write note odd_forget"
LEAK = "leaked-token warning odd_map"


def memory_folder():
    """A folder in memory, where drains cost nothing."""
    shared = "/dev/shm"
    return shared if os.access(shared, os.W_OK | os.X_OK) else None


class OddTest(FolderTest):
    parent = os.environ.get("NVRTL_TEST_DIR", memory_folder())

    def alone(self, *arguments, program=ODD, **options):
        """The program without a verifier. Its file is new each time."""
        file = self.path(f"alone-{len(os.listdir(self.folder))}")
        case, *rest = arguments
        return run(case, file, *rest, program=program, **options)

    def verified(self, *arguments, program=ODD, source=(), name="verified", **options):
        number = len(os.listdir(self.folder))
        case, *rest = arguments
        result = run("run", "--report=text,json", "--output", self.path(f"report-{number}"),
                     *source, "--", program, case, self.path(f"{name}-{number}"), *rest,
                     **options)
        with open(self.path(f"report-{number}/report.json"), encoding="utf-8") as file:
            return result, json.load(file)

    def check(self, arguments, *findings, remark="only the routines are seen",
              incomplete=False, **options):
        """The program does the same as without, and these are the findings."""
        alone = self.alone(*arguments, **options)
        if alone.returncode == 98:
            self.skipTest(alone.stderr)
        result, report = self.verified(*arguments, **options)
        own = alone.returncode if alone.returncode >= 0 else 128 - alone.returncode
        self.assertEqual(result.stdout, alone.stdout)
        self.assertEqual(report["exit"], own)
        self.assertEqual(self.names(report), sorted(findings))
        errors = report["summary"]["error"]
        self.assertEqual(report.get("incomplete", False), incomplete)
        expected = own or int(errors != 0) or (125 if incomplete else 0)
        self.assertEqual(result.returncode, expected, result.stderr)
        self.assertIn(remark, " ".join(report["remarks"]))
        return report

    @staticmethod
    def names(report):
        return sorted(f'{one["kind"]} {one["severity"]} {one["at"].get("function")}'
                      for one in report["findings"])


class EndsTest(OddTest):
    def test_in_good_order(self):
        self.check(["clean"])

    def test_with_data_in_flight(self):
        self.check(["dirty"], FORGOT, LEAK)
        self.check(["dirty", "4"], FORGOT, LEAK)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGPIPE):
            self.check(["dirty", f"-{int(number)}"], FORGOT_NOTE)

    def test_abruptly(self):
        for how in ("abort", "fault", "exit"):
            self.check(["end-abruptly", how], FORGOT_NOTE)


class DescriptorsTest(OddTest):
    def test_standard_input_and_output_are_the_program_s(self):
        text = "a line, and another\n" * 5000
        self.check(["echo"], input=text)
        self.check(["echo"], input="")

    def test_all_closed(self):
        """The verifier's own among them: it finds its way back."""
        for when in ("before", "after"):
            self.check(["close-all", when], FORGOT, FORGOT, LEAK, LEAK)

    def test_few(self):
        for when in ("before", "after"):
            self.check(["limit", "nofile", "20", when, "0"], FORGOT)


class ProcessesTest(OddTest):
    def test_another_root(self):
        os.mkdir(self.path("root"))
        self.check(["new-root", self.path("root")], FORGOT)
        report = self.check(["new-root", self.path("root"), "file"], incomplete=True,
                            remark="1 process was not watched: it asked for a token without")
        self.assertEqual(report["regions"], [])

    def test_child_that_is_killed(self):
        self.check(["child-crashes"])

    def test_orphan_is_waited_for(self):
        self.check(["orphan"], FORGOT_NOTE)

    def test_becoming_another_program(self):
        """The second image forgets; after vfork the first one then stores, and flushes, there."""
        self.check(["become", "exec"], FORGOT, LEAK)
        self.check(["become", "vfork"], LEAK)

    def test_no_environment(self):
        """Who has no environment does not find the verifier; the run does not look clean."""
        report = self.check(["no-environment", "before"], incomplete=True,
                            remark="1 process was not watched: it asked for a token without")
        self.assertEqual(report["regions"], [])
        self.check(["no-environment", "after"])

    def start_daemon(self):
        """The command, while it waits for a daemon that waits for the end of its standard input."""
        command = [NVRTL, "run", "--report=text,json", "--output", self.path("out"), "--", ODD,
                   "daemon", self.path("file")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        self.assertIn("waiting for its process", process.stderr.readline())
        return process

    def test_daemon_is_waited_for(self):
        process = self.start_daemon()
        out, err = process.communicate()
        self.assertEqual((out, process.returncode), ("the daemon runs\n", 0))
        self.assertNotIn("still runs", err)
        with open(self.path("out/report.json"), encoding="utf-8") as file:
            self.assertEqual(self.names(json.load(file)), [LEAK, FORGOT_NOTE])

    def test_a_signal_ends_the_wait(self):
        process = self.start_daemon()
        process.send_signal(signal.SIGINT)
        self.assertIn("still runs", process.stderr.readline())
        self.assertEqual(process.wait(), 0)
        with open(self.path("out/report.json"), encoding="utf-8") as file:
            self.assertEqual(self.names(json.load(file)), [FORGOT_NOTE])
        process.stdout.close()
        process.stderr.close()


class LimitsTest(OddTest):
    def test_address_space(self):
        """An eighth of it is enough; with less the program runs unwatched, and that is told."""
        self.check(["limit", "as", str(512 << 20), "before", "64"], FORGOT)
        report = self.check(["limit", "as", str(176 << 20), "before", "64"],
                            incomplete=True, remark="1 process was not watched")
        self.assertEqual(report["regions"], [])

    def test_file_size_and_stack(self):
        self.check(["limit", "fsize", "70000", "before", "0"], FORGOT)
        self.check(["limit", "stack", str(64 << 10), "after", "0"], FORGOT)

    def test_small_stacks(self):
        self.check(["small-stack"])
        for size in ("1024", "2048", "8192", "65536"):
            self.check(["small-signal-stack", size, "0"],
                       "unflushed-write error write_in_handler")
            self.check(["small-signal-stack", size, "1"])
            self.check(["small-signal-stack", size, "3"])

    def test_filtered_system_calls(self):
        for how in ("kill", "refuse"):
            self.check(["filter", how], FORGOT, "redundant-flush performance odd_filter")

    def test_filtered_where_pages_are_looked_at(self):
        """The runtime makes none of the calls that it needs for that, and says so."""
        for source in ("--stores=pages",), ("--stores=pages=interval",), ("--watch", self.folder):
            for how in ("kill", "refuse"):
                for name in "verified", "by-number":
                    with self.subTest(" ".join((*source, how, name))):
                        result, report = self.verified("filter", how, source=source, name=name)
                        self.assertEqual((report["exit"], result.stdout), (0, "filtered\n"),
                                         result.stderr)
                        self.assertIn(FORGOT, self.names(report))
                        self.assertTrue(report["incomplete"])
                        self.assertIn("has forbidden itself system calls",
                                      " ".join(report["remarks"]))

    def test_limits_where_pages_are_looked_at(self):
        """What the runtime takes of the address space is not the program's."""
        for source in ("--stores=pages",), ("--stores=hooks",), ("--watch", self.folder):
            for size in (512, 160):
                with self.subTest(" ".join((*source, str(size)))):
                    result, report = self.verified("limit", "as", str(size << 20), "before", "64",
                                                   source=source)
                    self.assertEqual(report["exit"], 0, result.stderr)
                    if source != ("--stores=hooks",):
                        self.assertEqual(self.names(report), [FORGOT])

    def test_errno(self):
        self.check(["keeps-errno"], *["outside-region error keeps_errno",
                                      "bad-token error keeps_errno",
                                      "overlapping-write warning keeps_errno"]
                   + ["redundant-flush performance keeps_errno"] * 2
                   + ["redundant-drain performance keeps_errno"] * 2)

    def test_malloc_is_left_alone(self):
        """Not one call of the program's malloc comes of the routines, nor of the verifier."""
        self.check(["counts-memory"], program=ODD_MALLOC)
        result, _ = self.verified("counts-memory", program=ODD_MALLOC)
        self.assertEqual(result.stdout, "0 calls of malloc\n")


class ManyTest(OddTest):
    def test_threads(self):
        self.check(["threads", "8", "20"], FORGOT)
        self.check(["threads", "64", "3"], FORGOT)

    def test_tokens(self):
        """What the token of all leaves is told when the last one that covers it ends."""
        for kind in ("same", "parts"):
            for order in ("up", "down"):
                report = self.check(["many-tokens", "300", kind, order], FORGOT)
                self.assertEqual(report["findings"][0]["ranges"], [{"offset": 8, "length": 8}])

    def test_ranges(self):
        report = self.check(["many-ranges", "5000"], "unflushed-write error odd_many_ranges")
        ranges = report["findings"][0]["ranges"]
        self.assertEqual(ranges[:3], [{"offset": at, "length": 1} for at in (1, 3, 5)])
        self.assertEqual(report["findings"][0]["count"], 5000)
        self.assertTrue(report["findings"][0]["more_ranges"])


class StepsTest(OddTest):
    def test_leaving_the_verifier_by_longjmp(self):
        """Wherever a handler leaves it for good, the next call works, and another thread's too. A
        record that was in use then is told of, and what was found is no error any more."""
        for arguments in (["cold", "4999", "own"], ["cold", "7919", "other"],
                          ["warm", "149", "own"], ["warm", "151", "other"]):
            with self.subTest(arguments):
                alone = self.alone("step", *arguments)
                result, report = self.verified("step", *arguments)
                self.assertEqual(result.stdout, alone.stdout)
                self.assertEqual(report["exit"], alone.returncode)
                doubtful = "longjmp" in " ".join(report["remarks"])
                name = FORGOT.replace("error", "warning") if doubtful else FORGOT
                self.assertEqual(self.names(report), [name])


if __name__ == "__main__":
    unittest.main()
