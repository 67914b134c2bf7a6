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
