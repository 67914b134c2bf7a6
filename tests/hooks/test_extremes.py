#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hooks at moments and in amounts that programs seldom have: before constructors and after the end
of threads, regions of 64 GiB, ten million findings, and death at any moment."""

import os
import random
import subprocess
import unittest

from programs import BEGIN, NVRTL, ProgramsCase, compiler_of

# A resolver runs while the loader still relocates, preinit functions before any constructor.
EARLY = "#include <string.h>" + BEGIN + """
static int seen[8];
static char text[64];
static long twice(long value) {
    return 2 * value;
}
static long (*choose(void))(long) {
    volatile char here[32];
    for (int i = 0; i < 32; i++)
        here[i] = (char)i;
    seen[0] = here[31];
    memcpy(text, (const void *)here, sizeof here);
    return twice;
}
long doubled(long value) __attribute__((ifunc("choose")));
static void before_all(int count, char **arguments, char **variables) {
    (void)count, (void)arguments, (void)variables;
    memset(text, 7, sizeof text);
    seen[1] = text[63];
}
__attribute__((section(".preinit_array"), used)) static void (*first)(int, char **, char **) =
    before_all;
__attribute__((constructor(101))) static void begins(void) {
    __atomic_fetch_add(&seen[2], 5, __ATOMIC_SEQ_CST);
}
static long *base;
__attribute__((destructor(101))) static void ends(void) {
    seen[3] = 1;
    memset(text, 0, sizeof text);
}
int main(int count, char **arguments) {
    if (seen[0] != 31 || seen[1] != 7 || seen[2] != 5)
        return 8;
    base = begin(arguments[1]);
    base[0] = doubled(21); /* blamed */
    if (count < 3)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    return NvRtlUnmapFile(&map) != 0 || base == NULL;
}
"""

# What ends with a thread may still store, and flush or not.
LATE_C = "#include <pthread.h>" + BEGIN + """
static long *base;
static int broken;
static pthread_key_t key;
static void ending(void *at) {
    *(long *)at = 7; /* blamed */
    if (!broken)
        RtlFlushNonVolatileMemory(map.token, at, 8, 0);
}
static void *body(void *at) {
    pthread_setspecific(key, at);
    return NULL;
}
int main(int count, char **arguments) {
    pthread_t threads[8];
    broken = count > 2;
    base = begin(arguments[1]);
    pthread_key_create(&key, ending);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, body, base + i * 64);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    return NvRtlUnmapFile(&map) != 0;
}
"""

LATE_CXX = "#include <thread>" + BEGIN + """
static long *base;
static int broken;
struct late {
    long *at = nullptr;
    ~late() {
        *at = 7; /* blamed */
        if (!broken)
            RtlFlushNonVolatileMemory(map.token, at, 8, 0);
    }
};
static thread_local late here; /* no exception is thrown */
int main(int count, char **arguments) {
    broken = count > 2;
    base = begin(arguments[1]);
    for (int i = 0; i < 8; i++)
        std::thread([i] { here.at = base + i * 64; }).join();
    return NvRtlUnmapFile(&map) != 0;
}
"""

LARGE = """
#include <fcntl.h>
#include <nvrtl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE ((uint64_t)64 << 30)
int main(int count, char **arguments) {
    int file = open(arguments[1], O_RDWR | O_CREAT, 0600);
    void *token;
    if (ftruncate(file, SIZE) != 0)
        return 9;
    char *base = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (base == MAP_FAILED || RtlGetNonVolatileToken(base, SIZE, &token) != 0)
        return 8;
    for (uint64_t at = 0; at < SIZE; at += (uint64_t)1 << 28) {
        *(long *)(base + at) = 1;
        RtlFlushNonVolatileMemory(token, base + at, 8, 0);
    }
    *(long *)(base + SIZE - 8) = 1; /* blamed */
    if (count < 3)
        RtlFlushNonVolatileMemory(token, base + SIZE - 8, 8, 0);
    return RtlFreeNonVolatileToken(token) != 0;
}
"""

# All at once, on lines that they share and on lines of their own.
THREADS = "#include <pthread.h>" + BEGIN + """
#define THREADS 64
static long *base;
static int broken;
static pthread_barrier_t all;
static void *work(void *argument) {
    long me = (long)argument;
    pthread_barrier_wait(&all);
    for (long i = 1; i <= 4000; i++) {
        long at = me / 8 * 512 + me % 8 + (i % 16) * 8;
        base[at] = i;
        RtlFlushNonVolatileMemory(map.token, base + at, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
        if (i % 4 == 0)
            RtlDrainNonVolatileFlush(map.token);
    }
    base[4096 + me * 8] = me; /* blamed */
    if (!broken || me != 63)
        RtlFlushNonVolatileMemory(map.token, base + 4096 + me * 8, 8, 0);
    return NULL;
}
int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    broken = count > 2;
    base = begin(arguments[1]);
    pthread_barrier_init(&all, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return NvRtlUnmapFile(&map) != 0;
}
"""

MANY = BEGIN + """
#define CLFLUSHOPT(at) __asm__ volatile(".byte 0x66; clflush %0" : "+m"(*(at)))
int main(int count, char **arguments) {
    long *base = begin(arguments[1]);
    long times = count > 2 ? 10 * 1000 * 1000 : 1;
    base[0] = 1;
    for (long i = 0; i <= times; i++)
        CLFLUSHOPT(base); /* blamed */
    __asm__ volatile("sfence" ::: "memory");
    return NvRtlUnmapFile(&map) != 0;
}
"""

# Limits its address space, and then its system calls to those that it makes itself.
CONFINED = """
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
""" + BEGIN + """
#define ALLOW(number) \\
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1), \\
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
int main(int count, char **arguments) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(write), ALLOW(fsync), ALLOW(msync), ALLOW(munmap), ALLOW(close), ALLOW(exit_group),
        ALLOW(rt_sigprocmask), ALLOW(mmap), ALLOW(futex), ALLOW(gettid),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    const struct rlimit limit = {300 << 20, 300 << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 8;
    char *much = malloc(200 << 20);
    if (much == NULL)
        return 7;
    much[100 << 20] = 1;
    long *base = begin(arguments[1]);
    int file = open(arguments[1], O_RDWR);
    base[0] = much[100 << 20]; /* the routines bind their functions at the first call */
    RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    fsync(file);
    if (write(1, "before\\n", 7) != 7 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return 6;
    for (long i = 0; i < 100000; i++) /* a recording needs more memory for that */
        base[64 + i % 8] = i;
    fsync(file);
    base[0] = 3; /* blamed */
    if (count < 3)
        RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    if (write(1, "after\\n", 6) != 6)
        return 5;
    return RtlFreeNonVolatileToken(map.token) != 0;
}
"""

# Runs a program under a filter that kills it for what only the runtime would ask for.
FILTER = """
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **arguments) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (count < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return 6;
    execv(arguments[1], arguments + 1);
    return 7;
}
"""

# Dies at a moment that the kernel's timer chooses.
KILLED = "#include <signal.h>\n#include <time.h>" + BEGIN + """
int main(int count, char **arguments) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {.tv_nsec = count > 2 ? atol(arguments[2]) : 1}};
    timer_t timer;
    long *base = begin(arguments[1]);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &when, NULL);
    for (long i = 0;; i++) {
        base[i % 4096] = i;
        RtlFlushNonVolatileMemory(map.token, &base[i % 4096], 8, i % 3 == 0 ? 0 : 1);
        if (i % 64 == 0)
            RtlDrainNonVolatileFlush(map.token);
    }
}
"""


def has(flag):
    with open("/proc/cpuinfo", encoding="ascii") as file:
        return f" {flag} " in file.read().replace("\n", " \n")


class ExtremesTest(ProgramsCase):
    def check(self, text, *names, count=1, flags=(), kind="unflushed-write"):
        """The right twin is clean; of the wrong one the line is blamed so often."""
        blamed = [number for number, line in enumerate(text.splitlines(), 1)
                  if "/* blamed */" in line]
        for name in names:
            command, environment = compiler_of(name)
            program = self.build(f"{name}-extreme", text, command, environment, flags)
            report, result = self.run_nvrtl(program, self.path(f"{name}-right"))
            errors = [one for one in report["findings"] if one["severity"] != "performance"]
            self.assertEqual((result.returncode, errors), (0, []), result.stderr)
            report, result = self.run_nvrtl(program, self.path(f"{name}-wrong"), "wrong")
            self.assertEqual([(one["kind"], one["at"]["line"], one["count"])
                              for one in report["findings"]], [(kind, blamed[0], count)],
                             result.stderr)
            yield report

    def test_before_constructors(self):
        list(self.check(EARLY, "gcc"))

    def test_ends_of_threads(self):
        list(self.check(LATE_C, "gcc", "clang", count=8, flags=["-pthread"]))
        list(self.check(LATE_CXX, "g++", "clang++", count=8, flags=["-pthread"]))

    def test_region_of_64_gib(self):
        for report in self.check(LARGE, "gcc"):
            self.assertEqual(report["findings"][0]["ranges"],
                             [{"offset": (64 << 30) - 8, "length": 8}])

    def test_64_threads_at_once(self):
        for report in self.check(THREADS, "gcc", "clang", flags=["-pthread"]):
            self.assertEqual(report["findings"][0]["ranges"], [{"offset": 36800, "length": 8}])

    @unittest.skipUnless(has("clflushopt"), "this CPU has no clflushopt")
    def test_ten_million_equal_findings(self):
        list(self.check(MANY, "gcc", count=10 * 1000 * 1000, kind="redundant-flush"))

    def test_programs_that_confine_themselves(self):
        """The runtime neither takes of their memory nor makes calls that are forbidden."""
        list(self.check(CONFINED, "gcc", "clang"))

    def test_begun_under_a_filter(self):
        """What code without hooks stores is not looked for then, and the report says so."""
        command, environment = compiler_of("gcc")
        program = self.build("confined", CONFINED, command, environment)
        report, result = self.run_nvrtl(self.build("filter", FILTER, ["gcc"]), program,
                                        self.path("file"))
        self.assertEqual((report["exit"], result.returncode), (0, 0), result.stderr)
        self.assertIn("is not known: stores by code", " ".join(report["remarks"]))

    def test_confined_while_it_is_recorded(self):
        """It is not asked for what it has forbidden itself either."""
        command, environment = compiler_of("gcc")
        program = self.build("confined", CONFINED, command, environment)
        result = subprocess.run([NVRTL, "record", "-o", self.path("trace"), "--", program,
                                 self.path("file"), "wrong"],
                                capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, "before\nafter\n"),
                         result.stderr)

    def test_death_at_any_moment(self):
        """There is a report all the same, and what was in flight is no error."""
        seed = int(os.environ.get("NVRTL_TEST_SEED", random.randrange(1 << 32)))
        print(f"NVRTL_TEST_SEED={seed}")
        chance = random.Random(seed)
        command, environment = compiler_of("gcc")
        program = self.build("killed", KILLED, command, environment)
        for _ in range(50):
            delay = int(10 ** chance.uniform(3, 7.7))
            report, result = self.run_nvrtl(program, self.path("file"), str(delay))
            self.assertEqual((result.returncode, report["exit"]), (137, 137), result.stderr)
            severities = {one["severity"] for one in report["findings"]}
            self.assertLessEqual(severities, {"note", "performance"}, result.stderr)


if __name__ == "__main__":
    unittest.main()
