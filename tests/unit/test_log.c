/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of a recorded run: whole whenever its writers are killed, and cut exactly where the
   parent says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/log.h"
#include "base/chance.h"
#include "event/event.h"

enum { WRITERS = 3, ROUNDS = 40 };

static struct arena arena;
static int descriptor;

static int set_up(void **state) {
    (void)state;
    descriptor = arena_create(&arena);
    if (descriptor < 0)
        return -1;
    arena.head->log.room = UINT64_MAX;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_unmap(&arena);
    return close(descriptor);
}

/* Every third record is a drain, every third an acknowledgement. The bytes tell the writer and
   which of its records it is, again and again. */
static void add(uint32_t writer, uint64_t number) {
    static const enum log_kind kinds[] = {LOG_STORE, LOG_DRAIN, LOG_MARK};
    uint64_t bytes[16];
    const struct log_record wish = {.kind = kinds[number % 3],
                                    .thread = writer,
                                    .offset = number,
                                    .length = number % 3 == 2 ? EVENT_OP_ACK : sizeof bytes,
                                    .size = (uint32_t)sizeof bytes};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        bytes[i] = number << 8 | writer;
    log_append(&arena, &wish, bytes);
}

static void *write_for_ever(void *writer) {
    for (uint64_t number = 0;; number++)
        add((uint32_t)(uintptr_t)writer, number);
    return NULL;
}

static pid_t start_writers(void) {
    pid_t child = fork();
    if (child != 0)
        return child;
    pthread_t threads[WRITERS];
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_for_ever, (void *)i); /* NOLINT */
    pthread_join(threads[0], NULL);
    _exit(1);
}

static uint64_t length_now(void) {
    const struct log_record *last = log_last(&arena);
    return last != NULL ? last->number : 0;
}

/* Walks the chain: no gap, no half record, each writer's records in its order. */
static void check_chain(void) {
    uint64_t expected = length_now(), next[WRITERS] = {0}, drains = 0, acks = 0;
    bool seen[WRITERS] = {false};
    const struct log_record *record = log_last(&arena);
    if (record != NULL) {
        drains = record->drains;
        acks = record->acks;
    }
    for (; record != NULL; record = log_before(&arena, record)) {
        assert_int_equal(record->number, expected--);
        assert_in_range(record->thread, 0, WRITERS - 1);
        assert_int_equal(record->drains, drains);
        assert_int_equal(record->acks, acks);
        drains -= record->kind == LOG_DRAIN;
        acks -= record->kind == LOG_MARK;
        for (size_t i = 0; i < record->size / sizeof(uint64_t); i++) {
            uint64_t word;
            memcpy(&word, record->bytes + i * sizeof word, sizeof word);
            assert_int_equal(word, record->offset << 8 | record->thread);
        }
        if (seen[record->thread])
            assert_int_equal(record->offset + 1, next[record->thread]);
        seen[record->thread] = true;
        next[record->thread] = record->offset;
    }
    assert_int_equal(expected, 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(next[i], 0);
}

static void check_killed(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check_chain();
}

static void test_whole_whenever_it_is_killed(void **state) {
    const char *setting = getenv("NVRTL_TEST_SEED");
    uint64_t seed = setting != NULL ? strtoull(setting, NULL, 10) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct chance chance = chance_seeded(seed, round);
        uint64_t until = chance_below(&chance, 2000);
        pid_t child = start_writers();
        while (length_now() < until)
            sched_yield();
        kill(child, SIGKILL);
        check_killed(child);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_cut_after_a_record(void **state) {
    (void)state;
    arena.head->log.stop_record = 777;
    check_killed(start_writers());
    assert_int_equal(length_now(), 777);
    assert_int_equal(atomic_load(&arena.head->log.stopped), 1);
}

/* At once: the program does not get one step further. */
static void test_cut_at_the_last_record(void **state) {
    (void)state;
    arena.head->log.stop_record = 10;
    pid_t child = fork();
    for (uint64_t i = 0; child == 0 && i < 10; i++)
        add(0, i);
    if (child == 0)
        _exit(0);
    check_killed(child);
    assert_int_equal(length_now(), 10);
}

static void test_cut_after_an_acknowledgement(void **state) {
    (void)state;
    arena.head->log.stop_ack = 100;
    check_killed(start_writers());
    assert_int_equal(log_last(&arena)->acks, 100);
    assert_int_equal(log_last(&arena)->kind, LOG_MARK);
}

static void test_cut_before_a_drain(void **state) {
    (void)state;
    arena.head->log.stop_drain = 100;
    check_killed(start_writers());
    assert_int_equal(log_last(&arena)->drains, 99);
}

/* Whoever comes later, from another process too, dies as well. */
static void test_nothing_is_added_after_the_cut(void **state) {
    (void)state;
    arena.head->log.stop_record = 10;
    check_killed(start_writers());
    check_killed(start_writers());
    assert_int_equal(length_now(), 10);
}

static void test_a_full_arena_does_no_harm(void **state) {
    (void)state;
    arena.head->log.room = atomic_load(&arena.head->used) + 1000;
    for (uint64_t i = 0; i < 100; i++)
        add(0, i);
    assert_int_equal(atomic_load(&arena.head->log.full), 1);
    assert_in_range(length_now(), 1, 10);
    check_chain();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_whenever_it_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_after_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_at_the_last_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_after_an_acknowledgement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_before_a_drain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_added_after_the_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_arena_does_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
