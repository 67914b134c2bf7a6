/* SPDX-License-Identifier: BSD-2-Clause */
/* How a verifier listens: one nullable hook, set before there are tokens. While nobody listens a
   routine pays one load and one branch, and on its short way nothing: tokens have short ways only
   where nobody ever will. */
#ifndef OBSERVE_OBSERVE_H
#define OBSERVE_OBSERVE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bits.h"
#include "event/event.h"

/* Called on the thread that made the event, perhaps inside a signal handler; must not call back
   into the library, and must leave errno as it was. */
typedef void observe_hook(const struct event *event);

extern observe_hook *_Atomic observe_current __attribute__((visibility("hidden")));

/* Is anybody listening? */
static inline bool observed(void) {
    return UNLIKELY(atomic_load_explicit(&observe_current, memory_order_relaxed) != NULL);
}

/* Is it certain that nobody listens, and that nobody will? */
bool observe_never(void);

/* Does the listener ask to hear of a store or a flush before it is made? That is one more event for
   each. pre: observed() was true on this path */
bool observe_asks_before(enum event_kind kind);

/* Tell the listener. pre: observed() was true on this path */
void observe_emit(const struct event *event);

/* Look, once in the life of the process, for a verifier named in the environment and let it listen.
   Not for signal handlers. */
void observe_attach(void);

#endif
