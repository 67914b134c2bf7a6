/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/explain.h"

#include <string.h>

#include "base/bits.h"
#include "source/compare.h"
#include "source/content.h"
#include "source/preimage.h"
#include "source/regions.h"

static uint8_t *shadow_of(const struct model_page *page) {
    return page->based != 0 ? arena_at(&source_process.arena, page->shadow, MODEL_PAGE_SIZE) : NULL;
}

void explain_begin(struct model_page *page, uintptr_t address) {
    const struct arena *arena = &source_process.arena;
    if (LIKELY(page->based != 0))
        return;
    address = align_down(address, MODEL_PAGE_SIZE);
    if (!content_readable(address))
        return;
    if (!preimage_adopt(page, address)) {
        if (page->shadow == 0)
            page->shadow = arena_id_of(arena, arena_new(arena, MODEL_PAGE_SIZE));
        uint8_t *shadow = arena_at(arena, page->shadow, MODEL_PAGE_SIZE);
        if (shadow == NULL)
            return;
        memcpy(shadow, (const void *)address, MODEL_PAGE_SIZE);
    }
    for (uint32_t l = 0; l < MODEL_PAGE_LINES; l++)
        page->content[l] = 0;
    page->based = UINT64_MAX;
}

bool explain_line(struct model_page *page, const struct model_actor *actor, uint32_t l,
                  uintptr_t address) {
    explain_begin(page, address);
    uint8_t *shadow = shadow_of(page);
    if (shadow == NULL)
        return false;
    uint64_t changed =
        compare_take_recent(shadow + (size_t)l * MODEL_LINE_SIZE, (const volatile void *)address);
    uint64_t unseen = changed & ~page->content[l];
    page->content[l] &= ~changed;
    if (LIKELY(unseen == 0))
        return false;
    struct model_actor nobody = *actor;
    nobody.stack = MODEL_UNSEEN;
    for (uint64_t rest = unseen; rest != 0;) {
        uint32_t first = (uint32_t)__builtin_ctzll(rest);
        uint64_t run = ~(rest >> first);
        uint32_t length = run != 0 ? (uint32_t)__builtin_ctzll(run) : MODEL_LINE_SIZE - first;
        model_store(page, &nobody, l * MODEL_LINE_SIZE + first, length, false, MODEL_CACHED);
        rest = first + length < MODEL_LINE_SIZE ? rest & UINT64_MAX << (first + length) : 0;
    }
    return true;
}

void explain_flush(struct self *me, const struct event *event) {
    const struct model_actor *actor = self_actor(me, 0, 0);
    uintptr_t at = align_down(event->address, MODEL_LINE_SIZE),
              end = event->address + event->length;
    me->flushing = (event->effect & EFFECT_LOADED) != 0;
    for (; at < end && me->flushing; at += MODEL_LINE_SIZE) {
        struct model_page *page = regions_page(at);
        me->flushing = page != NULL;
        if (page == NULL)
            return;
        arena_lock_page(&source_process.arena, page, me->thread + 1);
        explain_line(page, actor, at % MODEL_PAGE_SIZE / MODEL_LINE_SIZE, at);
        arena_unlock_page(&source_process.arena, page, me->thread + 1);
    }
}

/* So many pages have been looked at when waits look at none any more: half a second. */
#define WAITS_MAX (UINT64_C(1) << 19)
static _Atomic uint64_t looked_at;

/* A stretch, and where in it a page lies. */
struct look {
    const struct model_actor *actor;
    const struct stretch *stretch;
};

static void look_at_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct look *look = context;
    const struct stretch *stretch = look->stretch;
    uintptr_t address = stretch->address + (page->index * MODEL_PAGE_SIZE - stretch->offset);
    if (shadow_of(page) == NULL || !regions_hold(address, page) || !content_readable(address))
        return;
    atomic_fetch_add_explicit(&looked_at, 1, memory_order_relaxed);
    /* Whole lines: what lies beside the stretch on them is nobody's business, and as it was. */
    for (uint64_t l = (from + MODEL_LINE_SIZE - 1) / MODEL_LINE_SIZE;
         (l + 1) * MODEL_LINE_SIZE <= to; l++)
        explain_line(page, look->actor, (uint32_t)l, address + l * MODEL_LINE_SIZE);
}

static struct arena_pages pages_of(const struct stretch *stretch, uint32_t thread) {
    return (struct arena_pages){stretch->file, stretch->offset, stretch->length, thread + 1};
}

static void look_through(struct self *me, const struct model_actor *actor,
                         const struct stretch *stretch, bool judged) {
    struct look look = {actor, stretch};
    preimage_find(me, stretch, judged);
    const struct arena_pages pages = pages_of(stretch, actor->thread);
    arena_each_page(&source_process.arena, &pages, look_at_page, &look);
}

void explain_stretch(struct self *me, const struct model_actor *actor,
                     const struct stretch *stretch) {
    look_through(me, actor, stretch, true);
}

static void forget_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    (void)context, (void)from, (void)to;
    page->based = 0;
}

void explain_forget(const struct self *me, const struct stretch *stretch) {
    const struct arena_pages pages = pages_of(stretch, me->thread);
    arena_each_page(&source_process.arena, &pages, forget_page, NULL);
}

/* Beyond the budget what the pages hold counts as durable from here on, whoever has stored it. */
void explain_waited(struct self *me, const struct model_actor *actor,
                    const struct stretch *stretch) {
    if (atomic_load(&looked_at) < WAITS_MAX) {
        look_through(me, actor, stretch, false);
        return;
    }
    explain_forget(me, stretch);
    preimage_give_up(stretch->file, stretch->offset);
}

static void renew_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    (void)context, (void)from, (void)to;
    page->based = 0;
    page->asked = 0;
}

void explain_renew(const struct self *me, const struct stretch *stretch) {
    const struct arena_pages pages = pages_of(stretch, me->thread);
    arena_each_page(&source_process.arena, &pages, renew_page, NULL);
}

struct last_look {
    struct self *me;
    const struct model_actor *actor;
};

static void look_at_last(void *context, const struct stretch *stretch) {
    const struct last_look *last = context;
    explain_stretch(last->me, last->actor, stretch);
}

static void look_at_token(struct self *me, struct arena_token *token, void *context) {
    (void)context;
    struct last_look last = {me, self_actor(me, arena_id_of(&source_process.arena, token), 0)};
    tokens_stretches(token, 0, UINT64_MAX, look_at_last, &last);
}

void explain_exit(struct self *me) {
    tokens_each_live(me, look_at_token, NULL);
}
