/* SPDX-License-Identifier: BSD-2-Clause */
/* A first look at a trace: its regions, and what they held before the first store. */
#ifndef CRASH_SCAN_H
#define CRASH_SCAN_H

#include "trace/trace.h"

struct crash_region {
    uint32_t number, line_size;
    uint64_t size;
    uint64_t start; /* of its bytes, in an image of all regions */
};

struct crash_scan {
    struct crash_region *regions; /* in the order in which they were first seen */
    size_t region_count;
    uint64_t total; /* bytes of all regions */
    uint64_t events;
    uint8_t *content; /* total bytes, durable from the start */
    bool damaged;     /* the trace is sound up to a place, and then not */
    char problem[256];
};

/* Reads all of the trace. content: what the regions held at first, total bytes from a file; NULL:
   what the trace says, or zeros. most: bytes of all regions. false: scan->problem. */
bool scan_trace(FILE *trace, uint64_t most, FILE *content, struct crash_scan *scan);
void scan_free(struct crash_scan *scan);

#endif
