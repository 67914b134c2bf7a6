/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/plain.h"

#include "source/commit.h"
#include "source/content.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/lines.h"
#include "source/pages.h"

static struct arena *arena_here(void) {
    return &source_process.arena;
}

void plain_admit(struct self *me, const struct arena_token *token) {
    if (token->segment_count != 1 || lines_by_pages(token->file))
        return;
    me->told_token = token;
    me->told_handle = token->handle;
}

bool plain_offset(const struct self *me, const struct event *event, uint64_t *offset) {
    const struct arena_token *token = me->told_token;
    const struct arena_segment *segment = &token->segments[0];
    uint64_t at = event->address - segment->address;
    *offset = segment->offset + at;
    return at < segment->length && event->length <= segment->length - at &&
           atomic_load_explicit(&token->freed, memory_order_relaxed) == 0;
}

void plain_report_again(const struct self *me, const struct event *event) {
    const struct arena_finding finding = {.kind = KIND_REDUNDANT_FLUSH,
                                          .file = me->told_token->file + 1,
                                          .call = event->call,
                                          .at = me->actor.stack,
                                          .value = event->address,
                                          .bytes = event->length};
    if (atomic_load(&me->actor.threads[me->thread].failed) == 0)
        arena_report(arena_here(), &finding);
}

static const struct model_actor *actor_of(struct self *me, const struct event *event) {
    return self_actor(me, arena_id_of(arena_here(), me->told_token),
                      stack_id(&me->cache, event->caller, event->frame));
}

/* Of a store on one page. */
static bool store(struct self *me, const struct event *event, uint64_t offset) {
    uint32_t from = (uint32_t)(offset % MODEL_PAGE_SIZE), length = (uint32_t)event->length;
    if ((event->effect & ~(uint32_t)EFFECT_LOADED) != 0 || event->length > MODEL_PAGE_SIZE - from)
        return false;
    struct model_page *page = plain_page(me, me->told_token->file, offset / MODEL_PAGE_SIZE, false);
    if (page == NULL)
        return false;
    /* What it holds of the line is waited for while the stack is looked up. */
    __builtin_prefetch(&page->open[from / MODEL_LINE_SIZE], 1);
    __builtin_prefetch(&page->content[from / MODEL_LINE_SIZE], 1);
    __builtin_prefetch(page, 1);
    const struct model_actor *actor = actor_of(me, event);
    arena_lock_page(arena_here(), page, me->thread + 1);
    model_store(page, actor, from, length, false, MODEL_CACHED);
    content_remember(page, from, from + length, event->address - from);
    arena_unlock_page(arena_here(), page, me->thread + 1);
    return true;
}

/* Lines [from, to) of a page that begins at address. */
struct part {
    struct model_page *page;
    uint32_t from, to;
    uintptr_t address;
};

/* Flushes the lines; drains: and this call waits for that. Was any of it needed, or may it have
   been? */
static bool flush_lines(struct self *me, const struct part *part, bool drains) {
    struct model_page *page = part->page;
    bool needed = false;
    arena_lock_page(arena_here(), page, me->thread + 1);
    for (uint32_t l = part->from; l < part->to; l++) {
        enum model_flushed flushed = model_flush(page, &me->actor, l);
        needed = flushed != MODEL_FLUSH_AGAIN || needed;
        if (flushed != MODEL_FLUSH_UNKNOWN)
            needed =
                content_changed(page, l, part->address + (uintptr_t)l * MODEL_LINE_SIZE) || needed;
        if (drains) {
            model_flush_done(page, &me->actor, l);
            model_close(page, &me->actor, l, false);
        } else {
            lines_flushed(me, page, l);
        }
    }
    arena_unlock_page(arena_here(), page, me->thread + 1);
    return needed;
}

/* Of a flush on one page, with its drain or without. */
static bool flush(struct self *me, const struct event *event, uint64_t offset) {
    uint32_t from = (uint32_t)(offset % MODEL_PAGE_SIZE), length = (uint32_t)event->length;
    bool drains = (event->effect & EFFECT_DRAIN) != 0;
    if ((event->effect & ~(uint32_t)(EFFECT_DRAIN | EFFECT_LOADED)) != 0 ||
        event->length > MODEL_PAGE_SIZE - from)
        return false;
    struct model_page *page = plain_page(me, me->told_token->file, offset / MODEL_PAGE_SIZE, false);
    bool loaded = (event->effect & EFFECT_LOADED) != 0;
    if (page == NULL || (!loaded && !content_readable(event->address - from)))
        return false;
    const struct model_actor *actor = actor_of(me, event);
    const struct part part = {page, from / MODEL_LINE_SIZE,
                              (from + length + MODEL_LINE_SIZE - 1) / MODEL_LINE_SIZE,
                              event->address - from};
    if (!flush_lines(me, &part, drains))
        plain_report_again(me, event);
    model_note_pending(actor);
    me->waiting = true;
    if (drains) {
        model_drain(actor);
        lines_drained(me);
        me->emptied = false;
    }
    return true;
}

bool plain_handle(struct self *me, const struct event *event) {
    uint64_t offset;
    if (event->token != me->told_handle || event->token == 0 || event->length == 0 ||
        explain_wanted() || pages_wanted() || extra_any(UINT32_MAX) || commit_any() ||
        !plain_offset(me, event, &offset))
        return false;
    return event->kind == EVENT_STORE   ? store(me, event, offset)
           : event->kind == EVENT_FLUSH ? flush(me, event, offset)
                                        : false;
}
