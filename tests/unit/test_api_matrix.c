/* SPDX-License-Identifier: BSD-2-Clause */
/* Write, Fill, Flush and FlushRanges: every value of the flags, in every domain, with every subset
   of the CPU's features that changes anything. The linker puts the functions below around those
   that write back, fence, sync and lock, so that it is known of each byte what makes it durable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/bits.h"
#include "seed.h"
#include "store/store.h"
#include "view.h"

static const size_t lengths[] = {
    0,  1,  2,  3,  4,  5,  6,  7,   8,   9,   12,  15,  16,  17,  23,  24,  31,  32,   33,   47,
    48, 63, 64, 65, 71, 95, 96, 127, 128, 129, 191, 255, 256, 257, 383, 512, 777, 1024, 1100, 4096};
static const size_t alignments[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 31, 32, 33, 60, 63};
_Static_assert(ARRAY_LENGTH(lengths) == 40 && ARRAY_LENGTH(alignments) == 16, "the fixed list");

#define LENGTH_MAX 4096
#define GUARD 256
#define AREA (GUARD + 64 + LENGTH_MAX + GUARD)
#define BACKGROUND 0xa5 /* the test stores only bytes below 0x80 */

/* The memory that is stored to, inside the region of the token; what it has to hold in the end. */
static struct view file;
static unsigned char *area;
static unsigned char expected[AREA], source[LENGTH_MAX];
static PVOID token;
static enum map_domain domain;
static struct isa_choice choice;

/* What the calls since the last reset did. A byte counts as started or durable only if it had its
   last value by then. */
static struct {
    size_t start, length; /* what is looked at */
    bool started[AREA], durable[AREA];
    size_t lines, write_backs, fences, streams, directs, syncs, locks;
} seen;

UNWATCHED static void mark(bool *marks, uintptr_t address, size_t length) {
    for (size_t i = seen.start; i < seen.start + seen.length; i++)
        marks[i] |= (uintptr_t)&area[i] - address < length && area[i] == expected[i];
}

static void look_at(size_t start, size_t length) {
    seen.start = start;
    seen.length = length;
    seen.lines = seen.write_backs = seen.fences = seen.streams = seen.directs = 0;
    seen.syncs = seen.locks = 0;
    memset(seen.started + start, 0, length);
    memset(seen.durable + start, 0, length);
}

#include "matrix_kernels.h" /* behind the marks */

enum result __wrap_os_sync_view(void *address, size_t size);
WRAPPED(bool, os_lock, struct os_lock *lock);
WRAPPED(enum os_locked, os_lock_or, struct os_lock *lock, const _Atomic uint64_t *count,
        uint64_t limit);

enum result __wrap_os_sync_view(void *address, size_t size) {
    seen.syncs++;
    assert_true(is_aligned((uintptr_t)address, PAGE) && size > 0);
    mark(seen.durable, (uintptr_t)address, size);
    return RESULT_OK;
}

bool __wrap_os_lock(struct os_lock *lock) {
    seen.locks++;
    return __real_os_lock(lock);
}

enum os_locked __wrap_os_lock_or(struct os_lock *lock, const _Atomic uint64_t *count,
                                 uint64_t limit) {
    seen.locks++;
    return __real_os_lock_or(lock, count, limit);
}

static void check_durable(size_t start, size_t length) {
    if (domain == MAP_DOMAIN_VOLATILE && choice.flush == ISA_FLUSH_NONE)
        return; /* nothing makes it so, and nothing was promised */
    for (size_t i = start; i < start + length; i++) {
        if (!seen.durable[i])
            fail_msg("byte %zu of %zu from %zu is not durable", i - start, length, start);
    }
}

static void check_drain(size_t start, size_t length) {
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    check_durable(start, length);
}

static size_t lines_of(size_t start, size_t length) {
    uintptr_t first = (uintptr_t)area + start, line = choice.line_size;
    return length == 0 ? 0 : (align_up(first + length, line) - align_down(first, line)) / line;
}

/* No instruction that this domain has no use for, no line twice, and no lock on its way. */
static void check_frugal(size_t start, size_t length) {
    bool pages = domain == MAP_DOMAIN_PAGE_CACHE;
    if (pages || domain == MAP_DOMAIN_CPU_CACHE)
        assert_int_equal(seen.lines, 0);
    assert_true(seen.lines <= lines_of(start, length));
    assert_int_equal(seen.streams, pages ? 0 : seen.streams);
    assert_int_equal(seen.directs, pages ? 0 : seen.directs);
    assert_int_equal(seen.locks, pages ? seen.locks : 0);
    assert_int_equal(seen.syncs, pages ? seen.syncs : 0);
}

