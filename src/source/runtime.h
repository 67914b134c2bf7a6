/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may change what the runtime keeps of a thread? One at a time: a signal handler that
   interrupts it leaves word of what it does, and goes on. */
#ifndef SOURCE_RUNTIME_H
#define SOURCE_RUNTIME_H

#include <stdbool.h>

#include "source/self.h"

/* Bytes: how far frames of one stack are apart, mostly. */
#define RUNTIME_USUAL_STACK ((uintptr_t)64 << 10)

/* Settles which events are to be told before what they tell of is made; again, when there is more
   to listen to. */
void runtime_ask_before(void);

bool runtime_may_enter(struct self *me, const char *frame);
void runtime_handle_deferred(struct self *me);

/* Keeps an event until the runtime is done, or is called again. */
void runtime_defer(struct self *me, const struct event *event);

/* frame: of the function that enters. false: not now; runtime_defer what is to be told. */
static inline bool runtime_enter(struct self *me, const char *frame) {
    bool usual =
        (uintptr_t)frame - (uintptr_t)me->usual + RUNTIME_USUAL_STACK < 2 * RUNTIME_USUAL_STACK;
    if (UNLIKELY(me->busy || !usual) && !runtime_may_enter(me, frame))
        return false;
    me->frame = frame;
    atomic_signal_fence(memory_order_seq_cst);
    me->busy = 1;
    atomic_signal_fence(memory_order_seq_cst);
    if (UNLIKELY(me->handled != me->queued))
        runtime_handle_deferred(me);
    return true;
}

static inline void runtime_leave(struct self *me) {
    atomic_signal_fence(memory_order_seq_cst);
    me->busy = 0;
    atomic_signal_fence(memory_order_seq_cst);
    /* A handler may have come until just now. */
    if (UNLIKELY(me->handled != me->queued))
        runtime_finish(me);
}

#endif
