/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a page's content do the stores explain that were told? Where hooks see the program's
   stores, a shadow holds each page as it was before its first one. What differs from it, and was
   not stored by anybody that told so, was stored by code that nobody sees: a library without hooks,
   another process, the kernel.

   A store is told before it is made, so its bytes may still be the old ones when somebody looks:
   they stay explained until they change. */
#ifndef SOURCE_EXPLAIN_H
#define SOURCE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "source/self.h"
#include "source/tokens.h"

/* Is it asked at all? Without hooks nearly everything is done by code that nobody sees. */
static inline bool explain_wanted(void) {
    return source_process.hooked;
}

/* The page at this address, which is locked, is about to be stored to. */
void explain_begin(struct model_page *page, uintptr_t address);

/* [from, to) of the page was stored to, or is about to be. */
static inline void explain_stored(struct model_page *page, uint32_t from, uint32_t to) {
    for (uint32_t at = from; at < to;) {
        uint32_t line = at / MODEL_LINE_SIZE, start = at % MODEL_LINE_SIZE;
        uint32_t length = to - at < MODEL_LINE_SIZE - start ? to - at : MODEL_LINE_SIZE - start;
        page->content[line] |= UINT64_MAX >> (MODEL_LINE_SIZE - length) << start;
        at += length;
    }
}

/* Somebody will look at the line of this byte, in a while. */
static inline void explain_fetch(const struct model_page *page, uint32_t at) {
    const char *shadow =
        (const char *)source_process.arena.head + (size_t)page->shadow * ARENA_GRAIN;
    __builtin_prefetch(shadow + at, 1);
}

/* Looks at a line of a locked page, which lies at address and can be read. What nobody has told of
   becomes a store. false: there is none such. */
bool explain_line(struct model_page *page, const struct model_actor *actor, uint32_t line,
                  uintptr_t address);

/* The routine is about to flush: looks at its lines while they can be read without waiting. */
void explain_flush(struct self *me, const struct event *event);

/* The same for what a stretch has, where that can be read, and for pages that were not told of: it
   is about to be judged. */
void explain_stretch(struct self *me, const struct model_actor *actor,
                     const struct stretch *stretch);

/* The same where the program is about to wait for the stretch: programs do so again and again, for
   files of many pages, and so this has an end. */
void explain_waited(struct self *me, const struct model_actor *actor,
                    const struct stretch *stretch);

/* What the stretch held before is not known any more: somebody has written over it. */
void explain_forget(const struct self *me, const struct stretch *stretch);

/* What it held while no token was there counts as durable. */
void explain_renew(const struct self *me, const struct stretch *stretch);

/* The process ends: looks at what its live tokens have. */
void explain_exit(struct self *me);

#endif
