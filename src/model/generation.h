/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents could a power cut leave? The values that lines had, in the order in which each may
   become durable, and what of them is guaranteed. Events go in, questions come out; nothing here
   does I/O.

   The stores to a line form generations. Within a line a piece becomes durable only after all
   pieces of earlier generations; pieces of one generation are unordered, and so are lines. Under
   arm a generation waits for some of the earlier ones only. What is guaranteed is folded into the
   line's base, so that memory grows with what is in flight. MODEL.md says why. */
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chance.h"
#include "model/model.h"

#define GENERATION_LINE_MAX 512 /* bytes, of the largest line */

enum generation_model {
    GENERATION_X86,  /* flushed, and drained by the thread that flushed */
    GENERATION_EADR, /* visible is durable, but for streaming stores until their thread's drain */
    GENERATION_PAGE, /* flushes and drains act on whole pages and for all threads */
    GENERATION_ARM,  /* a line keeps less order, and atomics do not drain */
};

struct generation_rules {
    enum generation_model model;
    bool inplace;         /* streaming stores are not noted by their thread */
    bool direct64_atomic; /* an aligned direct store of 64 bytes is never torn */
    bool stable_pages;    /* under page: sectors of 512 bytes keep their order */
    bool ordered;         /* only what generation_release and _acquire tell happens before */
    uint32_t line_size;   /* 64 to GENERATION_LINE_MAX, a power of two; 64 under arm; 0: 64 */
};

enum generation_kind {
    GENERATION_CACHED,
    GENERATION_STREAM, /* its thread has noted it; joins its neighbour of the same kind */
    GENERATION_DIRECT, /* likewise */
    GENERATION_UNSEEN, /* by code that nobody watched, found by what memory holds: all of a line's
                          share or nothing of it */
};

struct generation_store {
    uint32_t thread, file;
    enum generation_kind kind;
    uint64_t offset, length; /* bytes, in the file */
    const void *bytes;
    uint64_t tag; /* the caller's word for it */
};

/* What of a store lies in one aligned unit of 8 bytes: never torn. */
struct generation_piece {
    uint64_t tag;
    uint8_t bytes[MODEL_UNIT_SIZE];
    uint64_t number; /* among all pieces of the line, from 1 */
    uint64_t after;  /* under arm: the pieces of the line that it waits for, bit 0 for the first */
    uint64_t cover;  /* under arm: the bytes of its generation, as far as it had come */
    uint32_t thread, at; /* who stored it, and when by that thread's clock */
    uint32_t last;       /* under arm: its thread's barriers before it */
    uint8_t unit, mask;  /* which unit of the line, which bytes of it */
    bool begins;         /* a generation */
    bool together;       /* with the piece before it, of the same generation */
};

struct generation_line {
    uint32_t file;
    uint32_t size;   /* bytes */
    uint64_t offset; /* in the file */
    uint8_t *base;
    struct generation_piece *pieces; /* not guaranteed, in order */
    uint32_t count, room;
    uint64_t stored; /* pieces, ever */
    uint32_t flight; /* + 1: its place among the lines in flight */
    bool partial;    /* its order is that of arm */
    uint8_t known;   /* 64 bytes a bit: those whose base is no guess */
    /* Of the last generation: may the next store join it? */
    enum generation_kind kind;
    uint32_t thread;
    uint64_t breaks; /* drains and atomics of that thread, at that store */
    uint64_t units;  /* one bit each */
    /* Under arm, of the same: its first piece, its bytes, its thread's barriers before it. */
    uint64_t begun, cover;
    uint32_t first;
    /* The last note that was made of it. */
    uint64_t noter, noted, noted_at;
};

struct generation;

/* NULL when there is no memory. Later on events that found no memory are lost, and
   generation_failed says so. */
struct generation *generation_new(enum generation_model model);
struct generation *generation_make(const struct generation_rules *rules);
void generation_free(struct generation *generation);
bool generation_failed(const struct generation *generation);

/* Had a line more in flight than is kept? Then the oldest of it counts as durable, which leaves
   images out and adds none. */
bool generation_left_out(const struct generation *generation);

