/* SPDX-License-Identifier: BSD-2-Clause */
/* Small arithmetic on powers of two, branch hints, small objects; no room is too low to use it. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Kept out of its callers: what is seldom needed shall not cost the others stack. */
#define APART __attribute__((noinline))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Clears *object, in pieces that compilers make a few vector stores of: they would clear it all at
   once by an instruction (rep stos) for which what comes after it waits. */
#define CLEAR_SMALL(object)                                                                        \
    do {                                                                                           \
        _Static_assert(sizeof *(object) >= 64 && sizeof *(object) <= 128, "two pieces");           \
        __builtin_memset((object), 0, 64);                                                         \
        __builtin_memset((char *)(object) + 64, 0, sizeof *(object)-64);                           \
    } while (0)

/* pre: unit is a power of two */
static inline uint64_t align_down(uint64_t value, uint64_t unit) {
    return value & ~(unit - 1);
}

/* pre: unit is a power of two; value + unit does not wrap */
static inline uint64_t align_up(uint64_t value, uint64_t unit) {
    return (value + unit - 1) & ~(unit - 1);
}

static inline bool is_aligned(uint64_t value, uint64_t unit) {
    return (value & (unit - 1)) == 0;
}

#endif
