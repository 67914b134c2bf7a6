/* SPDX-License-Identifier: BSD-2-Clause */
/* Commit points: bytes a store to which says that earlier stores count. Those have to be durable by
   then, and the store itself must not be torn by a power cut.

   What a thread has stored since is kept by lines, oldest first, with the line's number of stores
   from which on they are the thread's. Where there is no room the oldest are forgotten. */
#ifndef SOURCE_COMMIT_H
#define SOURCE_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "source/self.h"
#include "source/tokens.h"

/* Is there any commit point in the run? */
static inline bool commit_any(void) {
    return UNLIKELY(
        atomic_load_explicit(&source_process.arena.head->commits, memory_order_relaxed) != 0);
}

/* A store of the thread to [from, to) of a page. */
struct commit_store {
    struct self *me;
    struct model_page *page;
    uint32_t from, to;
    arena_id stack;
};

/* Before the store is counted: is it one to a commit point? Then judges what that publishes. No
   page is locked. */
void commit_before(const struct commit_store *store);

/* When it is counted: notes it. The same. */
void commit_after(const struct commit_store *store);

/* Another thread has the memory from now on. */
void commit_forget(struct self *me);

/* From now on stores to [offset, offset + length) of the file publish the data, or, where that has
   no length, all that their thread has stored since its previous one. */
struct commit_point {
    uint32_t file;
    uint64_t offset, length, data_offset, data_length;
};
void commit_declare(struct self *me, const struct commit_point *point);

#endif
