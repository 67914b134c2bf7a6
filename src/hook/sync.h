/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic operations as the program's threads synchronise by them: done while nobody else can do, or
   learn of, one on the same object. */
#ifndef HOOK_SYNC_H
#define HOOK_SYNC_H

#include "hook/hook.h"
#include "source/clock.h"
#include "source/runtime.h"

/* This thread, if the runtime may be entered now; it then is. What is lost otherwise is knowledge
   of what happened before what, and that may be. */
static inline struct self *hook_enter(const char *frame) {
    struct self *me = self_get();
    return me != NULL && runtime_enter(me, frame) ? me : NULL;
}

static inline bool sync_acquires(int order) {
    return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static inline bool sync_releases(int order) {
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

struct sync_point {
    struct self *me; /* NULL: nothing to do */
    struct clock_object *object;
    int order;
};

/* Around an operation of that order on at. stores: without reading, so that what others released
   there is over. */
void sync_point_begin(struct sync_point *point, const volatile void *at, int order);
void sync_point_end(const struct sync_point *point, bool stores);

#endif
