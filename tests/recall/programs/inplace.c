/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu --streams=inplace */
/* For CPUs that may change a cached line in place: a streaming store is written back like any
   other, and then drained. */
#include "recall.h"

#include <emmintrin.h>

#define WORDS 64

static struct pool pool;

static void copy(long long *to, const long long *from, size_t count, bool flush) {
    for (size_t i = 0; i < count; i++)
        _mm_stream_si64(to + i, from[i]); /* bug 1, 3 */
    for (size_t i = 0; i < count && flush; i += 8)
        CLWB(to + i);
    SFENCE();
}

int main(int count, char **arguments) {
    long long words[WORDS];
    ok(count == 2);
    pool = pool_open(arguments[1], "words", sizeof words * 2);
    long long *here = (long long *)pool.base;
    for (int i = 0; i < WORDS; i++)
        words[i] = i + 1;
    copy(here, words, WORDS, !BUG(1));
    copy(here + WORDS, words, 8, true);
    _mm_stream_si128((__m128i *)(here + WORDS + 8), _mm_set1_epi64x(3)); /* bug 2 */
    if (!BUG(2))
        CLWB(here + WORDS + 8);
    SFENCE();
    copy(here + WORDS + 16, words, BUG(3) ? 16 : 8, !BUG(3));
    pool_close(&pool);
    return 0;
}
