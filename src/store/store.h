/* SPDX-License-Identifier: BSD-2-Clause */
/* Copy and fill into non-volatile memory. portable.c is the meaning: every aligned 8-byte block of
   the destination is stored by one store, narrower heads and tails by exact-width stores, and no
   byte beside the range is touched. Kernels differ only in the kind of store. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "isa/isa.h"

/* How the aligned 8-byte words of the destination are stored; heads and tails narrower than a word
   are always stored through the cache. */
enum store_way {
    STORE_CACHED, /* ordinary stores */
    STORE_STREAM, /* non-temporal: the lines still want a write-back, see docs/decisions.md */
    /* Where the choice has lines; every line is written back by the call itself, and once: */
    STORE_CACHED_BACK,
    STORE_CACHED_BEHIND, /* each line is claimed some lines ahead of its stores */
    STORE_STREAM_BACK,   /* whole lines past the cache, the ends through it */
    STORE_PAST,  /* the same, and nothing is done for lines that were cached: where the choice has
                   past */
    STORE_DIRECT /* whole lines by direct stores, and ends of one aligned word; other ends through
                    the cache: where the choice has direct */
};

/* Is every line written back, or past the cache for good, when the store has ended, so that nothing
   is left to do but the drain? */
static inline bool store_goes_back(enum store_way way) {
    return way == STORE_CACHED_BACK || way == STORE_CACHED_BEHIND || way == STORE_STREAM_BACK ||
           way == STORE_PAST || way == STORE_DIRECT;
}

/* From so many bytes on a range is cut at its lines: there wide vectors make up for three kernels
   instead of one. */
#define STORE_LINES_FROM ((size_t)512)
/* The same for ways that claim lines, or store them past the cache. */
#define STORE_PAST_FROM ((size_t)128)

/* Of the cache, where kernels write lines back. */
#define STORE_LINE ((size_t)64)

/* Whole lines, and nothing else? */
static inline bool store_is_whole(uintptr_t destination, size_t length) {
    return ((destination | length) & (STORE_LINE - 1)) == 0;
}

/* What limits.def says of this CPU. */
struct store_limits {
    _Atomic size_t streams[2][2]; /* by copies, whole */
    _Atomic size_t lags;
    _Atomic size_t few[2][2][2]; /* by persist, copies, whole */
};
extern struct store_limits store_limits __attribute__((visibility("hidden")));

/* Sets them for this choice, which is always the same. */
void store_learn(const struct isa_choice *choice);

/* From this length on, never less than a line, a copy or a fill that is to be durable and need not
   stay in the cache is faster by STORE_STREAM_BACK, or by STORE_PAST where that may be, than by
   STORE_CACHED_BACK. */
static inline size_t store_streams_from(bool copies, bool whole) {
    return atomic_load_explicit(&store_limits.streams[copies][whole], memory_order_relaxed);
}

/* From this length on STORE_CACHED_BEHIND is faster than STORE_CACHED_BACK. */
static inline size_t store_lags_from(void) {
    return atomic_load_explicit(&store_limits.lags, memory_order_relaxed);
}

/* Is STORE_CACHED_BACK the way, and one kernel all of it? persist: the range need not stay in the
   cache. */
static inline bool store_is_few(bool persist, bool copies, uintptr_t destination, size_t length) {
    const bool whole = store_is_whole(destination, length);
    return length <
           atomic_load_explicit(&store_limits.few[persist][copies][whole], memory_order_relaxed);
}

/* Copies length bytes; the ranges may overlap, as with memmove; overlapping ones are always stored
   through the cache. *way: as wished, then how the words were really stored. After a fault some of
   the bytes are stored. pre: the CPU has what way needs, and the vectors; neither range wraps */
enum fault store_copy(enum store_way *way, const struct isa_choice *choice, void *destination,
                      const void *source, size_t length);

/* What store_copy and store_fill do, once it is known how: way is not STORE_STREAM, and is
   STORE_DIRECT only where store_pays_direct says so; the ranges lie apart, or to lies below from
   and way does not go past the cache. */
enum fault store_copy_apart(enum store_way way, const struct isa_choice *choice, char *to,
                            const char *from, size_t length);
enum fault store_fill_apart(enum store_way way, const struct isa_choice *choice, char *to,
                            uint8_t value, size_t length);

/* Stores value over length bytes; all else as store_copy. */
enum fault store_fill(enum store_way *way, const struct isa_choice *choice, void *destination,
                      uint8_t value, size_t length);

/* Is what is to be durable, and need not stay in the cache, stored faster by STORE_DIRECT than by
   STORE_CACHED_BACK? So it is where whole lines, or one word of a line, are all of it, or lines
   most of it. */
bool store_pays_direct(uintptr_t destination, size_t length);

#endif
