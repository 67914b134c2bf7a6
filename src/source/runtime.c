/* SPDX-License-Identifier: BSD-2-Clause */
/* The door: libnvrtl loads this library, asks for its observer and tells it all. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "base/bits.h"
#include "observe/observe.h"
#include "source/api.h"
#include "source/early.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/hooks.h"
#include "source/pages.h"
#include "source/plain.h"
#include "source/record.h"
#include "source/runtime.h"

/* Bytes: what the runtime needs, generously. */
#define STACK_NEEDED (16 << 10)

static void enqueue(struct self *me, const struct event *event) {
    me->queue[me->queued % SELF_QUEUE] = *event;
    record_deferred(true);
    atomic_signal_fence(memory_order_seq_cst);
    me->queued = me->queued + 1;
}

/* A signal handler's call, kept for later. Its ranges are on its own stack and gone by then, so
   each becomes a flush of its own. */
void runtime_defer(struct self *me, const struct event *event) {
    const struct event_range *ranges = (const struct event_range *)event->address;
    size_t parts = event->kind == EVENT_FLUSH_RANGES ? event->length + 1 : 1;
    /* A token's segments are gone by then too; but no handler makes tokens. */
    if (event->kind == EVENT_STORING || event->kind == EVENT_FLUSHING)
        return; /* its store will be found by what it has changed */
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

static void handle(struct self *me, const struct event *event, bool late) {
    if (record_wanted()) {
        record_handle(me, event, late);
        return;
    }
    if (!late && !extra_any(ARENA_EXTRA_COSTS) && pages_quick(me, event))
        return;
    if (event->kind == EVENT_FLUSHING) {
        if (explain_wanted() && !late && !early_flush(me, event))
            explain_flush(me, event);
        return;
    }
    if (!late && plain_handle(me, event))
        return;
    pages_apply(me);
    if (event->kind >= EVENT_RAW_STORE)
        hooks_handle(me, event, stack_of_site(event->caller));
    else
        api_handle(me, event,
                   late ? stack_of_site(event->caller)
                        : stack_id(&me->cache, event->caller, event->frame),
                   late);
}

void runtime_handle_deferred(struct self *me) {
    while (me->handled != me->queued) {
        atomic_signal_fence(memory_order_seq_cst);
        struct event event = me->queue[me->handled % SELF_QUEUE];
        me->handled = me->handled + 1;
        handle(me, &event, true);
        record_deferred(false);
    }
}

/* Was the runtime left by a longjmp out of a signal handler, so that nobody will go on there?
   Surely so where its function's frame is in use again, or lies below this one's on the same stack:
   what interrupted it is below it, or on the stack for signals. */
static bool was_left(const struct self *me, const char *frame) {
    stack_t stack;
    if (frame <= me->frame)
        return frame == me->frame;
    return sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) == 0;
}

/* A program may give its signal handlers a stack that suffices for them and for the routines, but
   not for the runtime. Asks the system only where the stack is not the usual one. */
static bool stack_is_short(struct self *me, const char *frame) {
    stack_t stack;
    bool usual = frame < me->usual + RUNTIME_USUAL_STACK && frame > me->usual - RUNTIME_USUAL_STACK;
    if (usual || sigaltstack(NULL, &stack) != 0)
        return false;
    if ((stack.ss_flags & SS_ONSTACK) == 0) {
        me->usual = frame;
        return false;
    }
    return frame < (const char *)stack.ss_sp + STACK_NEEDED;
}

bool runtime_may_enter(struct self *me, const char *frame) {
    return (!me->busy || was_left(me, frame)) && !stack_is_short(me, frame);
}

void runtime_finish(struct self *me) {
    if (me->busy)
        return;
    do {
        me->busy = 1;
        runtime_handle_deferred(me);
        record_settle(me);
        me->busy = 0;
        /* Looks again: a handler may have come between the last look and the line above. */
    } while (me->handled != me->queued);
}

/* That a store is about to be made matters to the recording alone, of a flush to the pages. But who
   tells the program's own waits from a routine's has to know when that begins. */
void runtime_ask_before(void) {
    const uint32_t storing = 1u << EVENT_STORING, flushing = 1u << EVENT_FLUSHING;
    uint32_t asked = pages_wanted() || record_wanted() ? storing | flushing : 0;
    atomic_store(&source_process.before, explain_wanted() ? asked | flushing : asked);
}

static bool asked_before(uint32_t kind) {
    return (atomic_load_explicit(&source_process.before, memory_order_relaxed) >> kind & 1) != 0;
}

static void hook(const struct event *event) {
    bool before = event->kind == EVENT_STORING || event->kind == EVENT_FLUSHING;
    /* A library that does not know of the question tells it all. */
    struct self *me = !before || asked_before(event->kind) ? self_get() : NULL;
    if (me == NULL)
        return;
    me->pages.routine = before ? event->frame : NULL;
    if (before && (record_wanted() ? !record_before(event) : event->kind == EVENT_STORING))
        return;
    if (!runtime_enter(me, __builtin_frame_address(0))) {
        runtime_defer(me, event);
        return;
    }
    handle(me, event, false);
    if (before && event->told != NULL && *event->told && !event->ends)
        me->pages.routine = NULL; /* its end is not told */
    runtime_leave(me);
}

__attribute__((visibility("default"))) observe_hook *nvrtl_rt_observer(void);
__attribute__((visibility("default"))) const _Atomic uint32_t *nvrtl_rt_before(void);

/* A program that another installation has built brings that one's runtime, and its hooks tell that
   one: the first that was loaded. Tokens are its business then, unless it is of another version and
   knows nothing of this run. NULL: it is this one. */
static void *first_loaded(const char *name) {
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    int error = errno;
    Dl_info info;
    void *runtime = dlopen("libnvrtl-rt.so", RTLD_LAZY | RTLD_NOLOAD);
    void *found = runtime != NULL ? dlsym(runtime, name) : NULL;
    bool other = found != NULL && dladdr(found, &info) != 0 && info.dli_fbase != __ehdr_start;
    errno = error;
    return other ? found : NULL;
}

static observe_hook *first_hook(void) {
    typedef observe_hook *observer(void);
    observer *first = __extension__(observer *) first_loaded("nvrtl_rt_observer");
    return first != NULL ? first() : NULL;
}

observe_hook *nvrtl_rt_observer(void) {
    observe_hook *other = first_hook();
    if (other != NULL)
        return other;
    if (!self_attach())
        return NULL;
    if (first_loaded("nvrtl_rt_observer") != NULL)
        atomic_fetch_add(&source_process.arena.head->two_runtimes, 1);
    runtime_ask_before();
    return hook;
}

const _Atomic uint32_t *nvrtl_rt_before(void) {
    typedef const _Atomic uint32_t *before(void);
    void *first = first_hook() != NULL ? first_loaded("nvrtl_rt_before") : NULL;
    return first != NULL ? (__extension__(before *) first)() : &source_process.before;
}
