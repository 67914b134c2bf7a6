/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu --streams=drain */
/* What pmemcheck (3.20) is known to get wrong. Its false alarms are what the twin does: streaming
   stores, locked instructions and msync as the way to durability, a clflush that waits for itself.
   What it misses are the bugs. */
#include "recall.h"

#include <immintrin.h>
#include <stdatomic.h>

#define MANY 12000

struct line {
    uint64_t words[8];
};

#ifdef __AVX512F__
#define STORE_ALL(at) _mm512_storeu_si512(at, _mm512_set1_epi64(7))
#define STORE_SOME(at) _mm512_mask_storeu_epi64(at, 0x55, _mm512_set1_epi64(7))
#define STREAM_ALL(at) _mm512_stream_si512((__m512i *)(at), _mm512_set1_epi64(7))
#else
#define STORE_ALL(at) ((at)->words[0] = 7)
#define STORE_SOME(at) ((at)->words[0] = 7)
#define STREAM_ALL(at) _mm_stream_si64((long long *)(at), 7)
#endif

static struct pool pool;
static struct line *lines;
static _Atomic int elsewhere;

static void *fence(void *unused) {
    SFENCE();
    return unused;
}

static void by_instructions(void) {
    pthread_t thread;
    lines[0].words[0] = 1;
    CLWB(&lines[0]); /* bug 1 */
    if (!BUG(1))
        atomic_fetch_add(&elsewhere, 1);
    NvRtlVerifierAssertDurable(pool.token, &lines[0], 64);
    lines[1].words[0] = 2;
    CLWB(&lines[1]); /* bug 2 */
    if (!BUG(2))
        SFENCE();
    pthread_create(&thread, NULL, fence, NULL);
    pthread_join(thread, NULL);
    NvRtlVerifierAssertDurable(pool.token, &lines[1], 64);
    lines[2].words[0] = 3;
    __builtin_ia32_clflush(&lines[2]);
    NvRtlVerifierAssertDurable(pool.token, &lines[2], 64);
    _mm_stream_si64((long long *)&lines[3], 4);
    SFENCE();
    NvRtlVerifierAssertDurable(pool.token, &lines[3], 64);
}

static void by_the_system(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/pool", folder);
    int file = open(path, O_RDWR);
    lines[64].words[0] = 5;
    ok(msync(&lines[64], 64, MS_SYNC) == 0);
    NvRtlVerifierAssertDurable(pool.token, &lines[64], 64);
    lines[65].words[0] = 6;
    ok(fdatasync(file) == 0);
    NvRtlVerifierAssertDurable(pool.token, &lines[65], 64);
    lseek(file, 0, SEEK_SET);
    ok(read(file, &lines[66], 64) == 64); /* bug 3 */
    close(file);
    if (!BUG(3))
        CLWB(&lines[66]);
    SFENCE();
}

/* 64 bytes by one instruction, all of them and some. */
static void by_vectors(void) {
    STORE_ALL(&lines[128]);  /* bug 4 */
    STORE_SOME(&lines[130]); /* bug 5 */
    if (!BUG(4))
        CLWB(&lines[128]);
    if (!BUG(5))
        CLWB(&lines[130]);
    SFENCE();
    STREAM_ALL(&lines[132]); /* bug 6 */
    if (!BUG(6))
        SFENCE();
    NvRtlVerifierAssertDurable(pool.token, &lines[128], (size_t)5 * 64);
    SFENCE();
}

/* More than anybody wants to read. */
static void by_thousands(void) {
    for (size_t i = 0; i < MANY; i++) {
        lines[1024 + i].words[i % 8] = i + 1; /* bug 7 */
        if (!BUG(7))
            CLWB(&lines[1024 + i]);
    }
    SFENCE();
    lines[1000].words[0] = 8; /* bug 7 */
    if (!BUG(7))
        CLWB(&lines[1000]);
    SFENCE();
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "pool", (1024 + MANY) * sizeof(struct line));
    lines = (struct line *)pool.base;
    by_instructions();
    by_the_system(arguments[1]);
    by_vectors();
    by_thousands();
    pool_close(&pool);
    return 0;
}
