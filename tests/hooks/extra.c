/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told only where it was asked for: bytes that are stored again with no flush between, and
   threads that make durable what rests on something that is not. */
#include "program.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define WORD(at) (*(volatile uint64_t *)(base + (at)))

CASE(stored_again) {
    OPEN();
    WORD(0) = 1; /* role: store */
    RIGHT FLUSH(0, 8, 0);
    WORD(0) = 2; /* expect: overwritten-unflushed */
    FLUSH(0, 8, 0);
    CLOSE();
}

/* Other bytes of the line, and what was flushed and not yet drained. */
CASE(stored_beside) {
    OPEN();
    WORD(0) = 1;
    WORD(8) = 1;
    FLUSH(0, 16, NO_DRAIN);
    WORD(0) = 2; /* role: store */
    RIGHT FLUSH(0, 8, 0);
    WORD(0) = 3; /* expect: overwritten-unflushed */
    FLUSH(0, 8, 0);
    CLOSE();
}

CASE(by_the_routine) {
    OPEN();
    WRITE(0, 64, 0); /* role: store */
    RIGHT FLUSH(0, 64, 0);
    FILL(16, 200, 0); /* expect: overwritten-unflushed */
    FLUSH(0, 256, 0);
    WRITE(512, 64, STREAM | LATER);
    WRITE(512, 64, STREAM | LATER);
    DRAIN();
    CLOSE();
}

CASE(copied) {
    OPEN();
    memset(base, 1, 100); /* role: store */
    RIGHT FLUSH(0, 100, 0);
    memcpy(base + 50, data, 100); /* expect: overwritten-unflushed */
    FLUSH(0, 150, 0);
    CLOSE();
}

/* A compare-exchange that fails stores nothing. */
CASE(exchanged) {
    uint64_t no = 7, one = 1;
    OPEN();
    atomic_store((_Atomic uint64_t *)base, 1); /* role: store */
    if (atomic_compare_exchange_strong((_Atomic uint64_t *)base, &no, 2))
        exit(96);
    RIGHT FLUSH(0, 8, 0);
    /* expect: overwritten-unflushed */
    atomic_compare_exchange_strong((_Atomic uint64_t *)base, &one, 2);
    FLUSH(0, 8, 0);
    CLOSE();
}

CASE(ignored) {
    OPEN();
    IGNORE(0, 8);
    WORD(0) = 1;
    WORD(0) = 2;
    WORD(8) = 1;
    FLUSH(0, 16, 0);
    CLOSE();
}

static _Atomic int turn;

static void await(int value) {
    while (atomic_load_explicit(&turn, memory_order_acquire) != value)
        sched_yield();
}

static void pass(int value) {
    atomic_store_explicit(&turn, value, memory_order_release);
}

/* Stores, lets the other thread read, and flushes when that has finished; or before. */
static void *publisher(void *unused) {
    /* role: store of dependent_first */
    /* role: store of of_a_small_region */
    /* role: store of by_an_atomic_read */
    /* role: store of by_a_copy */
    /* role: store of by_a_persisting_write */
    WORD(0) = 1;
    RIGHT FLUSH(0, 8, 0);
    pass(1);
    await(2);
    WRONG FLUSH(0, 8, 0);
    return unused;
}

