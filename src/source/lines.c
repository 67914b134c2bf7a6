/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/lines.h"

bool lines_by_pages(uint32_t file) {
    const struct arena_head *head = source_process.arena.head;
    return head->judge == MODEL_JUDGE_PAGES ||
           (head->judge == MODEL_JUDGE_ACTUAL && head->files[file].domain == DOMAIN_PAGE_CACHE);
}

void lines_drained(struct self *me) {
    const struct arena *arena = &source_process.arena;
    struct model_page *locked = NULL;
    bool by_pages = false;
    for (uint32_t i = 0; i < me->flushed.count; i++) {
        const struct self_line *at = &me->flushed.at[i];
        if (at->page != locked) {
            if (locked != NULL)
                arena_unlock_page(arena, locked, me->thread + 1);
            locked = at->page;
            arena_lock_page(arena, locked, me->thread + 1);
            by_pages = lines_by_pages(locked->file);
        }
        model_close(locked, &me->actor, at->line, by_pages);
    }
    if (locked != NULL)
        arena_unlock_page(arena, locked, me->thread + 1);
    me->flushed.count = 0;
}
