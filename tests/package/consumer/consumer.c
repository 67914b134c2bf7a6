/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses an installed nvrtl: makes a file, writes to it, and, unless told to break, flushes. */
#include <nvrtl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    NvRtlMapping mapping;
    NTSTATUS status = NvRtlMapFile(argv[1], 0, 4096, NVRTL_MAP_CREATE, 0600, &mapping);
    if (status != STATUS_SUCCESS) {
        fprintf(stderr, "%s: %s\n", argv[1], NvRtlStatusText(status));
        return 1;
    }
    const ULONG flags = argc > 2 ? 0 : WRITE_NV_MEMORY_FLAG_PERSIST;
    status = RtlWriteNonVolatileMemory(mapping.token, mapping.base, "hello", 6, flags);
    if (status == STATUS_SUCCESS && strcmp(mapping.base, "hello") == 0)
        status = NvRtlUnmapFile(&mapping);
    printf("%s\n", NvRtlStatusText(status));
    return status == STATUS_SUCCESS ? 0 : 1;
}
