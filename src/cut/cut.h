/* SPDX-License-Identifier: BSD-2-Clause */
/* One recorded run of a program that ends in a power cut, as the parent sees it: the memory that
   the program's processes write their log to, the moment at which they are killed, and then what
   the cut leaves in their files. */
#ifndef CUT_CUT_H
#define CUT_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chance.h"
#include "model/generation.h"

struct cut_session;

/* The moment: after this record, after this acknowledgement, or just before this drain, each
   counted from 1; 0: not by that. With all 0 the program runs to its end. */
struct cut_moment {
    uint64_t record, ack, drain;
};

/* How the program's own stores are seen. */
enum cut_stores { CUT_STORES_AUTO, CUT_STORES_API, CUT_STORES_HOOKS, CUT_STORES_INTERVAL };

/* For one run after the other: what it occupies is used again. NULL: no memory. */
struct cut_session *cut_new(enum cut_stores stores);
void cut_end(struct cut_session *session);

/* Begins a run. false, with errno: no memory for it. pre: no process of the run before lives */
bool cut_begin(struct cut_session *session, const struct cut_moment *moment);

/* The descriptor that the program's processes inherit. */
int cut_descriptor(const struct cut_session *session);

/* Has a process reached the moment? Then whatever still runs is to be killed. */
bool cut_reached(const struct cut_session *session);

/* What the log holds. pre: here and below, every process of the run has ended */
struct cut_counts {
    uint64_t records, drains, acks;
    bool full;    /* recording stopped before the end: the rest of the run is unknown */
    bool waiting; /* signal handlers did something that could not be recorded in time */
    bool lost;    /* a process or thread found no place in the run: what it did is unknown */
};
struct cut_counts cut_counts(const struct cut_session *session);

/* The files that tokens were made for, in the order in which they were first seen. */
size_t cut_file_count(const struct cut_session *session);
const char *cut_file_path(const struct cut_session *session, size_t index);

/* The ids of the marks of a kind (NVRTL_OP_...), in order, a fresh array; false: no memory. */
bool cut_marks(struct cut_session *session, uint32_t kind, uint64_t **ids, size_t *count);

/* What became of a store that no drain covered. */
struct cut_fate {
    uint64_t record;  /* its number */
    const char *path; /* of its file, as long as the session is in this run */
    uint64_t offset, length;
    uint32_t kept, lost; /* words of 8 bytes */
};

struct cut_outcome {
    uint64_t lost, torn, kept; /* stores */
    uint64_t lines;            /* that the log names */
    struct cut_fate examples[6];
    size_t example_count; /* lost and torn ones, the newest last */
    uint64_t gone;        /* files that nothing leads to any more: they are as they were */
    const char *problem;  /* why there is no image, or NULL: a sentence's end about problem_path */
    const char *problem_path;
    int error; /* errno of the problem, or 0 */
};

/* Draws one legal image and writes it into the files, in place. false: outcome->problem. */
bool cut_write_image(struct cut_session *session, enum generation_model model,
                     struct chance *chance, struct cut_outcome *outcome);

#endif
