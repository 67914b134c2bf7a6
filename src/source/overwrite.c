/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that are stored again while nobody has flushed them: the first store was for nothing, or
   its flush is missing. */
#include "source/extra.h"

struct overwriting {
    const struct commit_store *store;
    struct arena_finding finding;
};

/* What was flushed, or streamed, and waits for a drain alone was meant to last. */
static void tell_hole(void *context, const struct model_page *page, const struct model_hole *hole) {
    struct overwriting *overwriting = context;
    struct arena_finding *finding = &overwriting->finding;
    uint64_t offset = page->index * MODEL_PAGE_SIZE + hole->start;
    if (hole->flushed || hole->placed || hole->page_rescued || hole->store == MODEL_UNSEEN ||
        arena_ignores(&source_process.arena, page->file, offset, hole->length))
        return;
    finding->related[0] = hole->store;
    finding->ranges[0].offset = offset;
    finding->ranges[0].length = finding->bytes = hole->length;
    arena_report(&source_process.arena, finding);
}

void overwrite_before(const struct commit_store *store) {
    struct overwriting overwriting = {.store = store,
                                      .finding = {.kind = KIND_OVERWRITTEN_UNFLUSHED,
                                                  .file = store->page->file + 1,
                                                  .at = store->stack,
                                                  .roles = {ARENA_ROLE_STORE},
                                                  .range_count = 1}};
    struct model_judging judging = arena_judging(&source_process.arena, &store->me->lines,
                                                 store->page->file, tell_hole, &overwriting);
    judging.keep = true;
    if (store->page->touched != 0)
        model_judge(store->page, &judging, store->from, store->to - store->from);
}
