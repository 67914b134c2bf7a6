/* SPDX-License-Identifier: BSD-2-Clause */
#include "observe/observe.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "event/run.h"
#include "os/os.h"

/* What a verifier exports: asked once, it gives its hook, or NULL when it will not listen. */
typedef observe_hook *observe_entry(void);

/* It may export this too: where it says, one bit for each kind, which events it asks for before
   what they tell of is made. That may change as the program goes on. */
typedef const _Atomic uint32_t *observe_before_entry(void);

observe_hook *_Atomic observe_current;

static const _Atomic uint32_t every_kind = UINT32_MAX;
static const _Atomic uint32_t *asked_before = &every_kind; /* set before observe_current */

/* Whoever asks while another thread attaches waits, so that no token is made unseen. */
static struct os_lock attach_lock;
static _Atomic bool attach_done;

void observe_emit(const struct event *event) {
    int error = errno;
    observe_hook *hook = atomic_load_explicit(&observe_current, memory_order_acquire);
    hook(event);
    errno = error;
}

bool observe_never(void) {
    return atomic_load_explicit(&attach_done, memory_order_acquire) && !observed();
}

bool observe_asks_before(enum event_kind kind) {
    return (atomic_load_explicit(asked_before, memory_order_relaxed) >> kind & 1) != 0;
}

/* In the child of a fork the thread that was attaching does not exist: nobody shall wait for it. */
static void attach_child(void) {
    atomic_store(&attach_done, true);
    os_unlock(&attach_lock);
}

static bool attach_verifier(const char *path) {
    const char *reason;
    observe_entry *entry =
        __extension__(observe_entry *) os_load(path, "nvrtl_rt_observer", &reason);
    if (entry == NULL)
        return false;
    observe_before_entry *before =
        __extension__(observe_before_entry *) os_load(path, "nvrtl_rt_before", &reason);
    if (before != NULL)
        asked_before = before();
    atomic_store_explicit(&observe_current, entry(), memory_order_release);
    return true;
}

/* The program runs as it would without a verifier. But where it is part of a run, and has lost its
   environment or its root directory on the way here, the run must not look clean. */
static void tell_unheard(void) {
    const char *run = os_setting("NVRTL_ARENA");
    long descriptor = run != NULL ? strtol(run, NULL, 10) : RUN_DESCRIPTOR;
    if (descriptor > 0 && descriptor <= INT_MAX)
        os_count_inherited((int)descriptor, RUN_MAGIC);
}

void observe_attach(void) {
    if (atomic_load_explicit(&attach_done, memory_order_acquire))
        return;
    if (!os_lock(&attach_lock))
        return; /* the verifier calls the library while it is being loaded */
    if (!atomic_load_explicit(&attach_done, memory_order_relaxed)) {
        const char *path = os_setting("NVRTL_VERIFIER");
        if (path == NULL || !os_at_fork(NULL, NULL, attach_child) || !attach_verifier(path))
            tell_unheard();
        atomic_store_explicit(&attach_done, true, memory_order_release);
    }
    os_unlock(&attach_lock);
}
