/* SPDX-License-Identifier: BSD-2-Clause */
/* A span of units (pages) packed into one word, so that threads and signal handlers can widen it
   with one compare-and-swap and a drain can take it whole. 0 is the empty span. */
#ifndef RANGE_SPAN_H
#define RANGE_SPAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t span; /* first unit in the high half, one past the last in the low half */

#define SPAN_UNITS_MAX UINT32_MAX

static inline uint64_t span_first(span s) {
    return s >> 32;
}
static inline uint64_t span_end(span s) {
    return s & UINT32_MAX;
}

/* pre: first < end <= SPAN_UNITS_MAX */
static inline span span_make(uint64_t first, uint64_t end) {
    return first << 32 | end;
}

/* The smallest span that holds both. */
static inline span span_join(span a, span b) {
    if (a == 0 || b == 0)
        return a | b;
    uint64_t first = span_first(a) < span_first(b) ? span_first(a) : span_first(b);
    uint64_t end = span_end(a) > span_end(b) ? span_end(a) : span_end(b);
    return span_make(first, end);
}

/* Widens *target to hold s as well. Sequentially consistent: earlier stores are seen by whoever
   takes it, and what is looked at next is looked at after it. */
static inline void span_add(_Atomic span *target, span s) {
    span old = atomic_load_explicit(target, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(target, &old, span_join(old, s),
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
}

/* Units between two spans: 0 where they meet, or where one of them is empty. */
static inline uint64_t span_gap(span a, span b) {
    if (a == 0 || b == 0)
        return 0;
    uint64_t start = span_end(a) < span_end(b) ? span_end(a) : span_end(b);
    uint64_t end = span_first(a) > span_first(b) ? span_first(a) : span_first(b);
    return end > start ? end - start : 0;
}

/* Widens one of two spans to hold s as well, so that they do not grow over a gap of more than near
   units where that can be helped. Threads that do so at once may choose badly, and lose nothing. */
static inline void span_add_near(_Atomic span pair[2], span s, uint64_t near) {
    span first = atomic_load_explicit(&pair[0], memory_order_relaxed);
    span second = atomic_load_explicit(&pair[1], memory_order_relaxed);
    bool to_second =
        span_gap(first, s) > near && (second == 0 || span_gap(second, s) < span_gap(first, s));
    span_add(&pair[to_second], s);
}

/* log2 of the unit in which a region of length bytes fits a span: the page's, or a multiple of it
   for regions beyond 2^32 pages. pre: page is a power of two */
static inline unsigned span_shift(size_t length, size_t page) {
    unsigned shift = (unsigned)__builtin_ctzll(page);
    while (length >> shift >= SPAN_UNITS_MAX - 1)
        shift++;
    return shift;
}

#endif
