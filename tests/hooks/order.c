/* SPDX-License-Identifier: BSD-2-Clause */
/* Who flushes for whom: what is known to come after a store covers it, and has to be drained; what
   merely races with it is nobody's mistake, and nobody's merit. */
#include "program.h"

#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <threads.h>
#include <time.h>

static pthread_mutex_t mutex;
static pthread_rwlock_t shared;
static pthread_cond_t changed;
static pthread_barrier_t barrier;
static sem_t stored;
static mtx_t plain;
static _Atomic int flag;
static int state;

/* One thread stores and says so; another one hears of it, flushes, and should drain. */
static void (*say)(void), (*hear)(void);

static void *storer(void *unused) {
    /* role: store of by_mutex */
    /* role: store of in_a_crowd */
    /* role: store of by_barrier */
    /* role: store of by_semaphore */
    /* role: store of by_atomic */
    /* role: store of by_exchange */
    /* role: store of by_rwlock */
    /* role: store of by_plain */
    /* role: store of by_once */
    /* role: store of by_call_once */
    /* role: store of by_clock */
    /* role: store of by_signal */
    *(uint64_t *)base = 1;
    say();
    return unused;
}

static void *flusher(void *unused) {
    hear();
    /* expect: undrained-flush of by_mutex */
    /* expect: undrained-flush of in_a_crowd */
    /* expect: undrained-flush of by_barrier */
    /* expect: undrained-flush of by_semaphore */
    /* expect: undrained-flush of by_atomic */
    /* expect: undrained-flush of by_exchange */
    /* expect: undrained-flush of by_rwlock */
    /* expect: undrained-flush of by_plain */
    /* expect: undrained-flush of by_once */
    /* expect: undrained-flush of by_call_once */
    /* expect: undrained-flush of by_clock */
    /* expect: undrained-flush of by_signal */
    FLUSH(0, 8, NO_DRAIN);
    RIGHT DRAIN();
    return unused;
}

