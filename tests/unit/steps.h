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

#if UNDER_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>

/* What the sanitizer has to be told of stacks. */
static struct {
    void *kept[2];
    const void *bottom[2];
    size_t size[2];
} steps_stacks = {.bottom = {NULL, steps_stack}, .size = {0, sizeof steps_stack}};

static inline void steps_leave(unsigned from, bool for_good) {
    __sanitizer_start_switch_fiber(for_good ? NULL : &steps_stacks.kept[from],
                                   steps_stacks.bottom[!from], steps_stacks.size[!from]);
}
static inline void steps_arrive(unsigned at, bool first_time) {
    __sanitizer_finish_switch_fiber(first_time ? NULL : steps_stacks.kept[at],
                                    &steps_stacks.bottom[!at], &steps_stacks.size[!at]);
}
#else
static inline void steps_leave(unsigned from, bool for_good) {
    (void)from, (void)for_good;
}
static inline void steps_arrive(unsigned at, bool first_time) {
    (void)at, (void)first_time;
}
#endif

static inline void steps_switch(void) {
    unsigned from = steps.running;
    steps.running = !from;
    steps_leave(from, from == 1 && steps.ended);
    swapcontext(&steps.contexts[from], &steps.contexts[!from]);
    steps_arrive(from, false);
}

/* Each waits for the other, or for itself. */
static inline void steps_deadlock(void) {
    fprintf(stderr, "deadlock\n");
    _exit(1);
}

enum os_locked __wrap_os_lock_or(struct os_lock *lock, const _Atomic uint64_t *count,
                                 uint64_t limit);
enum os_locked __wrap_os_lock_or(struct os_lock *lock, const _Atomic uint64_t *count,
                                 uint64_t limit) {
    for (unsigned tries = 0; tries < 3; tries++) {
        uint32_t seen = 0;
        if (atomic_compare_exchange_strong(&lock->owner, &seen, steps_id()))
            return OS_LOCKED;
        if (seen == steps_id())
            return OS_LOCKED_BY_SELF;
        if (count != NULL && atomic_load(count) > limit)
            return OS_LOCK_SPARED;
        if (!steps.begun || steps.ended)
            break;
        steps_switch();
    }
    steps_deadlock();
    return OS_LOCKED_BY_SELF;
}

bool __wrap_os_lock(struct os_lock *lock);
bool __wrap_os_lock(struct os_lock *lock) {
    return __wrap_os_lock_or(lock, NULL, 0) == OS_LOCKED;
}

bool __wrap_os_lock_is_own(const struct os_lock *lock);
bool __wrap_os_lock_is_own(const struct os_lock *lock) {
    return atomic_load(&lock->owner) == steps_id();
}

static inline void steps_second(void) {
    steps_arrive(1, true);
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

/* Before the first call of a case, and after it: what else there is to run is run then. */
static inline void steps_begin(void (*second)(void)) {
    steps.second = second;
    steps.begun = steps.ended = false;
}

static inline void steps_end(void) {
    if (steps.second == NULL)
        return;
    if (!steps.begun)
        steps_begin_second();
    while (!steps.ended)
        steps_switch();
    steps.begun = false;
}

/* One test: prepare, what is stopped, what runs then (second as if in another thread, or handler in
   a signal handler on the same one), and a check with the number of the instruction, or UINT_MAX
   when nothing was stopped. */
struct steps_case {
    void (*prepare)(void), (*first)(void), (*second)(void), (*handler)(void);
    void (*check)(unsigned stop);
    unsigned stride; /* every so many instructions; 0: each */
};

/* Returns how many instructions the first has; 0: one was not reached. */
static inline unsigned steps_try(const struct steps_case *it) {
    unsigned count = 0, stride = it->stride != 0 ? it->stride : 1;
    /* The first time the loader still binds names. */
    for (unsigned round = 0; round < 2; round++) {
        it->prepare();
        steps_begin(it->second);
        count = steps_trace(it->first);
        steps_end();
        it->check(UINT_MAX);
    }
    for (unsigned stop = 0; stop < count; stop += stride) {
        it->prepare();
        steps_begin(it->second);
        bool reached =
            steps_run(it->first, it->second != NULL ? steps_begin_second : it->handler, stop);
        steps_end();
        if (!reached) {
            fprintf(stderr, "instruction %u of %u was not reached\n", stop, count);
            return 0;
        }
        it->check(stop);
    }
    return count;
}

#endif
