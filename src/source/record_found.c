/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording of what pages hold: what a look has found changed was stored since the last one, by
   whom and in what order nobody knows. */
#include <string.h>

#include "base/bits.h"
#include "source/record.h"
#include "source/recorder.h"

/* The largest unit that some model keeps in order. What was found of one is told as one. */
#define SECTOR 512

static struct model_page *lock_page(const struct pages_share *share) {
    struct model_page *page = arena_page(arena_here(), share->file, share->index, true);
    if (page != NULL)
        arena_lock_page(arena_here(), page, share->me->thread + 1);
    return page;
}

static void unlock_page(const struct pages_share *share, struct model_page *page) {
    arena_unlock_page(arena_here(), page, share->me->thread + 1);
}

/* The part of [*from, *to) that differs; false: nothing does. */
static bool narrow(const uint8_t *before, const uint8_t *now, uint32_t *from, uint32_t *to) {
    while (*from < *to && before[*from] == now[*from])
        ++*from;
    while (*from < *to && before[*to - 1] == now[*to - 1])
        --*to;
    return *from < *to;
}

static void tell_sectors(const struct act *act, const struct share *share, const uint8_t *now) {
    uint32_t next;
    for (uint32_t at = share->from; at < share->to; at = next) {
        next = (at / SECTOR + 1) * SECTOR;
        next = next < share->to ? next : share->to;
        uint32_t from = at, to = next;
        if (!narrow(share->shadow, now, &from, &to))
            continue;
        memcpy(share->shadow + from, now + from, to - from);
        recorder_append(act, act->kind, share->file, share->offset + from, to - from,
                        share->shadow + from, to - from);
    }
}

void record_found(const struct pages_share *share, struct shadow_page *shadow, const uint8_t *now,
                  arena_id stack, bool settled) {
    const struct act act = {
        .me = share->me, .kind = settled ? LOG_UNSEEN : LOG_FOUND, .stack = stack};
    uint32_t from = share->from, to = share->to;
    bool differs = narrow(shadow->bytes, now, &from, &to);
    bool first = settled && arena_here()->head->log.on == LOG_TRACE; /* all that is known is told */
    struct model_page *page = differs || first ? lock_page(share) : NULL;
    if (page == NULL)
        return;
    struct share changed = {.page = page,
                            .shadow = shadow->bytes,
                            .memory = shadow->bytes,
                            .offset = share->index * MODEL_PAGE_SIZE,
                            .file = share->file,
                            .to = MODEL_PAGE_SIZE};
    recorder_base(&act, &changed);
    changed.from = from;
    changed.to = to;
    tell_sectors(&act, &changed, now);
    unlock_page(share, page);
}

/* Brings the shadow of a page up to what was written there. Before anything else is told, so that
   it is not found. */
static void explain(const struct act *act, const struct share *part, const uint8_t *bytes) {
    struct share all = *part;
    all.from = 0;
    all.to = MODEL_PAGE_SIZE;
    recorder_base(act, &all);
    if (bytes != NULL)
        memcpy(part->shadow + part->from, bytes, part->to - part->from);
    else
        memset(part->shadow + part->from, 0, part->to - part->from);
}

typedef void use_part(const struct act *act, const struct share *part, const uint8_t *bytes);

static void tell_written(const struct act *act, const struct share *part, const uint8_t *bytes) {
    (void)bytes;
    recorder_append(act, LOG_PWRITE, part->file, part->offset + part->from, part->to - part->from,
                    part->shadow + part->from, part->to - part->from);
}

/* What was written, page by page. */
static void each_part(const struct act *act, uint32_t file, uint64_t offset, const uint8_t *bytes,
                      uint64_t length, use_part *use) {
    uint64_t end = offset + length;
    for (uint64_t at = offset, next; at < end; at = next) {
        next = align_down(at, MODEL_PAGE_SIZE) + MODEL_PAGE_SIZE;
        next = next < end ? next : end;
        const struct pages_share share = {
            .me = act->me, .file = file, .index = at / MODEL_PAGE_SIZE};
        struct shadow_page *shadow = pages_lock(&share, bytes != NULL);
        struct model_page *page = shadow != NULL ? lock_page(&share) : NULL;
        if (page != NULL) {
            const struct share part = {.page = page,
                                       .shadow = shadow->bytes,
                                       .memory = shadow->bytes,
                                       .offset = share.index * MODEL_PAGE_SIZE,
                                       .file = file,
                                       .from = (uint32_t)(at % MODEL_PAGE_SIZE),
                                       .to = (uint32_t)(at % MODEL_PAGE_SIZE + (next - at))};
            use(act, &part, bytes != NULL ? bytes + (at - offset) : NULL);
            unlock_page(&share, page);
        }
        if (shadow != NULL)
            pages_unlock(shadow);
    }
}

/* What the program had stored there by itself comes before it: it is found beside what was written,
   and what was written over is gone. */
void record_pwrite(struct self *me, arena_id stack, uint32_t file, uint64_t offset,
                   const uint8_t *bytes, uint64_t length) {
    uint64_t end = atomic_load(&arena_here()->head->files[file].end);
    const struct act act = {.me = me, .stack = stack};
    if (offset >= end)
        return;
    length = length < end - offset ? length : end - offset;
    each_part(&act, file, offset, bytes, length, explain);
    pages_interval(me, stack);
    each_part(&act, file, offset, bytes, length, tell_written);
}
