/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the engine share. */
#ifndef MODEL_GENERATION_STATE_H
#define MODEL_GENERATION_STATE_H

#include "model/generation.h"

#define GENERATION_PAGE_SIZE MODEL_PAGE_SIZE
#define GENERATION_SECTOR 512u
#define GENERATION_BLOCK 64u /* of a line: what has a base, or has not */

/* Stores to one line that nothing ever makes durable: beyond so many pieces the oldest count as
   durable. Under arm a set of pieces is a word. */
#define GENERATION_PIECES 4096u
#define GENERATION_PARTIAL_PIECES 64u

#define GENERATION_SPARE 8u

/* Of a line, the pieces up to number n; under arm piece n and what it waits for. */
struct note {
    uint32_t line;
    uint64_t n;
};

struct notes {
    uint64_t id; /* 0: of a moment */
    struct note *list;
    size_t count, room, prune;
    uint64_t completed; /* how often */
};

/* By thread, the number up to which its stores are known to have happened before. */
struct clock_known {
    uint32_t *at;
    size_t count;
};

struct thread {
    uint64_t breaks;      /* drains and atomics */
    uint32_t barriers;    /* under arm */
    uint32_t now;         /* its clock: one more after each release */
    struct notes notes;   /* what its next drain makes durable */
    struct notes syncing; /* what the end of its msync does */
    struct clock_known known;
};

/* Under the page model: pages that were flushed, and wait for a drain that writes them. */
struct stretch {
    uint32_t file;
    uint64_t from, to;
};

struct object {
    uint64_t id;
    bool used;
    struct clock_known known;
};

struct generation {
    struct generation_rules rules;
    bool failed, left_out;
    struct generation_line *lines;
    size_t count, room;
    uint8_t **bases; /* blocks of so many lines' bases as one has */
    size_t base_blocks, base_room;
    uint32_t *places; /* hash table of indices + 1 */
    size_t place_count;
    uint32_t *flight; /* indices of lines */
    size_t flight_count, flight_room;
    struct thread *threads;
    size_t thread_count;
    struct notes common; /* under the page model: everybody's */
    struct stretch *flushed;
    size_t flushed_count, flushed_room;
    struct object *objects; /* hash table */
    size_t object_count, object_room;
    /* Arrays of GENERATION_SPARE pieces that lines no longer need: few lines are in flight at a
       time. */
    struct generation_piece **spare;
    size_t spare_count, spare_room;
};

/* Makes room for one more element; NULL without memory, and the array stays. */
void *generation_grow(struct generation *generation, void *array, size_t count, size_t *room,
                      size_t size);
/* Finds or makes; NULL without memory. */
struct generation_line *generation_need_line(struct generation *generation, uint32_t file,
                                             uint64_t offset);
struct thread *generation_need_thread(struct generation *generation, uint32_t number);

/* The line has its first piece in flight, or none any more. */
void generation_takes_off(struct generation *generation, struct generation_line *line);
void generation_lands(struct generation *generation, struct generation_line *line);

/* Makes the first so many pieces of the line durable. */
void generation_fold(struct generation *generation, struct generation_line *line, uint32_t count);
/* Those in the set, with which goes all that they wait for. */
void generation_fold_set(struct generation *generation, struct generation_line *line, uint64_t set);

/* The thread notes of the line what it may count on; from: only pieces of a greater number. */
void generation_note(struct generation *generation, struct notes *notes, uint32_t line_index,
                     uint32_t thread, uint64_t from);
/* The notes that the thread's flushes go to. */
struct notes *generation_notes(struct generation *generation, struct thread *thread);

/* Did the piece happen before what the thread does next? */
bool generation_before(const struct generation *generation, const struct generation_piece *piece,
                       uint32_t thread);
void generation_free_order(struct generation *generation);

static inline uint64_t generation_end(uint64_t offset, uint64_t length) {
    return length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
}

static inline uint32_t generation_line_size(const struct generation *generation) {
    return generation->rules.line_size;
}

#endif
