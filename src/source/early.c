/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/early.h"

#include "source/explain.h"
#include "source/extra.h"
#include "source/lines.h"
#include "source/plain.h"
#include "source/regions.h"

#define LINES_MAX 64u /* of one call */

static struct arena *arena_here(void) {
    return &source_process.arena;
}

/* Are the pages of [address, end) known, and those of the file from offset on? */
static bool are_known(const struct self *me, uintptr_t address, uintptr_t end, uint64_t offset) {
    uint64_t index = offset / MODEL_PAGE_SIZE;
    for (uintptr_t at = align_down(address, MODEL_PAGE_SIZE); at < end;
         at += MODEL_PAGE_SIZE, index++) {
        const struct model_page *page = regions_page(at);
        if (page == NULL || page->file != me->told_token->file || page->index != index)
            return false;
    }
    return true;
}

/* Flushes the lines of [at, end), which lie on one page. Was any of it needed, or may it have been?
 */
static bool flush_lines(struct self *me, const struct model_actor *actor, uintptr_t at,
                        uintptr_t end) {
    struct model_page *page = regions_page(at);
    bool needed = false;
    if (page == NULL)
        return true; /* gone meanwhile */
    arena_lock_page(arena_here(), page, me->thread + 1);
    for (; at < end; at += MODEL_LINE_SIZE) {
        uint32_t line = at % MODEL_PAGE_SIZE / MODEL_LINE_SIZE;
        explain_line(page, actor, line, at);
        needed = model_flush(page, actor, line) != MODEL_FLUSH_AGAIN || needed;
        lines_flushed(me, page, line);
    }
    arena_unlock_page(arena_here(), page, me->thread + 1);
    return needed;
}

bool early_flush(struct self *me, const struct event *event) {
    uintptr_t at = align_down(event->address, MODEL_LINE_SIZE);
    uintptr_t end = event->address + event->length;
    uint64_t offset;
    if (event->told == NULL || extra_any(UINT32_MAX) || event->effect != EFFECT_LOADED ||
        event->length == 0 || event->token == 0 || event->token != me->told_handle ||
        (end - at) / MODEL_LINE_SIZE >= LINES_MAX || !plain_offset(me, event, &offset) ||
        !are_known(me, at, end, offset - (event->address - at)))
        return false;
    const struct model_actor *actor = self_actor(me, arena_id_of(arena_here(), me->told_token),
                                                 stack_id(&me->cache, event->caller, event->frame));
    bool needed = false;
    while (at < end) {
        uintptr_t stop = align_down(at, MODEL_PAGE_SIZE) + MODEL_PAGE_SIZE;
        stop = stop < end ? stop : end;
        needed = flush_lines(me, actor, at, stop) || needed;
        at = stop;
    }
    model_note_pending(actor);
    me->waiting = true;
    if (!needed)
        plain_report_again(me, event);
    *event->told = true;
    return true;
}
