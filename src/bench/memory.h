/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about memory whose lines the CPU writes back; private to bench/. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <nvrtl.h>

#include "bench/measure.h"

/* A number of operations that are timed together, each on a place of its own. */
struct memory_pass {
    const NV_MEMORY_RANGE *places;
    size_t count;
    size_t length; /* of each, but for ranges */
    const char *source;
    PVOID token, deferring; /* the second one remembers its flushes until the drain */
};

/* Who takes part, and how. */
struct memory_lane {
    const char *name;
    void (*run)(const struct memory_pass *pass);
    bool libpmem;           /* only where that is */
    size_t undocumented_at; /* from this length on no text calls it durable; 0: always documented */
};

enum memory_set { MEMORY_HOT = 1, MEMORY_COLD = 2 };

/* A ratio to reach against the lane of that name. */
struct memory_goal {
    unsigned sets; /* enum memory_set */
    size_t least, most;
    int skewed; /* 0: aligned, 1: not, -1: both */
    double ratio;
    const char *lane;
};

#define MEMORY_SIZES 12
#define MEMORY_GOALS 6

struct memory_question {
    const size_t sizes[MEMORY_SIZES]; /* 0 at the end */
    unsigned sets;
    bool dirty;       /* every line is stored to before the clock starts */
    bool skewed;      /* misaligned destinations too */
    size_t scattered; /* that many places of varying length (ranges), or over few lines; 0: no */
    size_t lines;     /* with scattered: over so many lines, 8 bytes each */
    struct memory_goal goals[MEMORY_GOALS];
    const struct memory_lane lanes[BENCH_LANES]; /* NULL name at the end */
};

void memory_measure(struct bench_ground *ground, const struct bench_asked *asked);

#endif
