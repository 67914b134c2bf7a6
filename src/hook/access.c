/* SPDX-License-Identifier: BSD-2-Clause */
/* What compilers call under -fsanitize=thread before each load and store, and at the ends of each
   function. The names are theirs. */
#include "hook/access.h"

#include "hook/hook.h"
#include "source/frames.h"
#include "source/runtime.h"

void __tsan_init(void) {
    hook_begin();
}

APART static void enter(const void *site) {
    struct self *me = self_get();
    if (me != NULL && (me->frames != NULL || (me->frames = frames_new()) != NULL))
        frames_enter(me->frames, site, (uintptr_t)HOOK_FRAME);
}

APART static void leave(void) {
    struct self *me = self_get();
    if (me != NULL && me->frames != NULL)
        frames_leave(me->frames, (uintptr_t)HOOK_FRAME);
}

void __tsan_func_entry(void *site) {
    if (UNLIKELY(hook_on))
        enter(site);
}

void __tsan_func_exit(void) {
    if (UNLIKELY(hook_on))
        leave();
}

/* These are jumped to (see the build): their callers are who called the call-outs. */
APART static void write_one(uintptr_t address, const void *site, size_t length) {
    const char *frame = HOOK_FRAME;
    struct self *me = self_current;
    if (LIKELY(me != NULL && *self_not_forked != 0 && length <= 8 && me->frames != NULL) &&
        LIKELY(runtime_enter(me, frame))) {
        const struct hooks_site where = {me, frames_id(me->frames, site, (uintptr_t)frame)};
        bool done = hooks_store_quick(&where, address, length);
        runtime_leave(me);
        if (LIKELY(done))
            return;
    }
    hook_store(address, length, site, frame);
}

#define ACCESS(size)                                                                               \
    void __tsan_read##size(void *address) {                                                        \
        hook_reads_from(address, HOOK_SITE, size);                                                 \
    }                                                                                              \
    void __tsan_write##size(void *address) {                                                       \
        if (UNLIKELY(regions_near((uintptr_t)address)))                                            \
            write_one((uintptr_t)address, HOOK_SITE, size);                                        \
    }                                                                                              \
    void __tsan_read_write##size(void *address) {                                                  \
        if (UNLIKELY(regions_near((uintptr_t)address)))                                            \
            write_one((uintptr_t)address, HOOK_SITE, size);                                        \
    }

#define UNALIGNED(size)                                                                            \
    void __tsan_unaligned_read##size(void *address) {                                              \
        hook_reads_from(address, HOOK_SITE, size);                                                 \
    }                                                                                              \
    void __tsan_unaligned_write##size(void *address) {                                             \
        if (UNLIKELY(hook_concerns((uintptr_t)address, size)))                                     \
            write_one((uintptr_t)address, HOOK_SITE, size);                                        \
    }                                                                                              \
    void __tsan_unaligned_read_write##size(void *address) {                                        \
        if (UNLIKELY(hook_concerns((uintptr_t)address, size)))                                     \
            write_one((uintptr_t)address, HOOK_SITE, size);                                        \
    }

ACCESS_SIZES(ACCESS)
UNALIGNED_SIZES(UNALIGNED)

void __tsan_read_range(void *address, unsigned long length) {
    hook_reads_from(address, HOOK_SITE, length);
}

APART static void write_range(uintptr_t address, const void *site, size_t length) {
    hook_announce(address, length, site, HOOK_FRAME);
}

void __tsan_write_range(void *address, unsigned long length) {
    if (length != 0 && hook_concerns((uintptr_t)address, length))
        write_range((uintptr_t)address, HOOK_SITE, length);
}

void __tsan_vptr_read(void **address) {
    (void)address;
}

void __tsan_vptr_update(void **address, void *value) {
    (void)value;
    if (UNLIKELY(regions_near((uintptr_t)address)))
        write_one((uintptr_t)address, HOOK_SITE, sizeof *address);
}
