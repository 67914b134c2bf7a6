/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores a record through a pointer, makes it durable, or does not, and publishes it by a routine.
   Recovers first: where it is published, the record is there. */
#include <nvrtl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static volatile uint64_t *record;

static NTSTATUS make_durable(const struct NvRtlMapping *file, const char *how) {
    NV_MEMORY_RANGE range = {(void *)record, sizeof *record};
    if (strcmp(how, "flush") == 0 || strcmp(how, "again") == 0)
        return RtlFlushNonVolatileMemory(file->token, (void *)record, sizeof *record, 0);
    if (strcmp(how, "ranges") == 0)
        return RtlFlushNonVolatileMemoryRanges(file->token, &range, 1, 0);
    if (strcmp(how, "msync") == 0 && msync((void *)record, 4096, MS_SYNC) != 0)
        abort();
    return STATUS_SUCCESS;
}

int main(int count, char **words) {
    NvRtlMapping file;
    if (count < 3 ||
        NvRtlMapFile(words[1], 0, 8192, NVRTL_MAP_CREATE, 0644, &file) != STATUS_SUCCESS)
        return 1;
    volatile uint64_t *published = file.base;
    record = (uint64_t *)file.base + 512;
    if (*record < *published)
        abort();
    for (uint64_t value = 1; value <= (strcmp(words[2], "again") == 0 ? 3 : 1); value++) {
        *record = value;
        if (make_durable(&file, words[2]) != STATUS_SUCCESS ||
            RtlWriteNonVolatileMemory(file.token, file.base, &value, sizeof value,
                                      WRITE_NV_MEMORY_FLAG_FLUSH) != STATUS_SUCCESS)
            return 1;
    }
    NvRtlUnmapFile(&file);
    return 0;
}
