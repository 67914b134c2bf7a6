/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that are wrong: each is refused with the status that is written, touches nothing, and
   nothing faults. And those that look wrong and are not: a size of 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/bits.h"
#include "os/calls.h"
#include "seed.h"
#include "view.h"

#define ERRNO_BEFORE 12345
#define REGION_START 100
#define REGION_SIZE (2 * PAGE)

/* A region inside of a view, of a file in the page cache whose syncs are counted. */
static struct view view;
static unsigned char *region;
static PVOID token;
static unsigned char before[4 * PAGE];
static unsigned syncs;

static int counted_msync(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    syncs++;
    return 0;
}

static int make_region(void **state) {
    (void)state;
    uint64_t seed = 42;
    if (!view_open(&view, MEMORY_FOLDER, sizeof before))
        return -1;
    os_calls.msync = counted_msync;
    library_set_domain("page-cache!");
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = random_next(&seed) & 0x7f;
    memcpy(view.bytes, before, sizeof before);
    region = view.bytes + REGION_START;
    return RtlGetNonVolatileToken(region, REGION_SIZE, &token);
}

static int end_region(void **state) {
    (void)state;
    view_close(&view);
    return RtlFreeNonVolatileToken(token);
}

/* The routines that take a range and flags, with flags that are theirs. */
enum routine { WRITE, FILL, FLUSH, RANGES, ROUTINES };

static NTSTATUS call(enum routine routine, PVOID with, uintptr_t address, size_t size,
                     ULONG flags) {
    static const unsigned char source[4 * PAGE] = {0xff};
    void *start = (void *)address;
    NV_MEMORY_RANGE range = {start, size};
    /* A Write must be refused for its destination even when it could not read as much. */
    const void *from = size > sizeof source ? (const void *)(uintptr_t)PAGE : source;
    errno = ERRNO_BEFORE;
    NTSTATUS status = STATUS_SUCCESS;
    switch (routine) {
    case WRITE:
        status = RtlWriteNonVolatileMemory(with, start, from, size, flags);
        break;
    case FILL:
        status = RtlFillNonVolatileMemory(with, start, size, 0xee, flags);
        break;
    case FLUSH:
        status = RtlFlushNonVolatileMemory(with, start, size, flags);
        break;
    default:
        status = RtlFlushNonVolatileMemoryRanges(with, &range, 1, flags);
    }
    assert_int_equal(errno, ERRNO_BEFORE);
    return status;
}

/* Nothing was stored, and a drain finds nothing that was flushed. */
static void check_untouched(void) {
    assert_memory_equal(view.bytes, before, sizeof before);
    syncs = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(syncs, 0);
}

static void check_refused(PVOID with, uintptr_t address, size_t size, ULONG flags) {
    for (int routine = WRITE; routine < ROUTINES; routine++) {
        NTSTATUS status = call((enum routine)routine, with, address, size, flags);
        if (status != STATUS_INVALID_PARAMETER)
            fail_msg("routine %d, token %p, %zu bytes at %#zx, flags %#x: %s", routine, with, size,
                     address, flags, NvRtlStatusText(status));
    }
}

static PVOID value(uint64_t number) {
    return (PVOID)(uintptr_t)number;
}

static void check_bad_token(PVOID bad) {
    NvRtlTokenInfo info, as_before;
    memset(&info, 0x77, sizeof info);
    info.structSize = sizeof info;
    as_before = info;
    check_refused(bad, (uintptr_t)region, 64, 0);
    check_refused(bad, (uintptr_t)region, 0, 0);
    check_refused(bad, 0, 64, 1);
    check_refused(bad, UINTPTR_MAX, SIZE_MAX, UINT32_MAX);
    errno = ERRNO_BEFORE;
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(bad, NULL, 0, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(bad, NULL, 5, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(bad), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFreeNonVolatileToken(bad), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlQueryToken(bad, &info), STATUS_INVALID_PARAMETER);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_memory_equal(&info, &as_before, sizeof info);
}

static void test_bad_tokens(void **state) {
    (void)state;
    uint64_t good = (uint64_t)(uintptr_t)token;
    uint64_t seed = seed_of_test();
    PVOID freed;
    assert_int_equal(RtlGetNonVolatileToken(region, 64, &freed), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(freed), STATUS_SUCCESS);
    check_bad_token(freed);
    static const uint64_t odd[] = {0, 1, 2, 8, 0x1000, UINT64_MAX - 1, UINT64_C(1) << 63};
    for (size_t i = 0; i < ARRAY_LENGTH(odd); i++)
        check_bad_token(value(odd[i]));
    check_bad_token(&view);
    check_bad_token(region);
    for (unsigned bit = 0; bit < 64; bit++)
        check_bad_token(value(good ^ UINT64_C(1) << bit));
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t random = random_next(&seed);
        /* Every second one differs only where slots and generations are. */
        check_bad_token(value(i % 2                           ? random
                              : (good ^ random >> 16) == good ? 0
                                                              : good ^ random >> 16));
    }
    check_untouched();
}

