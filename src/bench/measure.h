/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds, medians and what a question is; private to bench/. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

#include "bench/bench.h"

#define MEASURE_ROUNDS_MAX 63

/* What all questions share. */
struct bench_ground {
    const struct bench_wish *wish;
    const struct bench_listener *listener;
    bool failed; /* something could not be measured */
};

/* Nanoseconds of a clock that only goes forward. */
double measure_now(void);

/* Runs lane number lane once, and gives the nanoseconds of one operation. */
typedef double measure_sample(void *context, size_t lane);

/* Lets the lanes of the row run in turn and fills in what they took; the order changes from round
   to round. The first round is no result. pre: rounds <= MEASURE_ROUNDS_MAX */
void measure_row(struct bench_row *row, unsigned rounds, measure_sample *sample, void *context);

/* Measures a row and hands it to the listener. */
void measure_and_tell(struct bench_ground *ground, struct bench_row *row, unsigned rounds,
                      measure_sample *sample, void *context);

/* Says why something is not measured. */
__attribute__((format(printf, 2, 3))) void measure_give_up(struct bench_ground *ground,
                                                           const char *format, ...);

/* One thing that can be asked. */
struct bench_asked {
    const char *name, *title;
    void (*measure)(struct bench_ground *ground, const struct bench_asked *asked);
    const void *more; /* what measure needs to know of it */
};
extern const struct bench_asked memory_questions[], page_questions[], other_questions[];
extern const size_t memory_question_count, page_question_count, other_question_count;

#endif
