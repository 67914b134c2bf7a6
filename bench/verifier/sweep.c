/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores to each word of a file once, by itself or by Write, and flushes it in the end: until then
   all of it waits, which is the most that a verifier can have to remember.

     sweep FILE [write]    prints how many bytes the verifier takes for each byte of the file */
#include "bench.h"

#define SIZE ((size_t)16 << 20)

int main(int count, char **arguments) {
    NvRtlMapping map;
    if (count < 2)
        return 2;
    check(NvRtlMapFile(arguments[1], 0, SIZE, NVRTL_MAP_CREATE, 0600, &map));
    double memory = verifier_memory();
    for (uint64_t i = 0; i < SIZE / sizeof i; i++) {
        if (count > 2)
            check(RtlWriteNonVolatileMemory(map.token, (uint64_t *)map.base + i, &i, sizeof i, 0));
        else
            ((volatile uint64_t *)map.base)[i] = i + 1;
    }
    printf("%.3f\n", (verifier_memory() - memory) / (double)SIZE);
    check(RtlFlushNonVolatileMemory(map.token, map.base, SIZE, 0));
    check(NvRtlUnmapFile(&map));
    return 0;
}
