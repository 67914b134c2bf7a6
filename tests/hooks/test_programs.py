#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs of several files: libraries that come and go, exceptions, and programs without hooks."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

NVRTL = os.environ.get("NVRTL_BIN", "nvrtl")
INCLUDE = os.environ.get("NVRTL_INCLUDE", "/usr/include")
LIBRARY = os.environ.get("NVRTL_LIBRARY", "libnvrtl.so")
DRIVERS = os.path.dirname(NVRTL)

BEGIN = """
#include <nvrtl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static NvRtlMapping map;
static long *begin(const char *path) {
    if (NvRtlMapFile(path, 0, 65536, NVRTL_MAP_CREATE, 0600, &map) != 0)
        exit(9);
    return (long *)map.base;
}
"""

PLUGIN = """
void put(long *at, long value);
void put(long *at, long value) {
    at[0] = value; /* line 4 */
}
"""

HOST = BEGIN + """
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    for (int i = 0; i < 1000; i++) {
        void *library = dlopen(arguments[2 + i % 2], RTLD_NOW);
        void (*put)(long *, long) = (void (*)(long *, long))dlsym(library, "put");
        put(base, i);
        if (count < 5)
            RtlFlushNonVolatileMemory(map.token, base, 8, 0);
        dlclose(library);
    }
    return NvRtlUnmapFile(&map) != 0;
}
"""

THROWING = BEGIN + """
static void __attribute__((noinline)) fail(int depth) {
    if (depth == 0)
        throw 1;
    fail(depth - 1);
    map.size++;
}
static void __attribute__((noinline)) work(long *base) {
    for (int i = 0; i < 100; i++) {
        try {
            fail(5);
        } catch (int) {
            base[0] = i;
        }
    }
}
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    work(base);
    if (count < 3)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    return NvRtlUnmapFile(&map) != 0;
}
"""

JUMPING = "#include <setjmp.h>" + BEGIN + """
static jmp_buf back;
static volatile int bottom;
static void __attribute__((noinline)) fail(int depth) {
    if (depth <= bottom)
        longjmp(back, 1);
    if (depth > bottom)
        fail(depth - 1);
    map.size++;
}
static void __attribute__((noinline)) work(long *base) {
    if (setjmp(back) == 0)
        fail(5);
    base[0] = 1;
}
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    work(base);
    if (count < 3)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    return NvRtlUnmapFile(&map) != 0;
}
"""

BY_HEADERS = "#include <atomic>\n#include <emmintrin.h>" + BEGIN + """
static void __attribute__((noinline)) work(long *base) {
    auto *words = reinterpret_cast<std::atomic<long> *>(base);
    words[0].store(1);                       /* line 4 */
    words[16].fetch_add(1);                  /* line 5 */
    _mm_stream_si64((long long *)base + 32, 7); /* line 6 */
}
int main(int, char **arguments) {
    work(begin(arguments[1]));
    return NvRtlUnmapFile(&map) != 0; // or throw
}
"""

FLUSHED = BEGIN + """
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    for (int i = 0; i < 100; i++) {
        base[i * 16] = i + count;
        if (i != 50 || count < 3)
            RtlFlushNonVolatileMemory(map.token, base + i * 16, 8, 0);
    }
    return NvRtlUnmapFile(&map) != 0;
}
"""

SIMPLE = BEGIN + """
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    base[0] = count;
    return NvRtlUnmapFile(&map) != 0;
}
"""


def compiler_of(name):
    """What builds with hooks by this compiler."""
    driver = "nvrtl-c++" if name.endswith("++") else "nvrtl-cc"
    variable = "NVRTL_CXX" if name.endswith("++") else "NVRTL_CC"
    return [os.path.join(DRIVERS, driver)], dict(os.environ, **{variable: name})


class ProgramsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nvrtl-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def build(self, name, text, command, environment=None, flags=()):
        source = self.path(name + (".cc" if "throw" in text else ".c"))
        with open(source, "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run([*command, "-g", "-O2", f"-I{INCLUDE}", source, "-o", self.path(name),
                        LIBRARY, f"-Wl,-rpath,{os.path.dirname(LIBRARY)}", *flags],
                       env=environment, check=True)
        return self.path(name)

    def run_nvrtl(self, *program, options=()):
        """The report, and what was printed."""
        out = tempfile.mkdtemp(dir=self.folder)
        result = subprocess.run([NVRTL, "run", "--report=text,json", f"--output={out}", *options,
                                 "--", *program], capture_output=True, text=True, check=False)
        with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
            return json.load(file), result

    def test_libraries_that_come_and_go(self):
        for name in "gcc", "clang":
            command, environment = compiler_of(name)
            plugins = [self.build(f"{name}-{i}.so", "\n" * i + PLUGIN, command, environment,
                                  ["-shared", "-fPIC"]) for i in range(2)]
            host = self.build(f"{name}-host", HOST, command, environment)
            report, result = self.run_nvrtl(host, self.path("file"), *plugins)
            self.assertEqual((result.returncode, report["findings"]), (0, []), result.stderr)
            report, result = self.run_nvrtl(host, self.path("file"), *plugins, "wrong")
            places = [(one["kind"], one["at"]["function"], one["at"]["line"])
                      for one in report["findings"]]
            self.assertEqual(places, [("unflushed-write", "put", 5)], result.stderr)

    def test_functions_that_are_left(self):
        """By an exception or a jump: they are no callers of what comes then."""
        for name, text in (("g++", THROWING), ("clang++", THROWING), ("gcc", JUMPING),
                           ("clang", JUMPING)):
            command, environment = compiler_of(name)
            program = self.build(f"{name}-leaving", text, command, environment)
            report, result = self.run_nvrtl(program, self.path("file"))
            self.assertEqual((result.returncode, report["findings"]), (0, []), result.stderr)
            report, result = self.run_nvrtl(program, self.path("file"), "wrong")
            self.assertEqual([[frame.get("function") for frame in one["stack"]]
                              for one in report["findings"]], [["work", "main"]], result.stderr)

    def test_functions_of_system_headers(self):
        """Who calls them is blamed."""
        for name in "g++", "clang++":
            command, environment = compiler_of(name)
            for level in "-O0", "-O2":
                program = self.build(f"{name}{level}", BY_HEADERS, command, environment, [level])
                report, result = self.run_nvrtl(program, self.path("file"))
                first = BY_HEADERS[:BY_HEADERS.index("/* line 4")].count("\n") + 1
                self.assertEqual(sorted((one["at"]["line"], one["at"]["function"],
                                         one["kind"]) for one in report["findings"]),
                                 [(first, "work", "unflushed-write"),
                                  (first + 1, "work", "unflushed-write"),
                                  (first + 2, "work", "undrained-flush")], result.stderr)

    def test_without_hooks(self):
        """It is told; and what auto sees by then is the routines."""
        program = self.build("plain", SIMPLE, ["gcc"])
        report, result = self.run_nvrtl(program, self.path("file"), options=["--stores=hooks"])
        self.assertIn("no code with hooks has run", " ".join(report["remarks"]))
        self.assertEqual(result.returncode, 0, result.stderr)
        report, _ = self.run_nvrtl(program, self.path("file"))
        self.assertEqual(report["stores"], "api")

    def test_hooks_that_nobody_asks_for(self):
        """Such a program runs as any other, and the routines may be all that is looked at."""
        command, environment = compiler_of("gcc")
        program = self.build("hooked", SIMPLE, command, environment)
        self.assertEqual(subprocess.run([program, self.path("file")], check=False).returncode, 0)
        report, result = self.run_nvrtl(program, self.path("file"), options=["--stores=api"])
        self.assertEqual((report["stores"], report["findings"]), ("api", []), result.stderr)
        report, result = self.run_nvrtl(program, self.path("file"))
        self.assertEqual((report["stores"], len(report["findings"])), ("hooks", 1), result.stderr)

    def test_hooks_while_pages_are_looked_at(self):
        """Then they tell of nothing: each store is found by what it has changed."""
        for name in "gcc", "clang":
            command, environment = compiler_of(name)
            program = self.build(f"{name}-flushed", FLUSHED, command, environment)
            report, result = self.run_nvrtl(program, self.path(f"{name}-file"),
                                            options=["--stores=pages"])
            self.assertEqual((report["stores"], report["findings"]), ("pages", []), result.stderr)
            report, result = self.run_nvrtl(program, self.path(f"{name}-file"), "wrong",
                                            options=["--stores=pages"])
            self.assertEqual([one["kind"] for one in report["findings"]], ["unflushed-write"],
                             result.stderr)


if __name__ == "__main__":
    unittest.main()
