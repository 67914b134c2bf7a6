/* SPDX-License-Identifier: BSD-2-Clause */
/* interval FILE right|wrong: stores through pointers, flushes and drains by routine, as pages.c's
   meta; wrong: the meta page is made durable before its data page. */
#include <nvrtl.h>
#include <string.h>

#include "pages.h"

static NvRtlMapping mapping;

static void persist(void *address, size_t size) {
    RtlFlushNonVolatileMemory(mapping.token, address, size, 0);
}

int main(int argc, char **argv) {
    if (argc != 3 ||
        NvRtlMapFile(argv[1], 0, sizeof(struct pages), NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    struct pages *pages = mapping.base;
    for (uint64_t number = 1; number <= 8; number++) {
        struct data *data = &pages->data[number % DATA];
        struct meta next = {.page = number % DATA, .number = number};
        next.sum = SUM(next);
        for (size_t i = 0; i < WORDS; i++)
            data->words[i] = number;
        if (strcmp(argv[2], "right") == 0)
            persist(data, sizeof data->words);
        *META(pages, number) = next;
        persist(META(pages, number), sizeof next);
        persist(data, sizeof data->words);
    }
    NvRtlUnmapFile(&mapping);
    return 0;
}
