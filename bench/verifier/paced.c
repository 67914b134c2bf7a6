/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes 64 bytes and flushes them, again and again, with work of its own in between: so much that
   without a verifier a million of these are done a second.

     paced FILE OPERATIONS                  prints how many rounds of work that is
     paced FILE OPERATIONS ROUNDS [apart]   prints nanoseconds an operation, and how many bytes the
                                            verifier takes for each byte of the file

   It writes one line after the other, as logs do; apart: each to another page than the last one. */
#include "bench.h"

#include <string.h>

#define SIZE ((size_t)64 << 20)
#define LINE 64
#define APART 67      /* lines: each on another page, and all of them in the end */
#define WANTED 1000.0 /* nanoseconds an operation */

static NvRtlMapping map;

static void work(uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; i++)
        __asm__ volatile("" ::: "memory");
}

/* Nanoseconds an operation. */
static double run(uint64_t operations, uint64_t rounds, uint64_t step) {
    char record[LINE];
    double start = now();
    memset(record, 1, sizeof record);
    for (uint64_t i = 0; i < operations; i++) {
        char *place = (char *)map.base + i * step * LINE % SIZE;
        memcpy(record, &i, sizeof i);
        check(RtlWriteNonVolatileMemory(map.token, place, record, LINE, 0));
        check(RtlFlushNonVolatileMemory(map.token, place, LINE, 0));
        work(rounds);
    }
    return (now() - start) / (double)operations;
}

static double time_of_work(void) {
    const uint64_t rounds = 100000000;
    double start = now();
    work(rounds);
    return (now() - start) / (double)rounds;
}

/* So many rounds of work that an operation takes what is wanted. The CPU works on while it waits
   for a flush, so they are more than an operation without any leaves room for: found in steps. */
static double find_rounds(uint64_t operations, uint64_t step) {
    double each = time_of_work(), rounds = 0;
    for (int i = 0; i < 4; i++) {
        rounds += (WANTED - run(operations, (uint64_t)rounds, step)) / each;
        rounds = rounds > 0 ? rounds : 0;
    }
    return rounds;
}

int main(int count, char **arguments) {
    if (count < 3)
        return 2;
    uint64_t operations = strtoull(arguments[2], NULL, 10);
    check(NvRtlMapFile(arguments[1], 0, SIZE, NVRTL_MAP_CREATE, 0600, &map));
    double memory = verifier_memory();
    run(SIZE / 4096 * 2, 0, APART); /* every page is touched */
    uint64_t step = count > 4 ? APART : 1;
    if (count == 3) {
        printf("%.0f\n", find_rounds(operations, step));
    } else {
        double time = run(operations, strtoull(arguments[3], NULL, 10), step);
        printf("%.1f %.3f\n", time, (verifier_memory() - memory) / (double)SIZE);
    }
    check(NvRtlUnmapFile(&map));
    return 0;
}
