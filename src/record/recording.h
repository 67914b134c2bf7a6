/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a recording share. */
#ifndef RECORD_RECORDING_H
#define RECORD_RECORDING_H

#include "arena/batch.h"
#include "arena/stream.h"
#include "base/bits.h"
#include "record/record.h"
#include "trace/trace.h"
#include "verify/symbols.h"

#define STACKS (ARENA_SIZE_MAX / ARENA_GRAIN) /* that there may be, by their ids */

/* A thread's last batch of which something was told; see arena/batch.h. */
struct recording_batch {
    uint64_t round;
    uint64_t told; /* its stores, one bit each */
};

struct recording {
    const struct arena *arena;
    struct stream_reader reader;
    struct trace_writer *writer;
    struct symbols *symbols;
    struct record_counts counts;
    bool failed;
    int error;
    bool unflushed;             /* something was put since the last flush */
    uint64_t told[ARENA_FILES]; /* the sizes that were told of regions; 0: not yet */
    uint32_t *stacks;           /* the trace's numbers of stacks, by the arena's; sparse */
    uint32_t stack_count;
    bool names; /* of the frames of stacks are wanted */
    struct recording_batch batches[ARENA_THREADS];
};

bool recording_put(struct recording *recording, const struct trace_event *event);

bool recording_new_stack(struct recording *recording, uint32_t id);

/* Tells a stack before it is first named. */
static inline bool recording_stack(struct recording *recording, uint32_t id) {
    return LIKELY(id == 0 || id >= STACKS || recording->stacks[id] != 0) ||
           recording_new_stack(recording, id);
}

/* Tells a region before it is first named, and when it has grown. */
bool recording_region(struct recording *recording, uint32_t index, uint64_t address);

/* What lies behind the region's end was none of its business. false: nothing is left. */
bool recording_cut(const struct recording *recording, uint32_t file, uint64_t offset,
                   uint64_t *length);

/* Tells of stores of a batch, but for those that were told. */
bool recording_stores(struct recording *recording, const struct stream_event *record);

/* What threads that are no more had stored to a file (its index + 1) and not yet told; 0: all of
   them, when all threads are no more. */
bool recording_rest(struct recording *recording, uint32_t file);

#endif
