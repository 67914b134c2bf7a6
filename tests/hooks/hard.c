/* SPDX-License-Identifier: BSD-2-Clause */
/* Where call-outs come at bad moments: the stack of a store is right, and the program runs as it
   would. */
#include "program.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

static jmp_buf back;

static volatile int bottom;

APART static void jump(int depth) {
    if (depth <= bottom)
        longjmp(back, 1);
    if (depth > bottom)
        jump(depth - 1);
    base[4095] = 1; /* never reached, and no jump to the next function */
}

static uint64_t *word(size_t at) {
    return (uint64_t *)(base + at);
}

/* The functions that were left are on no stack. */
CASE(after_longjmp) {
    OPEN();
    for (volatile int i = 0; i < 100; i++) {
        if (setjmp(back) == 0)
            jump(5);
    }
    *word(0) = 1; /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

static volatile sig_atomic_t handled;

static void store_in_handler(int number) {
    (void)number;
    /* expect: unflushed-write of in_a_handler */
    /* expect: unflushed-write of on_another_stack */
    *word(64) = (uint64_t)++handled;
    RIGHT FLUSH(64, 8, 0);
}

CASE(in_a_handler) {
    OPEN();
    signal(SIGUSR1, store_in_handler);
    for (int i = 0; i < 50; i++)
        raise(SIGUSR1);
    CLOSE(); /* role: freed */
}

/* On a stack of its own, which lies anywhere. */
CASE(on_another_stack) {
    static char memory[65536];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = store_in_handler, .sa_flags = SA_ONSTACK};
    OPEN();
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    *word(0) = 1; /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

/* A handler that interrupts the runtime at any place, most of the time. */
static void flush_in_handler(int number) {
    (void)number;
    *word(8192) = (uint64_t)++handled;
    ok(RtlFlushNonVolatileMemory(map.token, base + 8192, 8, 0));
}

CASE(interrupted) {
    OPEN();
    const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, flush_in_handler);
    setitimer(ITIMER_REAL, &often, NULL);
    for (size_t i = 0; i < 60000; i++) {
        *word(i % 512 * 8) = i;
        FLUSH(i % 512 * 8, 8, 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CLOSE();
}

static void *store_much(void *argument) {
    size_t at = (size_t)(uintptr_t)argument * 512;
    for (size_t i = 0; i < 400; i++) {
        *word(at + i % 8 * 64) = i;
        FLUSH(at + i % 8 * 64, 8, NO_DRAIN);
        DRAIN();
    }
    return NULL;
}

CASE(many_threads) {
    pthread_t threads[80];
    OPEN();
    for (uintptr_t i = 0; i < 80; i++)
        pthread_create(&threads[i], NULL, store_much, (void *)i);
    for (size_t i = 0; i < 80; i++)
        pthread_join(threads[i], NULL);
    CLOSE();
}

/* Deeper than the runtime keeps calls. */
APART static size_t recurse(size_t depth) {
    size_t below = depth != 0 ? recurse(depth - 1) : 0;
    *word(depth % 64 * 64) = depth;
    return below + 1;
}

CASE(deep) {
    OPEN();
    if (recurse(20000) != 20001)
        exit(94);
    FLUSH(0, 4096, 0);
    *word(0) = 1; /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(forked_often) {
    OPEN();
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            *word(4096 + (size_t)i * 64) = 1;
            FLUSH(4096 + (size_t)i * 64, 8, 0);
            _exit(failed);
        }
        *word((size_t)i * 64) = 1;
        FLUSH((size_t)i * 64, 8, 0);
        waitpid(child, NULL, 0);
    }
    CLOSE();
}

PROGRAM({"after_longjmp", after_longjmp}, {"in_a_handler", in_a_handler},
        {"on_another_stack", on_another_stack}, {"interrupted", interrupted},
        {"many_threads", many_threads}, {"deep", deep}, {"forked_often", forked_often})
