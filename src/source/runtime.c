/* SPDX-License-Identifier: BSD-2-Clause */
/* The door: libnvrtl loads this library, asks for its observer and tells it what the program does. */
#include <stddef.h>

#include "observe/observe.h"
#include "source/api.h"
#include "source/self.h"

static void enqueue(struct self *me, const struct event *event) {
    me->queue[me->queued % SELF_QUEUE] = *event;
    atomic_signal_fence(memory_order_seq_cst);
    me->queued = me->queued + 1;
}

/* A signal handler on a thread that is in the runtime: kept until the runtime is done. Its ranges
   are on its own stack and gone by then, so each becomes a flush of its own. */
static void defer(struct self *me, const struct event *event) {
    const struct event_range *ranges = (const struct event_range *)event->address;
    size_t parts = event->kind == EVENT_FLUSH_RANGES ? event->length + 1 : 1;
    /* A token's segments are gone by then too; but no handler makes tokens. */
    if (event->kind == EVENT_GET || parts > SELF_QUEUE - (me->queued - me->handled)) {
        atomic_fetch_add(&source_process.arena.head->lost.events, 1);
        return;
    }
    struct event part = *event;
    part.kind = EVENT_FLUSH;
    part.effect = 0;
    for (size_t i = 0; i + 1 < parts; i++) {
        part.address = (uintptr_t)ranges[i].address;
        part.length = ranges[i].length;
        enqueue(me, &part);
    }
    part = *event;
    if (part.kind == EVENT_FLUSH_RANGES)
        part.length = 0;
    enqueue(me, &part);
}

static void handle_deferred(struct self *me) {
    while (me->handled != me->queued) {
        atomic_signal_fence(memory_order_seq_cst);
        struct event event = me->queue[me->handled % SELF_QUEUE];
        me->handled = me->handled + 1;
        api_handle(me, &event, stack_of_site(event.caller));
    }
}

static void hook(const struct event *event) {
    struct self *me = self_get();
    if (me == NULL)
        return;
    if (me->busy) {
        defer(me, event);
        return;
    }
    me->busy = 1;
    api_handle(me, event, stack_id(&me->cache, event->caller, event->frame));
    do {
        me->busy = 1;
        handle_deferred(me);
        me->busy = 0;
        /* Looks again: a handler may have come between the last look and the line above. */
    } while (me->handled != me->queued);
}

__attribute__((visibility("default"))) observe_hook *nvrtl_rt_observer(void);

observe_hook *nvrtl_rt_observer(void) {
    return self_attach() ? hook : NULL;
}