static void read_meanwhile(void *(*reader)(void *)) {
    pthread_t threads[2];
    atomic_store(&turn, 0);
    pthread_create(&threads[0], NULL, publisher, NULL);
    pthread_create(&threads[1], NULL, reader, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void *read_plainly(void *unused) {
    await(1);
    /* expect: unpersisted-read of dependent_first */
    /* expect: unpersisted-read of of_a_small_region */
    uint64_t seen = WORD(0);
    /* role: dependent of dependent_first */
    /* role: dependent of of_a_small_region */
    WORD(128) = seen + 1;
    FLUSH(128, 8, 0);
    pass(2);
    return unused;
}

CASE(dependent_first) {
    OPEN();
    read_meanwhile(read_plainly);
    CLOSE();
}

/* A token of less than a page. */
CASE(of_a_small_region) {
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    GET(0, 200, &map.token);
    read_meanwhile(read_plainly);
    FREE(map.token);
    munmap(base, SIZE);
    close(file);
}

static void *read_by_atomic(void *unused) {
    await(1);
    /* expect: unpersisted-read of by_an_atomic_read */
    uint64_t seen = atomic_load((_Atomic uint64_t *)base);
    WORD(128) = seen + 1; /* role: dependent of by_an_atomic_read */
    FLUSH(128, 8, NO_DRAIN);
    DRAIN();
    pass(2);
    return unused;
}

CASE(by_an_atomic_read) {
    OPEN();
    read_meanwhile(read_by_atomic);
    CLOSE();
}

static void *copy_out(void *unused) {
    char here[256];
    volatile size_t size = 256;
    await(1);
    memcpy(here, base, size);       /* expect: unpersisted-read of by_a_copy */
    memcpy(base + 512, here, size); /* role: dependent of by_a_copy */
    FLUSH(512, 256, 0);
    pass(2);
    return unused;
}

CASE(by_a_copy) {
    OPEN();
    read_meanwhile(copy_out);
    CLOSE();
}

static void *persist_it(void *unused) {
    await(1);
    uint64_t seen = WORD(0); /* expect: unpersisted-read of by_a_persisting_write */
    WORD(8192) = seen;
    WRITE(4096, 64, PERSIST); /* role: dependent of by_a_persisting_write */
    FLUSH(8192, 8, 0);
    pass(2);
    return unused;
}

CASE(by_a_persisting_write) {
    OPEN();
    read_meanwhile(persist_it);
    CLOSE();
}

/* Who reads may see to it himself; a store on the same line lasts no sooner; and what was stored
   before the read does not rest on it. */
static void *careful(void *unused) {
    await(1);
    WORD(256) = 7;
    uint64_t seen = WORD(0);
    FLUSH(256, 8, 0);
    WORD(8) = seen;
    FLUSH(0, 16, 0);
    WORD(128) = seen + 1;
    FLUSH(128, 8, 0);
    pass(2);
    return unused;
}

CASE(seen_to) {
    OPEN();
    read_meanwhile(careful);
    CLOSE();
}

/* By what the threads have told each other the read may as well come first. */
static void *store_racing(void *unused) {
    WORD(0) = 1;
    atomic_store_explicit(&turn, 1, memory_order_relaxed);
    while (atomic_load_explicit(&turn, memory_order_relaxed) != 2)
        sched_yield();
    FLUSH(0, 8, 0);
    return unused;
}

static void *read_racing(void *unused) {
    while (atomic_load_explicit(&turn, memory_order_relaxed) != 1)
        sched_yield();
    WORD(128) = WORD(0);
    FLUSH(128, 8, 0);
    atomic_store_explicit(&turn, 2, memory_order_relaxed);
    return unused;
}

CASE(racing) {
    pthread_t threads[2];
    OPEN();
    atomic_store(&turn, 0);
    pthread_create(&threads[0], NULL, store_racing, NULL);
    pthread_create(&threads[1], NULL, read_racing, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CLOSE();
}

/* One's own stores are one's own affair. */
CASE(alone) {
    OPEN();
    WORD(0) = 1;
    WORD(128) = WORD(0);
    FLUSH(128, 8, 0);
    FLUSH(0, 8, 0);
    CLOSE();
}

PROGRAM({"stored_again", stored_again}, {"stored_beside", stored_beside},
        {"by_the_routine", by_the_routine}, {"copied", copied}, {"exchanged", exchanged},
        {"ignored", ignored}, {"dependent_first", dependent_first},
        {"of_a_small_region", of_a_small_region}, {"by_an_atomic_read", by_an_atomic_read},
        {"by_a_copy", by_a_copy}, {"by_a_persisting_write", by_a_persisting_write},
        {"seen_to", seen_to}, {"racing", racing}, {"alone", alone})
