/* SPDX-License-Identifier: BSD-2-Clause */
/* What the source `pages` knows of direct stores, which nobody tells of. For each page that is not
   all zeros the arena holds a shadow: the bytes as they were at the last flush of each line, or
   when the token was made. What differs from it was stored and not flushed since; a page without a
   shadow counts as zeros. So a direct store costs nothing until somebody looks.

   A flush copies its lines to the log of its thread. When that is full they are compared with their
   shadows all at once, so that the memory they lie in is waited for once and not line by line. What
   a flush has changed and no drain has completed by then goes to the thread's list, and stays there
   until the thread drains: a drain costs the same whatever is outstanding. */
#ifndef ARENA_SHADOW_H
#define ARENA_SHADOW_H

#include "arena/arena.h"

struct shadow_page {
    _Atomic uint32_t lock;              /* not taken by a thread that alone uses the page */
    _Atomic uint32_t hint;              /* stack of the page's last flush or Write */
    uint32_t thread, epoch;             /* whose log was absorbed, see below, and which one */
    uint16_t flusher[MODEL_PAGE_LINES]; /* shadow_flusher of each line's last flush; 0: none */
    uint64_t reserved[6];
    uint8_t bytes[MODEL_PAGE_SIZE];
};

/* 64 pages of a file. user is the thread (index + 1) that alone uses a page, without a lock; once
   another one comes, it absorbs what that thread's log has of the page, and all take the lock. */
#define SHADOW_CHUNK_PAGES 64
#define SHADOW_SEVERAL UINT16_MAX
struct shadow_chunk {
    arena_id next;
    uint32_t file;
    uint64_t index;            /* offset in the file / (SHADOW_CHUNK_PAGES * MODEL_PAGE_SIZE) */
    _Atomic uint64_t modelled; /* pages that the model has too, one bit each: it says what is
                                  flushed of them */
    _Atomic arena_id pages[SHADOW_CHUNK_PAGES];
    _Atomic uint16_t user[SHADOW_CHUNK_PAGES];
};

/* A line as it was when it was flushed. */
struct shadow_entry {
    uint64_t line; /* offset in the file / MODEL_LINE_SIZE */
    uint32_t file, token, stack;
    uint32_t drains; /* of its thread */
    uint32_t number; /* of the call, among its thread's */
    uint16_t call;   /* enum event_call */
    bool silent;     /* nobody asks whether the call was needed */
    _Alignas(16) uint8_t bytes[MODEL_LINE_SIZE];
};
#define SHADOW_LOG_ENTRIES 128
struct shadow_log {
    struct shadow_entry entries[SHADOW_LOG_ENTRIES];
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

/* Who flushes: the thread (index + 1), and a bit that tells it from the one that had its index
   before. That one may have flushed what the new one stored before it first met the runtime. */
#define SHADOW_TURN 0x8000u
_Static_assert(ARENA_THREADS < SHADOW_TURN, "the bit is no part of a thread's number");
static inline uint16_t shadow_flusher(const struct arena *arena, uint32_t thread) {
    uint32_t turn = atomic_load_explicit(&arena->head->lists[thread].turn, memory_order_relaxed);
    return (uint16_t)((thread + 1) | ((turn & 1) != 0 ? SHADOW_TURN : 0));
}

/* The chunk of a file, made if make is set; NULL: there is none, or the arena is full. */
struct shadow_chunk *shadow_chunk(const struct arena *arena, uint32_t file, uint64_t index,
                                  bool make);

/* The shadow of a page of the chunk, made as zeros if make is set. */
struct shadow_page *shadow_page(const struct arena *arena, struct shadow_chunk *chunk,
                                uint32_t place, bool make);

/* From now on the model has the page too. */
void shadow_set_modelled(struct shadow_chunk *chunk, uint32_t place);

/* Compares with the page's shadow what a thread's log has of it. pre: nobody else uses the page,
   and its thread does not add to that */
void shadow_absorb(const struct arena *arena, uint32_t thread, struct shadow_chunk *chunk,
                   uint32_t place, uint32_t locker);

/* The same of all logs. pre: no thread of the run lives */
void shadow_absorb_all(const struct arena *arena);

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
