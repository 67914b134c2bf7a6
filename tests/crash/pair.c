/* SPDX-License-Identifier: BSD-2-Clause */
/* pair FILE right|wrong: a word at 0 follows one at 64; wrong: no drain stands between them. */
#include <immintrin.h>
#include <nvrtl.h>
#include <stdint.h>
#include <string.h>

int main(int argc, char **argv) {
    NvRtlMapping mapping;
    if (argc != 3 || NvRtlMapFile(argv[1], 0, 4096, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    volatile uint64_t *words = mapping.base;
    for (uint64_t i = 1; i < 20; i++) {
        words[8] = i;
        _mm_clflushopt((void *)(uintptr_t)&words[8]);
        if (strcmp(argv[2], "right") == 0)
            _mm_sfence();
        words[0] = i;
        _mm_clflushopt((void *)(uintptr_t)&words[0]);
        _mm_sfence();
    }
    NvRtlUnmapFile(&mapping);
    return 0;
}
