/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores of a thread that were announced and are still to be told of: a call-out comes before its
   store, so that a value is there when the thread is heard of next. They lie here together, until
   something happens that another one may be told of, and are then told at once; where the process
   is killed before that, the parent finds them.

   A store lies on one page and belongs to who has that page (arena_lock_page): its own thread adds
   and tells it so, and who takes the page away tells it in its place. It is told under its thread,
   its batch's round and its place in that, so that one that was told and not taken out is known. */
#ifndef ARENA_BATCH_H
#define ARENA_BATCH_H

#include "arena/log.h"

#define BATCH_STORES 64u

/* 8 bytes of memory, aligned, of which a store has one or more. */
struct batch_store {
    _Atomic arena_id page; /* that it lies on; 0: it was told */
    arena_id stack;
    uint64_t where; /* BATCH_WHERE */
};
#define BATCH_WHERE(address, length) ((uint64_t)(address) | (uint64_t)(length) << 48)
#define BATCH_ADDRESS(where) ((uintptr_t)((where) & ((UINT64_C(1) << 48) - 1)))
#define BATCH_LENGTH(where) ((uint32_t)((where) >> 48))

struct arena_batch {
    _Atomic uint64_t round; /* from 1 */
    _Atomic uint32_t count; /* the last one may still be about to be made */
    struct batch_store at[BATCH_STORES];
    /* A store that goes another way, for one since it is the thread's first to its page: what it
       has stored is told when the thread is heard of next. Here others find it. */
    struct batch_store other;
    _Atomic uint32_t other_kind; /* enum log_kind */
};

/* How LOG_STORES has one. */
struct batch_told {
    uint64_t value; /* its bytes, the first one lowest */
    arena_id stack;
    uint16_t at; /* in the page */
    uint8_t length, place;
};

/* The thread's, by index, or NULL. */
static inline struct arena_batch *batch_of(const struct arena *arena, uint32_t thread) {
    arena_id id = atomic_load_explicit(&arena->head->stream.batches[thread], memory_order_acquire);
    return arena_at(arena, id, sizeof(struct arena_batch));
}

#endif
