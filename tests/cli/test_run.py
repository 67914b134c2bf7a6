#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nvrtl run: its options, its exit status, where reports go, and what becomes of programs that it
cannot enter, that it cannot read, or that are ended from outside."""

import json
import os
import platform
import pty
import shutil
import signal
import stat
import subprocess
import unittest

import jsonschema

from command import NVRTL, FolderTest, run

ODD = os.environ.get("ODD_BIN", "odd")
RUNTIME = os.environ.get("NVRTL_RT", "")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(ROOT, "docs/nvrtl-report-1.schema.json"), encoding="utf-8") as schema_file:
    SCHEMA = jsonschema.Draft202012Validator(json.load(schema_file))


class RunTest(FolderTest):
    parent = os.environ.get("NVRTL_TEST_DIR",
                            "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None)

    def odd(self, *arguments):
        """A program and its arguments: a case of odd, with a file to work on."""
        case, *rest = arguments
        return [ODD, case, self.path("file"), *rest]

    def nvrtl(self, *arguments, **options):
        options.setdefault("env", {name: value for name, value in os.environ.items()
                                   if name not in ("VERIFIER_LOG_PATH", "NO_COLOR")})
        return run("run", *arguments, **options)

    def report(self, *arguments, program=None, **options):
        """The report in JSON of a run, by default of one that leaves a store in flight."""
        result = self.nvrtl("--report=json", "--output", self.path("report"), *arguments, "--",
                            *(program or self.odd("dirty")), **options)
        report = json.loads(self.read("report/report.json"))
        SCHEMA.validate(report)
        return report, result

    @staticmethod
    def kinds(report):
        return sorted(finding["kind"] for finding in report["findings"])


class StatusTest(RunTest):
    def test_of_the_program_and_of_what_was_found(self):
        for options, program, status in (
                ([], self.odd("clean"), 0),
                ([], self.odd("dirty"), 1),
                ([], self.odd("dirty", "3"), 3),
                ([], ["sh", "-c", "exit 42"], 42),
                (["--error-exitcode=7"], self.odd("dirty"), 7),
                (["--error-exitcode", "7"], self.odd("dirty", "3"), 3),
                (["--error-exitcode=7"], self.odd("clean"), 0),
                (["--error-exitcode=0"], self.odd("dirty"), 0),
                (["--error-exitcode=255"], self.odd("dirty"), 255),
                ([], self.odd("dirty", "-9"), 137),
                ([], self.odd("end-abruptly", "abort"), 134),
                (["--disable=unflushed-write"], self.odd("dirty"), 0)):
            with self.subTest(options=options, program=program[1:]):
                result = self.nvrtl(*options, "--", *program)
                self.assertEqual(result.returncode, status, result.stderr)

    def test_only_the_program_writes_to_standard_output(self):
        result = self.nvrtl("--report=text,json", "--", *self.odd("dirty"))
        self.assertEqual(result.stdout, "dirty\n")

    def test_standard_output_that_is_closed(self):
        """Nobody misses an answer where there is none to give."""
        for case, status in (("clean", 0), ("dirty", 1)):
            result = run("-c", 'exec "$@" >&-', "sh", NVRTL, "run", "--", *self.odd(case),
                         program="sh")
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertNotIn("standard output", result.stderr)

    def test_limit_of_file_sizes(self):
        """It counts for files in memory too, and is lifted or complained about, never deadly."""
        command = ["sh", NVRTL, "run", "--", "sh", "-c", "ulimit -f"]
        result = run("-c", 'ulimit -S -f 100 && exec "$@"', *command, program="sh")
        self.assertEqual((result.returncode, result.stdout), (0, "100\n"), result.stderr)
        result = run("-c", 'ulimit -f 100 && exec "$@"', *command, program="sh")
        if result.returncode != 0: # only who may raise limits has none
            self.assert_fails(result, 125, "limit of file sizes")

    def test_usage(self):
        for arguments, words in (
                ([], "which program?"),
                (["--"], "which program?"),
                (["--nonsense", "true"], "--nonsense"),
                (["--judge=fair", "true"], "no judge 'fair'"),
                (["--streams=slow", "true"], "no way 'slow'"),
                (["--stacks=deep", "true"], "'deep'"),
                (["--stores=binary", "true"], "reserved name"),
                (["--stores=pages=other", "true"], "no such source"),
                (["--stores=magic", "true"], "no such source"),
                (["--report=", "true"], "needs a format"),
                (["--report=text,prose", "true"], "no report format 'prose'"),
                (["--error-exitcode=256", "true"], "'256'"),
                (["--error-exitcode=-1", "true"], "'-1'"),
                (["--error-exitcode=1x", "true"], "'1x'"),
                (["--error-exitcode=", "true"], "''"),
                (["--enable=unflushed", "true"], "no kind 'unflushed'"),
                (["--disable=", "true"], "no kind ''")):
            with self.subTest(arguments):
                self.assert_fails(self.nvrtl(*arguments), 125, words)

    def test_help(self):
        result = self.nvrtl("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertLessEqual(len(result.stdout.splitlines()), 24)
        for option in ("--stores", "--judge", "--report", "--output", "--error-exitcode",
                       "--enable", "--disable", "--stacks"):
            self.assertIn(option, result.stdout)

    def test_what_cannot_be_run(self):
        script = self.write("script", b"#!/nowhere/interpreter\n", 0o755)
        plain = self.write("plain", b"no program\n")
        for program, status in (("/nowhere/program", 127), ("no-such-program", 127),
                                (script, 127), (plain, 126), (self.folder, 126)):
            with self.subTest(program):
                self.assert_fails(self.nvrtl("--", program), status, "cannot run", program)

    def test_program_in_the_path(self):
        os.symlink(ODD, self.path("strange"))
        environment = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}")
        report, _ = self.report(program=["strange", "dirty", self.path("file")], env=environment)
        self.assertEqual(self.kinds(report), ["leaked-token", "unflushed-write"])

    def test_arguments_are_the_program_s(self):
        result = self.nvrtl("--", "printf", "%s|", "--judge=x", "-r", "--", "")
        self.assertEqual(result.stdout, "--judge=x|-r|--||")
        result = self.nvrtl("printf", "%s|", "--help")
        self.assertEqual(result.stdout, "--help|")


class EntryTest(RunTest):
    """How the verifier gets in, and where it does not."""

    def test_static_programs(self):
        source = self.write("static.c", b"int main(void) { return 0; }\n")
        for flag in ("-static", "-static-pie"):
            program = self.path("static" + flag)
            subprocess.run(["gcc", flag, source, "-o", program], check=True)
            self.assert_fails(self.nvrtl("--", program), 125, program, "statically linked")

    def test_the_loader_is_a_program(self):
        """It has no interpreter either, and loads whatever it is told to."""
        loader = subprocess.run(["gcc", "-print-file-name=ld-linux-x86-64.so.2"], check=True,
                                stdout=subprocess.PIPE, text=True).stdout.strip()
        if not os.path.isabs(loader):
            self.skipTest("no ld-linux-x86-64.so.2")
        report, _ = self.report(program=[loader, ODD, "dirty", self.path("file")])
        self.assertEqual(self.kinds(report), ["leaked-token", "unflushed-write"])

    def test_a_pipe_is_refused_and_not_waited_for(self):
        os.mkfifo(self.path("pipe"))
        self.assert_fails(self.nvrtl("--", self.path("pipe"), timeout=60), 126,
                          self.path("pipe"), "Permission denied")

    def test_programs_with_more_rights(self):
        if os.geteuid() == 0:
            program = self.path("program")
            shutil.copy(ODD, program)
            os.chown(program, 65534, 65534)
            modes = (0o4755, 0o2755)
        else:
            program, modes = shutil.which("su"), (None,)
            if program is None or not os.stat(program).st_mode & stat.S_ISUID:
                self.skipTest("no program with set-user-id here")
        for mode in modes:
            if mode is not None:
                os.chmod(program, mode)
            for options in (), ("--stores=pages",), ("--watch", self.folder):
                self.assert_fails(self.nvrtl(*options, "--", program, "clean", self.path("file")),
                                  125, program, "more rights than you")
        self.assertFalse(os.path.exists(self.path("file")))

    def test_programs_without_the_library(self):
        report, result = self.report(program=["true"])
        self.assertEqual((result.returncode, report["findings"], report["regions"]), (0, [], []))
        self.assertIn("heard of no token", report["remarks"][0])

    def test_through_a_shell(self):
        """All programs that a program starts are of the same run."""
        script = '"$0" dirty "$1.1"; cd /; "$0" dirty "$1.2" & wait; exit 5'
        report, result = self.report(program=["sh", "-c", script, ODD, self.path("file")])
        self.assertEqual((report["exit"], result.returncode), (5, 5))
        self.assertEqual(self.kinds(report), ["leaked-token"] * 2 + ["unflushed-write"] * 2)
        self.assertEqual([region["path"] for region in report["regions"]],
                         [self.path("file.1"), self.path("file.2")])

    def test_when_one_of_several_is_killed(self):
        """It may have been the one that was to flush: no error is told of what is in flight."""
        for script, status in (('"$0" dirty "$1"; "$0" dirty "$1.2" -9; exit 0', 0),
                               ('"$0" dirty "$1"; kill -9 $$', 137)):
            report, result = self.report(program=["sh", "-c", script, ODD, self.path("file")])
            self.assertEqual(result.returncode, status)
            self.assertEqual({finding["severity"] for finding in report["findings"]}, {"note"})
            self.assertEqual(set(self.kinds(report)), {"unflushed-write"})

    def test_a_run_within_a_run(self):
        report, _ = self.report(program=[NVRTL, "run", "--", *self.odd("dirty")])
        self.assertEqual((report["exit"], report["findings"]), (1, []))

    def test_the_environment_of_the_program(self):
        result = self.nvrtl("--", "env")
        names = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
        self.assertEqual(os.path.realpath(names["NVRTL_VERIFIER"]), os.path.realpath(RUNTIME))
        self.assertNotIn("LD_PRELOAD", set(names) - set(os.environ))


class OutputTest(RunTest):
    def listing(self, name):
        return sorted(os.listdir(self.path(name)))

    def test_exactly_what_was_asked_for(self):
        for formats, files in ((None, ["report.txt"]), ("text", ["report.txt"]),
                               ("json", ["report.json"]),
                               ("json,text", ["report.json", "report.txt"])):
            with self.subTest(formats):
                folder = f"out-{formats}"
                options = ["--report", formats] if formats else []
                result = self.nvrtl(*options, "--output", self.path(folder), "--",
                                    *self.odd("dirty"))
                self.assertEqual(self.listing(folder), files)
                self.assertEqual("[unflushed-write]" in result.stderr, formats != "json")
                self.assertNotIn("nvrtl-report/1", result.stderr)

    def test_json_on_standard_error(self):
        result = self.nvrtl("--report=json", "--", *self.odd("dirty"))
        report = json.loads(result.stderr)
        SCHEMA.validate(report)
        self.assertEqual(self.kinds(report), ["leaked-token", "unflushed-write"])

    def test_older_reports_are_replaced(self):
        for program, count in ((self.odd("dirty"), 2), (self.odd("clean"), 0)):
            report, _ = self.report(program=program)
            self.assertEqual(len(report["findings"]), count)
        self.assertEqual(self.listing("report"), ["report.json"])

    def test_log_path(self):
        for value, options, folder in (("log", [], "log"), ("log2", ["--output", "out"], "out"),
                                       ("", [], None)):
            with self.subTest(value):
                environment = dict(os.environ, VERIFIER_LOG_PATH=value)
                result = self.nvrtl(*options, "--", *self.odd("dirty"), env=environment,
                                    cwd=self.folder)
                self.assertEqual(result.returncode, 1, result.stderr)
                if folder:
                    self.assertEqual(self.listing(folder), ["report.txt"])
        self.assertFalse(os.path.exists(self.path("log2")))

    def test_relative_to_where_the_command_was_called(self):
        program = ["sh", "-c", 'cd /; "$0" dirty "$1"', ODD, self.path("file")]
        result = self.nvrtl("--output=here", "--", *program, cwd=self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(self.listing("here"), ["report.txt"])

    def test_nowhere_to_write(self):
        """Said before the program runs."""
        self.write("plain", b"")
        for folder in ("plain", "plain/below", "no/such/parent"):
            with self.subTest(folder):
                result = self.nvrtl("--output", self.path(folder), "--", *self.odd("dirty"))
                self.assert_fails(result, 125, self.path(folder))
        self.assertFalse(os.path.exists(self.path("file")))
        os.mkdir(self.path("closed"), 0o500)
        if not os.access(self.path("closed"), os.W_OK):
            result = self.nvrtl("--output", self.path("closed"), "--", *self.odd("dirty"))
            self.assert_fails(result, 125, self.path("closed"))

    def test_a_file_that_cannot_be_written(self):
        os.makedirs(self.path("out/report.txt"))
        result = self.nvrtl("--output", self.path("out"), "--", *self.odd("dirty"))
        self.assertEqual(result.returncode, 125)
        self.assertIn("cannot write report.txt", result.stderr)
        self.assertIn("[unflushed-write]", result.stderr) # all the same

    def on_a_terminal(self, **environment):
        """What comes to standard error when that is a terminal."""
        reader, writer = pty.openpty()
        clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        # Small enough to wait in the terminal until it is read.
        program = [NVRTL, "run", "--", *self.odd("clean")]
        subprocess.run(program, stderr=writer, stdout=subprocess.DEVNULL, check=True,
                       env={**clean, "TERM": "xterm", **environment})
        os.close(writer)
        text = os.read(reader, 65536).decode()
        os.close(reader)
        self.assertIn("clean:", text)
        return text

    def test_colour(self):
        self.assertIn("\x1b[", self.on_a_terminal())
        self.assertIn("\x1b[", self.on_a_terminal(NO_COLOR=""))
        self.assertNotIn("\x1b", self.on_a_terminal(NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_a_terminal(TERM="dumb"))
        self.assertNotIn("\x1b", self.nvrtl("--", *self.odd("dirty")).stderr)


class FindingsTest(RunTest):
    def test_enable_and_disable(self):
        for options, kinds in (
                ([], ["leaked-token", "unflushed-write"]),
                (["--disable=leaked-token"], ["unflushed-write"]),
                (["--disable=all"], []),
                (["--disable=all", "--enable=leaked-token"], ["leaked-token"]),
                (["--enable=leaked-token", "--disable=all"], []),
                (["--enable=all"], ["leaked-token", "unflushed-write"])):
            with self.subTest(options):
                report, result = self.report(*options)
                self.assertEqual(self.kinds(report), kinds)
                self.assertEqual(result.returncode, int("unflushed-write" in kinds))
                self.assertEqual(report.get("unasked", False), "--disable=all" in options)

    def test_stacks(self):
        reports = {how: self.report(f"--stacks={how}")[0]["findings"]
                   for how in ("cached", "full", "site")}
        self.assertEqual(reports["cached"], reports["full"])
        self.assertEqual([frame["function"] for frame in reports["full"][0]["stack"]],
                         ["odd_forget", "dirty", "main"])
        for site, full in zip(reports["site"], reports["full"]):
            self.assertEqual(site["at"], full["at"])
            self.assertEqual(site["stack"], [full["at"]])

    def test_what_the_report_says_of_the_run(self):
        report, _ = self.report("--judge=actual", "--stores=auto")
        self.assertEqual((report["program"], report["judge"], report["stores"]),
                         (self.odd("dirty"), "actual", "api"))
        region, = report["regions"]
        self.assertEqual((region["path"], region["size"]), (self.path("file"), 65536))

    def test_a_file_that_was_cut_off(self):
        """What the program has cut off it need not flush; of what it has kept it must."""
        for end in ([], ["free"]):
            for size, severity in (("0", "note"), ("4096", "error")):
                with self.subTest(end=end, size=size):
                    report, result = self.report(program=self.odd("cut-off", size, *end))
                    found = [one for one in report["findings"] if one["kind"] == "unflushed-write"]
                    self.assertEqual([one["severity"] for one in found], [severity])
                    self.assertEqual("cut off" in found[0]["message"], severity == "note")
                    self.assertEqual(result.returncode, int(severity == "error"))

    def test_a_file_that_was_renamed(self):
        """What nobody uses any more is not that file when its inode has another name."""
        script = 'for f in one two; do mv -f one two 2>/dev/null; "$0" dirty $f; done'
        report, _ = self.report("--disable=leaked-token", cwd=self.folder,
                                program=["sh", "-c", script, ODD])
        self.assertEqual([os.path.basename(region["path"]) for region in report["regions"]],
                         ["one", "two"])
        self.assertEqual([finding["region"] for finding in report["findings"]], [1, 2])

    def test_names_that_are_not_plain(self):
        for name in ("with space", "Wörter", "new\nline", "\x01", "\udcff"):
            with self.subTest(ascii(name)):
                report, _ = self.report(program=[ODD, "dirty", self.path(name)])
                self.assertEqual(self.kinds(report), ["leaked-token", "unflushed-write"])
                text = self.nvrtl("--", ODD, "dirty", self.path(name), errors="replace").stderr
                self.assertIn("[unflushed-write]", text)
                self.assertTrue(all(one.isprintable() or one == "\n" for one in text))


@unittest.skipIf("WORDSTORE_BIN" not in os.environ, "the example is not built")
class ExampleTest(RunTest):
    """The example of the sources, and what it is when one flush is forgotten."""

    def work(self, variable):
        words = self.write("words", "".join(f"word-{i}\n" for i in range(6000)).encode())
        steps = '"$0" "$1" load "$2" && "$0" "$1" put one more && "$0" "$1" check'
        program = ["sh", "-c", steps, os.environ[variable], self.path("store"), words]
        return self.report(program=program)

    def test_correct(self):
        report, result = self.work("WORDSTORE_BIN")
        self.assertEqual((report["findings"], result.returncode), ([], 0))
        self.assertEqual(result.stdout, "sound, words: 6001\n")

    def test_broken(self):
        report, result = self.work("WORDSTORE_BROKEN_BIN")
        self.assertEqual(result.returncode, 1)
        error = report["findings"][0]
        self.assertEqual((error["kind"], error["severity"]), ("unflushed-write", "error"))
        self.assertEqual(os.path.basename(error["at"]["file"]), "wordstore.c")


class SymbolsTest(RunTest):
    """Programs of which little is known."""

    def finding(self, program):
        report, _ = self.report("--disable=leaked-token", program=program)
        finding, = report["findings"]
        self.assertEqual(finding["kind"], "unflushed-write")
        return finding

    def strip(self, *options):
        program = self.path("program")
        subprocess.run(["objcopy", *options, ODD, program], check=True)
        return program

    def test_without_lines(self):
        finding = self.finding([self.strip("--strip-debug"), "dirty", self.path("file")])
        self.assertEqual(finding["at"]["function"], "odd_forget")
        self.assertEqual(finding["at"]["module"], self.path("program"))
        self.assertNotIn("line", finding["at"])
        self.assertIn("odd_forget()", finding["message"])

    def test_without_names(self):
        finding = self.finding([self.strip("--strip-all"), "dirty", self.path("file")])
        self.assertEqual(set(finding["at"]), {"module", "offset"})
        self.assertEqual(finding["at"]["module"], self.path("program"))
        self.assertIn(f'{finding["at"]["offset"]:#x}', finding["message"])

    def run_while(self, change):
        """The finding in a program whose file is changed while it runs."""
        program = self.path("program")
        shutil.copy(ODD, program)
        script = '"$0" dirty "$1" && "$2"'
        self.write("change", f"#!/bin/sh\n{change}\n".encode(), 0o755)
        return self.finding(["sh", "-c", script, program, self.path("file"), self.path("change")])

    def test_the_program_s_file_is_gone(self):
        finding = self.run_while(f"rm {self.path('program')}")
        self.assertEqual(set(finding["at"]), {"module", "offset"})

    def test_the_program_s_file_is_another_one(self):
        """Lines of another program would be worse than none."""
        change = f"rm {self.path('program')}; cp {RUNTIME} {self.path('program')}"
        finding = self.run_while(change)
        self.assertEqual(set(finding["at"]), {"module", "offset"})

    @unittest.skipUnless(platform.machine() == "x86_64", "its code is made for x86-64")
    def test_code_without_a_file(self):
        """Made by the program itself, as a just-in-time compiler does."""
        self.compile("made", b"""#include <nvrtl.h>
