/* SPDX-License-Identifier: BSD-2-Clause */
/* os/: who waits for a count is there when it has come to it, or after a time, and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "os/os.h"

/* No function may change it. */
#define ERRNO_BEFORE 12345

static _Atomic uint32_t arrived;

static void *arrive_twice(void *unused) {
    atomic_fetch_add(&arrived, 1);
    atomic_fetch_add(&arrived, 1);
    os_count_reached(&arrived);
    return unused;
}

static void test_reached(void **state) {
    (void)state;
    errno = ERRNO_BEFORE;
    atomic_store(&arrived, UINT32_MAX);
    assert_true(os_await_count(&arrived, UINT32_MAX, 0));
    assert_true(os_await_count(&arrived, UINT32_MAX - 1, 0)); /* it has gone past */
    assert_int_equal(errno, ERRNO_BEFORE);
}

static void test_not_reached(void **state) {
    uint64_t before = os_nanoseconds();
    (void)state;
    errno = ERRNO_BEFORE;
    atomic_store(&arrived, UINT32_MAX);
    assert_false(os_await_count(&arrived, 0, 0));
    assert_false(os_await_count(&arrived, 0, 1000));
    assert_true(os_nanoseconds() >= before + 1000);
    assert_int_equal(errno, ERRNO_BEFORE);
}

static void test_reached_by_another(void **state) {
    pthread_t thread;
    (void)state;
    atomic_store(&arrived, UINT32_MAX);
    assert_int_equal(pthread_create(&thread, NULL, arrive_twice, NULL), 0);
    errno = ERRNO_BEFORE;
    assert_true(os_await_count(&arrived, 1, UINT64_MAX / 2));
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reached),
        cmocka_unit_test(test_not_reached),
        cmocka_unit_test(test_reached_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
