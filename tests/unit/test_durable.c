/* SPDX-License-Identifier: BSD-2-Clause */
/* Every instruction of a routine, one by one (the CPU's trap flag, some 15 us each): what it writes
   back and when it waits is read from the instructions themselves, so that it is known of each byte
   whether it had its last value when its line was written back, whichever way the routine goes.
   Nothing of this knows how the library is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <ucontext.h>

#include "base/bits.h"
#include "seed.h"
#include "trap_flag.h"
#include "view.h"

#define LINE ((size_t)64)
#define LENGTH_MAX ((size_t)512 * 1024 + 200)
#define WORDS_MAX ((size_t)4096) /* bytes that are looked at after each step */
#define GUARD ((size_t)256)
#define AREA (GUARD + LINE + LENGTH_MAX + GUARD)

static struct view file;
static unsigned char *area; /* line-aligned */
static unsigned char source[LENGTH_MAX + LINE], expected[AREA];
static PVOID token;

/* What the stepped instructions did. */
static struct {
    _Alignas(64) unsigned char started[AREA], durable[AREA];
    size_t write_backs[AREA / 64 + 1], fences, steps;
    _Alignas(8) unsigned char before[AREA];
    size_t first, end; /* aligned words that a call stores */
    size_t torn;       /* ... of which neither the old value nor the new one was seen */
} seen;

static void reset(void) {
    memcpy(seen.started, area, AREA);
    memcpy(seen.durable, area, AREA);
    memset(seen.write_backs, 0, sizeof seen.write_backs);
    memcpy(seen.before, area, AREA);
    seen.fences = seen.torn = seen.first = seen.end = 0;
}

static void reset_for(size_t start, size_t length) {
    reset();
    seen.first = align_up(start, 8);
    seen.end = align_down(start + (length < WORDS_MAX ? length : WORDS_MAX), 8);
}

static void look_for_torn_words(void) {
    for (size_t at = seen.first; at < seen.end; at += 8) {
        uint64_t now = __atomic_load_n((uint64_t *)(void *)(area + at), __ATOMIC_RELAXED);
        seen.torn += memcmp(&now, seen.before + at, 8) != 0 && memcmp(&now, expected + at, 8) != 0;
    }
}

#if defined(__x86_64__)
#define REGISTERS                                                                                  \
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,        \
        REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15

/* The address of the operand at code (ModR/M and what follows), without a segment. */
static uintptr_t operand(const greg_t *general, const unsigned char *code, unsigned rex) {
    static const int registers[] = {REGISTERS};
    unsigned mode = code[0] >> 6, base = code[0] & 7;
    uintptr_t address = 0;
    assert_true(mode != 3 && !(mode == 0 && base == 5)); /* a register; relative to the place */
    code++;
    if (base == 4) {
        unsigned index = (*code >> 3 & 7) | (rex & 2) << 2;
        base = *code & 7;
        assert_true(!(mode == 0 && base == 5));
        if (index != 4)
            address += (uintptr_t)general[registers[index]] << (*code >> 6);
        code++;
    }
    address += (uintptr_t)general[registers[base | (rex & 1) << 3]];
    int32_t distance = (int8_t)*code;
    if (mode == 2)
        memcpy(&distance, code, sizeof distance);
    return mode == 0 ? address : address + (uintptr_t)(intptr_t)distance;
}

static void see_write_back(uintptr_t address) {
    size_t at = align_down(address, LINE) - (uintptr_t)area;
    if (at >= AREA)
        return;
    memcpy(seen.started + at, area + at, AREA - at < LINE ? AREA - at : LINE);
    seen.write_backs[at / LINE]++;
}

/* A streaming store of a vector, or a direct store, is about to be made: width bytes at address. */
static struct {
    uintptr_t address;
    size_t width;
    bool direct;
} stream;

/* It was made: as good as written back, if direct, or where the CPU's vendor says so of streams. */
static void see_streamed(void) {
    size_t at = stream.address - (uintptr_t)area;
    if (stream.width != 0 && at < AREA && (stream.direct || isa_streams_are_durable())) {
        memcpy(seen.started + at, area + at, stream.width);
        seen.write_backs[at / LINE] += stream.direct || at % LINE == 0;
    }
    stream.width = 0;
    stream.direct = false;
}

