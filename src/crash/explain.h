/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a power cut could leave an image, or could not. */
#ifndef CRASH_EXPLAIN_H
#define CRASH_EXPLAIN_H

#include "crash/replay.h"
#include "crash/scan.h"

enum explain_why {
    EXPLAIN_POSSIBLE, /* at the moment `place`; fates tells of the stores in flight then */
    /* `store` was durable from `guarantee` on, and the image lacks it; if `later` is not 0 it has
       that store, which came afterwards. */
    EXPLAIN_GUARANTEE,
    EXPLAIN_ORDER, /* no set of the stores to the line gives these bytes */
    EXPLAIN_NEVER, /* every line could be so at some moment, and never all at once */
};

/* Of a store that was in flight. */
struct explain_fate {
    uint64_t place;
    uint32_t kept, lost; /* pieces */
};

struct explanation {
    enum explain_why why;
    uint64_t place; /* of the event before which the power is cut; 0: after the last one */
    struct explain_fate *fates; /* in the order of their places */
    size_t fate_count;
    /* The line that cannot be so. */
    uint32_t region; /* index */
    uint64_t offset;
    uint64_t store, guarantee, flush, later; /* places; 0: there is none */
    const char *problem;
};

/* image: of all regions, scan->total bytes. false: explanation->problem. */
bool explain(FILE *trace, const struct crash_scan *scan, const struct crash_wish *wish,
             const uint8_t *image, struct explanation *explanation);
void explain_free(struct explanation *explanation);

#endif
