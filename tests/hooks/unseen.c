/* SPDX-License-Identifier: BSD-2-Clause */
/* What code without hooks stores is found by what has changed, and told as a warning. */
#include "program.h"

#include <stdint.h>
#include <sys/syscall.h>

static int file;

/* No function of libc that hooks know. */
static long write_unseen(int to) {
    return syscall(SYS_pwrite64, to, data, 16, 64);
}

static void begin(void) {
    OPEN();
    file = open(path, O_RDWR);
    base[0] = 1;
    FLUSH(0, 1, 0);
}

static void end(void) {
    close(file);
    CLOSE();
}

/* The kernel writes to the file. */
CASE(by_the_kernel) {
    begin();
    if (write_unseen(file) != 16)
        exit(95);
    RIGHT FLUSH(64, 16, 0);
    end();
}

CASE(undrained) {
    begin();
    if (write_unseen(file) != 16)
        exit(95);
    FLUSH(64, 16, NO_DRAIN);
    RIGHT DRAIN();
    end();
}

/* A region that is covered again begins anew. */
CASE(between_tokens) {
    begin();
    end();
    int again = open(path, O_RDWR);
    if (write_unseen(again) != 16)
        exit(95);
    close(again);
    begin();
    end();
}

PROGRAM({"by_the_kernel", by_the_kernel}, {"undrained", undrained},
        {"between_tokens", between_tokens})
