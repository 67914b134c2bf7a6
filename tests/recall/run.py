#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Seeded bugs and their correct twins: builds each program with each compiler and level, runs it
under the verifier, and holds what is reported against what bugs.txt and the marks in the sources
say. Prints a table; fails if a bug is missed or told of elsewhere, or if anything else is told."""

import argparse
import concurrent.futures
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import packages
import summary
from table import PROGRAMS, read_bugs, read_marks

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
INCLUDE = os.environ.get("NVRTL_INCLUDE", "/usr/include")
LIBRARY = os.environ.get("NVRTL_LIBRARY", "libnvrtl.so")
COMPILERS = ("gcc", "clang")
LEVELS = ("O0", "O2", "O3")
WAYS = tuple(itertools.product(COMPILERS, LEVELS))
TOLD = ("error", "warning", "performance")
TIMEOUT = 120


def cpu_flags():
    """Options by which the compiler may use what this CPU has to write lines back."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return [f"-m{name}" for name in ("clwb", "clflushopt", "avx512f") if name in flags]


class Program:
    """One program: its sources, its bugs, and what is expected of each."""

    def __init__(self, name, bugs, cache, folder):
        self.name, self.bugs = name, {bug.number: bug for bug in bugs}
        self.sources = [path for path in (PROGRAMS / f"{name}.c", PROGRAMS / f"{name}.cc")
                        if path.exists()]
        self.others, self.include = [], []
        if name in packages.PACKAGES:
            theirs, package = packages.prepare(name, cache, folder), packages.PACKAGES[name]
            self.sources += [theirs / source for source in package.edited]
            self.others = [theirs / source for source in package.others]
            self.include = [f"-I{theirs}"]
        self.cxx = self.sources[0].suffix == ".cc"
        kinds = {number: bug.kind for number, bug in self.bugs.items()}
        self.marks = read_marks(self.sources, kinds)
        self.needs_cpu = "cpu" in self.marks.settings
        self.warnings = ["-w"] if self.include else ["-Wall", "-Wextra", "-Werror"]
        self.options = [word for word in self.marks.settings if word.startswith("--")]
        unmarked = set(self.bugs) ^ set(self.marks.places)
        assert not unmarked, f"{name}: of {sorted(unmarked)} the table and the marks differ"

    def expected(self, bug):
        return self.marks.places.get(bug, set())