#include <string.h>
#include <sys/mman.h>
int main(int count, char **arguments) {
    NvRtlMapping map;
    if (count < 2 || NvRtlMapFile(arguments[1], 0, 4096, NVRTL_MAP_CREATE, 0600, &map) != 0)
        return 1;
    /* push; mov $routine, %rax; call *%rax; pop; ret */
    unsigned char code[] = {0x50, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x59, 0xc3};
    void *routine = (void *)RtlFillNonVolatileMemory;
    memcpy(code + 3, &routine, sizeof routine);
    void *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    memcpy(made, code, sizeof code);
    ((NTSTATUS(*)(void *, void *, SIZE_T, UCHAR, ULONG))made)(map.token, map.base, 8, 1, 0);
    return NvRtlUnmapFile(&map);
}
""")
        finding = self.finding([self.path("made"), self.path("file")])
        self.assertEqual((finding["at"], finding["stack"]), ({}, [{}]))
        result = self.nvrtl("--", self.path("made"), self.path("file"))
        self.assertIn("8 bytes stored at an unknown place were never flushed", result.stderr)

    def compile(self, name, source):
        """Makes the program, of a source that stays beside it, with the library inside."""
        library = os.path.join(os.path.dirname(os.path.dirname(RUNTIME)), "libnvrtl.a")
        subprocess.run(["gcc", "-g", f"-I{ROOT}/include", self.write(f"{name}.c", source), library,
                        "-o", self.path(name)], check=True)

    def test_jump_into_the_library_from_another_file(self):
        """The function that jumped is on no stack; it is found through its name."""
        put = self.write("put.c", b"""#include <nvrtl.h>
