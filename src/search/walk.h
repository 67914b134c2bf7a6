/* SPDX-License-Identifier: BSD-2-Clause */
/* A walk through a trace, which stops at every moment where a power cut could leave what no other
   moment leaves: the crash points. */
#ifndef SEARCH_WALK_H
#define SEARCH_WALK_H

#include "crash/replay.h"
#include "sandbox/sandbox.h"

struct walk_region {
    uint32_t number, line_size; /* number: in the trace */
    enum trace_domain domain;
    uint64_t address, size, room; /* room: size in whole pages, bytes */
    char *path;
    uint8_t *visible;       /* NULL outside of a walk */
    const uint8_t *initial; /* what it holds before the first event; NULL: zeros */
};

/* What the frames of a stack are called, by its number. */
struct walk_stack {
    uint32_t number;
    char *text;
};

/* What is known of a trace when all of it has been read once. */
struct walk_facts {
    struct trace_head head;
    struct walk_region regions[SANDBOX_REGIONS];
    size_t region_count;
    struct walk_stack *stacks; /* by number */
    size_t stack_count;
    uint64_t events, stores, marks, begun, acked;
    bool
        is_recovery; /* it was recorded after a cut: the marks are those before the cut, so many: */
    uint64_t begun_before, acked_before;
    char damage[256]; /* where the trace ends too early; empty: nowhere */
    char problem[256];
};

/* Reads all of the trace. false: facts->problem. */
bool walk_look(FILE *trace, struct walk_facts *facts);
void walk_forget(struct walk_facts *facts);
/* The frames of a stack; NULL: they are not known. */
const char *walk_stack_text(const struct walk_facts *facts, uint32_t number);

/* Of a piece: its store's place in the trace and its stack. */
#define WALK_PLACE(tag) ((tag) & ((UINT64_C(1) << 40) - 1))
#define WALK_STACK(tag) ((uint32_t)((tag) >> 40))

enum walk_cause { WALK_BEFORE, WALK_AFTER, WALK_WITHIN, WALK_END };

struct walk {
    const struct walk_facts *facts;
    struct crash_replay *replay;
    struct generation *lines;
    /* The point: its number from 1, and why it is one. */
    uint64_t point;
    enum walk_cause cause;
    const struct trace_event *event; /* before, after or within which it lies; NULL: the end */
    size_t begun, acked;             /* marks before it */
    const volatile int *stop;
    char problem[256];
};

struct walk_visitor {
    /* Memory shows other bytes from now on. May be NULL. */
    void (*changed)(void *context, struct walk *walk, size_t region, uint64_t offset,
                    uint64_t length);
    /* May be NULL. */
    void (*marked)(void *context, bool acked, uint64_t id);
    /* false: the walk ends here. */
    bool (*point)(void *context, struct walk *walk);
    /* Each event after it has happened, once the points are left behind. May be NULL; false: the
       walk ends here. */
    bool (*after)(void *context, struct walk *walk, const struct trace_event *event);
    void *context;
};

/* From the start of the trace to its end, or to where the visitor ends it. false: walk->problem, or
   interrupted. pre: the facts are the trace's */
bool walk_through(FILE *trace, struct walk_facts *facts, const struct crash_wish *wish,
                  const struct walk_visitor *visitor, struct walk *walk);

#endif
