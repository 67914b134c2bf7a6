/* SPDX-License-Identifier: BSD-2-Clause */
/* A long run of little steps, for its trace: appends to a log of 1 MiB that goes round, each an
   entry of two words with its own number, written back and drained: four events. Every thousandth
   is marked when it begins and when it is acknowledged.

     appends FILE COUNT */
#include <immintrin.h>
#include <nvrtl.h>
#include <stdint.h>
#include <stdlib.h>

#define SIZE ((size_t)1 << 20)
#define ENTRIES (SIZE / 16)

int main(int argc, char **argv) {
    NvRtlMapping map;
    if (argc != 3 || NvRtlMapFile(argv[1], 0, SIZE, NVRTL_MAP_CREATE, 0666, &map) != 0)
        return 1;
    uint64_t count = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 1; i <= count; i++) {
        volatile uint64_t *entry = (uint64_t *)map.base + i % ENTRIES * 2;
        if (i % 1000 == 0)
            NvRtlVerifierMark(map.token, NVRTL_OP_BEGIN, i / 1000, NULL);
        entry[0] = i;
        entry[1] = i * 3;
        _mm_clflushopt((void *)(uintptr_t)entry); /* not by routine: that would wait for the disk */
        _mm_sfence();
        if (i % 1000 == 0)
            NvRtlVerifierMark(map.token, NVRTL_OP_ACK, i / 1000, NULL);
    }
    NvRtlUnmapFile(&map);
    return 0;
}
