/* SPDX-License-Identifier: BSD-2-Clause */
#include "hook/hook.h"

#include <errno.h>
#include <stdatomic.h>

#include "hook/sync.h"
#include "source/extra.h"
#include "source/frames.h"

bool hook_on, hook_reads;

void hook_begin(void) {
    int error = errno;
    static _Atomic bool begun;
    if (!atomic_exchange(&begun, true) && self_attach()) {
        struct arena_head *head = source_process.arena.head;
        atomic_fetch_add(&head->hooked, 1);
        source_process.hooked =
            head->stores == ARENA_STORES_AUTO || head->stores == ARENA_STORES_HOOKS;
        runtime_ask_before();
        hook_on = source_process.hooked;
        hook_reads = hook_on && (head->extras & ARENA_EXTRA_READS) != 0;
    }
    errno = error;
}

arena_id hook_stack(struct self *me, const void *site, const char *frame) {
    if (UNLIKELY(me->frames == NULL) && (me->frames = frames_new()) == NULL)
        return stack_of_site(site);
    return frames_id(me->frames, site, (uintptr_t)frame);
}

static struct event event_of(const struct hook_act *act) {
    return (struct event){.kind = act->kind,
                          .call = CALL_INSTRUCTION,
                          .effect = act->effect,
                          .address = act->address,
                          .length = act->length,
                          .caller = act->site,
                          .frame = act->frame};
}

void hook_attempt(const struct hook_act *act, hooks_attempt *attempt, void *context, int order) {
    int error = errno;
    struct self *me = self_get();
    if (me == NULL) {
        attempt(context);
    } else if (!runtime_enter(me, __builtin_frame_address(0))) {
        struct event event = event_of(act);
        if (!attempt(context))
            event.kind = EVENT_RAW_DRAIN;
        runtime_defer(me, &event);
    } else {
        const struct hooks_site site = {me, hook_stack(me, act->site, act->frame)};
        struct clock_object *object = clock_lock(me, act->address);
        bool done = hooks_store_if(&site, act->address, act->length, attempt, context);
        if (object != NULL && sync_acquires(order))
            clock_take(me, object);
        if (object != NULL && done && sync_releases(order))
            clock_give(me, object);
        if (object != NULL)
            clock_unlock(object);
        runtime_leave(me);
    }
    errno = error;
}

bool hook_is_own(const void *site) {
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char etext[] __attribute__((visibility("hidden")));
    return (const char *)site >= __ehdr_start && (const char *)site < etext;
}

/* Where stores are looked for in another way, regions are known too; what is told then would be
   state that no flush ever meets. */
void hook_tell(const struct hook_act *act) {
    int error = errno;
    struct self *me = hook_on ? self_get() : NULL;
    if (UNLIKELY(hook_traced) && act->length != 0)
        hook_read_traced(act->address, act->length);
    if (me != NULL) {
        const struct event event = event_of(act);
        if (act->kind != EVENT_RAW_STORE)
            me->announced.site = NULL;
        if (runtime_enter(me, __builtin_frame_address(0))) {
            hooks_handle(me, &event, hook_stack(me, act->site, act->frame));
            runtime_leave(me);
        } else if (!hook_is_own(act->site)) {
            runtime_defer(me, &event);
        }
    }
    errno = error;
}

/* A signal handler's read is not looked at where the runtime is busy: that may miss something. */
void hook_read_told(uintptr_t address, const void *site, size_t length) {
    const char *frame = HOOK_FRAME;
    if (UNLIKELY(hook_traced)) {
        hook_read_traced(address, length);
        return;
    }
    int error = errno;
    struct self *me = hook_enter(__builtin_frame_address(0));
    if (me != NULL) {
        reads_note(me, address, length, hook_stack(me, site, frame));
        runtime_leave(me);
    }
    errno = error;
}

/* Bytes of code between an announcement and the call that it is of. */
#define ANNOUNCED_WITHIN 256

void hook_announce(uintptr_t address, size_t length, const void *site, const char *frame) {
    struct self *me = hook_on ? self_get() : NULL;
    hook_store(address, length, site, frame);
    if (me != NULL) {
        me->announced.address = address;
        me->announced.length = length;
        me->announced.site = site;
    }
}

void hook_copy(uintptr_t address, size_t length, const void *site, const char *frame) {
    struct self *me = hook_on ? self_get() : NULL;
    uintptr_t distance = me != NULL ? (uintptr_t)site - (uintptr_t)me->announced.site : UINTPTR_MAX;
    if (distance < ANNOUNCED_WITHIN && address - me->announced.address < me->announced.length &&
        length <= me->announced.length - (address - me->announced.address))
        return;
    hook_store(address, length, site, frame);
}
