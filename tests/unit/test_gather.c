/* SPDX-License-Identifier: BSD-2-Clause */
/* drain/gather: whom a drain waits for before it begins, and when it does not. The waits are made
   up; os_await_count itself is tested in test_os.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "drain/gather.h"

static struct {
    unsigned waits, reached;
    uint32_t until;
    uint64_t nanoseconds;
    bool all; /* what is waited for comes */
} seen;

bool __wrap_os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds);
bool __wrap_os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds) {
    (void)count;
    seen.waits++;
    seen.until = until;
    seen.nanoseconds = nanoseconds;
    return seen.all;
}

void __wrap_os_count_reached(const _Atomic uint32_t *count);
void __wrap_os_count_reached(const _Atomic uint32_t *count) {
    (void)count;
    seen.reached++;
}

static uint64_t now;
static unsigned asked;

uint64_t __wrap_os_nanoseconds(void);
uint64_t __wrap_os_nanoseconds(void) {
    asked++;
    return now;
}

/* One drain, for which so many have come; meanwhile others come for the next one. */
static void drain(struct token_crowd *crowd, unsigned come, unsigned others, uint64_t takes) {
    while (come-- > 0)
        gather_arrive(crowd);
    gather_wait(crowd);
    gather_begin(crowd);
    while (others-- > 0)
        gather_arrive(crowd);
    now += takes;
    gather_end(crowd);
}

static int forget(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    now = asked = 0;
    return 0;
}

static void who_is_alone_waits_for_nobody(void **state) {
    struct token_crowd crowd = {0};
    (void)state;
    for (int i = 0; i < 20; i++)
        drain(&crowd, 1, 0, 1000);
    assert_int_equal(seen.waits, 0);
    assert_int_equal(asked, 0);
}

/* Three were let go, two have come meanwhile: of those and the three, who leads has come. */
static void who_was_let_go_is_waited_for(void **state) {
    struct token_crowd crowd = {0};
    (void)state;
    drain(&crowd, 3, 2, 70000);
    seen.all = true;
    drain(&crowd, 1, 0, 70000);
    assert_int_equal(seen.waits, 1);
    assert_int_equal(seen.until, 3 + 2 + 3);
    assert_int_equal(seen.nanoseconds, 70000);
    /* It has let go the two and the one, who all come again before the next. */
    drain(&crowd, 3, 0, 70000);
    assert_int_equal(seen.waits, 1);
    /* A count that wraps is no other. */
    atomic_store(&crowd.arrived, UINT32_MAX - 1);
    atomic_store(&crowd.begun, UINT32_MAX - 1);
    atomic_store(&crowd.due, UINT32_MAX - 1);
    drain(&crowd, 3, 0, 1);
    drain(&crowd, 2, 0, 1);
    assert_int_equal(seen.waits, 2);
    assert_int_equal(seen.until, 4);
}

/* A handler that drains what its thread drains already counts for nobody. */
static void who_is_turned_away_is_not_waited_for(void **state) {
    struct token_crowd crowd = {0};
    (void)state;
    gather_arrive(&crowd);
    gather_turn_away(&crowd);
    drain(&crowd, 1, 0, 1000);
    drain(&crowd, 1, 0, 1000);
    assert_int_equal(seen.waits, 0);
}

static void nobody_is_waited_for_long(void **state) {
    struct token_crowd crowd = {0};
    (void)state;
    drain(&crowd, 2, 0, UINT64_C(5000000000));
    drain(&crowd, 1, 0, 0);
    assert_int_equal(seen.nanoseconds, 1000000);
}

/* One of two threads comes. */
static void drain_for_two(struct token_crowd *crowd) {
    atomic_store(&crowd->due, atomic_load(&crowd->arrived) + 2);
    drain(crowd, 1, 0, 1000);
}

/* Who has something else to do is waited for seldom, and once again when all have come. */
static void waits_in_vain_become_rare(void **state) {
    static const unsigned between[] = {1, 3, 7, 15, 15};
    struct token_crowd crowd = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(between); i++) {
        drain_for_two(&crowd);
        assert_int_equal(seen.waits, i + 1);
        for (unsigned k = 0; k < between[i]; k++)
            drain_for_two(&crowd);
        assert_int_equal(seen.waits, i + 1);
    }
    seen.all = true;
    for (unsigned i = 1; i <= 3; i++) {
        drain_for_two(&crowd);
        assert_int_equal(seen.waits, ARRAY_LENGTH(between) + i);
    }
}

/* The last one that is waited for says so, and nobody else. */
static void the_last_one_wakes(void **state) {
    struct token_crowd crowd = {.arrived = 5, .due = 7};
    (void)state;
    gather_arrive(&crowd);
    gather_arrive(&crowd);
    assert_int_equal(seen.reached, 0); /* nobody waits */
    atomic_store(&crowd.due, 9);
    atomic_store(&crowd.gathers, true);
    gather_arrive(&crowd);
    assert_int_equal(seen.reached, 0);
    gather_arrive(&crowd);
    assert_int_equal(seen.reached, 1);
    gather_arrive(&crowd);
    assert_int_equal(seen.reached, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_alone_waits_for_nobody, forget),
        cmocka_unit_test_setup(who_was_let_go_is_waited_for, forget),
        cmocka_unit_test_setup(who_is_turned_away_is_not_waited_for, forget),
        cmocka_unit_test_setup(nobody_is_waited_for_long, forget),
        cmocka_unit_test_setup(waits_in_vain_become_rare, forget),
        cmocka_unit_test_setup(the_last_one_wakes, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