/* Is a Write (copies) or Fill with this flag past the cache expected to stream? */
static bool streams(size_t start, size_t length, bool persist, bool copies) {
    uintptr_t at = (uintptr_t)area + start;
    bool lines = domain == MAP_DOMAIN_MEMORY || domain == MAP_DOMAIN_VOLATILE;
    if (!choice.stream || (choice.direct && lines))
        return false;
    if (persist)
        return choice.lines && lines &&
               length >= store_streams_from(copies, store_is_whole(at, length));
    return !(choice.past && lines) || length >= STORE_PAST_FROM;
}

/* The same of direct stores. */
static bool goes_direct(size_t start, size_t length) {
    bool lines = domain == MAP_DOMAIN_MEMORY || domain == MAP_DOMAIN_VOLATILE;
    return choice.direct && lines && store_pays_direct((uintptr_t)area + start, length);
}

/* After a Write (copies) or Fill of [start, start + length) of the area with these flags. */
static void check_store(size_t start, size_t length, ULONG flags, bool copies, bool overlap) {
    bool persist = (flags & 3) == WRITE_NV_MEMORY_FLAG_PERSIST;
    bool past_cache = (flags & 2) != 0 && domain != MAP_DOMAIN_PAGE_CACHE && !overlap;
    bool whole_word = length >= 15; /* at any alignment */
    if (memcmp(area + start - GUARD, expected + start - GUARD, length + 2 * GUARD) != 0)
        fail_msg("flags %#x: length %zu at %zu", flags, length, start);
    check_frugal(start, length);
    if ((flags & 2) == 0)
        assert_int_equal(seen.streams + seen.directs, 0);
    if (past_cache && whole_word) {
        assert_int_equal(seen.directs != 0, goes_direct(start, length));
        assert_int_equal(seen.streams != 0, streams(start, length, persist, copies));
    }
    if (persist || (flags & 0x101) == WRITE_NV_MEMORY_FLAG_FLUSH) {
        check_durable(start, length);
        assert_true(length == 0 || seen.fences + seen.syncs > 0);
        return;
    }
    assert_int_equal(seen.fences + seen.syncs, 0);
    if ((flags & 3) != 0)
        check_drain(start, length);
    else
        assert_int_equal(seen.lines, 0);
}

/* One Write, or Fill, of each length at each alignment. */
static void check_flags(ULONG flags, bool copies, uint64_t *seed) {
    for (size_t i = 0; i < ARRAY_LENGTH(lengths) * ARRAY_LENGTH(alignments); i++) {
        size_t start = GUARD + alignments[i % ARRAY_LENGTH(alignments)];
        size_t length = lengths[i / ARRAY_LENGTH(alignments)];
        uint64_t random = random_next(seed);
        size_t shift = random % 64 < LENGTH_MAX - length ? random % 64 : 0;
        UCHAR value = random >> 32 & 0x7f;
        NTSTATUS status;
        look_at(start, length);
        if (copies) {
            memcpy(expected + start, source + shift, length);
            status = RtlWriteNonVolatileMemory(token, area + start, source + shift, length, flags);
        } else {
            memset(expected + start, value, length);
            status = RtlFillNonVolatileMemory(token, area + start, length, value, flags);
        }
        assert_int_equal(status, STATUS_SUCCESS);
        check_store(start, length, flags, copies, false);
        memset(area + start, BACKGROUND, length);
        memset(expected + start, BACKGROUND, length);
    }
}

static const ULONG every_flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};

static void check_stores(uint64_t *seed) {
    for (size_t i = 0; i < ARRAY_LENGTH(every_flags) * 2; i++)
        check_flags(every_flags[i / 2], i % 2 != 0, seed);
}

