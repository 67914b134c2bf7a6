/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of a run whose trace is written meanwhile: in order, whatever the writers do; whole up
   to where they are killed; and nobody waits for a parent that reads no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/stream.h"
#include "base/chance.h"

enum { WRITERS = 3, EACH = 200000, ROUNDS = 30 };

static struct arena arena;
static int descriptor;

static int set_up(void **state) {
    (void)state;
    descriptor = arena_create(&arena);
    return descriptor >= 0 && stream_make(&arena) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    arena_unmap(&arena);
    return close(descriptor);
}

/* Sizes differ, so that records lie across the ring's end in all ways. */
static void add(uint32_t writer, uint64_t number) {
    uint8_t bytes[200];
    const struct log_record wish = {.kind = LOG_STORE,
                                    .thread = writer,
                                    .offset = number,
                                    .length = 8,
                                    .size = (uint32_t)(number * 7 % sizeof bytes)};
    memset(bytes, (int)number, sizeof bytes);
    stream_append(&arena, &wish, bytes);
}

/* The writer's next record, as it was added. */
static void check(const struct stream_event *event, uint64_t next[WRITERS]) {
    assert_true(event->thread < WRITERS);
    assert_int_equal(event->kind, LOG_STORE);
    assert_int_equal(event->offset, next[event->thread]++);
    assert_int_equal(event->size, event->offset * 7 % 200);
    uint8_t bytes[200];
    memset(bytes, (int)event->offset, sizeof bytes);
    assert_memory_equal(event->bytes, bytes, event->size);
}

static void *write_each(void *writer) {
    for (uint64_t number = 0; number < EACH; number++)
        add((uint32_t)(uintptr_t)writer, number);
    return NULL;
}

static void test_order(void **state) {
    struct stream_reader reader = {.arena = &arena};
    struct stream_event event;
    pthread_t threads[WRITERS];
    uint64_t next[WRITERS] = {0};
    (void)state;
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_each, (void *)i); /* NOLINT */
    for (unsigned taken = 0; taken < WRITERS * EACH;) {
        for (; stream_next(&reader, &event); taken++)
            check(&event, next);
        stream_release(&reader);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(reader.at > 2 * STREAM_SIZE);
    assert_false(stream_skip(&reader, true));
    assert_int_equal(atomic_load(&arena.head->log.full), 0);
}

static void *write_for_ever(void *writer) {
    for (uint64_t number = 0;; number++)
        add((uint32_t)(uintptr_t)writer, number);
    return NULL;
}

/* The writers are killed after so many records; whatever they had told is there. */
static void test_killed(void **state) {
    struct chance chance = chance_seeded(1, 2);
    (void)state;
    print_message("seed 1\n");
    struct stream_reader reader = {.arena = &arena};
    for (int round = 0; round < ROUNDS; round++) {
        struct stream_event event;
        uint64_t next[WRITERS] = {0}, wanted = 1 + chance_below(&chance, 20000), taken = 0;
        pid_t child = fork();
        if (child == 0) {
            pthread_t threads[WRITERS];
            for (uintptr_t i = 0; i < WRITERS; i++)
                pthread_create(&threads[i], NULL, write_for_ever, (void *)i); /* NOLINT */
            pthread_join(threads[0], NULL);
            _exit(1);
        }
        while (taken < wanted) {
            for (; stream_next(&reader, &event); taken++)
                check(&event, next);
            stream_release(&reader);
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint64_t gaps = reader.gaps;
        do {
            while (stream_next(&reader, &event)) {
                if (event.thread < WRITERS && reader.gaps != gaps)
                    next[event.thread] = event.offset; /* its own is in the gap */
                check(&event, next);
            }
        } while (stream_skip(&reader, true));
        stream_release(&reader);
        assert_true(reader.gaps - gaps <= WRITERS);
        assert_int_equal(reader.at, atomic_load(&arena.head->stream.taken));
    }
}

static void *take_place(void *unused) {
    arena.head->thread_ids[1] = (uint32_t)syscall(SYS_gettid);
    atomic_store(&arena.head->stream.writing[1], 1);
    atomic_fetch_add(&arena.head->stream.taken, 96);
    return unused;
}

/* A thread that died on its way is waited for no longer than it lives. */
static void test_gap(void **state) {
    struct stream_reader reader = {.arena = &arena};
    struct stream_event event;
    pthread_t thread;
    (void)state;
    add(0, 1);
    assert_true(stream_next(&reader, &event));
    pthread_create(&thread, NULL, take_place, NULL);
    pthread_join(thread, NULL);
    add(0, 2);
    atomic_store(&arena.head->thread_count, 2);
    arena.head->thread_ids[0] = (uint32_t)syscall(SYS_gettid);
    assert_false(stream_next(&reader, &event));
    atomic_store(&arena.head->stream.writing[0], 1);
    assert_false(stream_skip(&reader, false)); /* this one may be about to close it */
    atomic_store(&arena.head->stream.writing[0], 0);
    assert_true(stream_skip(&reader, false));
    assert_true(stream_next(&reader, &event));
    assert_int_equal(event.offset, 2);
    assert_false(stream_skip(&reader, false));
    assert_int_equal(reader.gaps, 1);
}

/* The parent has ended. */
static void test_closed(void **state) {
    (void)state;
    atomic_store(&arena.head->stream.closed, 1);
    for (uint64_t number = 0; atomic_load(&arena.head->log.full) == 0; number++)
        add(0, number);
    uint64_t taken = atomic_load(&arena.head->stream.taken);
    add(0, 0);
    assert_int_equal(atomic_load(&arena.head->stream.taken), taken);
    assert_true(taken > STREAM_SIZE && taken < STREAM_SIZE + STREAM_RECORD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
