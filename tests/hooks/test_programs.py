#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs of several files: libraries that come and go, exceptions, and programs without hooks."""

import os
import subprocess
import unittest

from programs import BEGIN, LIBRARY, ProgramsCase, compiler_of

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

SILENT = BEGIN + """
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    base[0] = count;
    if (count > 2)
        __asm__ volatile("JUMPclflush %0\\n\\tsfence" : : "m"(base[0]) : "memory");
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

# What a thread stores another one flushes when it has heard of it, and should drain.
SYNCHRONISING = """#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
""" + BEGIN + """
static std::mutex mutex;
static std::condition_variable changed;
static std::once_flag flag;
static std::atomic<int> told{0};
static bool stored;
static int broken;
static long *base;
static void store(int at) {
    base[at * 64] = 1;
}
static void flush(int at) {
    RtlFlushNonVolatileMemory(map.token, base + at * 64, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    if (!broken)
        RtlDrainNonVolatileFlush(map.token);
}
static void by_condition() {
    std::thread other([] {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [] { return stored; });
        flush(0); /* line A */
    });
    {
        std::lock_guard<std::mutex> lock(mutex);
        store(0);
        stored = true;
    }
    changed.notify_one();
    other.join();
}
static void by_atomic() {
    std::thread other([] {
        while (told.load(std::memory_order_acquire) == 0)
            std::this_thread::yield();
        flush(1); /* line B */
    });
    store(1);
    told.store(1, std::memory_order_release);
    other.join();
}
static void by_join() {
    std::thread other(store, 2);
    other.join();
    flush(2); /* line C */
}
static void by_start() {
    store(3);
    std::thread other([] {
        flush(3); /* line D */
    });
    other.join();
}
static void by_once() {
    std::call_once(flag, [] { store(4); });
    std::thread other([] {
        std::call_once(flag, [] { std::abort(); });
        flush(4); /* line E */
    });
    other.join();
}
/* libstdc++ calls &std::thread::join, a pointer to a member: an odd one would be a virtual's. */
static void by_result() {
    store(5);
    std::async(std::launch::async, [] { flush(5); }).get();
}
int main(int count, char **arguments) {
    base = begin(arguments[1]);
    broken = count > 2;
    by_condition();
    by_atomic();
    by_join();
    by_start();
    by_once();
    if (!broken) /* its locked instructions are drains */
        by_result();
    try {
        std::call_once(flag, [] { throw 1; });
        std::thread nobody;
        nobody.join();
        return 8;
    } catch (const std::system_error &) {
    }
    std::once_flag other;
    try {
        std::call_once(other, [] { throw 1; });
        return 7;
    } catch (int) {
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


# What one thread flushed without a drain, another thread's drain does not complete, though a
# routine asks the system for the same page on the way; a wait of the program's own does.
WAITS = "#include <pthread.h>\n#include <sys/mman.h>\n" + BEGIN + """
static void *flusher(void *base) {
    *(long *)base = 1;
    RtlFlushNonVolatileMemory(map.token, base, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN); /* blamed */
    return NULL;
}
static __attribute__((noinline)) int deeper(char *base, int depth) {
    volatile char place[256] = {(char)depth};
    return depth > 0 ? deeper(base, depth - 1) + place[1] : msync(base, 4096, MS_SYNC);
}
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    pthread_t thread;
    if (count > 2) {
        flusher(base);
        flusher(base); /* a short way is known by now */
        return deeper((char *)base, 8) + RtlFreeNonVolatileToken(map.token);
    }
    pthread_create(&thread, NULL, flusher, base);
    pthread_join(thread, NULL);
    base[8] = 2;
    RtlFlushNonVolatileMemory(map.token, &base[8], 8, 0);
    return RtlFreeNonVolatileToken(map.token) != 0;
}
"""


class ProgramsTest(ProgramsCase):
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

    def test_threads_of_another_language(self):
        """C++'s own functions for them lie in a library that has no hooks."""
        wanted = [number for number, line in enumerate(SYNCHRONISING.splitlines(), 1)
                  if "/* line " in line]
        for name in "g++", "clang++":
            command, environment = compiler_of(name)
            for options in (), ("-static-libstdc++",):
                program = self.build(f"{name}-threads", SYNCHRONISING, command, environment,
                                     ["-pthread", *options])
                report, result = self.run_nvrtl(program, self.path("file"))
                self.assertEqual((result.returncode, report["findings"]), (0, []), result.stderr)
                report, result = self.run_nvrtl(program, self.path("file"), "wrong")
                told = sorted((one["kind"], one["stack"][1]["line"])
                              for one in report["findings"])
                self.assertEqual(told, [("undrained-flush", line) for line in wanted],
                                 result.stderr)

    def test_waits_of_whom(self):
        """Whether libnvrtl is a library or a part of the program, its waits are no others."""
        command, environment = compiler_of("gcc")
        line = WAITS[:WAITS.index("/* blamed")].count("\n") + 1
        for library in LIBRARY, os.path.join(os.path.dirname(LIBRARY), "libnvrtl.a"):
            program = self.build(os.path.basename(library), WAITS, command, environment,
                                 library=library)
            for domain in "page-cache!", "memory!":
                variables = dict(os.environ, NVRTL_DOMAIN=domain)
                report, result = self.run_nvrtl(program, self.path("file"), environment=variables)
                told = [(one["kind"], one["at"]["line"]) for one in report["findings"]]
                self.assertEqual(told, [("undrained-flush", line)], result.stderr)
                report, result = self.run_nvrtl(program, self.path("file"), "waits",
                                                environment=variables)
                self.assertEqual((report["findings"], result.returncode), ([], 0), result.stderr)

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
        # A store by a pointer takes no flags.
        self.assertRegex(report["findings"][0]["mend"], "if a routine stores there$")

    def test_code_that_takes_no_call_outs(self):
        """It may have flushed by itself, and nobody has heard of it."""
        command, environment = compiler_of("gcc")
        for jump, status in ("jmp .+2\\n\\t", 125), ("", 1):
            program = self.build("silent", SILENT.replace("JUMP", jump), command, environment)
            report, result = self.run_nvrtl(program, self.path("file"))
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertEqual({finding["severity"] for finding in report["findings"]},
                             {"note" if status == 125 else "error"})

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