class Bench:
    """Builds and runs."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.cpu = cpu_flags()

    def compile(self, program, way, arguments):
        compiler, level = way
        driver = os.path.join(os.path.dirname(NVRTL), "nvrtl-c++" if program.cxx else "nvrtl-cc")
        name = compiler.replace("gcc", "g++").replace("clang", "clang++")
        command = [driver, "-std=c++17" if program.cxx else "-std=gnu11", "-D_GNU_SOURCE",
                   *program.warnings, f"-{level}", "-g", *self.cpu, f"-I{INCLUDE}", f"-I{PROGRAMS}",
                   *program.include, *map(str, arguments)]
        result = subprocess.run(command, env=dict(os.environ, NVRTL_CC=compiler, NVRTL_CXX=name),
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{result.stderr}")

    def objects(self, program, way):
        """Of the sources that no bug changes."""
        made = []
        for source in program.others:
            path = self.folder / f"{source.stem}-{'-'.join(way)}.o"
            if not path.exists():
                part = path.with_suffix(f".{threading.get_ident()}.o")
                self.compile(program, way, ["-c", source, "-o", part])
                part.rename(path)
            made.append(path)
        return made

    def build(self, program, bug, way):
        made = self.folder / f"{program.name}-{bug}-{'-'.join(way)}"
        self.compile(program, way, [
            f"-DRECALL_BUG={bug}", *program.sources, *self.objects(program, way), "-o", made,
            LIBRARY, f"-Wl,-rpath,{os.path.dirname(LIBRARY)}", "-pthread"])
        return made

    def run(self, program, binary, stores):
        """What is reported of a run, by whatever callers: (severity, kind, file, line)."""
        work = tempfile.mkdtemp(dir=self.folder)
        command = [NVRTL, "run", f"--stores={stores}", "--report=json", f"--output={work}",
                   *program.options, "--", str(binary), work]
        environment = dict(os.environ, NVRTL_DOMAIN="volatile!")
        if "page-cache" in program.marks.settings:
            environment["NVRTL_DOMAIN"] = "page-cache!"
        result = subprocess.run(command, env=environment, capture_output=True, text=True,
                                check=False, timeout=TIMEOUT)
        try:
            with open(os.path.join(work, "report.json"), encoding="utf-8") as file:
                report = json.load(file)
        except FileNotFoundError as missing:
            raise RuntimeError(f"{' '.join(command)}:\n{result.stderr}") from missing
        shutil.rmtree(work)
        told = [(one["severity"], one["kind"], os.path.basename(one["at"].get("file", "?")),
                 one["at"].get("line", 0))
                for one in report["findings"] if one["severity"] in TOLD]
        wanted = 1 if any(one[0] == "error" for one in told) else 0
        if report["exit"] == 0 and result.returncode != wanted:
            told.append(("error", f"exit {result.returncode} of nvrtl", "?", 0))
        if report["exit"] != 0:
            told.append(("error", f"exit {report['exit']} {result.stderr[-500:]}", "?", 0))
        return set(told)


def hold(program, bug, stores, told):
    """What is wrong with what was told; empty: nothing."""
    wanted, kind = program.expected(bug), program.bugs[bug].kind if bug else None
    found = {place[1:] for place in told}
    if stores == "hooks":
        missed, false = wanted - found, found - wanted
        if bug and program.bugs[bug].widely:
            false = {place for place in false if place[0] != kind}
    elif stores == "api":
        # Of a bug that shows in two ways it sees what the routines have to do with.
        missed, false = {place for place in wanted if place[0] == kind} - found, found - wanted
    else:
        # They know no lines, and see what is left behind.
        kinds = {place[0] for place in wanted}
        missed = {(kind, "?", 0)} if bug and kind not in {place[0] for place in found} else set()
        false = {place[1:] for place in told if place[1] not in kinds and place[0] == "error"}
    return [f"missed {' '.join(map(str, place))}" for place in sorted(missed)] + \
        [f"false {' '.join(map(str, place))}" for place in sorted(false)]


def plan(programs, short):
    """Jobs: (program, bug, way). The short form goes through the ways in turn."""
    turn = itertools.cycle(WAYS)
    jobs = []
    for program in programs:
        for bug in (0, *program.bugs):
            ways = [next(turn)] if short else WAYS
            jobs += [(program, bug, way) for way in ways]
    return jobs


def work_off(bench, job):
    """What was wrong: (stores, words)."""
    program, bug, way = job
    binary = bench.build(program, bug, way)
    sources = program.bugs[bug].sources if bug else \
        sorted({one for each in program.bugs.values() for one in each.sources})
    wrong = [(stores, words) for stores in sources
             for words in hold(program, bug, stores, bench.run(program, binary, stores))]
    binary.unlink()
    return len(sources), wrong


def key_of(job):
    return f"{job[0].name} {job[1]} {'-'.join(job[2])}"


def read_results(path):
    """What was right before."""
    if not path or not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_results(path, known):
    """Whole or not at all: the run may be ended at any moment."""
    if not path:
        return
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(known, file)
    os.replace(f"{path}.part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one compiler and level a build")
    parser.add_argument("--only", default="", help="these programs, with commas")
    parser.add_argument("--ways", default="", help="these ways, with commas: gcc-O2")
    parser.add_argument("--bug", type=int, help="this bug (0: the twin)")
    parser.add_argument("--packages", metavar="CACHE",
                        help="programs of others too, whose sources are kept there")
    parser.add_argument("--table", help="write the table of results there")
    parser.add_argument("--results", metavar="FILE", help="goes on from there, and adds to it")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    bugs = read_bugs()
    names = [name for name in dict.fromkeys(bug.program for bug in bugs)
             if (not wanted or name in wanted) and
             (options.packages or name not in packages.PACKAGES)]
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="nvrtl-recall-", dir=shared) as folder:
        bench = Bench(folder)
        programs, skipped = [], 0
        for name in names:
            try:
                program = Program(name, [bug for bug in bugs if bug.program == name],
                                  options.packages, folder)
            except packages.CannotFetch as reason:
                print(f"skipped: {name}: {reason}")
                skipped += 1
                continue
            if program.needs_cpu and not {"-mclwb", "-mclflushopt"} & set(bench.cpu):
                print(f"skipped: {name} (this CPU has neither clwb nor clflushopt)")
                skipped += 1
                continue
            programs.append(program)
        known = read_results(options.results)
        jobs = [job for job in plan(programs, options.short)
                if (options.bug is None or job[1] == options.bug) and
                (not options.ways or "-".join(job[2]) in options.ways.split(",")) and
                key_of(job) not in known]
        kept = {job: known[key_of(job)] for job in plan(programs, False) if key_of(job) in known}
        results = {}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for job, result in zip(jobs, pool.map(lambda job: work_off(bench, job), jobs)):
                results[job] = result
                if not result[1]:
                    known[key_of(job)] = result
                write_results(options.results, known)
    results |= kept
    wrong = 0
    for (program, bug, way), (_, words) in results.items():
        for stores, word in words:
            wrong += 1
            print(f"{program.name} bug {bug} {'-'.join(way)} {stores}: {word}")
    print(summary.table(programs, results))
    if options.table and skipped:
        print(f"{options.table} stays as it is: {skipped} programs were skipped")
        wrong += skipped
    if options.table and not wrong:
        with open(options.table, "w", encoding="utf-8") as file:
            file.write(summary.document(programs, results))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{len(jobs)} builds, {sum(runs for runs, _ in results.values())} runs, "
          f"{sum(one.ru_utime + one.ru_stime for one in used):.0f} s of CPU, {wrong} wrong")
    nothing = not results and not (options.short and skipped)
    return 1 if wrong or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
