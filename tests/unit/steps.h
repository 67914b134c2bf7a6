/* SPDX-License-Identifier: BSD-2-Clause */
/* Two calls with one switch between them, at each instruction of the library that the first has. A
   breakpoint stops the first; the second runs on a stack of its own and counts as another thread,
   because the linker puts the lock below in the place of os/'s: who has to wait switches to the
   other. So every interleaving with one switch is tried, and none depends on the scheduler. On
   other CPUs, and under the thread sanitizer, whose own code cannot be stopped, the second runs
   after the first. */
#ifndef UNIT_STEPS_H
#define UNIT_STEPS_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "os/os.h"
#include "seed.h"

#if defined(__x86_64__) && !UNDER_THREAD_SANITIZER
#define CAN_STEP 1
#else
#define CAN_STEP 0
#endif

#define STEPS_MAX 8192

static struct {
    unsigned running; /* which of the two */
    bool begun, ended;
    void (*second)(void);
    ucontext_t contexts[2];
    /* The instructions of the first, when nobody stops it. */
    uintptr_t trace[STEPS_MAX];
    unsigned count;
    bool tracing;
    void (*first)(void);
    greg_t stack; /* the stack pointer at its first instruction */
    /* Where it is stopped, and when: after so many visits of that place. */
    volatile unsigned char *place;
    unsigned char instruction; /* the byte that the breakpoint replaces */
    unsigned visits;
    bool stepping_over, reached;
    void (*at_stop)(void);
} steps;

static _Alignas(64) char steps_stack[256 << 10];

/* What the running one counts as: a thread id that no thread has. */
static inline uint32_t steps_id(void) {
    return (1u << 23) + steps.running;
}

static inline void steps_switch(void) {
    unsigned from = steps.running;
    steps.running = !from;
    swapcontext(&steps.contexts[from], &steps.contexts[!from]);
}

/* Each waits for the other, or for itself. */
static inline void steps_deadlock(void) {
    fprintf(stderr, "deadlock\n");
    _exit(1);
}

bool __wrap_os_lock(struct os_lock *lock);
bool __wrap_os_lock(struct os_lock *lock) {
    for (unsigned tries = 0; tries < 3; tries++) {
        uint32_t seen = 0;
        if (atomic_compare_exchange_strong(&lock->owner, &seen, steps_id()))
            return true;
        if (seen == steps_id())
            return false;
        if (!steps.begun || steps.ended)
            break;
        steps_switch();
    }
    steps_deadlock();
    return false;
}

static inline void steps_second(void) {
    steps.second();
    steps.ended = true;
    steps_switch();
}

/* Lets the second run until it ends, or waits for what the first holds. */
static inline void steps_begin_second(void) {
    getcontext(&steps.contexts[1]);
    steps.contexts[1].uc_stack.ss_sp = steps_stack;
    steps.contexts[1].uc_stack.ss_size = sizeof steps_stack;
    steps.contexts[1].uc_link = NULL;
    makecontext(&steps.contexts[1], steps_second, 0);
    steps.begun = true;
    steps_switch();
}

#if CAN_STEP
#define TRAP_FLAG 0x100
#define BREAKPOINT 0xcc /* int3 */

extern const char __executable_start[], etext[];

/* Until the breakpoint is gone it calls nothing, because that may be where it is. */
static inline void steps_handle(greg_t *registers) {
    uintptr_t at = (uintptr_t)registers[REG_RIP];
    if (steps.tracing) {
        if (at == (uintptr_t)steps.first)
            steps.stack = registers[REG_RSP];
        else if (registers[REG_RSP] > steps.stack)
            steps.stack = 0; /* it has returned */
        /* libc has no state that the library shares */
        bool inside = at >= (uintptr_t)__executable_start && at < (uintptr_t)etext;
        if (inside && registers[REG_RSP] <= steps.stack && steps.count < STEPS_MAX)
            steps.trace[steps.count++] = at;
    } else if (steps.stepping_over) {
        *steps.place = BREAKPOINT;
        steps.stepping_over = false;
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    } else if (at == (uintptr_t)steps.place + 1) {
        *steps.place = steps.instruction;
        registers[REG_RIP]--;
        steps.stepping_over = --steps.visits > 0;
        if (steps.stepping_over) {
            registers[REG_EFL] |= TRAP_FLAG;
        } else {
            int error = errno;
            steps.reached = true;
            steps.at_stop();
            errno = error;
        }
    }
}

static inline void steps_trap(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    steps_handle(((ucontext_t *)context)->uc_mcontext.gregs);
}

static inline void steps_catch(void) {
    struct sigaction action = {.sa_sigaction = steps_trap, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGTRAP, &action, NULL);
}
#endif

/* Runs first and counts its instructions. */
static inline unsigned steps_trace(void (*first)(void)) {
    steps.count = 0;
#if CAN_STEP
    steps_catch();
    steps.first = first;
    steps.stack = 0;
    steps.tracing = true;
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; addq $128, %%rsp" ::
                         : "memory", "cc");
    first();
    __asm__ volatile("subq $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; addq $128, %%rsp" ::
                         : "memory", "cc");
    steps.tracing = false;
#else
    first();
#endif
    return steps.count;
}

/* Runs first, which has to do what it did when it was traced, and at_stop, in a signal handler,
   before that instruction of it. False: it was not reached. */
static inline bool steps_run(void (*first)(void), void (*at_stop)(void), unsigned stop) {
    steps.reached = false;
#if CAN_STEP
    const uintptr_t page = 4096;
    steps.at_stop = at_stop;
    steps.place = (volatile unsigned char *)steps.trace[stop];
    steps.visits = 0;
    for (unsigned i = 0; i <= stop; i++)
        steps.visits += steps.trace[i] == steps.trace[stop];
    mprotect((void *)(steps.trace[stop] & ~(page - 1)), page, PROT_READ | PROT_WRITE | PROT_EXEC);
    steps.instruction = *steps.place;
    *steps.place = BREAKPOINT;
    first();
    *steps.place = steps.instruction;
#else
    (void)at_stop, (void)stop;
    first();
#endif
    return steps.reached;
}

/* Ends what was begun with the first. */
static inline void steps_end_second(void) {
    if (!steps.begun)
        steps_begin_second();
    while (!steps.ended)
        steps_switch();
    steps.begun = false;
}

static inline void steps_prepare(void (*second)(void)) {
    steps.second = second;
    steps.begun = steps.ended = false;
}

/* Runs first, then second as if in another thread; then, for each instruction of first, both again,
   with second from there on. prepare comes before each time, and check, with the number of the
   instruction or UINT_MAX, after it. Returns how many instructions there are. */
static inline unsigned steps_interleave(void (*prepare)(void), void (*first)(void),
                                        void (*second)(void), void (*check)(unsigned stop)) {
    unsigned count = 0;
    /* The first time the loader still binds names. */
    for (unsigned round = 0; round < 2; round++) {
        prepare();
        steps_prepare(second);
        count = steps_trace(first);
        steps_end_second();
        check(UINT_MAX);
    }
    for (unsigned stop = 0; stop < count; stop++) {
        prepare();
        steps_prepare(second);
        bool reached = steps_run(first, steps_begin_second, stop);
        steps_end_second();
        if (!reached) {
            fprintf(stderr, "instruction %u of %u was not reached\n", stop, count);
            return 0;
        }
        check(stop);
    }
    return count;
}

#endif
