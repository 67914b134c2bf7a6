/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules that are off unless they are asked for, since they cost time at each store, or at each
   read. */
#ifndef SOURCE_EXTRA_H
#define SOURCE_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

#include "source/commit.h"
#include "source/self.h"

/* Is any of these wanted? */
static inline bool extra_any(uint32_t extras) {
    return UNLIKELY((source_process.arena.head->extras & extras) != 0);
}

/* For a profile: adds to what the place did to a file (index + 1, or 0). */
static inline void extra_count(arena_id stack, uint32_t file, enum arena_cost cost,
                               uint64_t amount) {
    if (extra_any(ARENA_EXTRA_COSTS))
        arena_count(&source_process.arena, stack, file, cost, amount);
}

/* A store of [from, to) of a page, or a share of one; begins: its first. */
static inline void extra_store(const struct commit_store *store, bool begins, bool streams) {
    uint32_t file = store->page->file + 1, length = store->to - store->from;
    uint32_t lines = (store->to - 1) / MODEL_LINE_SIZE - store->from / MODEL_LINE_SIZE + 1;
    if (!extra_any(ARENA_EXTRA_COSTS))
        return;
    extra_count(store->stack, file, ARENA_COST_STORES, begins);
    extra_count(store->stack, file, ARENA_COST_BYTES, length);
    extra_count(store->stack, file, ARENA_COST_LINES, streams ? lines : 0);
    extra_count(store->stack, file, ARENA_COST_PAGES, streams);
    extra_count(store->stack, file, ARENA_COST_DIRTY, streams ? length : 0);
}

/* A line that is about to be flushed. pre: its page is locked */
static inline void extra_line(const struct model_lines *lines, const struct model_page *page,
                              uint32_t line, arena_id stack) {
    if (!extra_any(ARENA_EXTRA_COSTS))
        return;
    extra_count(stack, page->file + 1, ARENA_COST_LINES, 1);
    extra_count(stack, page->file + 1, ARENA_COST_DIRTY, model_waiting(page, lines, line));
}

/* overwritten-unflushed: the store is about to be counted. pre: its page is locked */
void overwrite_before(const struct commit_store *store);

/* unpersisted-read: the thread reads [address, address + length). */
void reads_note(struct self *me, uintptr_t address, uint64_t length, arena_id stack);

/* What it stores from then on may rest on that. The store is counted; no page is locked. */
void reads_stored(const struct commit_store *store);

/* What it has flushed is durable: was any of that before what it rests on? The same. */
void reads_drained(struct self *me);

/* Another thread has the memory from now on. */
void reads_forget(struct self *me);

#endif
