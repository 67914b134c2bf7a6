/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kind of store that this CPU has against memmove and memset: all lengths and alignments,
   overlaps, memory that ends where the range ends, and words that are watched for being torn by
   another thread and after each single instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "isa/isa.h"
#include "store/store.h"
#include "unit/trap_flag.h"

#define SEED UINT64_C(0x9e3779b97f4a7c15)

/* xorshift64* */
static uint64_t random_next(uint64_t *seed) {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

static void random_bytes(uint64_t *seed, unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(random_next(seed) >> 56);
}

static struct isa_choice choice;

static enum store_way copy(enum store_way way, void *to, const void *from, size_t length) {
    assert_int_equal(store_copy(&way, &choice, to, from, length), FAULT_NONE);
    return way;
}

static enum store_way fill(enum store_way way, void *to, uint8_t value, size_t length) {
    assert_int_equal(store_fill(&way, &choice, to, value, length), FAULT_NONE);
    return way;
}

/* Calls check with each way and each width of vectors that this CPU has. */
static void each_way(void (*check)(enum store_way)) {
    choice = isa_choose(isa_features(), isa_line_size(), NULL, NULL);
    const enum isa_vector widest = choice.vector;
    for (choice.vector = ISA_VECTOR_128; choice.vector <= widest; choice.vector++) {
        check(STORE_CACHED);
        if (choice.lines) {
            check(STORE_CACHED_BACK);
            check(STORE_CACHED_BEHIND);
            check(STORE_STREAM_BACK);
            check(STORE_PAST);
        }
    }
    choice.vector = widest;
    if (choice.stream)
        check(STORE_STREAM);
    if (choice.direct)
        check(STORE_DIRECT);
}

/* How a store to a range is really done. */
static enum store_way expected_way(enum store_way way, const void *start, size_t length,
                                   bool overlaps) {
    size_t head = -(uintptr_t)start & 7;
    bool words = length >= head + 8 && !overlaps;
    if (way == STORE_DIRECT && !overlaps && store_pays_direct((uintptr_t)start, length))
        return way;
    if (way >= STORE_CACHED_BACK)
        return words && length >= 128 && way != STORE_DIRECT ? way : STORE_CACHED_BACK;
    return words ? way : STORE_CACHED;
}

#define LENGTH_MAX 1100
#define ALIGNMENTS 128
#define GUARD 64
#define AREA (GUARD + ALIGNMENTS + LENGTH_MAX + GUARD)

static _Alignas(128) unsigned char area[AREA], model[AREA], source[LENGTH_MAX + 64];

/* Compares what the last store could reach with the model, and cleans both up. */
static void check_area(size_t start, size_t length, const char *what, enum store_way way) {
    size_t first = start - GUARD;
    size_t size = length + 2 * GUARD;
    isa_fence();
    if (memcmp(area + first, model + first, size) != 0)
        fail_msg("%s way %d: length %zu at alignment %zu", what, way, length, start - GUARD);
    memset(area + first, 0xa5, size);
    memset(model + first, 0xa5, size);
}

static void check_lengths(enum store_way way) {
    uint64_t seed = SEED;
    print_message("seed %#llx\n", (unsigned long long)seed);
    random_bytes(&seed, source, sizeof source);
    memset(area, 0xa5, sizeof area);
    memset(model, 0xa5, sizeof model);
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            uint64_t random = random_next(&seed);
            const unsigned char *from = source + (random >> 8) % 64;
            size_t start = GUARD + alignment;
            enum store_way expected = expected_way(way, area + start, length, false);

            assert_int_equal(copy(way, area + start, from, length), expected);
            memmove(model + start, from, length);
            check_area(start, length, "copy", way);

            assert_int_equal(fill(way, area + start, (uint8_t)random, length), expected);
            memset(model + start, (uint8_t)random, length);
            check_area(start, length, "fill", way);
        }
    }
}

static void test_lengths(void **state) {
    (void)state;
    each_way(check_lengths);
}