/* Copies between overlapping ranges of the region, up and down. */
static void check_overlaps(uint64_t *seed) {
    static const size_t distances[] = {0, 1, 2, 3, 7, 8, 9, 16, 31, 63, 64, 65, 128, 300};
    const size_t cases = ARRAY_LENGTH(distances) * ARRAY_LENGTH(every_flags) * 2;
    for (size_t i = 0; i < cases * 2; i++) {
        size_t length = lengths[random_next(seed) % (ARRAY_LENGTH(lengths) - 1)];
        size_t low = GUARD + alignments[random_next(seed) % ARRAY_LENGTH(alignments)];
        size_t high = low + distances[i / 16 % ARRAY_LENGTH(distances)];
        size_t to = i % 2 ? low : high, from = i % 2 ? high : low;
        ULONG flags = every_flags[i / 2 % 8];
        uint64_t random = random_next(seed);
        for (size_t b = 0; b + sizeof random <= AREA; b += sizeof random) {
            memcpy(expected + b, &random, sizeof random);
            random = random * 5 + 1;
        }
        memcpy(area, expected, AREA);
        memmove(expected + to, expected + from, length);
        look_at(to, length);
        assert_int_equal(RtlWriteNonVolatileMemory(token, area + to, area + from, length, flags),
                         0);
        check_store(to, length, flags, true, high - low < length);
    }
    memset(area, BACKGROUND, AREA);
    memset(expected, BACKGROUND, AREA);
}

static void check_flush_of(size_t start, size_t length, ULONG flags) {
    look_at(start, length);
    assert_int_equal(RtlFlushNonVolatileMemory(token, area + start, length, flags), 0);
    check_frugal(start, length);
    if (flags == 0)
        check_durable(start, length);
    else
        assert_int_equal(seen.fences + seen.syncs, 0);
    check_drain(start, length);
}

static void check_flushes(uint64_t *seed) {
    (void)seed;
    for (size_t i = 0; i < ARRAY_LENGTH(lengths) * ARRAY_LENGTH(alignments); i++) {
        size_t start = GUARD + alignments[i % ARRAY_LENGTH(alignments)];
        check_flush_of(start, lengths[i / ARRAY_LENGTH(alignments)], 0);
        check_flush_of(start, lengths[i / ARRAY_LENGTH(alignments)],
                       FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    }
}

/* Ranges in any order that overlap, touch, repeat and are empty; one drain for all. */
static void check_ranges(uint64_t *seed) {
    for (size_t i = 0; i < 400; i++) {
        NV_MEMORY_RANGE ranges[9];
        size_t count = i % ARRAY_LENGTH(ranges);
        ULONG flags = i / ARRAY_LENGTH(ranges) % 2;
        for (size_t r = 0; r < count; r++) {
            size_t start = GUARD + random_next(seed) % 1024;
            ranges[r].BaseAddress = area + start;
            ranges[r].Length = lengths[random_next(seed) % (ARRAY_LENGTH(lengths) - 3)];
        }
        if (count > 4)
            ranges[3] = ranges[0];
        look_at(GUARD, 2 * 1024);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, count, flags), 0);
        bool pages = domain == MAP_DOMAIN_PAGE_CACHE;
        assert_int_equal(seen.fences, flags == 0 && !pages);
        if (flags != 0)
            assert_int_equal(seen.syncs, 0);
        else if (pages && count > 0)
            assert_true(seen.syncs <= count);
        if (flags != 0)
            assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
        for (size_t r = 0; r < count; r++)
            check_durable((size_t)((unsigned char *)ranges[r].BaseAddress - area),
                          ranges[r].Length);
    }
}

/* The short way has its instructions in it, where the linker cannot put anything around them: that
   is for test_durable.c. */
static void take_long_way(void) {
    struct token_view view;
    assert_true(token_find((uintptr_t)token, &view));
    token_clear_keys(view.slot, token_handle(&view) & (token_table.capacity - 1));
}

/* Calls check for each domain with each choice that the features of this CPU can lead to. */
static void each_choice(void (*check)(uint64_t *seed)) {
    static const char *const domains[] = {"volatile", "page-cache!", "memory!", "cpu-cache!"};
    static const uint32_t flushes[] = {0, ISA_CLFLUSH, ISA_CLFLUSHOPT, ISA_CLWB};
    static const uint32_t stores[] = {0, ISA_SSE2, ISA_MOVDIRI | ISA_MOVDIR64B,
                                      ISA_SSE2 | ISA_MOVDIRI | ISA_MOVDIR64B,
                                      ISA_SSE2 | ISA_MOVDIRI | ISA_MOVDIR64B | ISA_EVICTS};
    const size_t ways = ARRAY_LENGTH(flushes) * ARRAY_LENGTH(stores);
    /* What a streaming store does to a cached line is no matter of having an instruction. */
    const uint32_t had = isa_features() | ISA_EVICTS;
    uint64_t seed = seed_of_test();
    for (size_t i = 0; i < ARRAY_LENGTH(domains) * ways; i++) {
        uint32_t flush = flushes[i / ARRAY_LENGTH(stores) % ARRAY_LENGTH(flushes)];
        uint32_t features = flush | stores[i % ARRAY_LENGTH(stores)];
        domain = (enum map_domain)(i / ways);
        bool lines = domain == MAP_DOMAIN_VOLATILE || domain == MAP_DOMAIN_MEMORY;
        /* What this CPU lacks was tried as another subset; without lines the flush is none. */
        if ((features & ~had) != 0 || (!lines && flush != 0))
            continue;
        library_set_domain(domains[domain]);
        library_set_features(features);
        choice = token_table.choice;
        NTSTATUS status = RtlGetNonVolatileToken(file.bytes + 1, file.size - 1, &token);
        if (domain == MAP_DOMAIN_MEMORY && choice.flush == ISA_FLUSH_NONE) {
            assert_int_equal(status, STATUS_NOT_SUPPORTED);
            continue;
        }
        assert_int_equal(status, STATUS_SUCCESS);
        take_long_way();
        check(&seed);
        assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    }
}

