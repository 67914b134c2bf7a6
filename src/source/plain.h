/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that ask for nothing but the usual, of a token that is one segment of a file judged by its
   lines, on pages that are known: most calls of most programs. What they do is what api.c does,
   without the questions whose answers are known. */
#ifndef SOURCE_PLAIN_H
#define SOURCE_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "source/self.h"

/* Calls with this token may be plain, until it ends. */
void plain_admit(struct self *me, const struct arena_token *token);

/* Where in its file a call of the admitted token begins; false: not all of it lies in its segment,
   or the token has ended. */
bool plain_offset(const struct self *me, const struct event *event, uint64_t *offset);

/* Reports that the flush names nothing that was stored since it was flushed, unless a drain of the
   thread has failed. */
void plain_report_again(const struct self *me, const struct event *event);

/* Handles a call where nobody looks for stores of the program's own. false: nothing was done, it is
   not plain. */
bool plain_handle(struct self *me, const struct event *event);

/* The record of a page of a file, made if make is set; NULL: there is none, or the arena is full.
   Programs come back to a page many times before they go on. */
static inline struct model_page *plain_page(struct self *me, uint32_t file, uint64_t index,
                                            bool make) {
    uint64_t key = (uint64_t)(file + 1) << 48 | index;
    struct self_page *found = &me->found[(index ^ (uint64_t)file * 31) % SELF_PAGES];
    if (LIKELY(found->key == key))
        return found->page;
    struct model_page *page = arena_page(&source_process.arena, file, index, make);
    if (page != NULL)
        *found = (struct self_page){key, page};
    return page;
}

#endif
