/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs of this folder share. Each is built once as it should be, and once for each of
   its bugs, with RECALL_BUG=n: BUG(n) is true in that one alone. The line that the verifier is to
   name for bug n ends in the comment "bug n" or, where it names several, "bug n: kind". */
#ifndef RECALL_H
#define RECALL_H

#include <fcntl.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef RECALL_BUG
#define RECALL_BUG 0
#endif
#define BUG(n) (RECALL_BUG == (n))

/* As macros: their line is the line of who uses them. */
#define OK(call) ok((call) == STATUS_SUCCESS)
#define FLUSH(at, size) OK(RtlFlushNonVolatileMemory(pool.token, (void *)(at), size, 0))
#define START(at, size)                                                                            \
    OK(RtlFlushNonVolatileMemory(pool.token, (void *)(at), size, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN))
#define DRAIN() OK(RtlDrainNonVolatileFlush(pool.token))
#define WRITE(to, from, size, flags)                                                               \
    OK(RtlWriteNonVolatileMemory(pool.token, to, from, size, flags))
#define FILL(to, size, value, flags)                                                               \
    OK(RtlFillNonVolatileMemory(pool.token, to, size, value, flags))
#define COMMIT_POINT(at) NvRtlVerifierCommitPoint(pool.token, at, sizeof *(at))

/* Write back a line, and wait for it, by the CPU's own instructions. */
#define SFENCE() __builtin_ia32_sfence()
#if defined(__CLWB__)
#define CLWB(at) __builtin_ia32_clwb((void *)(at))
#elif defined(__CLFLUSHOPT__)
#define CLWB(at) __builtin_ia32_clflushopt((void *)(at))
#endif

static inline void ok(bool done) {
    if (!done) {
        fputs("a call failed\n", stderr);
        exit(9);
    }
}

/* A file that is mapped as a whole, and the token of its view. */
struct pool {
    char *base;
    size_t size;
    void *token;
};

static inline struct pool pool_open(const char *folder, const char *name, size_t size) {
    char path[4096];
    struct pool made = {NULL, size, NULL};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    ok(file >= 0 && ftruncate(file, (off_t)size) == 0);
    void *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ok(view != MAP_FAILED && close(file) == 0);
    made.base = (char *)view;
    OK(RtlGetNonVolatileToken(made.base, size, &made.token));
    return made;
}

static inline void pool_close(const struct pool *closed) {
    OK(RtlFreeNonVolatileToken(closed->token));
    ok(munmap(closed->base, closed->size) == 0);
}

#endif