/* movdir64b, whose destination is the address in a register, and movdiri. */
static void look_for_direct(const greg_t *general, const unsigned char *code) {
    static const int registers[] = {REGISTERS};
    bool block = *code == 0x66;
    code += block;
    unsigned rex = (*code & 0xf0) == 0x40 ? *code++ : 0;
    if (code[0] != 0x0f || code[1] != 0x38 || code[2] != (block ? 0xf8 : 0xf9))
        return;
    unsigned destination = (code[3] >> 3 & 7) | (rex & 4) << 1;
    stream.address =
        block ? (uintptr_t)general[registers[destination]] : operand(general, code + 3, rex);
    stream.width = block ? 64 : rex & 8 ? 8 : 4;
    stream.direct = true;
    assert_true(is_aligned(stream.address, stream.width));
}

/* movntdq, and vmovntdq of 16, 32 and 64 bytes (a prefix of 2, of 3 and of 4 bytes). */
static void look_for_stream(const greg_t *general, const unsigned char *code) {
    unsigned rex = 0;
    size_t width = 16;
    if (code[0] == 0x66 && code[1] == 0x0f && code[2] == 0xe7) {
        code += 3;
    } else if (code[0] == 0x66 && (code[1] & 0xf0) == 0x40 && code[2] == 0x0f && code[3] == 0xe7) {
        rex = code[1];
        code += 4;
    } else if (code[0] == 0xc5 && code[2] == 0xe7) {
        width <<= code[1] >> 2 & 1;
        code += 3;
    } else if (code[0] == 0xc4 && code[3] == 0xe7) {
        rex = ~code[1] >> 5 & 7;
        width <<= code[2] >> 2 & 1;
        code += 4;
    } else if (code[0] == 0x62 && code[4] == 0xe7) {
        rex = ~code[1] >> 5 & 3;
        width <<= code[3] >> 5 & 3;
        code += 5;
        assert_int_equal(*code >> 6, 0); /* a distance would be counted in vectors */
    } else {
        return;
    }
    stream.address = operand(general, code, rex);
    stream.width = width;
}

/* Before each instruction: clwb, clflushopt, clflush, sfence, mfence, streaming and direct
   stores. */
static void on_step(int number, siginfo_t *info, void *context) {
    const greg_t *general = ((const ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)general[REG_RIP];
    unsigned rex = 0;
    (void)number, (void)info;
    seen.steps++;
    see_streamed();
    look_for_torn_words();
    look_for_stream(general, code);
    look_for_direct(general, code);
    code += *code == 0x66;
    if ((*code & 0xf0) == 0x40)
        rex = *code++;
    if (code[0] != 0x0f || code[1] != 0xae)
        return;
    if (code[2] == 0xf8 || code[2] == 0xf0) {
        seen.fences++;
        memcpy(seen.durable, seen.started, AREA);
    } else if (code[2] >> 6 != 3 && (code[2] >> 3 & 7) >= 6) {
        see_write_back(operand(general, code + 2, rex));
    }
}

#else
static void on_step(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
}
#endif

#define STEPPED(call)                                                                              \
    do {                                                                                           \
        steps_begin();                                                                             \
        NTSTATUS status = (call);                                                                  \
        steps_end();                                                                               \
        assert_int_equal(status, STATUS_SUCCESS);                                                  \
    } while (0)

static size_t write_backs(void) {
    size_t sum = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(seen.write_backs); i++)
        sum += seen.write_backs[i];
    return sum;
}

static void check_lines(size_t start, size_t length, bool wanted) {
    for (size_t line = 0; line < ARRAY_LENGTH(seen.write_backs); line++) {
        bool inside = length != 0 && line >= start / LINE && line <= (start + length - 1) / LINE;
        if (seen.write_backs[line] != (inside && wanted))
            fail_msg("length %zu at %zu: line %zu written back %zu times", length, start, line,
                     seen.write_backs[line]);
    }
}

/* After a Write or Fill of [start, start + length): no line twice, none for nothing, and all bytes
   as they were last stored. */
