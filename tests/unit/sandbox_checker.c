/* SPDX-License-Identifier: BSD-2-Clause */
/* A checker that does what the image's first word says; the second word is what it finds there. */
#include <fcntl.h>
#include <nvrtl_crash.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/sandbox_orders.h"

static int is_as_told(const struct NvRtlCrash *crash) {
    const unsigned char *image = crash->regions[0].image;
    for (size_t i = 16; i < crash->regions[0].size; i++) {
        if (image[i] != (unsigned char)(i % 251))
            return 0;
    }
    return 1;
}

static void scribble(const struct NvRtlCrash *crash) {
    for (uint32_t i = 0; i < crash->regionCount; i++)
        memset(crash->regions[i].image, 0xee, crash->regions[i].size);
}

static int scribble_by_read(const struct NvRtlCrash *crash) {
    int zeros = open("/dev/zero", O_RDONLY);
    char *image = crash->regions[0].image;
    ssize_t size = read(zeros, image + 8192, 4096);
    close(zeros);
    return size == 4096 ? 0 : 1;
}

static int scribble_in_child(const struct NvRtlCrash *crash) {
    pid_t child = fork();
    if (child == 0) {
        scribble(crash);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}

static int write_file(const struct NvRtlCrash *crash) {
    int file = open(crash->regions[0].path, O_WRONLY);
    if (file >= 0)
        close(file);
    return file >= 0 ? 9 : 0;
}

static int look_at_marks(const struct NvRtlCrash *crash) {
    if (crash->begunCount != 3 || crash->ackedCount != 2)
        return 1;
    return crash->begun[2] == 30 && crash->acked[1] == 20 ? 0 : 2;
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    uint64_t order = *(volatile uint64_t *)crash->regions[0].image;
    if (crash->structSize != sizeof *crash || !is_as_told(crash))
        return 99;
    switch (order) {
    case ORDER_REFUSE:
        return 7;
    case ORDER_CRASH:
        abort();
    case ORDER_HANG:
        for (;;)
            pause();
    case ORDER_EXIT:
        exit(3);
    case ORDER_SCRIBBLE:
        scribble(crash);
        return 0;
    case ORDER_SCRIBBLE_BY_READ:
        return scribble_by_read(crash);
    case ORDER_SCRIBBLE_IN_CHILD:
        return scribble_in_child(crash);
    case ORDER_WRITE_FILE:
        return write_file(crash);
    case ORDER_PLACE:
        return crash->regions[0].image == crash->regions[0].base ? 0 : 1;
    case ORDER_MARKS:
        return look_at_marks(crash);
    case ORDER_SAY:
        return write(STDOUT_FILENO, "said", 4) == 4 ? 5 : 6;
    case ORDER_TOUCH:
        return *((volatile char *)crash->regions[1].image + 4096) == 0 ? 0 : 1;
    case ORDER_ALLOCATE:
        return malloc((size_t)1 << 30) == NULL ? 0 : 1;
    default:
        return 0;
    }
}
