/* SPDX-License-Identifier: BSD-2-Clause */
/* From the log that a run has left to a trace. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct arena;

struct record_counts {
    uint64_t events, stores, regions;
    bool full;    /* recording stopped before the end: no memory */
    bool waiting; /* signal handlers did something that could not be recorded in time */
    bool lost;    /* a process or thread found no place in the run */
};

/* What the trace's header says. */
struct record_facts {
    char cpu[64];
    bool pages; /* the page model: of a program that waits for its files */
    bool names; /* with what the frames of stacks are called */
};

/* Writes the trace in its binary form. false, with errno: the
   stream could not be written, or there is no memory. pre: every process of the run has ended */
bool record_write(const struct arena *arena, FILE *out, const struct record_facts *facts,
                  struct record_counts *counts);

#endif
