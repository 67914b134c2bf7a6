/* SPDX-License-Identifier: BSD-2-Clause */
/* Which contents could a power cut leave? The values that lines had, in the order in which each may
   become durable, and what of them is guaranteed. Events go in, questions come out; nothing here
   does I/O.

   The stores to a line form generations. Within a line a piece becomes durable only after all
   pieces of earlier generations; pieces of one generation are unordered, and so are lines. What is
   guaranteed is folded into the line's base, so that memory grows with what is in flight. */
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chance.h"
#include "model/model.h"

enum generation_model {
    GENERATION_X86,  /* flushed, and drained by the thread that flushed */
    GENERATION_EADR, /* visible is durable, but for streaming stores until their thread's drain */
    GENERATION_PAGE, /* flushes and drains act on whole pages and for all threads */
};

enum generation_kind {
    GENERATION_CACHED,
    GENERATION_STREAM, /* its thread has noted it; joins its neighbour of the same kind */
    GENERATION_DIRECT, /* likewise */
    GENERATION_UNSEEN, /* by code that nobody watched: all of a line's share or nothing of it */
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
    uint8_t unit, mask; /* which unit of the line, which bytes of it */
    bool begins;        /* a generation */
    bool together;      /* with the other pieces of its generation */
};

struct generation_line {
    uint32_t file;
    uint64_t offset; /* in the file */
    uint8_t base[MODEL_LINE_SIZE];
    struct generation_piece *pieces; /* not guaranteed, in order */
    uint32_t count, room;
    uint64_t folded; /* pieces that went into base */
    /* Of the last generation: may the next store join it? */
    enum generation_kind kind;
    uint32_t thread;
    uint64_t drains; /* of that thread, at that store */
    uint8_t units;   /* one bit each */
};

struct generation;

/* NULL when there is no memory. Later on events that found no memory are lost, and
   generation_failed says so. */
struct generation *generation_new(enum generation_model model);
void generation_free(struct generation *generation);
bool generation_failed(const struct generation *generation);

/* The durable content of whole lines before their first store. Lines that were stored to, or given
   a base, keep what they have; without one a line begins as zeros. pre: offset and length are
   multiples of MODEL_LINE_SIZE */
void generation_base(struct generation *generation, uint32_t file, uint64_t offset,
                     const void *bytes, uint64_t length);

void generation_store(struct generation *generation, const struct generation_store *store);

/* The thread flushes [offset, offset + length): it may count on every store so far, whoever made
   it. */
void generation_flush(struct generation *generation, uint32_t thread, uint32_t file,
                      uint64_t offset, uint64_t length);
void generation_drain(struct generation *generation, uint32_t thread);

/* All of the range is durable: a wait that covers it has ended. */
void generation_settle(struct generation *generation, uint32_t file, uint64_t offset,
                       uint64_t length);

/* Is everything that was stored to [offset, offset + length) so far guaranteed? */
bool generation_guaranteed(const struct generation *generation, uint32_t file, uint64_t offset,
                           uint64_t length);

/* The lines, in the order in which they were first named. */
size_t generation_line_count(const struct generation *generation);
const struct generation_line *generation_line(const struct generation *generation, size_t index);

/* One legal content of a line: its base, the first `whole` pieces, which end a generation, and of
   the next generation the pieces in mask, bit 0 for its first. */
struct generation_choice {
    uint32_t whole;
    uint8_t mask;
};
struct generation_choice generation_least(void);
struct generation_choice generation_fullest(const struct generation_line *line);
/* Any legal one; each with a chance. */
struct generation_choice generation_random(const struct generation_line *line,
                                           struct chance *chance);
void generation_content(const struct generation_line *line, struct generation_choice choice,
                        uint8_t bytes[MODEL_LINE_SIZE]);

/* Does the choice keep piece number index? */
bool generation_keeps(const struct generation_line *line, struct generation_choice choice,
                      uint32_t index);

/* Visits every choice once; different choices may give equal contents. */
typedef void generation_visit(void *context, struct generation_choice choice);
void generation_each(const struct generation_line *line, generation_visit *visit, void *context);

#endif
