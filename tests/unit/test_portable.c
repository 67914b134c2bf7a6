/* SPDX-License-Identifier: BSD-2-Clause */
/* The copy and the fill of CPUs without kernels of their own, held against libc's: every alignment
   and overlap of short lengths, and nothing beyond the range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "seed.h"
#include "store/portable.h"

#define SIZE ((size_t)160)
#define LENGTH_MAX ((size_t)80)

static _Alignas(64) unsigned char begun[SIZE], expected[SIZE], got[SIZE];

static int make_bytes(void **state) {
    (void)state;
    uint64_t seed = seed_of_test();
    for (size_t i = 0; i < SIZE; i++)
        begun[i] = (unsigned char)random_next(&seed);
    return 0;
}

static void check(const char *what, size_t to, size_t from, size_t length) {
    if (memcmp(got, expected, SIZE) != 0)
        fail_msg("%s of %zu bytes from %zu to %zu", what, length, from, to);
}

static void test_copy(void **state) {
    (void)state;
    for (size_t to = 0; to < SIZE - LENGTH_MAX; to += 1 + to / 24) {
        for (size_t from = 0; from < SIZE - LENGTH_MAX; from += 1 + from / 24) {
            for (size_t length = 0; length <= LENGTH_MAX; length++) {
                memcpy(got, begun, SIZE);
                memcpy(expected, begun, SIZE);
                memmove(expected + to, expected + from, length);
                store_portable_copy(got + to, got + from, length);
                check("copy", to, from, length);
            }
        }
    }
}

static void test_copy_between(void **state) {
    (void)state;
    for (size_t at = 0; at < 256; at++) {
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            size_t to = at % 16, from = at / 16;
            memset(got, 0, SIZE);
            memset(expected, 0, SIZE);
            memcpy(expected + to, begun + from, length);
            store_portable_copy(got + to, begun + from, length);
            check("copy between buffers", to, from, length);
        }
    }
}

static void test_fill(void **state) {
    (void)state;
    for (size_t to = 0; to < SIZE - LENGTH_MAX; to++) {
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            uint8_t value = (uint8_t)(to * 7 + length + 129);
            memcpy(got, begun, SIZE);
            memcpy(expected, begun, SIZE);
            memset(expected + to, value, length);
            store_portable_fill(got + to, value, length);
            check("fill", to, 0, length);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_copy_between),
        cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, make_bytes, NULL);
}
