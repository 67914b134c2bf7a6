/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared FILE SEED ROUNDS: threads that store random numbers to random words of pages, some of
 * which all of them use and some one alone; each page has a lock. Every word of the file then is
 * what was stored there last. Says that it has begun by a byte on its output.
 */
#include <immintrin.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4, PAGES = 8, PAGE = 4096, WORDS = PAGE / 8, MOST = 90 };

static NvRtlMapping mapping;
static pthread_mutex_t locks[PAGES];
static uint64_t seed, rounds;

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly one of its own, or one of those that all use; that of the last thread is seldom taken. */
static unsigned choose(uint64_t number, unsigned thread) {
    if (number % 4 == 0)
        return THREADS + number / 4 % (PAGES - THREADS);
    return number % 397 == 0 ? THREADS - 1 : thread;
}

static void store(volatile uint64_t *word, uint64_t number) {
    if (number % 16 == 0)
        *(volatile uint32_t *)word = (uint32_t)(number >> 8);
    else if (number % 16 == 1)
        ((volatile uint8_t *)word)[5] = (uint8_t)(number >> 8);
    else
        *word = number;
}

static void *work(void *number) {
    unsigned thread = (unsigned)(uintptr_t)number;
    uint64_t state = seed * THREADS + thread + 1;
    for (uint64_t i = 0; i < rounds; i++) {
        unsigned page = choose(next(&state), thread);
        uint64_t most = next(&state) % MOST, ends = next(&state) % 8;
        volatile uint64_t *words = (volatile uint64_t *)mapping.base + (size_t)page * WORDS;
        pthread_mutex_lock(&locks[page]);
        for (uint64_t s = 0; s < most; s++)
            store(&words[next(&state) % WORDS], next(&state));
        if (ends == 0)
            _mm_clflushopt((void *)(uintptr_t)&words[state % WORDS]);
        if (ends == 1)
            RtlFlushNonVolatileMemory(mapping.token, (void *)(uintptr_t)&words[state % WORDS], 8,
                                      0);
        pthread_mutex_unlock(&locks[page]);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    if (argc != 4 ||
        NvRtlMapFile(argv[1], 0, (size_t)PAGES * PAGE, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    seed = strtoull(argv[2], NULL, 10);
    rounds = strtoull(argv[3], NULL, 10);
    for (unsigned i = 0; i < PAGES; i++)
        pthread_mutex_init(&locks[i], NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i); /* NOLINT */
    if (write(1, "", 1) != 1)
        return 2;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    NvRtlUnmapFile(&mapping);
    return 0;
}
