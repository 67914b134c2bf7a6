/* SPDX-License-Identifier: BSD-2-Clause */
/* counting FILE COUNT: stores 1, 2, 3 ... one behind the other, and says after each 64 of them
   which was the last one, in 8 bytes, after its process. Its own stores or those of a child may be
   killed at any moment. */
#include <nvrtl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS 8192

int main(int argc, char **argv) {
    NvRtlMapping mapping;
    if (argc != 3 || NvRtlMapFile(argv[1], 0, WORDS * 8, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    volatile uint64_t *words = mapping.base;
    uint64_t count = strtoull(argv[2], NULL, 10), process = (uint64_t)getpid();
    if (write(1, &process, sizeof process) != sizeof process)
        return 2;
    for (uint64_t i = 1; i <= count; i++) {
        words[i % WORDS] = i;
        if (i % 64 == 0 && write(1, &i, sizeof i) != sizeof i)
            return 3;
    }
    NvRtlUnmapFile(&mapping);
    return 0;
}