NTSTATUS put(const NvRtlMapping *map, const char *text);
NTSTATUS put(const NvRtlMapping *map, const char *text) {
    return RtlWriteNonVolatileMemory(map->token, map->base, text, 8, 0);
}
""")
        main = self.write("main.c", b"""#include <nvrtl.h>
NTSTATUS put(const NvRtlMapping *map, const char *text);
int main(int count, char **arguments) {
    NvRtlMapping map;
    if (count < 2 || NvRtlMapFile(arguments[1], 0, 4096, NVRTL_MAP_CREATE, 0600, &map) != 0)
        return 1;
    put(&map, "12345678");
    return NvRtlUnmapFile(&map);
}
""")
        library = os.path.join(os.path.dirname(os.path.dirname(RUNTIME)), "libnvrtl.a")
        for compiler in ("gcc", "clang"):
            for version in ("-gdwarf-4", "-gdwarf-5"):
                with self.subTest(compiler=compiler, version=version):
                    subprocess.run([compiler, "-O2", version, f"-I{ROOT}/include", put, main,
                                    library, "-o", self.path("jumps")], check=True)
                    finding = self.finding([self.path("jumps"), self.path("file")])
                    places = [(frame["function"], frame["line"]) for frame in finding["stack"]]
                    self.assertEqual(places, [("put", 4), ("main", 7)])

    def test_the_source_is_gone(self):
        self.compile("gone", b"""#include <nvrtl.h>
