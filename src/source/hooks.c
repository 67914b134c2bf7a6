/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/hooks.h"

#include "source/batch.h"
#include "source/commit.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/lines.h"
#include "source/record.h"
#include "source/regions.h"

static const struct model_actor *actor_of(const struct hooks_site *site) {
    return self_actor(site->me, 0, site->stack);
}

static void lock_page(const struct hooks_site *site, struct model_page *page) {
    arena_lock_page(&source_process.arena, page, site->me->thread + 1);
}

static void unlock_page(const struct hooks_site *site, struct model_page *page) {
    arena_unlock_page(&source_process.arena, page, site->me->thread + 1);
}

/* A store on its way from page to page. */
struct storing {
    const struct hooks_site *site;
    const struct model_actor *actor;
    enum model_way way;
    uintptr_t address; /* where it began */
};

/* pre: the bytes lie on one page, in regions */
static void store_on_page(const struct storing *storing, uintptr_t address, size_t length) {
    struct model_page *page = regions_record(storing->site->me, address);
    if (page == NULL)
        return;
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE);
    const struct commit_store store = {storing->site->me, page, from, from + (uint32_t)length,
                                       storing->site->stack};
    if (commit_any())
        commit_before(&store);
    lock_page(storing->site, page);
    if (extra_any(ARENA_EXTRA_OVERWRITES))
        overwrite_before(&store);
    explain_begin(page, address);
    explain_stored(page, from, from + (uint32_t)length);
    model_store(page, storing->actor, from, (uint32_t)length, address != storing->address,
                storing->way);
    unlock_page(storing->site, page);
    if (commit_any())
        commit_after(&store);
    if (extra_any(ARENA_EXTRA_READS))
        reads_stored(&store);
    extra_store(&store, address == storing->address, storing->way != MODEL_CACHED);
}

static void store_stretch(void *context, const struct stretch *stretch) {
    const struct storing *storing = context;
    uintptr_t address = stretch->address, end = address + stretch->length;
    while (address < end) {
        uintptr_t stop = align_down(address, MODEL_PAGE_SIZE) + MODEL_PAGE_SIZE;
        if (stop > end)
            stop = end;
        store_on_page(storing, address, stop - address);
        address = stop;
    }
}

void hooks_store(const struct hooks_site *site, uintptr_t address, size_t length,
                 enum model_way way) {
    struct storing storing = {
        .site = site, .actor = actor_of(site), .way = way, .address = address};
    if (length == 0)
        return;
    bool one_page = (address ^ (address + length - 1)) < MODEL_PAGE_SIZE;
    if (one_page && regions_page(address) != NULL)
        store_on_page(&storing, address, length);
    else
        regions_stretches(address, length, store_stretch, &storing);
    if (way != MODEL_CACHED) {
        model_note_pending(storing.actor);
        site->me->waiting = true;
    }
}

bool hooks_store_quick(const struct hooks_site *site, uintptr_t address, size_t length) {
    struct model_page *page = regions_page(address);
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE);
    if (UNLIKELY(page == NULL))
        return false;
    if (record_wanted())
        return batch_add(site, page, address, length);
    if (UNLIKELY(page->based == 0 || commit_any() || extra_any(UINT32_MAX)))
        return false;
    lock_page(site, page);
    if (page->open[from / MODEL_LINE_SIZE] == 0)
        explain_fetch(page, from);
    const struct model_actor *actor = actor_of(site);
    bool done = model_store_word(page, actor, from, (uint32_t)length);
    if (done)
        page->content[from / MODEL_LINE_SIZE] |= ((UINT64_C(1) << length) - 1)
                                                 << from % MODEL_LINE_SIZE;
    unlock_page(site, page);
    return done;
}

