/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that a thread has flushed, until it drains: then most of them are durable, and need to be
   known of no longer. */
#ifndef SOURCE_LINES_H
#define SOURCE_LINES_H

#include "source/self.h"

/* The thread has flushed a line. More than there is place for stay open until their next flush. */
static inline void lines_flushed(struct self *me, struct model_page *page, uint32_t line) {
    uint32_t count = me->flushed.count;
    if (UNLIKELY(count == SELF_FLUSHED))
        return;
    me->flushed.at[count] = (struct self_line){page, line};
    me->flushed.count = count + 1;
}

/* It has drained. */
void lines_drained(struct self *me);

/* Is the file judged by its pages? */
bool lines_by_pages(uint32_t file);

#endif
