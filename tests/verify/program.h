/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs of this folder share. Each file is a topic, each CASE a mistake: run with
   "wrong" it is made, with "right" it is not. Comments at the very lines say what the verifier
   shall tell, and test_rules.py reads them there:

       expect: KIND [as SEVERITY] [COUNTx] [of CASE] [if SITUATION ...]
       always: ..., twin: ...         as expect, in the right program too, or in that alone
       role: ROLE [of CASE]           a related place of the findings of its case
       status: N [if wrong]           how the program ends, when not by 0

   A situation is a judge, or judge/domain of the file (the judge may be "any"); without one it is
   always so. A comment on a line of its own is about the next line of code. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <nvrtl.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 65536
#define NO_DRAIN FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN
#define FLUSHED WRITE_NV_MEMORY_FLAG_FLUSH
#define STREAM WRITE_NV_MEMORY_FLAG_NON_TEMPORAL
#define PERSIST WRITE_NV_MEMORY_FLAG_PERSIST
#define LATER WRITE_NV_MEMORY_FLAG_NO_DRAIN
#define EVERY ((void *)FLUSH_NV_MEMORY_DEFAULT_TOKEN)

#define APART __attribute__((noinline))
#define CASE(name) static void name(void)
#define WRONG if (broken)
#define RIGHT if (!broken)

/* Macros, so that the line of the call is the program's. */
#define OPEN() ok(NvRtlMapFile(path, 0, SIZE, NVRTL_MAP_CREATE, 0600, &map)), base = map.base
#define CLOSE() ok(NvRtlUnmapFile(&map))
#define GET(at, size, token) ok(RtlGetNonVolatileToken(base + (at), size, token))
#define FREE(token) ok(RtlFreeNonVolatileToken(token))
#define WRITE(at, size, flags) WRITE_BY(map.token, at, size, flags)
#define WRITE_BY(token, at, size, flags)                                                           \
    ok(RtlWriteNonVolatileMemory(token, base + (at), data, size, flags))
#define FILL(at, size, flags) ok(RtlFillNonVolatileMemory(map.token, base + (at), size, 7, flags))
#define FLUSH(at, size, flags) FLUSH_BY(map.token, at, size, flags)
#define FLUSH_BY(token, at, size, flags)                                                           \
    ok(RtlFlushNonVolatileMemory(token, base + (at), size, flags))
#define RANGES(ranges, count, flags)                                                               \
    ok(RtlFlushNonVolatileMemoryRanges(map.token, ranges, count, flags))
#define DRAIN() DRAIN_BY(map.token)
#define DRAIN_BY(token) ok(RtlDrainNonVolatileFlush(token))
#define ASSERT(at, size) NvRtlVerifierAssertDurable(map.token, base + (at), size)
#define IGNORE(at, size) NvRtlVerifierIgnore(map.token, base + (at), size)

static char path[4096], data[SIZE];
static NvRtlMapping map;
static char *base;
static bool broken;
static int failed;

struct program_case {
    const char *name;
    void (*run)(void);
};

static inline void ok(NTSTATUS status) {
    if (status != STATUS_SUCCESS) {
        fprintf(stderr, "a call failed: %s\n", NvRtlStatusText(status));
        failed = 99;
    }
}

/* The call is to be refused. */
static inline void refused(NTSTATUS status) {
    if (status == STATUS_SUCCESS) {
        fputs("a call was not refused\n", stderr);
        failed = 98;
    }
}

/* Runs body in another thread to its end. */
static inline void in_thread(void *(*body)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, body, NULL);
    pthread_join(thread, NULL);
}

/* PROGRAM wrong|right FILE CASE, or "all" cases, each with a file of its own. */
static inline int program_main(const struct program_case *cases, size_t count, char **arguments) {
    broken = strcmp(arguments[1], "wrong") == 0;
    memset(data, 'd', sizeof data);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arguments[3], "all") != 0 && strcmp(arguments[3], cases[i].name) != 0)
            continue;
        snprintf(path, sizeof path, "%s.%s", arguments[2], cases[i].name);
        cases[i].run();
    }
    return failed;
}

#define PROGRAM(...)                                                                               \
    int main(int count, char **arguments) {                                                        \
        static const struct program_case cases[] = {__VA_ARGS__};                                  \
        return count == 4 ? program_main(cases, sizeof cases / sizeof cases[0], arguments) : 97;   \
    }

#endif