bool hooks_store_if(const struct hooks_site *site, uintptr_t address, size_t length,
                    hooks_attempt *attempt, void *context) {
    if (record_wanted())
        return record_attempt(site->me, address, length, site->stack, attempt, context);
    const struct model_actor *actor = actor_of(site);
    struct model_page *page = regions_record(site->me, address);
    hooks_drain(site, true);
    if (page == NULL)
        return attempt(context);
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE);
    const struct commit_store store = {site->me, page, from, from + (uint32_t)length, site->stack};
    lock_page(site, page);
    explain_begin(page, address);
    bool done = attempt(context);
    if (done && extra_any(ARENA_EXTRA_OVERWRITES))
        overwrite_before(&store);
    if (done)
        explain_stored(page, from, from + (uint32_t)length);
    if (done)
        model_store(page, actor, from, (uint32_t)length, false, MODEL_CACHED);
    unlock_page(site, page);
    if (done && extra_any(ARENA_EXTRA_READS))
        reads_stored(&store);
    if (done)
        extra_store(&store, true, false);
    if (done && commit_any()) {
        commit_before(&store);
        commit_after(&store);
    }
    return done;
}

/* Reports a flush of a line that was clean, or that this thread had flushed already. */
static void report_again(const struct hooks_site *site, const struct model_page *page) {
    const struct arena_finding finding = {.kind = KIND_REDUNDANT_FLUSH,
                                          .file = page->file + 1,
                                          .call = CALL_INSTRUCTION,
                                          .at = site->stack};
    arena_report(&source_process.arena, &finding);
}

void hooks_flush(const struct hooks_site *site, uintptr_t address, bool at_once) {
    struct stretch stretch;
    const struct model_actor *actor = actor_of(site);
    address = align_down(address, MODEL_LINE_SIZE);
    struct model_page *page = regions_page(address);
    if (page == NULL && regions_find(address, &stretch))
        page = regions_record(site->me, address);
    if (page == NULL)
        return;
    uint32_t line = address % MODEL_PAGE_SIZE / MODEL_LINE_SIZE;
    lock_page(site, page);
    explain_line(page, actor, line, address);
    extra_line(&site->me->lines, page, line, site->stack);
    enum model_flushed flushed = model_flush(page, actor, line);
    lines_flushed(site->me, page, line);
    if (at_once)
        model_flush_done(page, actor, line);
    unlock_page(site, page);
    if (flushed == MODEL_FLUSH_AGAIN && atomic_load(&actor->threads[actor->thread].failed) == 0)
        report_again(site, page);
    if (flushed != MODEL_FLUSH_UNKNOWN && !at_once) {
        model_note_pending(actor);
        site->me->waiting = true;
    }
    if (at_once && extra_any(ARENA_EXTRA_READS))
        reads_drained(site->me);
    extra_count(site->stack, page->file + 1, ARENA_COST_FLUSHES, 1);
    extra_count(site->stack, page->file + 1, ARENA_COST_PAGES, 1);
    extra_count(site->stack, page->file + 1, ARENA_COST_DRAINS, at_once);
}

void hooks_drain(const struct hooks_site *site, bool locked) {
    const struct model_actor *actor = actor_of(site);
    if (!site->me->waiting)
        return;
    site->me->waiting = false;
    site->me->emptied = locked;
    model_drain(actor);
    lines_drained(site->me);
    if (extra_any(ARENA_EXTRA_READS))
        reads_drained(site->me);
    extra_count(site->stack, 0, ARENA_COST_DRAINS, !locked);
}

/* What the instruction flushes: a direct store writes back what the cache holds of its line. */
static enum model_way way_of(const struct event *event) {
    if ((event->effect & EFFECT_STREAM) == 0)
        return MODEL_CACHED;
    bool direct = (event->effect & EFFECT_FLUSH) != 0;
    return direct || !source_process.arena.head->placed ? MODEL_STREAM : MODEL_PLACED;
}

void hooks_handle(struct self *me, const struct event *event, arena_id stack) {
    const struct hooks_site site = {me, stack};
    if (record_wanted()) {
        record_raw(me, event, stack);
        return;
    }
    if (event->kind == EVENT_RAW_DRAIN || (event->effect & EFFECT_LOCKED) != 0)
        hooks_drain(&site, (event->effect & EFFECT_LOCKED) != 0);
    if (event->kind == EVENT_RAW_STORE)
        hooks_store(&site, event->address, event->length, way_of(event));
    if (event->kind == EVENT_RAW_FLUSH)
        hooks_flush(&site, event->address, (event->effect & EFFECT_DRAIN) != 0);
}
