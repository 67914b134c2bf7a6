/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes of a run did, in the order of visibility, as far as it matters for what a
   power cut leaves. A chain of records that only grows at its end: each is complete before it is in
   the chain, so the log is whole whenever the writer dies, and there are no gaps.

   The log is also where the power is cut. The parent says at which record; whoever gets there kills
   its process, and so does everybody who comes later. */
#ifndef ARENA_LOG_H
#define ARENA_LOG_H

#include "arena/arena.h"

enum log_kind {
    LOG_GET,    /* a token was made: the file is known from here on; length is its end */
    LOG_BASE,   /* the lines' content before the first store that the log tells of; without bytes:
                   zeros */
    LOG_STORE,  /* a call stored; bytes as they are after it */
    LOG_STREAM, /* the same, past the cache */
    LOG_UNSEEN, /* one line has changed without a call */
    LOG_FLUSH,  /* of this range, and of those in bytes, struct log_range */
    LOG_DRAIN,
    LOG_SETTLE, /* a wait made all of the range durable */
    LOG_MARK,   /* offset is the id, length the kind; bytes are the text */
    /* Of programs whose own instructions are seen: */
    LOG_DIRECT,     /* as LOG_STREAM, and past any doubt */
    LOG_ATOMIC,     /* a locked instruction that stored: it drains before it does */
    LOG_CLFLUSH,    /* as LOG_FLUSH, of one range, and done at once */
    LOG_SYNC_BEGIN, /* msync, fsync and the like begin, of the range */
    LOG_SYNC_END,   /* the one that the thread has begun last has succeeded */
    /* Of programs whose stores are found by what pages hold: */
    LOG_FOUND,  /* stored since the last look; of each line all or nothing, for its order is lost */
    LOG_PWRITE, /* written to the file by a descriptor */
    /* Several stores of one thread to one page, beginning at offset: stack is that thread, which
       need not be the one that tells, length their batch's round; bytes are struct batch_told */
    LOG_STORES,
    LOG_KINDS
};

/* What is recorded: arena_log.on. */
enum log_on {
    LOG_OFF,
    LOG_CUT,  /* what a cut needs */
    LOG_TRACE /* stacks too, and what regions held when they were first seen */
};

#define LOG_TEXT 64   /* bytes of a mark's text that are kept */
#define LOG_RANGES 64 /* that one flush has beside its first */

struct log_range {
    uint64_t offset, length;
};

struct log_record {
    arena_id previous;
    uint32_t kind; /* enum log_kind */
    uint32_t thread;
    uint32_t file;         /* index; not for drains and marks */
    uint32_t size;         /* of bytes */
    uint32_t stack;        /* id, or 0 */
    uint64_t number;       /* of this record, from 1 */
    uint64_t drains, acks; /* so far, this one with them */
    uint64_t offset, length;
    uint8_t bytes[];
};

/* Adds a record like wish, of which previous and the counts are filled in. bytes: wish->size of
   them, readable. May not return: the power was cut. */
void log_append(const struct arena *arena, const struct log_record *wish, const void *bytes);

/* The newest record, and the one before; NULL: there is none, or the chain is damaged. */
const struct log_record *log_last(const struct arena *arena);
const struct log_record *log_before(const struct arena *arena, const struct log_record *record);

#endif
