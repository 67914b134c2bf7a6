/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of memory against its shadow. */
#ifndef SOURCE_COMPARE_H
#define SOURCE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "model/model.h"

#if defined(__SSE2__)
static inline uint64_t compare_take_four(uint8_t *shadow, __m128i a, __m128i b, __m128i c,
                                         __m128i d) {
    __m128i *then = (__m128i *)(void *)shadow;
    uint64_t same = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, _mm_load_si128(then)));
    same |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, _mm_load_si128(then + 1))) << 16;
    same |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_load_si128(then + 2))) << 32;
    same |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(d, _mm_load_si128(then + 3))) << 48;
    if (~same == 0)
        return 0;
    _mm_store_si128(then, a);
    _mm_store_si128(then + 1, b);
    _mm_store_si128(then + 2, c);
    _mm_store_si128(then + 3, d);
    return ~same;
}

/* Two words, each read by itself: what was stored a moment ago is still on its way to the cache,
   and a CPU hands it to a load that is no wider than the store. */
static inline __m128i compare_pair(const volatile uint64_t *words) {
    uint64_t low = words[0], high = words[1];
    return _mm_set_epi64x((long long)high, (long long)low);
}
#endif

/* Makes the shadow what memory holds; which bytes have changed, one bit each. The line is read
   once: other threads may be storing to it. pre: both are aligned as lines are */
#if defined(__SSE2__)
static inline uint64_t compare_take(uint8_t *shadow, const volatile void *memory) {
    const __m128i *now = (const __m128i *)(uintptr_t)memory;
    __m128i a = _mm_load_si128(now), b = _mm_load_si128(now + 1);
    __m128i c = _mm_load_si128(now + 2), d = _mm_load_si128(now + 3);
    /* Not to be read once more, when another thread may have stored to it. */
    __asm__("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d));
    return compare_take_four(shadow, a, b, c, d);
}

/* The same of a line that the program has just stored to. */
static inline uint64_t compare_take_recent(uint8_t *shadow, const volatile void *memory) {
    const volatile uint64_t *words = memory;
    return compare_take_four(shadow, compare_pair(words), compare_pair(words + 2),
                             compare_pair(words + 4), compare_pair(words + 6));
}
#else
static inline uint64_t compare_take(uint8_t *shadow, const volatile void *memory) {
    uint8_t now[MODEL_LINE_SIZE];
    uint64_t changed = 0;
    memcpy(now, (const void *)(uintptr_t)memory, sizeof now);
    if (memcmp(now, shadow, sizeof now) == 0)
        return 0;
    for (unsigned i = 0; i < MODEL_LINE_SIZE; i++)
        changed |= (uint64_t)(now[i] != shadow[i]) << i;
    memcpy(shadow, now, sizeof now);
    return changed;
}

static inline uint64_t compare_take_recent(uint8_t *shadow, const volatile void *memory) {
    return compare_take(shadow, memory);
}
#endif

/* The same of some bytes, one bit each. pre: nobody else stores to memory */
static inline uint64_t compare_take_part(uint8_t *shadow, const uint8_t *memory, uint64_t part) {
    uint64_t changed = 0;
    for (; part != 0; part &= part - 1) {
        unsigned i = (unsigned)__builtin_ctzll(part);
        changed |= (uint64_t)(memory[i] != shadow[i]) << i;
        shadow[i] = memory[i];
    }
    return changed;
}

#endif
