/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a run tells to a trace, while it runs. By one thread. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct arena;
struct recording;

struct record_counts {
    uint64_t events, stores, regions;
    uint64_t
        unseen;   /* of the stores: found where a flush or wait covers them, and told by nobody */
    bool hooked;  /* code with hooks has run */
    bool full;    /* recording stopped before the end: the trace was not written in time */
    bool waiting; /* signal handlers did something that could not be recorded in time */
    bool lost;    /* a process or thread found no place in the run */
};

/* What the trace's header says. */
struct record_facts {
    char cpu[64];
    bool pages; /* the page model: of a program that waits for its files */
    bool names; /* with what the frames of stacks are called */
};

/* Begins the trace in its binary form. NULL, with errno: no memory. */
struct recording *record_begin(const struct arena *arena, FILE *out,
                               const struct record_facts *facts);

/* Writes what there is. false: there was nothing new. */
bool record_take(struct recording *recording);

/* What was taken is in the file. */
void record_flush(struct recording *recording);

/* Nothing has come for a while: steps over what a writer that died has left. */
void record_skip(struct recording *recording);

/* Writes the rest. false, with errno: the trace could not be written. pre: every process of the run
   has ended. Frees the recording. */
bool record_end(struct recording *recording, struct record_counts *counts);

/* Gives it up. */
void record_free(struct recording *recording);

#endif
