/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery of one image, recorded, and the search of what a second power cut could leave of it. */
#ifndef SEARCH_NESTED_H
#define SEARCH_NESTED_H

#include "search/state.h"

struct nested {
    FILE *trace;
    struct walk_facts facts;
    struct search_options options;
    struct search_outcome outcome;
    struct search *search;
    uint8_t *images[SANDBOX_REGIONS]; /* what recovery found */
    uint64_t rooms[SANDBOX_REGIONS];  /* bytes of these */
    size_t region_count;
};

enum nested_result {
    NESTED_OPEN,
    NESTED_PASSED,  /* recovery of the image fails, stores nothing, or cannot be recorded */
    NESTED_STOPPED, /* interrupted, or outcome->problem of the outer search */
};

/* Records recovery of the image that the picks say, at the point where the walk is. names: stacks
   are to have their names. */
enum nested_result nested_open(struct search *outer, const struct walk *walk, const uint16_t *picks,
                               bool names, struct nested *nested);
void nested_close(struct nested *nested);

/* All points once more: recovery of their images is explored. false: interrupted, over, or
   outcome->problem. */
bool nested_explore(struct search *search);

#endif
