/* SPDX-License-Identifier: BSD-2-Clause */
/* waits FILE FILE: stores to two files by routine, and waits for them by itself in several ways;
   some waits fail, and some are for nothing that outlives the process. */
#include <fcntl.h>
#include <nvrtl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static NvRtlMapping mappings[2];

static void store(int file, size_t offset, uint64_t value) {
    if (RtlWriteNonVolatileMemory(mappings[file].token, (char *)mappings[file].base + offset,
                                  &value, sizeof value, 0) != 0)
        exit(3);
}

static void need(int result) {
    if (result != 0)
        exit(2);
}

int main(int argc, char **argv) {
    int files[2];
    char *other = NULL;
    for (int i = 0; i < 2; i++) {
        if (argc != 3 || NvRtlMapFile(argv[i + 1], 0, 8192, NVRTL_MAP_CREATE, 0666, &mappings[i]))
            return 1;
        files[i] = open(argv[i + 1], O_RDWR | O_CLOEXEC);
        if (i == 0) /* between the two, so that it has to be looked up */
            other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    char *base = mappings[0].base;
    store(0, 0, 1);
    store(1, 64, 2);
    need(msync(base, 4096, MS_SYNC));
    need(msync(base, 4096, MS_ASYNC));
    store(0, 4096, 3);
    need(fdatasync(files[0]));
    need(fsync(files[1]));
    store(0, 128, 4);
    store(1, 128, 5);
    sync();
    store(0, 192, 6);
    if (msync(base, 4096, MS_SYNC | MS_ASYNC) == 0) /* does not even begin */
        return 4;
    if (syscall(SYS_munmap, base + 4096, 4096) != 0 || msync(base, 8192, MS_SYNC) == 0) /* fails */
        return 5;
    need(msync(other, 4096,
               MS_SYNC)); /* of no region: it has not saved what the other one has not */
    store(0, 256, 7);
    NvRtlUnmapFile(&mappings[0]);
    NvRtlUnmapFile(&mappings[1]);
    return 0;
}
