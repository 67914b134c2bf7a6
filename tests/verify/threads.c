/* SPDX-License-Identifier: BSD-2-Clause */
/* Who stores, who flushes and who drains, of several threads. */
#include "program.h"

static void *write_it(void *unused) {
    WRITE(0, 8, 0); /* expect: unflushed-write of only_written */
    return unused;
}

static void *flush_it(void *unused) {
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush of flushed_by_another */
    return unused;
}

static void *flush_and_drain_it(void *unused) {
    FLUSH(0, 8, 0);
    return unused;
}

static void *drain_it(void *unused) {
    /* expect: redundant-drain of drained_by_another if strict memory actual/volatile */
    DRAIN();
    return unused;
}

CASE(only_written) {
    OPEN();
    in_thread(write_it);
    RIGHT in_thread(flush_and_drain_it);
    CLOSE(); /* role: freed */
}

/* A drain waits for the calling thread's flushes: of an ordinary file, for everybody's. */
CASE(drained_by_another) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    /* expect: undrained-flush if strict memory actual/volatile */
    FLUSH(0, 8, NO_DRAIN);
    /* The drain by the other thread waits for nothing then. */
    WRONG in_thread(drain_it);
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(flushed_by_another) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    in_thread(broken ? flush_it : flush_and_drain_it);
    CLOSE(); /* role: freed */
}

static void *write_late(void *unused) {
    /* expect: undrained-flush of thread_that_ends if strict memory actual/volatile */
    /* role: store of thread_that_ends */
    WRITE(64, 8, FLUSHED | LATER);
    RIGHT DRAIN();
    return unused;
}

static void *write_well(void *unused) {
    WRITE(4096, 8, FLUSHED | LATER);
    DRAIN();
    return unused;
}

/* A thread's end is no drain; the next thread's drain is its own. */
CASE(thread_that_ends) {
    OPEN();
    in_thread(write_late);
    in_thread(write_well);
    WRITE(0, 8, FLUSHED | LATER);
    DRAIN();
    CLOSE(); /* role: freed */
}

static pthread_key_t key;

static void drain_at_the_end(void *unused) {
    (void)unused;
    RIGHT DRAIN();
}

static void *write_until_the_end(void *unused) {
    pthread_setspecific(key, base);
    /* expect: undrained-flush of drained_at_the_end if strict memory actual/volatile */
    /* role: store of drained_at_the_end */
    WRITE(0, 8, FLUSHED | LATER);
    return unused;
}

/* What a thread does in the destructors of its own values it does itself. */
CASE(drained_at_the_end) {
    OPEN();
    pthread_key_create(&key, drain_at_the_end);
    in_thread(write_until_the_end);
    WRITE(4096, 8, FLUSHED);
    CLOSE(); /* role: freed */
}

static void *fill_its_own(void *argument) {
    size_t at = 4096 * (size_t)(uintptr_t)argument;
    FILL(at, 4096, 0);
    for (size_t i = 0; i < 4096; i += 64)
        FLUSH(at + i, 64, NO_DRAIN);
    DRAIN();
    return NULL;
}

static void *fill_parts(void *argument) {
    size_t at = 16 * (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < 4096; i += 64) {
        WRITE(at + i, 16, 0);
        FLUSH(at + i, 16, NO_DRAIN);
    }
    DRAIN();
    return NULL;
}

/* Four threads, each with its own lines, then with its own words of common lines. */
CASE(side_by_side) {
    pthread_t threads[4];
    OPEN();
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, fill_its_own, (void *)i);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, fill_parts, (void *)i);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CLOSE();
}

PROGRAM({"only_written", only_written}, {"drained_by_another", drained_by_another},
        {"flushed_by_another", flushed_by_another}, {"thread_that_ends", thread_that_ends},
        {"drained_at_the_end", drained_at_the_end}, {"side_by_side", side_by_side})
