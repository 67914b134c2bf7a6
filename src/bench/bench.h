/* SPDX-License-Identifier: BSD-2-Clause */
/* The routines on this machine against others: libpmem where it is installed, the bare
   instructions, libc. Each row is one case; whoever takes part in it runs in turn, round for round,
   in this process, so that whatever disturbs the machine disturbs all of them. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BENCH_LANES 6
#define BENCH_EQUAL 1.06 /* what differs by less is no result */

/* Median and quartiles. */
struct bench_spread {
    double median, low, high;
};

/* One who takes part in a row. */
struct bench_lane {
    const char *name;
    bool undocumented;         /* no vendor's text says that this is durable on this CPU */
    struct bench_spread nanos; /* an operation takes so long */
    struct bench_spread ratio; /* ... of the first lane's in the same round */
};

/* One case, with its results. The first lane is ours. */
struct bench_row {
    const char *question;  /* its name on the command line */
    const char *title;     /* what an operation is */
    const char *set;       /* where it works: hot, cold, ... */
    const char *alignment; /* of what it stores; "" where that is no matter */
    size_t length;         /* bytes of an operation, or what else is counted */
    double goal;           /* ratio to reach against goal_lane; 0: none */
    const char *goal_lane;
    size_t lane_count;
    struct bench_lane lanes[BENCH_LANES];
};

struct bench_wish {
    bool libpmem;       /* is to take part; absent, that is said */
    bool quick;         /* everything once or twice, in seconds: no result, only a try */
    const char *folder; /* where files of the page cache go */
    char *const *names; /* the questions; NULL at the end, none: all of them */
};

/* Calls done with each row as soon as it is measured. false: something could not be measured, told
   with a sentence by complain. */
struct bench_listener {
    void (*row)(void *context, const struct bench_row *row);
    void (*complain)(const char *format, ...) __attribute__((format(printf, 1, 2)));
    void *context;
};
bool bench_run(const struct bench_wish *wish, const struct bench_listener *listener);

/* The name of question number index and what it asks, or NULL. */
const char *bench_question(size_t index, const char **title);

/* Who takes part that no vendor's text calls durable, in a sentence; NULL: nobody. */
const char *bench_remark(const struct bench_row *row);

/* The rows as text, comma-separated values, and an SVG picture of throughput against size. */
void bench_print_text(FILE *to, const struct bench_row *row, const struct bench_row *before);
void bench_print_csv(FILE *to, const struct bench_row *row, const struct bench_row *before);
void bench_print_svg(FILE *to, const struct bench_row *rows, size_t count, const char *machine);

/* Measures the kernels and writes the rows of store/limits.def for this CPU, and what it measured
   to talk. false: this CPU has nothing to choose from, or there is no memory. */
bool bench_calibrate(FILE *to, FILE *talk);

/* What the figures were measured on: the CPU as it calls itself, and the kernel. */
void bench_machine(char *text, size_t size);

#endif
