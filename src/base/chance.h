/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that a seed repeats exactly: xoshiro256**, seeded by splitmix64, both by Blackman
   and Vigna, who gave them to the public domain. */
#ifndef BASE_CHANCE_H
#define BASE_CHANCE_H

#include <stdint.h>

struct chance {
    uint64_t state[4];
};

static inline uint64_t chance_mix(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* The stream of a seed and a number: streams of neighbouring numbers have nothing in common. */
static inline struct chance chance_seeded(uint64_t seed, uint64_t number) {
    struct chance chance;
    uint64_t from = seed, mixed = chance_mix(&from) ^ number;
    for (unsigned i = 0; i < 4; i++)
        chance.state[i] = chance_mix(&mixed);
    return chance;
}

static inline uint64_t chance_rotate(uint64_t word, unsigned bits) {
    return word << bits | word >> (64 - bits);
}

static inline uint64_t chance_next(struct chance *chance) {
    uint64_t *s = chance->state, result = chance_rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = chance_rotate(s[3], 45);
    return result;
}

/* One of 0 to sides - 1. pre: sides > 0. The bias is below sides / 2^64. */
static inline uint64_t chance_below(struct chance *chance, uint64_t sides) {
    return chance_next(chance) % sides;
}

#endif
