/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording: the short way of the stores that programs make most. */
#include "arena/stream.h"
#include "source/record.h"
#include "source/recorder.h"
#include "source/regions.h"

/* Clocks of the CPU, about: so soon after its store a thread may read what it has stored. Later on
   the file may have been cut off by somebody whom the thread has told of it meanwhile, in a way
   that nobody sees. */
#define SOON 100000u

static uint64_t clock_now(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return UINT64_MAX; /* it is never soon */
#endif
}

bool recorder_begin_known(const struct self *me, struct model_page *page, uint32_t from,
                          size_t length) {
    uint64_t lines = recorder_lines(from, from + (uint32_t)length);
    arena_lock_page(arena_here(), page, me->thread + 1);
    bool known = page->shadow != 0 && (page->based & lines) == lines;
    if (LIKELY(known))
        page->storing |= lines;
    arena_unlock_page(arena_here(), page, me->thread + 1);
    return known;
}

bool record_quick(struct self *me, uintptr_t address, size_t length, arena_id stack) {
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE);
    struct model_page *page = regions_page(address);
    if (UNLIKELY(page == NULL || length > MODEL_PAGE_SIZE - from ||
                 arena_here()->head->log.on != LOG_TRACE))
        return false;
    record_settle(me);
    if (UNLIKELY(!recorder_begin_known(me, page, from, length)))
        return false;
    me->storing.address = address;
    me->storing.length = length;
    me->storing.kind = LOG_STORE;
    me->storing.stack = stack;
    me->storing.page = page;
    me->storing.time = clock_now();
    return true;
}

bool recorder_settle_quick(struct self *me) {
    struct model_page *page = me->storing.page;
    uintptr_t address = me->storing.address;
    me->storing.page = NULL;
    if (page == NULL || regions_page(address) != page || clock_now() - me->storing.time > SOON)
        return false;
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE), length = (uint32_t)me->storing.length;
    arena_lock_page(arena_here(), page, me->thread + 1);
    uint8_t *shadow = arena_at(arena_here(), page->shadow, MODEL_PAGE_SIZE);
    if (LIKELY(shadow != NULL)) {
        const struct log_record record = {.kind = LOG_STORE,
                                          .thread = me->thread,
                                          .file = page->file,
                                          .size = length,
                                          .stack = me->storing.stack,
                                          .offset = page->index * MODEL_PAGE_SIZE + from,
                                          .length = length};
        for (uint32_t i = 0; i < length; i++)
            shadow[from + i] = ((const volatile uint8_t *)address)[i];
        stream_append(arena_here(), &record, shadow + from);
        page->storing &= ~recorder_lines(from, from + length);
    }
    arena_unlock_page(arena_here(), page, me->thread + 1);
    me->storing.length = 0;
    return true;
}