static void test_outside(void **state) {
    (void)state;
    const uintptr_t first = (uintptr_t)region, end = first + REGION_SIZE;
    const struct {
        uintptr_t address;
        size_t size;
    } ranges[] = {
        {first - 1, 1},
        {first - 1, 2},
        {first - 1, REGION_SIZE},
        {first, REGION_SIZE + 1},
        {first + 1, REGION_SIZE},
        {end - 1, 2},
        {end, 1},
        {end + 1, 1},
        {(uintptr_t)view.bytes, sizeof before},
        {0, 1},
        {0, REGION_SIZE},
        {1, SIZE_MAX},
        {first, SIZE_MAX},
        {first, SIZE_MAX / 2},
        {first, (size_t)1 << 47},
        {end - 1, SIZE_MAX},
        {UINTPTR_MAX, 1},
        {UINTPTR_MAX, 2},
        {(uintptr_t)1 << 63, 64},
        {first, -first},
        {first, -first + 1},
        {first + 1, SIZE_MAX - 1},
        {(uintptr_t)before, 64},
        {(uintptr_t)&token, 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
        check_refused(token, ranges[i].address, ranges[i].size, 0);
        check_refused(token, ranges[i].address, ranges[i].size, 1);
    }
    check_untouched();
}

static void test_flags(void **state) {
    (void)state;
    static const ULONG known[ROUTINES] = {0x103, 0x103, 1, 1};
    for (int routine = WRITE; routine < ROUTINES; routine++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            ULONG flag = (ULONG)1 << bit;
            if (known[routine] & flag)
                continue;
            for (ULONG other = 0; other < 4; other++) {
                ULONG flags = flag | (other & known[routine]);
                assert_int_equal(call((enum routine)routine, token, (uintptr_t)region, 64, flags),
                                 STATUS_INVALID_PARAMETER);
                assert_int_equal(call((enum routine)routine, token, (uintptr_t)region, 0, flags),
                                 STATUS_INVALID_PARAMETER);
            }
        }
        assert_int_equal(call((enum routine)routine, token, (uintptr_t)region, 64, UINT32_MAX),
                         STATUS_INVALID_PARAMETER);
    }
    check_untouched();
}

static void test_source(void **state) {
    (void)state;
    const uintptr_t last = UINTPTR_MAX - 6;
    assert_int_equal(RtlWriteNonVolatileMemory(token, region, NULL, 1, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlWriteNonVolatileMemory(token, region, (void *)last, 8, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlWriteNonVolatileMemory(token, region, (void *)last, REGION_SIZE, 3),
                     STATUS_INVALID_PARAMETER);
    check_untouched();
}

/* One bad range, wherever it stands, and none of them is flushed. */
static void test_ranges_all_or_nothing(void **state) {
    (void)state;
    enum { COUNT = 5 };
    for (size_t bad = 0; bad < COUNT; bad++) {
        NV_MEMORY_RANGE ranges[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            ranges[i] = (NV_MEMORY_RANGE){region + i * 1000, 1000};
        ranges[bad].BaseAddress = region - 1;
        for (ULONG flags = 0; flags < 2; flags++) {
            syncs = 0;
            assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, COUNT, flags),
                             STATUS_INVALID_PARAMETER);
            assert_int_equal(syncs, 0);
            check_untouched();
        }
    }
    NV_MEMORY_RANGE *const wrapping = (NV_MEMORY_RANGE *)(UINTPTR_MAX - 31);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, wrapping, 3, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, wrapping, SIZE_MAX, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, wrapping, (SIZE_MAX >> 4) + 2, 0),
                     STATUS_INVALID_PARAMETER);
    check_untouched();
}

