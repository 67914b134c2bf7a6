/* SPDX-License-Identifier: BSD-2-Clause */
/* One line's own arithmetic; model.h is what others use. */
#ifndef MODEL_LINE_H
#define MODEL_LINE_H

#include "model/model.h"

/* Does a drain of another token count as well? A CPU's fence does not know tokens. */
static inline bool line_any_token(enum model_judge judge) {
    return judge == MODEL_JUDGE_MEMORY || judge == MODEL_JUDGE_PAGES;
}

/* Counts one more store and returns its number. */
uint32_t line_count_store(struct model_line *line);

/* Raises what is known durable by the flushes whose threads have drained since. any_token: a drain
   of another token than the flush's is as good. */
void line_settle(struct model_line *line, const struct model_thread *threads, bool any_token);

/* Notes a flush of all stores so far. pre: line_settle was called, line->n > line->durable */
void line_note_flush(struct model_line *line, const struct model_actor *actor);

/* Has the thread flushed the line since its last store? */
bool line_flushed_by(const struct model_line *line, uint32_t thread);

/* The pending flush that covers store n, or NULL; *rescued: another token was drained since. */
const struct model_flush *line_flush_of(const struct model_line *line,
                                        const struct model_thread *threads, uint32_t n,
                                        bool *rescued);

#endif
