/* SPDX-License-Identifier: BSD-2-Clause */
/* What the source `pages` knows of direct stores, which nobody tells of. For each page that is not
   all zeros the arena holds a shadow: the bytes as they were at the last flush of each line, or
   when the token was made. What differs from it was stored and not flushed since; a page without a
   shadow counts as zeros. So a direct store costs nothing until somebody looks.

   A flush of changed lines goes to the list of its thread and stays there until that drains, so
   that a drain costs the same whatever is outstanding. */
#ifndef ARENA_SHADOW_H
#define ARENA_SHADOW_H

#include "arena/arena.h"

/* A page's shadow. user is the thread (index + 1) that alone uses it, without a lock; once another
   one comes they all take the lock. */
struct shadow_page {
    _Atomic uint32_t lock;
    _Atomic uint32_t user;              /* 0: nobody yet */
    _Atomic uint32_t hint;              /* stack of the page's last flush or Write */
    _Atomic uint32_t modelled;          /* the model has the page too: it says what is flushed */
    uint16_t flusher[MODEL_PAGE_LINES]; /* thread (index + 1) of each line's last flush */
    uint64_t reserved[6];
    uint8_t bytes[MODEL_PAGE_SIZE];
};
#define SHADOW_SEVERAL UINT32_MAX /* user: more than one */

#define SHADOW_CHUNK_PAGES 64
struct shadow_chunk {
    arena_id next;
    uint32_t file;
    uint64_t index; /* offset in the file / (SHADOW_CHUNK_PAGES * MODEL_PAGE_SIZE) */
    _Atomic arena_id pages[SHADOW_CHUNK_PAGES];
};

/* A flush that changed a line's shadow. */
struct shadow_flush {
    uint64_t line;  /* offset in the file / MODEL_LINE_SIZE */
    uint64_t bytes; /* that it flushed, one bit each */
    uint32_t token, stack, file;
    uint32_t drains; /* of its thread */
};

#define SHADOW_BLOCK_FLUSHES 127
struct shadow_block {
    _Atomic arena_id next;
    uint32_t reserved[3];
    struct shadow_flush flushes[SHADOW_BLOCK_FLUSHES];
};

/* The chunk of a file, made if make is set; NULL: there is none, or the arena is full. */
struct shadow_chunk *shadow_chunk(const struct arena *arena, uint32_t file, uint64_t index,
                                  bool make);

/* The shadow of a page of the chunk, made as zeros if make is set; user: of one that is made. */
struct shadow_page *shadow_page(const struct arena *arena, struct shadow_chunk *chunk,
                                uint32_t place, bool make, uint32_t user);

/* Tells the model of a store to bytes of a line, one bit each. What lies between two bytes of one
   unit counts as stored with them. pre: page is locked */
void shadow_tell(struct model_page *page, const struct model_actor *actor, uint32_t line,
                 uint64_t bytes);

/* Turns what lists hold of a stretch of a file, and no drain has completed, into state of the
   model, to be judged. */
void shadow_fold(const struct arena *arena, const struct arena_pages *pages);

/* A stack for stores that nobody saw: hint, the stack of a call near them, with a mark in front. */
enum shadow_mark {
    SHADOW_DIRECT = 1, /* stored directly; what follows is the nearest call before that is known */
    SHADOW_DOUBTFUL,   /* likewise, and maybe by somebody else */
    SHADOW_BEFORE,     /* stored before the call that follows, ... */
    SHADOW_SINCE       /* ... and after this one */
};
#define SHADOW_MARK_MODULE 0xFFFFu
arena_id shadow_stack(const struct arena *arena, enum shadow_mark mark, arena_id hint);

/* The two calls between which it happened. */
arena_id shadow_interval(const struct arena *arena, arena_id since, arena_id before);

/* The mark that a frame is; 0: an ordinary frame. */
static inline uint32_t shadow_mark_of(uint64_t frame) {
    return ARENA_FRAME_MODULE(frame) == SHADOW_MARK_MODULE ? (uint32_t)ARENA_FRAME_OFFSET(frame)
                                                           : 0;
}

#endif