/* The durable content of memory before its first store. Where something was stored to the same 64
   bytes, or a base given, that is kept; without one a line begins as zeros. pre: offset and length
   are multiples of 64, or the range ends where the file does */
void generation_base(struct generation *generation, uint32_t file, uint64_t offset,
                     const void *bytes, uint64_t length);

/* Thread numbers here and below are dense: there is an array of threads. */
void generation_store(struct generation *generation, const struct generation_store *store);
/* The same in two steps: between them the store is under way. */
void generation_storing(struct generation *generation, const struct generation_store *store);
void generation_stored(struct generation *generation, const struct generation_store *store);

/* The thread flushes [offset, offset + length): it may count on every store so far, whoever made
   it; if order is told, on its own and on those that happened before. */
void generation_flush(struct generation *generation, uint32_t thread, uint32_t file,
                      uint64_t offset, uint64_t length);
/* The same, and what the thread may count on is durable at once. */
void generation_clflush(struct generation *generation, uint32_t thread, uint32_t file,
                        uint64_t offset, uint64_t length);
void generation_drain(struct generation *generation, uint32_t thread);
/* What a locked operation does before it stores. */
void generation_atomic(struct generation *generation, uint32_t thread);
void generation_barrier(struct generation *generation, uint32_t thread);

/* The thread asks the system to write back the range; at the end what had come before the beginning
   is durable. An end without a beginning is nothing; a beginning takes the place of one that has
   not ended, as after an error. */
void generation_sync_begin(struct generation *generation, uint32_t thread, uint32_t file,
                           uint64_t offset, uint64_t length);
void generation_sync_end(struct generation *generation, uint32_t thread);

/* What the thread has done happens before what others do after they acquire the object. */
void generation_release(struct generation *generation, uint32_t thread, uint64_t object);
void generation_acquire(struct generation *generation, uint32_t thread, uint64_t object);

/* All of the range is durable: a wait that covers it has ended. */
void generation_settle(struct generation *generation, uint32_t file, uint64_t offset,
                       uint64_t length);

/* Is everything that was stored to [offset, offset + length) so far guaranteed? */
bool generation_guaranteed(const struct generation *generation, uint32_t file, uint64_t offset,
                           uint64_t length);

/* The lines, in the order in which they were first named. */
size_t generation_line_count(const struct generation *generation);
const struct generation_line *generation_line(const struct generation *generation, size_t index);

/* The line at an offset, a multiple of its size; NULL: none was named there. */
struct generation_line *generation_find(const struct generation *generation, uint32_t file,
                                        uint64_t offset);

/* The lines that have a piece which is not guaranteed, in no particular order, but the same for the
   same events. */
size_t generation_flight_count(const struct generation *generation);
const struct generation_line *generation_flight(const struct generation *generation, size_t index);

/* One legal content of a line: its base, the first `whole` pieces, and of the 64 behind them those
   in mask, bit 0 for the first. */
struct generation_choice {
    uint32_t whole;
    uint64_t mask;
};
struct generation_choice generation_least(void);
struct generation_choice generation_fullest(const struct generation_line *line);
/* Any legal one; each with a chance. */
struct generation_choice generation_random(const struct generation_line *line,
                                           struct chance *chance);
/* bytes: line->size of them */
void generation_content(const struct generation_line *line, struct generation_choice choice,
                        uint8_t *bytes);

/* Finds a choice that gives these bytes, line->size of them; the one that keeps least. Bytes beyond
   `size` do not matter. Under arm only the first 2^20 choices are tried. */
bool generation_match(const struct generation_line *line, const uint8_t *bytes, uint32_t size,
                      struct generation_choice *choice);

/* Does the choice keep piece number index? */
bool generation_keeps(const struct generation_line *line, struct generation_choice choice,
                      uint32_t index);

/* How many choices there are; `most` if there are as many, or more. */
uint64_t generation_choice_count(const struct generation_line *line, uint64_t most);

/* Visits every choice once; different choices may give equal contents. pre: they can be counted in
   the time that there is */
typedef void generation_visit(void *context, struct generation_choice choice);
void generation_each(const struct generation_line *line, generation_visit *visit, void *context);

#endif