static void check_call(size_t start, size_t length, ULONG flags) {
    bool drains = (flags & 3) == 3 || (flags & 0x101) == 1;
    assert_memory_equal(area, expected, AREA);
    assert_int_equal(seen.torn, 0);
    check_lines(start, length, (flags & 3) != 0);
    if ((flags & 3) == 0) {
        assert_int_equal(seen.fences, 0);
        return;
    }
    if (!drains) {
        assert_int_equal(seen.fences, 0);
        STEPPED(RtlDrainNonVolatileFlush(token));
    }
    assert_int_equal(seen.fences, 1);
    if (memcmp(seen.durable + start, expected + start, length) != 0)
        fail_msg("flags %#x: length %zu at %zu is not durable", flags, length, start);
}

static void check_stores_of(size_t start, size_t length, ULONG flags, uint64_t *seed) {
    uint64_t random = random_next(seed);
    const unsigned char *from = source + random % LINE;
    memcpy(expected + start, from, length);
    reset_for(start, length);
    STEPPED(RtlWriteNonVolatileMemory(token, area + start, from, length, flags));
    check_call(start, length, flags);

    memset(expected + start, (int)(random >> 32 & 0xff), length);
    reset_for(start, length);
    STEPPED(RtlFillNonVolatileMemory(token, area + start, length, (UCHAR)(random >> 32), flags));
    check_call(start, length, flags);
}

static const ULONG every_flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};

static void test_short_stores(void **state) {
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(every_flags); i++) {
        for (size_t length = 0; length <= 70; length++)
            check_stores_of(GUARD + random_next(&seed) % LINE, length, every_flags[i], &seed);
    }
}

static void test_long_stores(void **state) {
    static const size_t lengths[] = {71,  96,  127, 128,  129,  191,  192,  255,  256,
                                     300, 511, 512, 1023, 1024, 1025, 2111, 2112, 4096};
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(every_flags); i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(lengths); k++)
            check_stores_of(GUARD + random_next(&seed) % LINE, lengths[k], every_flags[i], &seed);
    }
}

/* From 512 KiB of whole lines on they are written back further behind their stores. */
static void test_longest_stores(void **state) {
    uint64_t seed = seed_of_test();
    (void)state;
    check_stores_of(GUARD + 17, (size_t)512 * 1024 + 150, WRITE_NV_MEMORY_FLAG_FLUSH, &seed);
}

static void check_overlap(size_t to, size_t from, size_t length, ULONG flags) {
    memmove(expected + to, expected + from, length);
    reset_for(to, length);
    STEPPED(RtlWriteNonVolatileMemory(token, area + to, area + from, length, flags));
    check_call(to, length, flags);
}

static void test_overlaps(void **state) {
    static const size_t distances[] = {0, 1, 7, 8, 9, 16, 33, 63, 64, 65, 100, 300};
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        size_t low = GUARD + random_next(&seed) % LINE, length = random_next(&seed) % 1200;
        size_t high = low + distances[random_next(&seed) % ARRAY_LENGTH(distances)];
        bool up = random_next(&seed) % 2;
        length = i % 2 ? length : length % 70;
        check_overlap(up ? low : high, up ? high : low, length,
                      every_flags[random_next(&seed) % ARRAY_LENGTH(every_flags)]);
    }
}

/* Numbers of bytes that have instructions of their own at some places: at all of them, and from
   sources that begin and end inside of what is stored to. */
static void test_whole_stores(void **state) {
    static const size_t lengths[] = {8, 16, 32, 64};
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        size_t length = lengths[i];
        for (size_t start = GUARD; start < GUARD + LINE; start++)
            check_stores_of(start, length, 0, &seed);
        for (size_t from = GUARD + LINE - length; from < GUARD + LINE + length; from += 3)
            check_overlap(GUARD + LINE, from, length, 0);
    }
}

