/* SPDX-License-Identifier: BSD-2-Clause */
#include "drain/gather.h"

#define WAIT_MOST UINT64_C(1000000) /* nanoseconds: nobody takes longer to wake up */
#define SKIPS_MOST 15

void gather_arrive(struct token_crowd *crowd) {
    uint32_t arrived = atomic_fetch_add(&crowd->arrived, 1) + 1;
    if (UNLIKELY(atomic_load(&crowd->gathers)) && arrived == atomic_load(&crowd->due))
        os_count_reached(&crowd->arrived);
}

void gather_turn_away(struct token_crowd *crowd) {
    atomic_fetch_sub(&crowd->arrived, 1);
}

/* Threads that have something else to do first are waited for in vain: after the first time once
   less, then three times, and so on. */
void gather_wait(struct token_crowd *crowd) {
    uint32_t due = atomic_load(&crowd->due), skips = atomic_load(&crowd->skips);
    uint64_t took = atomic_load(&crowd->took);
    if ((int32_t)(due - atomic_load(&crowd->arrived)) <= 0)
        return;
    if (skips > 0) {
        atomic_store(&crowd->skips, skips - 1);
        return;
    }
    atomic_store(&crowd->gathers, true);
    bool all = os_await_count(&crowd->arrived, due, took < WAIT_MOST ? took : WAIT_MOST);
    atomic_store(&crowd->gathers, false);
    uint32_t in_vain = all ? 0 : atomic_load(&crowd->in_vain) * 2 + 1;
    in_vain = in_vain < SKIPS_MOST ? in_vain : SKIPS_MOST;
    atomic_store(&crowd->in_vain, in_vain);
    atomic_store(&crowd->skips, in_vain);
}

/* It lets go who has come since the last one began, its own thread among them. For that one alone
   nobody waits, and no clock is asked: where it is a system call it may be forbidden. */
void gather_begin(struct token_crowd *crowd) {
    uint32_t arrived = atomic_load(&crowd->arrived);
    uint32_t released = arrived - atomic_exchange(&crowd->begun, arrived);
    atomic_store(&crowd->released, released);
    if (released > 1)
        atomic_store(&crowd->since, os_nanoseconds());
}

void gather_end(struct token_crowd *crowd) {
    if (atomic_load(&crowd->released) > 1)
        atomic_store(&crowd->took, os_nanoseconds() - atomic_load(&crowd->since));
    atomic_store(&crowd->due, atomic_load(&crowd->arrived) + atomic_load(&crowd->released));
}