#define WORDS 40
#define OPERATIONS 1600

/* A reader that looks for a word of which only a part was stored. */
static struct {
    const uint64_t *words;
    _Atomic bool watching, done;
    size_t torn;
} reader;

static void *read_words(void *context) {
    (void)context;
    while (!reader.done) {
        for (size_t i = 0; i < WORDS; i++) {
            uint64_t word = __atomic_load_n(&reader.words[i], __ATOMIC_RELAXED);
            reader.torn +=
                word != UINT64_C(0x1111111111111111) && word != UINT64_C(0x6666666666666666);
        }
        reader.watching = true;
    }
    return NULL;
}

/* Copies and fills of all the words and of up to 7 bytes before and behind them. */
static void check_tearing(uint64_t *seed) {
    static unsigned char patterns[2][WORDS * 8 + 16];
    (void)seed;
    look_at(0, 0);
    memset(patterns[0], 0x11, sizeof patterns[0]);
    memset(patterns[1], 0x66, sizeof patterns[1]);
    unsigned char *words = area + 64;
    RtlFillNonVolatileMemory(token, words - 8, WORDS * 8 + 16, 0x11, 0);
    reader.words = (const uint64_t *)words;
    reader.watching = reader.done = false;
    reader.torn = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_words, NULL), 0);
    while (!reader.watching)
        sched_yield();
    for (unsigned i = 0; i < OPERATIONS; i++) {
        size_t head = i % 8, length = head + WORDS * 8 + i / 8 % 8;
        ULONG flags = every_flags[i / 64 % 8];
        if (i / 2 % 2)
            RtlWriteNonVolatileMemory(token, words - head, patterns[i % 2] + 1, length, flags);
        else
            RtlFillNonVolatileMemory(token, words - head, length, i % 2 ? 0x66 : 0x11, flags);
        /* Down and up over themselves, where all are the same. */
        RtlWriteNonVolatileMemory(token, words + 8, words, WORDS * 8 - 8, flags);
        RtlWriteNonVolatileMemory(token, words, words + 8, WORDS * 8 - 8, flags);
    }
    reader.done = true;
    pthread_join(thread, NULL);
    assert_int_equal(reader.torn, 0);
    RtlFillNonVolatileMemory(token, words - 8, WORDS * 8 + 16, BACKGROUND, 0);
}

static void test_stores(void **state) {
    (void)state;
    each_choice(check_stores);
}

static void test_overlaps(void **state) {
    (void)state;
    each_choice(check_overlaps);
}

static void test_flushes(void **state) {
    (void)state;
    each_choice(check_flushes);
}

static void test_ranges(void **state) {
    (void)state;
    each_choice(check_ranges);
}

static void test_tearing(void **state) {
    (void)state;
    each_choice(check_tearing);
}

static int make_area(void **state) {
    (void)state;
    uint64_t seed = 1;
    if (!view_open(&file, MEMORY_FOLDER, 4 * PAGE))
        return -1;
    /* Not at the start of a page, so that the ranges cross the end of one. */
    area = file.bytes + PAGE + GUARD;
    memset(area, BACKGROUND, AREA);
    memset(expected, BACKGROUND, AREA);
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = random_next(&seed) & 0x7f;
    return 0;
}

static int end_area(void **state) {
    (void)state;
    view_close(&file);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stores),  cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_flushes), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_tearing),
    };
    return cmocka_run_group_tests(tests, make_area, end_area);
}
