/* SPDX-License-Identifier: BSD-2-Clause */
/* The states that the recorded run went through, and which of them a power cut may leave. The state
   at a mark is what the checker writes out of the image that has all stores up to there. */
#ifndef SEARCH_HISTORY_H
#define SEARCH_HISTORY_H

#include "search/groups.h"
#include "search/walk.h"

/* Which states are right: that after the first so many operations, among them all acknowledged ones
   and none that had not begun; or that after any such set of them. */
enum history_kind { HISTORY_NONE, HISTORY_PREFIX, HISTORY_SET };

/* The state at a mark, after so many marks of each kind. known: recovery copes with what was
   stored by then; where it does not, that is a finding, and any state will do here. */
struct history_moment {
    uint64_t begun, acked, state;
    bool known;
};

/* One operation, by the place of its begin mark. Records are what the states are made of. */
struct history_operation {
    uint64_t id, acked;             /* acked: as the acked-th, from 1; 0: never */
    struct sandbox_record *effects; /* what it leaves of records; value 0: nothing */
    size_t effect_count;
    bool unclear; /* what it does cannot be told from what others do */
};

struct history {
    enum history_kind kind;
    struct history_moment *moments;
    size_t moment_count, moment_room;
    struct history_operation *operations;
    size_t operation_count, operation_room;
    uint64_t *needs; /* of the first acknowledgements, so many operations have begun */
    size_t need_count, need_room;
    uint64_t unjudged; /* images of which it cannot be told */
    /* Of HISTORY_SET: what was there before the first operation, and is after the first `done`. */
    struct sandbox_record *first;
    size_t first_count;
    struct groups records;          /* value by key; 0: none */
    uint64_t done, done_acked, sum; /* done_acked: the last acknowledgement among them */
    bool failed;                    /* no memory */
};

void history_free(struct history *history);

/* While the history is made, in the order of the trace: a state, and marks. records: of the state,
   each key once; for HISTORY_SET. several_threads: have stored while operations were under way. */
void history_begun(struct history *history, uint64_t id);
void history_acked(struct history *history, uint64_t id);
void history_state(struct history *history, struct history_moment moment,
                   const struct sandbox_record *records, size_t count, bool several_threads);

/* May a cut after so many marks leave this state? sum: of its records. */
bool history_allows(struct history *history, uint64_t begun, uint64_t acked, uint64_t state,
                    uint64_t sum);

#endif
