/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl crash`. */
#ifndef CLI_CRASH_H
#define CLI_CRASH_H

#include <stdio.h>

#include "crash/replay.h"
#include "crash/scan.h"

struct crash_arguments {
    const char *trace, *image, *explain;
    struct crash_wish wish;
    uint64_t memory; /* bytes */
    bool enumerate;
    bool imports; /* the trace is a log of pmemcheck */
};

/* NULL: that was said. */
FILE *crash_open(const char *path);

/* Prints why a cut could leave the image that is to be explained, or could not; the exit status. */
int crash_explain(FILE *trace, const struct crash_arguments *arguments,
                  const struct crash_scan *scan);

#endif
