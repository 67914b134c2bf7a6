/* SPDX-License-Identifier: BSD-2-Clause */
/* range/range.h against the same questions asked in 128-bit arithmetic, where nothing wraps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "range/range.h"

__extension__ typedef unsigned __int128 wide;

static const wide space = (wide)1 << 64;

/* Both ends of the address space, its middle, and the edges of 32 bits. */
static const uint64_t values[] = {
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    UINT32_MAX - UINT64_C(1),
    UINT32_MAX,
    UINT32_MAX + UINT64_C(1),
    (UINT64_C(1) << 63) - 2,
    (UINT64_C(1) << 63) - 1,
    UINT64_C(1) << 63,
    (UINT64_C(1) << 63) + 1,
    UINT64_MAX - 8,
    UINT64_MAX - 7,
    UINT64_MAX - 3,
    UINT64_MAX - 2,
    UINT64_MAX - 1,
    UINT64_MAX,
};
#define COUNT ARRAY_LENGTH(values)

static wide end_of(uint64_t start, uint64_t length) {
    return (wide)start + length;
}

static void test_wraps(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            bool wraps = end_of(values[i], values[j]) > space;
            assert_int_equal(range_wraps(values[i], values[j]), wraps);
        }
    }
}

/* Calls check for every two ranges of the values. */
static void each_pair(void (*check)(uint64_t, uint64_t, uint64_t, uint64_t)) {
    for (size_t i = 0; i < COUNT * COUNT; i++) {
        for (size_t j = 0; j < COUNT * COUNT; j++)
            check(values[i / COUNT], values[i % COUNT], values[j / COUNT], values[j % COUNT]);
    }
}

static void check_inside(uint64_t start, uint64_t length, uint64_t base, uint64_t size) {
    if (end_of(base, size) > space)
        return;
    bool inside = start >= base && end_of(start, length) <= end_of(base, size);
    /* The end of a region that ends with the address space is written 0. */
    if (length == 0 && start == 0 && end_of(base, size) == space)
        inside = true;
    assert_int_equal(range_inside(start, length, base, size), inside);
}

static void test_inside(void **state) {
    (void)state;
    each_pair(check_inside);
}

static void check_overlaps(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length) {
    wide a_end = end_of(a, a_length), b_end = end_of(b, b_length);
    if (a_end > space || b_end > space)
        return;
    uint64_t first = a > b ? a : b;
    bool overlaps = a_length != 0 && b_length != 0 && first < a_end && first < b_end;
    assert_int_equal(range_overlaps(a, a_length, b, b_length), overlaps);
}

static void test_overlaps(void **state) {
    (void)state;
    each_pair(check_overlaps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