int main(int count, char **arguments) {
    NvRtlMapping map;
    if (count < 2 || NvRtlMapFile(arguments[1], 0, 4096, NVRTL_MAP_CREATE, 0600, &map) != 0)
        return 1;
    RtlFillNonVolatileMemory(map.token, map.base, 8, 1, 0);
    return NvRtlUnmapFile(&map);
}
""")
        source = self.path("gone.c")
        os.remove(source)
        finding = self.finding([self.path("gone"), self.path("file")])
        self.assertEqual((finding["at"]["file"], finding["at"]["line"]), (source, 6))
        self.assertEqual(finding["related"][0]["line"], 7)
        result = self.nvrtl("--", self.path("gone"), self.path("file"))
        self.assertIn("gone.c:6: error: 8 bytes stored at gone.c:6", result.stderr)


class SignalsTest(RunTest):
    def start(self, case="echo"):
        """A program that waits for its standard input, with a store in flight after each line."""
        command = [NVRTL, "run", "--report=json", "--output", self.path("report"), "--",
                   *self.odd(case)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        process.stdin.write("a line\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "a line\n")
        return process

    def test_who_ends_the_command_ends_the_program(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process = self.start()
                process.send_signal(number)
                self.assertEqual(process.wait(), 128 + number)
                report = json.loads(self.read("report/report.json"))
                self.assertEqual((report["exit"], report["findings"]), (128 + number, []))

    def test_the_terminal_s_signals_are_the_program_s(self):
        """The command gets them too, and goes on."""
        process = self.start()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGQUIT)
        out, _ = process.communicate("another line\n")
        self.assertEqual((out, process.returncode), ("another line\n", 0))
        self.assertEqual(json.loads(self.read("report/report.json"))["exit"], 0)


if __name__ == "__main__":
    unittest.main()
