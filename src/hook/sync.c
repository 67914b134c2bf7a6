/* SPDX-License-Identifier: BSD-2-Clause */
#include "hook/sync.h"

#include <errno.h>

#include "source/batch.h"

APART void sync_point_begin(struct sync_point *point, const volatile void *at, int order) {
    int error = errno;
    *point = (struct sync_point){.order = order};
    if (sync_releases(order) || clock_knows((uintptr_t)at))
        point->me = hook_enter(__builtin_frame_address(0));
    if (point->me != NULL) {
        /* The operation itself may be announced already, and is still to come: not all. */
        if (batch_waits(point->me))
            batch_settle(point->me, 0, 0);
        point->object = clock_lock(point->me, (uintptr_t)at);
    }
    if (point->me != NULL && point->object == NULL) {
        runtime_leave(point->me);
        point->me = NULL;
    }
    errno = error;
}

APART void sync_point_end(const struct sync_point *point, bool stores) {
    int error = errno;
    if (point->me != NULL) {
        if (stores)
            clock_clear(point->object);
        else if (sync_acquires(point->order))
            clock_take(point->me, point->object);
        if (sync_releases(point->order))
            clock_give(point->me, point->object);
        clock_unlock(point->object);
        runtime_leave(point->me);
    }
    errno = error;
}