static void two_threads(void (*says)(void), void (*hears)(void)) {
    pthread_t threads[2];
    say = says;
    hear = hears;
    state = 0;
    atomic_store_explicit(&flag, 0, memory_order_relaxed);
    pthread_mutex_init(&mutex, NULL);
    pthread_rwlock_init(&shared, NULL);
    pthread_cond_init(&changed, NULL);
    pthread_barrier_init(&barrier, NULL, 2);
    sem_init(&stored, 0, 0);
    mtx_init(&plain, mtx_plain);
    pthread_create(&threads[0], NULL, storer, NULL);
    pthread_create(&threads[1], NULL, flusher, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void say_by_mutex(void) {
    pthread_mutex_lock(&mutex);
    state = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void hear_by_mutex(void) {
    pthread_mutex_lock(&mutex);
    while (!state)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* Mutexes for whose clocks there is room in no other place than for that of the first one. */
static pthread_mutex_t many[1 << 18];
enum { OTHERS = 6 };

static size_t place_of_clock(const pthread_mutex_t *object) {
    return (uintptr_t)object * UINT64_C(0x9E3779B97F4A7C15) >> 50;
}

static void say_in_a_crowd(void) {
    say_by_mutex();
    size_t found = 0;
    for (size_t i = 0; i < sizeof many / sizeof *many && found < OTHERS; i++) {
        if (place_of_clock(&many[i]) != place_of_clock(&mutex))
            continue;
        pthread_mutex_init(&many[i], NULL);
        pthread_mutex_lock(&many[i]);
        pthread_mutex_unlock(&many[i]);
        found++;
    }
    failed |= found != OTHERS;
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void hear_in_a_crowd(void) {
    while (atomic_load_explicit(&flag, memory_order_relaxed) == 0)
        sched_yield();
    hear_by_mutex();
}

static void say_by_barrier(void) {
    for (int i = 0; i < 3; i++)
        pthread_barrier_wait(&barrier);
}

static void say_by_semaphore(void) {
    sem_post(&stored);
}

static void hear_by_semaphore(void) {
    sem_wait(&stored);
}

static void say_by_atomic(void) {
    atomic_store_explicit(&flag, 1, memory_order_release);
}

static void hear_by_atomic(void) {
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        sched_yield();
}

static void say_by_exchange(void) {
    atomic_fetch_add_explicit(&flag, 1, memory_order_acq_rel);
}

static void hear_by_exchange(void) {
    int one = 1;
    while (!atomic_compare_exchange_weak(&flag, &one, 2)) {
        one = 1;
        sched_yield();
    }
}

static void say_by_rwlock(void) {
    pthread_rwlock_wrlock(&shared);
    state = 1;
    pthread_rwlock_unlock(&shared);
}

static void hear_by_rwlock(void) {
    bool heard = false;
    while (!heard) {
        pthread_rwlock_rdlock(&shared);
        heard = state != 0;
        pthread_rwlock_unlock(&shared);
        sched_yield();
    }
}

static void say_by_plain(void) {
    mtx_lock(&plain);
    state = 1;
    mtx_unlock(&plain);
}

static void hear_by_plain(void) {
    bool heard = false;
    while (!heard) {
        mtx_lock(&plain);
        heard = state != 0;
        mtx_unlock(&plain);
        sched_yield();
    }
}

/* Who comes second learns that it was done, and nothing else. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag_once = ONCE_FLAG_INIT;

static void do_nothing(void) {}

static void say_by_once(void) {
    pthread_once(&once, do_nothing);
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void hear_by_once(void) {
    while (!atomic_load_explicit(&flag, memory_order_relaxed))
        sched_yield();
    pthread_once(&once, do_nothing);
}

static void say_by_call_once(void) {
    call_once(&flag_once, do_nothing);
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void hear_by_call_once(void) {
    while (!atomic_load_explicit(&flag, memory_order_relaxed))
        sched_yield();
    call_once(&flag_once, do_nothing);
}

static void hear_by_clock(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 100;
    pthread_mutex_lock(&mutex);
    while (!state)
        pthread_cond_clockwait(&changed, &mutex, CLOCK_MONOTONIC, &until);
    pthread_mutex_unlock(&mutex);
}

static void say_by_signal(void) {
    kill(getpid(), SIGUSR2);
}

static void hear_by_signal(void) {
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &number);
}

CASE(by_once) {
    OPEN();
    two_threads(say_by_once, hear_by_once);
    CLOSE(); /* role: freed */
}

CASE(by_call_once) {
    OPEN();
    two_threads(say_by_call_once, hear_by_call_once);
    CLOSE(); /* role: freed */
}

CASE(by_clock) {
    OPEN();
    two_threads(say_by_mutex, hear_by_clock);
    CLOSE(); /* role: freed */
}

CASE(by_signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    OPEN();
    two_threads(say_by_signal, hear_by_signal);
    CLOSE(); /* role: freed */
}

CASE(by_mutex) {
    OPEN();
    two_threads(say_by_mutex, hear_by_mutex);
    CLOSE(); /* role: freed */
}

/* What is known of one object is not forgotten for a handful of others. */
CASE(in_a_crowd) {
    OPEN();
    two_threads(say_in_a_crowd, hear_in_a_crowd);
    CLOSE(); /* role: freed */
}

CASE(by_barrier) {
    OPEN();
    two_threads(say_by_barrier, say_by_barrier);
    CLOSE(); /* role: freed */
}

CASE(by_semaphore) {
    OPEN();
    two_threads(say_by_semaphore, hear_by_semaphore);
    CLOSE(); /* role: freed */
}

CASE(by_atomic) {
    OPEN();
    two_threads(say_by_atomic, hear_by_atomic);
    CLOSE(); /* role: freed */
}

CASE(by_exchange) {
    OPEN();
    two_threads(say_by_exchange, hear_by_exchange);
    CLOSE(); /* role: freed */
}

CASE(by_rwlock) {
    OPEN();
    two_threads(say_by_rwlock, hear_by_rwlock);
    CLOSE(); /* role: freed */
}

CASE(by_plain) {
    OPEN();
    two_threads(say_by_plain, hear_by_plain);
    CLOSE(); /* role: freed */
}

/* Both threads are there at a time, and none knows of the other: a thread that begins when another
   one has ended comes after it. */
static void await(int value) {
    while (atomic_load_explicit(&flag, memory_order_relaxed) < value)
        sched_yield();
}

static void say_nothing(void) {
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
    await(2);
}

static void hear_nothing(void) {
    await(1);
    atomic_store_explicit(&flag, 2, memory_order_relaxed);
}

/* By what the threads have told each other the flush may as well come first. */
CASE(racing) {
    OPEN();
    two_threads(say_nothing, hear_nothing);
    CLOSE();
}

/* The thread that stores flushes in its own right, whoever has flushed the line meanwhile. */
CASE(racing_twice) {
    OPEN();
    two_threads(say_nothing, hear_nothing);
    *(uint64_t *)(base + 8) = 1; /* expect: unflushed-write */
    RIGHT FLUSH(8, 8, 0);
    CLOSE(); /* role: freed */
}

static void *store_only(void *unused) {
    *(uint64_t *)base = 1; /* expect: unflushed-write of never_flushed */
    return unused;
}

/* The start and the end of a thread: what came before, and what comes after. */
CASE(never_flushed) {
    OPEN();
    in_thread(store_only);
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

static void *flush_it(void *unused) {
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush of before_the_start */
    RIGHT DRAIN();
    return unused;
}

CASE(before_the_start) {
    OPEN();
    *(uint64_t *)base = 1; /* role: store */
    in_thread(flush_it);
    CLOSE(); /* role: freed */
}

static void *store_only_well(void *unused) {
    *(uint64_t *)base = 2; /* role: store of after_the_end */
    return unused;
}

CASE(after_the_end) {
    OPEN();
    in_thread(store_only_well);
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

/* A fork is the start of a thread too. */
CASE(in_a_child) {
    OPEN();
    *(uint64_t *)base = 1; /* expect: unflushed-write */
    pid_t child = fork();
    if (child == 0) {
        RIGHT FLUSH(0, 8, 0);
        _exit(failed);
    }
    waitpid(child, NULL, 0);
    CLOSE(); /* role: freed */
}

PROGRAM({"by_once", by_once}, {"by_call_once", by_call_once}, {"by_clock", by_clock},
        {"by_signal", by_signal}, {"by_mutex", by_mutex}, {"in_a_crowd", in_a_crowd},
        {"by_barrier", by_barrier}, {"by_semaphore", by_semaphore}, {"by_atomic", by_atomic},
        {"by_exchange", by_exchange}, {"by_rwlock", by_rwlock}, {"by_plain", by_plain},
        {"racing", racing}, {"racing_twice", racing_twice}, {"never_flushed", never_flushed},
        {"before_the_start", before_the_start}, {"after_the_end", after_the_end},
        {"in_a_child", in_a_child})
