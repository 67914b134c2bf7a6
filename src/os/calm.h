/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library may not change for the calling thread: errno, and that it lives. Many system
   calls are cancellation points; a thread that is cancelled in one would keep a lock or a
   descriptor for ever. */
#ifndef OS_CALM_H
#define OS_CALM_H

#include <errno.h>
#include <pthread.h>

struct os_calm {
    int error;
    int cancel_state;
};

static inline struct os_calm os_calm_begin(void) {
    struct os_calm calm = {.error = errno};
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &calm.cancel_state);
    return calm;
}

static inline void os_calm_end(struct os_calm calm) {
    pthread_setcancelstate(calm.cancel_state, NULL);
    errno = calm.error;
}

#endif
