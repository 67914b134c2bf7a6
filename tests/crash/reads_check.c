/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of test_reads.py. Word 0 says how many lines are to hold 0x42 in each byte, word 1 by
   what they are looked at, word 2 which is the first. Built with hooks and without. */
#include <nvrtl_crash.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crash/reads_plain.h"

enum {
    BY_WORDS,
    BY_MEMCMP,
    BY_STRLEN,
    BY_MEMCPY,
    BY_ATOMIC,
    BY_EXCHANGE,
    BY_OTHERS,
    BY_MEMCHR,
    BY_ABORT,
    BY_CHAIN,
    BY_CHAIN_ABORT
};

/* Of these lines, from the eighth on, every other one is to be there. */
#define CHAIN 8

static const unsigned char wanted[64] =
    "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

static int is_there(uint64_t how, unsigned char *line) {
    const uint64_t all = 0x4242424242424242;
    volatile uint64_t *words = (uint64_t *)line;
    unsigned char copy[64];
    uint64_t expected = all;
    switch (how) {
    case BY_MEMCMP:
        return memcmp(line, wanted, sizeof wanted) == 0;
    case BY_STRLEN:
        return strlen((const char *)line) >= sizeof wanted;
    case BY_MEMCPY:
        memcpy(copy, line, sizeof copy);
        return copy[3] == 0x42;
    case BY_ATOMIC:
        return atomic_load((_Atomic uint64_t *)line) == all;
    case BY_EXCHANGE:
        return atomic_compare_exchange_strong((_Atomic uint64_t *)line, &expected, all);
    case BY_OTHERS:
        return plain_read(line) == all;
    case BY_MEMCHR:
        return memchr(line, 0x42, 64) == line;
    case BY_ABORT:
        if (words[0] != all)
            abort();
        return 1;
    default:
        return words[0] == all;
    }
}

/* Each line is looked at only if those before it were as they are not to be all together. */
static int chain(const unsigned char *image, int aborts) {
    for (size_t i = 0; i < CHAIN; i++) {
        const volatile uint64_t *word = (const uint64_t *)(image + 64 * (8 + i));
        if ((*word != 0) == (i % 2 != 0))
            return 0;
    }
    if (aborts)
        abort();
    return 4;
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    unsigned char *image = crash->regions[0].image;
    uint64_t *head = (uint64_t *)image;
    uint64_t count = head[0], how = head[1], first = head[2];
    if (count > 2)
        return 1;
    if (count != 0 && (how == BY_CHAIN || how == BY_CHAIN_ABORT))
        return chain(image, how == BY_CHAIN_ABORT);
    for (uint64_t i = 0; i < count; i++) {
        if (!is_there(how, image + 64 * (first + i)))
            return 3;
    }
    return 0;
}
