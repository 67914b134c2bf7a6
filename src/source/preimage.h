/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pages of a region held when their token was made. Code without hooks may store to a page
   before any code with hooks does: only what it held before tells of that. So the first pages of a
   region are kept, up to a budget, and the kernel is asked which pages this process has stored to
   since; what it has not stored to may have been written otherwise, by a descriptor or another
   process, which is nobody's business here.

   Where that is not known (beyond the budget, an old kernel, a child of the process that has made
   the token), a page counts as durable as it is at its first store that is told. */
#ifndef SOURCE_PREIMAGE_H
#define SOURCE_PREIMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "source/self.h"
#include "source/tokens.h"

/* Records a new token, as tokens_add does, and keeps what its region holds where no other live
   token covers it. */
struct arena_token *preimage_token(struct self *me, const struct event *event, arena_id stack);

/* Nothing is known any more of what the file held from this byte on. */
void preimage_give_up(uint32_t file, uint64_t offset);

/* Makes the page's preimage its shadow, if it is known and this process has stored to the page
   since. pre: the page, which is locked and has no shadow of this token's time, lies at address and
   can be read */
bool preimage_adopt(struct model_page *page, uintptr_t address);

/* Makes a record of each page of the stretch that has none, or no shadow yet, and that this process
   has stored to; its preimage is its shadow. judged: what it finds then is not about to be flushed;
   where a forked child may have flushed it, it is given up. */
void preimage_find(struct self *me, const struct stretch *stretch, bool judged);

#endif
