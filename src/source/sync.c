/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/sync.h"

#include "base/bits.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/record.h"
#include "source/regions.h"

/* Stands for the token in notes of flushes: no token has this id. */
#define SYNC_TOKEN UINT32_MAX

static const struct model_actor *actor_of(const struct sync *sync) {
    return self_actor(sync->me, SYNC_TOKEN, sync->stack);
}

bool sync_is_own(const struct self *me, const void *frame) {
    const char *routine = me->pages.routine;
    return routine != NULL && (const char *)frame < routine;
}

void sync_each_stretch(const struct sync *sync, tokens_visit *visit, void *context) {
    struct arena_head *head = source_process.arena.head;
    if (sync->length != 0) {
        uintptr_t start = align_down(sync->address, MODEL_PAGE_SIZE);
        uint64_t length = align_up(sync->address - start + sync->length, MODEL_PAGE_SIZE);
        regions_stretches(start, length, visit, context);
        return;
    }
    for (uint32_t i = 0; i < atomic_load(&head->file_count); i++) {
        struct stretch stretch = {.file = i, .length = atomic_load(&head->files[i].end)};
        if (sync->size != 0) {
            stretch.offset = align_down(sync->offset, MODEL_PAGE_SIZE);
            stretch.length = align_up(sync->offset - stretch.offset + sync->size, MODEL_PAGE_SIZE);
        }
        if (sync->inode == 0 ||
            (head->files[i].device == sync->device && head->files[i].inode == sync->inode))
            visit(context, &stretch);
    }
}

static void flush_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct sync *sync = context;
    const struct model_actor *actor = actor_of(sync);
    (void)from, (void)to;
    for (uint64_t lines = page->touched; lines != 0; lines &= lines - 1) {
        extra_line(actor->lines, page, (uint32_t)__builtin_ctzll(lines), sync->stack);
        model_flush(page, actor, (uint32_t)__builtin_ctzll(lines));
    }
    extra_count(sync->stack, page->file + 1, ARENA_COST_PAGES, page->touched != 0);
    model_flush_page(page, actor->lines,
                     atomic_load(&source_process.arena.head->files[page->file].drains),
                     sync->stack);
}

static void flush_stretch(void *context, const struct stretch *stretch) {
    const struct sync *sync = context;
    const struct arena_pages pages = {stretch->file, stretch->offset, stretch->length,
                                      sync->me->thread + 1};
    atomic_store(&source_process.arena.head->files[stretch->file].synced, 1);
    arena_each_page(&source_process.arena, &pages, flush_page, context);
}

static void explain_part(void *context, const struct stretch *stretch) {
    const struct sync *sync = context;
    explain_waited(sync->me, actor_of(sync), stretch);
}

static void explain_token(struct self *me, struct arena_token *token, void *context) {
    const struct sync *sync = context;
    const struct arena_file *file = &source_process.arena.head->files[token->file];
    (void)me;
    if (sync->inode == 0 || (file->device == sync->device && file->inode == sync->inode))
        tokens_stretches(token, 0, UINT64_MAX, explain_part, context);
}

/* What code that nobody sees has stored is waited for as well, so it has to be found before. A
   write(2) that waits is told of by itself. */
static void explain_covered(struct sync *sync) {
    if (sync->length != 0)
        sync_each_stretch(sync, explain_part, sync);
    else if (sync->size == 0)
        tokens_each_live(sync->me, explain_token, sync);
}

void sync_begin(struct sync *sync) {
    if (record_wanted()) {
        record_sync_begin(sync);
        return;
    }
    if (explain_wanted())
        explain_covered(sync);
    sync_each_stretch(sync, flush_stretch, sync);
}

static void drain_file(void *context, const struct stretch *stretch) {
    const struct sync *sync = context;
    extra_count(sync->stack, stretch->file + 1, ARENA_COST_FLUSHES, 1);
    extra_count(sync->stack, stretch->file + 1, ARENA_COST_DRAINS, 1);
    atomic_fetch_add(&source_process.arena.head->files[stretch->file].drains, 1);
}

void sync_end(const struct sync *sync) {
    const struct model_actor *actor = actor_of(sync);
    if (record_wanted()) {
        record_sync_end(sync);
        return;
    }
    sync_each_stretch(sync, drain_file, (void *)sync);
    model_drain(actor);
}