static void check_overlap(enum store_way way) {
    static const size_t lengths[] = {0,  1,  2,  3,  4,  5,  6,  7,   8,   9,   12,  15,
                                     16, 17, 31, 33, 63, 64, 65, 127, 200, 256, 511, 600};
    static const size_t distances[] = {0,  1,  2,  3,  4,  5,  6,  7,   8,   9,   11, 15,
                                       16, 24, 31, 32, 63, 64, 65, 100, 128, 255, 300};
    uint64_t seed = SEED;
    for (size_t i = 0; i < ARRAY_LENGTH(lengths) * ARRAY_LENGTH(distances) * 2 * 16; i++) {
        size_t alignment = i % 16;
        bool up = i / 16 % 2;
        size_t length = lengths[i / 32 % ARRAY_LENGTH(lengths)];
        size_t distance = distances[i / 32 / ARRAY_LENGTH(lengths)];
        size_t low = GUARD + alignment;
        size_t to = up ? low + distance : low;
        size_t from = up ? low : low + distance;

        random_bytes(&seed, area, sizeof area);
        memcpy(model, area, sizeof area);
        enum store_way expected = expected_way(way, area + to, length, distance < length);
        assert_int_equal(copy(way, area + to, area + from, length), expected);
        memmove(model + to, model + from, length);
        isa_fence();
        if (memcmp(area, model, sizeof area) != 0)
            fail_msg("way %d: length %zu from %zu to %zu", way, length, from, to);
    }
}

static void test_overlap(void **state) {
    (void)state;
    print_message("seed %#llx\n", (unsigned long long)SEED);
    each_way(check_overlap);
}

/* A page with a page without access on either side. */
static unsigned char *fenced_page(void) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *pages = mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    unsigned char *page = (unsigned char *)pages + size;
    assert_int_equal(mprotect(page, size, PROT_READ | PROT_WRITE), 0);
    return page;
}

static void check_page_ends(enum store_way way) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *from_page = fenced_page(), *to_page = fenced_page();
    uint64_t seed = SEED;
    random_bytes(&seed, from_page, size);
    for (size_t length = 0; length <= 300; length++) {
        for (unsigned ends = 0; ends < 4; ends++) {
            unsigned char *from = ends & 1 ? from_page + size - length : from_page;
            unsigned char *to = ends & 2 ? to_page + size - length : to_page;
            copy(way, to, from, length);
            isa_fence();
            assert_memory_equal(to, from, length);
            fill(way, to, 0x77, length);
            isa_fence();
            for (size_t i = 0; i < length; i++)
                assert_int_equal(to[i], 0x77);
        }
        /* Overlapping ranges that fill the page to both ends, in both directions. */
        size_t distance = length + 1;
        copy(way, to_page + distance, to_page, size - distance);
        copy(way, to_page, to_page + distance, size - distance);
    }
    munmap(from_page - size, 3 * size);
    munmap(to_page - size, 3 * size);
}

static void test_page_ends(void **state) {
    (void)state;
    print_message("seed %#llx\n", (unsigned long long)SEED);
    each_way(check_page_ends);
}

#define WORDS 40
#define PATTERN_A UINT64_C(0x1111111111111111)
#define PATTERN_B UINT64_C(0xeeeeeeeeeeeeeeee)
#define OPERATIONS 20000

/* A writer alternates two patterns over the words and narrow edges around them; a reader looks. */
struct watch {
    _Alignas(64) uint64_t words[1 + WORDS + 1];
    _Alignas(64) _Atomic bool watching, done;
    size_t torn;
};

static void *watch_words(void *context) {
    struct watch *watch = (struct watch *)context;
    while (!watch->done) {
        for (size_t i = 1; i <= WORDS; i++) {
            uint64_t word = __atomic_load_n(&watch->words[i], __ATOMIC_RELAXED);
            watch->torn += word != PATTERN_A && word != PATTERN_B;
        }
        watch->watching = true;
    }
    return NULL;
}