/* The first and last byte of the region, and all of it, are inside. */
static void test_inside(void **state) {
    (void)state;
    for (int routine = WRITE; routine < ROUTINES; routine++) {
        uintptr_t first = (uintptr_t)region;
        assert_int_equal(call((enum routine)routine, token, first, 1, 0), STATUS_SUCCESS);
        assert_int_equal(call((enum routine)routine, token, first + REGION_SIZE - 1, 1, 0),
                         STATUS_SUCCESS);
        assert_int_equal(call((enum routine)routine, token, first, REGION_SIZE, 1), STATUS_SUCCESS);
    }
    assert_memory_equal(view.bytes, before, REGION_START);
    size_t behind = REGION_START + REGION_SIZE;
    assert_memory_equal(view.bytes + behind, before + behind, sizeof before - behind);
    memcpy(view.bytes, before, sizeof before);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
}

/* Nothing is nowhere: no address is wrong then. */
static void test_size_zero(void **state) {
    (void)state;
    const uintptr_t addresses[] = {
        0, 1, (uintptr_t)region, (uintptr_t)before, UINTPTR_MAX, (uintptr_t)1 << 63};
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        for (int routine = WRITE; routine < ROUTINES; routine++) {
            for (ULONG flags = 0; flags < 2; flags++)
                assert_int_equal(call((enum routine)routine, token, addresses[i], 0, flags),
                                 STATUS_SUCCESS);
        }
        assert_int_equal(RtlWriteNonVolatileMemory(token, (void *)addresses[i], NULL, 0, 3),
                         STATUS_SUCCESS);
    }
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 0, 1), STATUS_SUCCESS);
    check_untouched();
}

/* A flush of nothing drains what was flushed before, unless it is told not to. */
static void test_flush_nothing_drains(void **state) {
    (void)state;
    for (unsigned ranges = 0; ranges < 3; ranges++) {
        NV_MEMORY_RANGE empty = {NULL, 0};
        for (int drains = 0; drains < 2; drains++) {
            ULONG flags = drains ? 0 : FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN;
            assert_int_equal(RtlFlushNonVolatileMemory(token, region, 1, 1), STATUS_SUCCESS);
            syncs = 0;
            NTSTATUS status =
                ranges == 0 ? RtlFlushNonVolatileMemory(token, NULL, 0, flags)
                            : RtlFlushNonVolatileMemoryRanges(token, &empty, ranges - 1, flags);
            assert_int_equal(status, STATUS_SUCCESS);
            assert_int_equal(syncs, drains);
            assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
            assert_int_equal(syncs, 1);
        }
    }
}

