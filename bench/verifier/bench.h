/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs of this folder share. */
#ifndef BENCH_H
#define BENCH_H

#include <nvrtl.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

static inline void check(NTSTATUS status) {
    if (status != STATUS_SUCCESS) {
        fprintf(stderr, "bench: %s\n", NvRtlStatusText(status));
        exit(1);
    }
}

/* Nanoseconds. */
static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Tells pmemcheck, if the program runs under it, what is persistent memory; nothing otherwise. */
static inline void announce(const void *base, size_t size) {
#ifdef VALGRIND_DO_CLIENT_REQUEST_STMT
    /* VG_USERREQ__PMC_REGISTER_PMEM_MAPPING, the first request of that tool. */
    VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ_TOOL_BASE('P', 'C'), base, size, 0, 0, 0);
#else
    (void)base, (void)size;
#endif
}

/* Bytes of memory that what the verifier knows takes by now; 0 where there is none. The program
   inherits it as a descriptor, whose number the environment tells. */
static inline double verifier_memory(void) {
    const char *run = getenv("NVRTL_ARENA");
    struct stat status;
    if (run == NULL || fstat((int)strtol(run, NULL, 10), &status) != 0)
        return 0;
    return (double)status.st_blocks * 512;
}

#endif