/* Whole lines, ends that are one aligned word, and ends that only look like one, past the cache. */
static void test_words_at_ends(void **state) {
    static const size_t lengths[] = {4, 7, 8, 9, 16, 64, 71, 72, 80, 128, 136, 144, 200, 208};
    static const size_t starts[] = {0, 1, 4, 7, 8, 16, 48, 55, 56, 57, 60};
    static const ULONG flags[] = {2, 3, 0x102, 0x103};
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lengths) * ARRAY_LENGTH(starts); i++) {
        size_t length = lengths[i % ARRAY_LENGTH(lengths)], at = i / ARRAY_LENGTH(lengths);
        for (size_t k = 0; k < ARRAY_LENGTH(flags); k++)
            check_stores_of(GUARD + starts[at], length, flags[k], &seed);
    }
}

static void test_flushes(void **state) {
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < 300; i++) {
        size_t start = GUARD + random_next(&seed) % (2 * LINE), length = random_next(&seed) % 300;
        ULONG flags = i % 2;
        for (size_t k = start; k < start + length; k += 1 + random_next(&seed) % 40)
            area[k] = expected[k] = (unsigned char)(area[k] + 1);
        reset();
        memset(seen.durable + start, 0, length); /* nobody knows what was durable before */
        memset(seen.started + start, 0, length);
        STEPPED(RtlFlushNonVolatileMemory(token, area + start, length, flags));
        check_lines(start, length, true);
        assert_int_equal(seen.fences, flags == 0);
        if (flags != 0)
            STEPPED(RtlDrainNonVolatileFlush(token));
        assert_memory_equal(seen.durable + start, expected + start, length);
    }
}

static void test_ranges(void **state) {
    uint64_t seed = seed_of_test();
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        NV_MEMORY_RANGE ranges[5];
        size_t count = i % (ARRAY_LENGTH(ranges) + 1);
        ULONG flags = i / 8 % 2;
        reset();
        memset(&seen.durable, 0, AREA);
        memset(&seen.started, 0, AREA);
        for (size_t r = 0; r < count; r++) {
            size_t start = GUARD + random_next(&seed) % 1024;
            ranges[r] = (NV_MEMORY_RANGE){area + start, random_next(&seed) % 300};
            memset(area + start, (int)i, ranges[r].Length);
        }
        memcpy(expected, area, AREA);
        STEPPED(RtlFlushNonVolatileMemoryRanges(token, ranges, count, flags));
        assert_int_equal(seen.fences, flags == 0);
        if (flags != 0)
            STEPPED(RtlDrainNonVolatileFlush(token));
        for (size_t r = 0; r < count; r++) {
            size_t start = (size_t)((unsigned char *)ranges[r].BaseAddress - area);
            assert_memory_equal(seen.durable + start, expected + start, ranges[r].Length);
        }
        if (count == 0)
            assert_int_equal(write_backs(), 0);
    }
}

/* Can this be measured at all? Sanitizers' own code cannot be stepped through, emulators have no
   trap flag, and some CPUs have nothing to write a line back with. */
static bool can_step(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
    return false;
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return false;
#else
    seen.steps = 0;
    STEPPED(RtlDrainNonVolatileFlush(token));
    return seen.steps > 0 && token_table.choice.flush != ISA_FLUSH_NONE;
#endif
}

static int make_area(void **state) {
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    uint64_t seed = 1;
    (void)state;
    if (!view_open(&file, MEMORY_FOLDER, align_up(AREA, PAGE)) ||
        sigaction(SIGTRAP, &action, NULL) != 0)
        return -1;
    area = file.bytes;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = random_next(&seed) & 0xff;
    memset(area, 0xa5, AREA);
    memcpy(expected, area, AREA);
    return RtlGetNonVolatileToken(area, align_up(AREA, PAGE), &token) == STATUS_SUCCESS ? 0 : -1;
}

static int end_area(void **state) {
    (void)state;
    RtlFreeNonVolatileToken(token);
    view_close(&file);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_stores), cmocka_unit_test(test_long_stores),
        cmocka_unit_test(test_whole_stores), cmocka_unit_test(test_words_at_ends),
        cmocka_unit_test(test_overlaps),     cmocka_unit_test(test_flushes),
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_longest_stores),
    };
    if (make_area(NULL) != 0)
        return 1;
    if (!can_step()) {
        print_message("[  SKIPPED ] instructions cannot be looked at one by one here\n");
        return 0;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    end_area(NULL);
    return failed;
}
