/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording of plain short stores, which are nearly all there are: several at once. See
   arena/batch.h. */
#ifndef SOURCE_BATCH_H
#define SOURCE_BATCH_H

#include "source/hooks.h"

/* The thread has stored here: from now on batch_add may keep what it stores. pre: its batch is
   empty */
void batch_begin(struct self *me);

/* The store that is about to be made waits in the thread's batch. false: it does not, and the long
   way has to be gone. pre: page is that of address */
bool batch_add(const struct hooks_site *site, struct model_page *page, uintptr_t address,
               size_t length);

/* Tells of all that waits. [address, address + length) was just read, so that its pages are there;
   of others the system is asked. pre: the thread has made it by now */
void batch_settle(struct self *me, uintptr_t address, size_t length);

static inline bool batch_waits(const struct self *me) {
    const struct arena_batch *batch = me->batch.now;
    return batch != NULL && atomic_load_explicit(&batch->count, memory_order_relaxed) != 0;
}

/* The page at address was just taken away from owner (index + 1): what waits there of its stores
   comes before whatever the taker does. pre: the page's lock */
void batch_take(struct self *me, struct model_page *page, uintptr_t address, uint32_t owner);

/* me->storing is about to be made, or has been told. */
void batch_note_other(struct self *me);
void batch_forget_other(struct self *me);

/* Tells of the stores of other threads to these lines of the page that went another way, if they
   can be seen to have been made: their threads have perhaps told somebody of them in a way that the
   runtime does not know, and will tell it too late. memory: of the page. pre: the page's lock */
void batch_take_others(struct self *me, const struct model_page *page, uint8_t *shadow,
                       const uint8_t *memory, uint64_t lines);

/* What waits in [address, address + length) of stores of other threads of this process. */
void batch_take_range(struct self *me, uintptr_t address, size_t length);

#endif
