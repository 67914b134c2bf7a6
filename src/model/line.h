/* SPDX-License-Identifier: BSD-2-Clause */
/* One line's own arithmetic; model.h is what others use. */
#ifndef MODEL_LINE_H
#define MODEL_LINE_H

#include "model/model.h"

/* Does a drain of another token count as well? A CPU's fence does not know tokens. */
static inline bool line_any_token(enum model_judge judge) {
    return judge == MODEL_JUDGE_MEMORY || judge == MODEL_JUDGE_PAGES;
}

_Static_assert(MODEL_LINE_SIZE == 64 && MODEL_UNIT_SIZE == 8, "a bit for each byte of a line");

/* The bytes [start, end) of a line, one bit each. pre: start < end <= MODEL_LINE_SIZE */
static inline uint64_t line_bytes(uint32_t start, uint32_t end) {
    return UINT64_MAX << start & UINT64_MAX >> (MODEL_LINE_SIZE - end);
}

/* Units of which something came past the cache, or may have: one bit each. */
static inline uint8_t line_beside_cache(const struct model_line *line) {
    return line->flush[0].units | line->flush[1].units | line->placed;
}

/* The line, if it is open. */
static inline struct model_line *line_at(const struct model_page *page,
                                         const struct model_lines *lines, uint32_t l) {
    uint64_t offset = (uint64_t)page->open[l] * MODEL_GRAIN;
    if (offset == 0 || offset > lines->size - sizeof(struct model_line))
        return NULL;
    return (struct model_line *)(void *)(lines->memory + offset);
}

/* The same; opens it. NULL: there is no room. */
struct model_line *line_open(struct model_page *page, const struct model_lines *lines, uint32_t l);

/* So many stores can be counted before the numbers have to begin anew. */
#define LINE_COUNT_MAX (UINT8_MAX - 1)

/* Counts one more store and returns its number. */
uint8_t line_count_store(struct model_line *line);

/* Raises what is known durable by the flushes whose threads have drained since. any_token: a drain
   of another token than the flush's is as good. */
void line_settle(struct model_line *line, const struct model_thread *threads, bool any_token);

/* Notes a flush of all stores so far; races: with those of other threads. pre: line_settle was
   called, line->n > line->durable */
void line_note_flush(struct model_line *line, const struct model_actor *actor, bool races);

/* Notes that the last stores to these units (one bit each) were their own flush.
   pre: line_settle was called; no other note has these units */
void line_note_stream(struct model_line *line, const struct model_actor *actor, uint8_t units);

/* The note of a streaming store to the unit, or NULL. */
struct model_flush *line_stream_of(struct model_line *line, uint32_t unit);

/* The unit is stored to again: what streamed to it before is no longer asked for. */
void line_forget_stream(struct model_line *line, uint32_t unit);

/* What the actor's flush of the whole line covers is durable now. */
void line_complete(struct model_line *line, const struct model_actor *actor);

/* Has the thread flushed the line since its last store? */
bool line_flushed_by(const struct model_line *line, uint32_t thread);

/* The pending flush that covers the unit's last store, or NULL; *rescued: another token was drained
   since; *races: it only may cover it. */
const struct model_flush *line_flush_of(const struct model_line *line,
                                        const struct model_thread *threads, uint32_t unit,
                                        bool *rescued, bool *races);

#endif