static void check_tearing(enum store_way way) {
    static struct watch watch;
    static unsigned char patterns[2][(WORDS + 2) * 8 + 1];
    watch = (struct watch){0};
    memset(patterns[0], 0x11, sizeof patterns[0]);
    memset(patterns[1], 0xee, sizeof patterns[1]);
    memset(watch.words, 0x11, sizeof watch.words);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, watch_words, &watch), 0);
    while (!watch.watching)
        sched_yield();

    for (unsigned i = 0; i < OPERATIONS; i++) {
        /* Edges of 0 to 7 bytes before and behind the words. */
        size_t head = i % 8, tail = i / 8 % 8;
        unsigned char *to = (unsigned char *)(watch.words + 1) - head;
        size_t length = head + WORDS * 8 + tail;
        if (i % 4 < 2)
            copy(way, to, patterns[i % 2] + 1, length);
        else
            fill(way, to, i % 2 ? 0xee : 0x11, length);
    }
    /* Overlapping copies, down and up, of words that are all the same. */
    for (unsigned i = 0; i < OPERATIONS; i++) {
        unsigned char *bytes = (unsigned char *)watch.words;
        fill(STORE_CACHED, bytes, i % 2 ? 0xee : 0x11, 8 * WORDS / 2);
        copy(way, bytes + 8 * (1 + i % 5), bytes, 8 * (WORDS - 4));
        copy(way, bytes, bytes + 8 * (1 + i % 5), 8 * (WORDS - 4));
    }
    watch.done = true;
    pthread_join(reader, NULL);
    assert_int_equal(watch.torn, 0);
}

static void test_tearing(void **state) {
    (void)state;
    each_way(check_tearing);
}

/* The thread sanitizer's own code cannot be stepped through. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAN_STEP 0
#endif
#elif defined(__SANITIZE_THREAD__)
#define CAN_STEP 0
#endif
#ifndef CAN_STEP
#define CAN_STEP 1
#endif

/* The words that a step may change, and what each was before and will be: nothing between. */
#define STEP_WORDS 32
static struct {
    const uint64_t *words;
    uint64_t before[STEP_WORDS], after[STEP_WORDS];
    size_t first, count; /* those wholly inside the range */
    size_t steps, torn;
} stepped;

static void step_handler(int signal) {
    (void)signal;
    stepped.steps++;
    for (size_t i = stepped.first; i < stepped.first + stepped.count; i++) {
        uint64_t word = __atomic_load_n(&stepped.words[i], __ATOMIC_RELAXED);
        stepped.torn += word != stepped.before[i] && word != stepped.after[i];
    }
}

/* Stores [start, start + length) of a block of STEP_WORDS words step by step: a fill without a
   source, else a copy. */
static void check_steps_of(enum store_way way, uint64_t *words, size_t start, size_t length,
                           const unsigned char *from) {
    unsigned char *to = (unsigned char *)words + start;
    memcpy(stepped.before, words, sizeof stepped.before);
    if (from != NULL)
        memmove(to, from, length);
    else
        memset(to, 0x3c, length);
    memcpy(stepped.after, words, sizeof stepped.after);
    memcpy(words, stepped.before, sizeof stepped.before);
    stepped.words = words;
    stepped.first = (start + 7) / 8;
    stepped.count = (start + length) / 8 - stepped.first;

    steps_begin();
    if (from != NULL)
        copy(way, to, from, length);
    else
        fill(way, to, 0x3c, length);
    steps_end();
    isa_fence();
    assert_memory_equal(words, stepped.after, sizeof stepped.after);
    assert_int_equal(stepped.torn, 0);
}

static void check_steps(enum store_way way) {
    static _Alignas(64) uint64_t words[STEP_WORDS];
    unsigned char *bytes = (unsigned char *)words;
    uint64_t seed = SEED;
    for (size_t start = 0; start < 10; start++) {
        for (size_t tail = 0; tail < 8; tail += 7) {
            size_t length = 8 * (STEP_WORDS - 3) + tail;
            random_bytes(&seed, source, sizeof source);
            random_bytes(&seed, bytes, sizeof words);
            check_steps_of(way, words, start, length, source + tail + start);
            check_steps_of(way, words, start, length, NULL);
            random_bytes(&seed, bytes, sizeof words);
            check_steps_of(way, words, start, length, bytes + (tail != 0 ? start + 3 : 0));
        }
    }
}

static void test_steps(void **state) {
    (void)state;
    if (!CAN_STEP)
        skip();
    struct sigaction action = {.sa_handler = step_handler}, before;
    assert_int_equal(sigaction(SIGTRAP, &action, &before), 0);
    print_message("seed %#llx\n", (unsigned long long)SEED);
    each_way(check_steps);
    print_message("%zu steps\n", stepped.steps); /* none where an emulator has no trap flag */
    sigaction(SIGTRAP, &before, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),   cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_page_ends), cmocka_unit_test(test_tearing),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