/* A program may have been built with an older, shorter structure, or a newer, longer one. */
static void test_query_size(void **state) {
    (void)state;
    struct {
        NvRtlTokenInfo info;
        char behind[64];
    } asked, as_before;
    memset(&asked, 0x77, sizeof asked);
    for (uint32_t size = 0; size < sizeof asked.info; size++) {
        asked.info.structSize = size;
        as_before = asked;
        assert_int_equal(NvRtlQueryToken(token, &asked.info), STATUS_INFO_LENGTH_MISMATCH);
        assert_memory_equal(&asked, &as_before, sizeof asked);
    }
    const uint32_t sizes[] = {sizeof asked.info, sizeof asked.info + 1, sizeof asked, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        asked.info.structSize = sizes[i];
        asked.info.length = 0;
        as_before = asked;
        errno = ERRNO_BEFORE;
        assert_int_equal(NvRtlQueryToken(token, &asked.info), STATUS_SUCCESS);
        assert_int_equal(errno, ERRNO_BEFORE);
        assert_int_equal(asked.info.structSize, sizes[i]);
        assert_int_equal(asked.info.length, REGION_SIZE);
        assert_ptr_equal(asked.info.base, region);
        assert_memory_equal(asked.behind, as_before.behind, sizeof asked.behind);
    }
    assert_int_equal(NvRtlQueryToken(token, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlQueryToken(NULL, NULL), STATUS_INVALID_PARAMETER);
}

static void test_query(void **state) {
    (void)state;
    static const struct {
        const char *setting;
        uint32_t domain;
    } cases[] = {{"volatile", NVRTL_DOMAIN_VOLATILE},
                 {"page-cache!", NVRTL_DOMAIN_PAGE_CACHE},
                 {"memory!", NVRTL_DOMAIN_MEMORY},
                 {"cpu-cache!", NVRTL_DOMAIN_CPU_CACHE}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        PVOID other;
        NvRtlTokenInfo info = {.structSize = sizeof info};
        const struct isa_choice *choice = &token_table.choice;
        bool lines = cases[i].domain != NVRTL_DOMAIN_CPU_CACHE;
        library_set_domain(cases[i].setting);
        assert_int_equal(RtlGetNonVolatileToken(region, 64, &other), STATUS_SUCCESS);
        assert_int_equal(NvRtlQueryToken(other, &info), STATUS_SUCCESS);
        assert_int_equal(info.domain, cases[i].domain);
        if (cases[i].domain == NVRTL_DOMAIN_PAGE_CACHE)
            assert_int_equal(info.flush, NVRTL_FLUSH_MSYNC);
        else
            assert_int_equal(info.flush, lines ? choice->flush : NVRTL_FLUSH_NONE);
        assert_int_equal(info.lineSize, choice->line_size);
        assert_int_equal(info.atomicSize, 8);
        assert_int_equal(info.flags, i == 0 ? 0 : NVRTL_TOKEN_OVERRIDDEN);
        assert_ptr_equal(info.base, region);
        assert_int_equal(info.length, 64);
        assert_non_null(strstr(info.reason, i == 0 ? "tmpfs" : "NVRTL_DOMAIN raised"));
        assert_int_equal(strncmp(info.path, MEMORY_FOLDER, strlen(MEMORY_FOLDER)), 0);
        assert_int_equal(RtlFreeNonVolatileToken(other), STATUS_SUCCESS);
    }
    library_set_domain("page-cache!");
}

/* Nobody listens: whatever they are given, nothing is looked at. */
static void test_annotations(void **state) {
    (void)state;
    static char elsewhere[8];
    const char *const nowhere = (const char *)value(UINT64_MAX - 7);
    const PVOID tokens[] = {token, EACH, NULL, value(8), region};
    const void *const places[] = {region, elsewhere, NULL, nowhere};
    for (size_t i = 0; i < ARRAY_LENGTH(tokens) * ARRAY_LENGTH(places); i++) {
        PVOID to = tokens[i % ARRAY_LENGTH(tokens)];
        const void *at = places[i / ARRAY_LENGTH(tokens)];
        errno = ERRNO_BEFORE;
        NvRtlVerifierIgnore(to, at, i % 2 ? SIZE_MAX : 8);
        NvRtlVerifierAssertDurable(to, at, i % 2 ? SIZE_MAX : 8);
        NvRtlVerifierCommitPoint(to, at, 8);
        NvRtlVerifierCommitPointFor(to, at, 8, nowhere, i % 2);
        NvRtlVerifierMark(to, (uint32_t)i, i, nowhere);
        assert_int_equal(errno, ERRNO_BEFORE);
    }
    check_untouched();
}

static void test_texts(void **state) {
    (void)state;
    static const NTSTATUS statuses[] = {STATUS_SUCCESS,
                                        STATUS_DEVICE_BUSY,
                                        STATUS_INFO_LENGTH_MISMATCH,
                                        STATUS_INVALID_PARAMETER,
                                        STATUS_ACCESS_DENIED,
                                        STATUS_DISK_FULL,
                                        STATUS_INSUFFICIENT_RESOURCES,
                                        STATUS_DEVICE_DATA_ERROR,
                                        STATUS_NOT_SUPPORTED,
                                        STATUS_IO_DEVICE_ERROR,
                                        42,
                                        -1};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        const char *text = NvRtlStatusText(statuses[i]);
        assert_non_null(text);
        assert_true(strlen(text) > 3);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        assert_int_equal(i >= 10, strcmp(text, NvRtlStatusText(7)) == 0);
        for (size_t other = 0; other < i && i < 10; other++)
            assert_string_not_equal(text, NvRtlStatusText(statuses[other]));
        assert_int_equal(statuses[i] < 0, i != 0 && i != 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_ranges_all_or_nothing),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_size_zero),
        cmocka_unit_test(test_flush_nothing_drains),
        cmocka_unit_test(test_query_size),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, make_region, end_region);
}
