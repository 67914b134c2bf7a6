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
    unsigned from_pass, at_pass;                       /* where it goes on, and has come to: */
    uint64_t from_point, at_point, from_done, at_done; /* so many images of this point are tried */
    uint64_t images_before;                            /* by those who have begun the search */
    uint64_t began;                                    /* seconds */
    search_tell *tell;
    void *context;
    struct shrinking *shrinking; /* while a failure is shrunk */
};

/* Takes up what options->resume has, if anything. false: outcome->problem. */
bool resume_read(struct search *search);
void resume_write(struct search *search, bool done);
/* How many of its images were. */
uint64_t resume_done(const struct search *search, uint64_t point);
/* Was all of the point tried before? */
bool resume_is_behind(const struct search *search, uint64_t point);

/* A walk that keeps the queue up to date; the visitor's point and after get the search. */
bool search_walk(struct search *search, const struct walk_visitor *visitor);
/* Fills the space with the point where the walk is. */
void search_fill(struct search *search, const struct walk *walk);
/* Room for the picks of the space. false: no memory. */
bool search_make_room(struct search *search);
/* Varies the lines that recovery has looked at; were there others than those that were varied? */
bool search_join_lines(struct search *search);

#endif
