/* SPDX-License-Identifier: BSD-2-Clause */
/* The copying of bytes, apart from what makes a copy durable and whole. */
#ifndef CLI_COPY_H
#define CLI_COPY_H

#include <signal.h>
#include <stdint.h>

#include "cli/cli.h"

/* One copy from an open file to an empty one. */
struct copy_transfer {
    int from, to;
    uint64_t size;                     /* what stat says of the source, bytes */
    const volatile sig_atomic_t *stop; /* not 0: give up soon */
    struct cli_progress *progress;
};

/* Copies all bytes, keeps holes where the filesystem tells them, and starts the write-back early,
   so that the fsync to come has little left to wait for. NULL, or why not. */
const char *copy_transfer_run(const struct copy_transfer *transfer);

#endif
