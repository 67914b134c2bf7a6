/* SPDX-License-Identifier: BSD-2-Clause */
/* shrinks FILE HOW: stores to the second page of a file, and at once takes that page away in one of
   several ways, of which not every one can be seen. It touches it no more: whoever does dies. */
#include <fcntl.h>
#include <nvrtl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static int shrink(const char *path, int file, const char *how) {
    if (strcmp(how, "ftruncate") == 0)
        return ftruncate(file, PAGE);
    if (strcmp(how, "truncate") == 0)
        return truncate(path, PAGE);
    if (strcmp(how, "number") == 0)
        return (int)syscall(SYS_ftruncate, file, (long)PAGE);
    return close(open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
}

int main(int argc, char **argv) {
    NvRtlMapping mapping;
    if (argc != 3 ||
        NvRtlMapFile(argv[1], 0, 2 * PAGE, NVRTL_MAP_CREATE, 0666, &mapping) != STATUS_SUCCESS)
        return 1;
    int file = open(argv[1], O_RDWR | O_CLOEXEC);
    volatile uint64_t *first = mapping.base, *second = first + PAGE / sizeof *first;
    first[0] = 1;
    for (uint64_t i = 0; i < 50; i++)
        second[i] = i;
    second[7] = 77;
    int failed = shrink(argv[1], file, argv[2]);
    if (strcmp(argv[2], "open") != 0)
        first[1] = 2;
    NvRtlUnmapFile(&mapping);
    return failed;
}
