/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a search share. */
#ifndef SEARCH_STATE_H
#define SEARCH_STATE_H

#include "search/groups.h"
#include "search/queue.h"

struct search {
    FILE *trace;
    struct walk_facts *facts;
    const struct search_options *options;
    struct search_outcome *outcome;
    const volatile int *stop;
    struct sandbox_region regions[SANDBOX_REGIONS];
    struct queue queue;
    struct walk walk;
    struct space space;
    struct seen seen;
    struct groups ranks, alike; /* points of a group so far; failures of a look */
    uint64_t key;               /* of the point */
    uint16_t *picks;
    size_t picks_room;
    unsigned pass;
    uint64_t began; /* seconds */
    search_tell *tell;
    void *context;
    struct shrinking *shrinking; /* while a failure is shrunk */
};

/* A walk that keeps the queue up to date; the visitor's point and after get the search. */
bool search_walk(struct search *search, const struct walk_visitor *visitor);
/* Fills the space with the point where the walk is. */
void search_fill(struct search *search, const struct walk *walk);
/* Room for the picks of the space. false: no memory. */
bool search_make_room(struct search *search);
/* Varies the lines that recovery has looked at; were there others than those that were varied? */
bool search_join_lines(struct search *search);

#endif
