/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the recording share: an event on its way into the log. */
#ifndef SOURCE_RECORDER_H
#define SOURCE_RECORDER_H

#include "arena/log.h"
#include "source/batch.h"
#include "source/pages.h"
#include "source/tokens.h"

struct act {
    struct self *me;
    const struct event *event;
    struct arena_token *token;
    enum log_kind kind; /* of what a stretch becomes */
    arena_id stack;
    bool late;
    bool raw; /* the memory may have gone since */
    /* What was flushed and is not yet told; me->ranges. */
    uint32_t range_count, range_file;
};

static inline struct arena *arena_here(void) {
    return &source_process.arena;
}

/* Takes and gives a page on behalf of the thread; address: of the page, here, or 0. What another
   one had stored there and not yet told comes first. */
static inline void recorder_lock(struct self *me, struct model_page *page, uintptr_t address) {
    uint32_t owner = arena_lock_page(arena_here(), page, me->thread + 1);
    if (UNLIKELY(owner != 0) && address != 0)
        batch_take(me, page, address, owner);
}

static inline void recorder_unlock(const struct self *me, struct model_page *page) {
    arena_unlock_page(arena_here(), page, me->thread + 1);
}

/* Adds a record of the thread. bytes: size of them */
void recorder_append(const struct act *act, enum log_kind kind, uint32_t file, uint64_t offset,
                     uint64_t length, const void *bytes, size_t size);

/* One page's share of a stretch. */
struct share {
    struct model_page *page;
    uint8_t *shadow;       /* what the log explains of the page */
    const uint8_t *memory; /* of the page's first byte */
    uint64_t offset;       /* likewise, in the file */
    uint32_t file, from, to;
};

/* The lines of a page's bytes [from, to), one bit each. */
static inline uint64_t recorder_lines(uint32_t from, uint32_t to) {
    uint32_t first = from / MODEL_LINE_SIZE, last = (to - 1) / MODEL_LINE_SIZE;
    return UINT64_MAX << first & UINT64_MAX >> (63 - last);
}

/* Tells what the lines of the share hold that are new to the log. pre: page is locked */
void recorder_base(const struct act *act, const struct share *share);

/* Looks at the stretch of memory (its context is a struct act) and adds what act->kind and the
   event make of it. */
void recorder_stretch(void *context, const struct stretch *stretch);

/* The routine has waited for the regions of all live tokens of the file. */
void recorder_retry(struct act *act);

#endif
