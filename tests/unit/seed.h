/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that can be had again, and what a test may do less of under a sanitizer. */
#ifndef UNIT_SEED_H
#define UNIT_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What has one thread may do less under the thread sanitizer, and less of what is slow under the
   other. */
#if defined(__has_feature)
#define SANITIZED_FOR(kind) __has_feature(kind##_sanitizer)
#else
#define SANITIZED_FOR(kind) 0
#endif
#if defined(__SANITIZE_THREAD__) || SANITIZED_FOR(thread)
#define UNDER_THREAD_SANITIZER 1
#else
#define UNDER_THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || SANITIZED_FOR(address)
#define UNDER_ADDRESS_SANITIZER 1
#else
#define UNDER_ADDRESS_SANITIZER 0
#endif

/* For what a test does byte by byte in one thread. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

/* NVRTL_TEST_SEED, or the seed that the test always has; printed, so that it can be given again. */
static inline uint64_t seed_of_test(void) {
    const char *given = getenv("NVRTL_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
    printf("NVRTL_TEST_SEED=%#llx\n", (unsigned long long)seed);
    fflush(stdout); /* a child may leave without */
    return seed != 0 ? seed : 1;
}

/* xorshift64* */
static inline uint64_t random_next(uint64_t *seed) {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
