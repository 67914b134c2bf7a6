/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/line.h"

#include "base/bits.h"

#define COUNT_MAX (UINT32_MAX - 1)

/* Only the order of the numbers matters: durable stores become 0, flushed ones 1, the rest 2. */
static uint32_t renumbered(const struct model_line *line, uint32_t n) {
    return n <= line->durable ? 0 : n <= line->flushed ? 1 : 2;
}

/* A counter in a hot line may be stored to four thousand million times. */
static void line_renumber(struct model_line *line) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->unit); i++)
        line->unit[i].n = renumbered(line, line->unit[i].n);
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++)
        line->flush[i].n = renumbered(line, line->flush[i].n);
    line->page_durable = renumbered(line, line->page_durable);
    line->page_n = renumbered(line, line->page_n);
    line->n = 2;
    line->flushed = line->flushed > line->durable;
    line->durable = 0;
}

uint32_t line_count_store(struct model_line *line) {
    if (line->n >= COUNT_MAX)
        line_renumber(line);
    return ++line->n;
}

/* Is a beyond b? The counts of drains may wrap, their differences do not. */
static bool beyond(uint32_t a, uint32_t b) {
    return a - b - 1 < UINT32_MAX / 2;
}

/* Has the thread of a flush drained the flush's token since? */
static bool drained_own(const struct model_flush *flush, const struct model_thread *threads) {
    const struct model_thread *thread = &threads[flush->thread];
    if (beyond(atomic_load(&thread->every), flush->drains) ||
        beyond(atomic_load(&thread->evicted), flush->drains))
        return true;
    for (size_t i = 0; i < MODEL_TOKENS; i++) {
        if (atomic_load(&thread->tokens[i].token) == flush->token)
            return beyond(atomic_load(&thread->tokens[i].drained), flush->drains);
    }
    return false;
}

static bool drained_any(const struct model_flush *flush, const struct model_thread *threads) {
    return beyond(atomic_load(&threads[flush->thread].drains), flush->drains);
}

static void line_raise(struct model_line *line, struct model_flush *flush) {
    if (flush->n > line->durable)
        line->durable = flush->n;
    flush->n = 0;
}

void line_settle(struct model_line *line, const struct model_thread *threads, bool any_token) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if (flush->n != 0 && drained_any(flush, threads) &&
            (any_token || drained_own(flush, threads)))
            line_raise(line, flush);
    }
}

void line_note_flush(struct model_line *line, const struct model_actor *actor) {
    struct model_flush *place = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if (flush->n != 0 && flush->thread == actor->thread) {
            place = flush;
            break;
        }
        if (flush->n == 0 || (place == NULL && drained_any(flush, actor->threads)))
            place = flush;
    }
    line->flushed = line->n;
    if (place == NULL) {
        /* A third thread flushes while two others' flushes are pending: too many to remember, so
           the line counts as durable. That may miss an error and never invents one. */
        line->durable = line->n;
        return;
    }
    if (place->n != 0 && place->thread != actor->thread)
        line_raise(line, place);
    *place = (struct model_flush){.n = line->n,
                                  .thread = actor->thread,
                                  .drains = atomic_load(&actor->threads[actor->thread].drains),
                                  .token = actor->token,
                                  .stack = actor->stack};
}

bool line_flushed_by(const struct model_line *line, uint32_t thread) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        if (line->flush[i].n == line->n && line->flush[i].thread == thread)
            return true;
    }
    return false;
}

const struct model_flush *line_flush_of(const struct model_line *line,
                                        const struct model_thread *threads, uint32_t n,
                                        bool *rescued) {
    const struct model_flush *found = NULL;
    *rescued = false;
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        const struct model_flush *flush = &line->flush[i];
        if (flush->n == 0 || flush->n < n)
            continue;
        found = flush;
        *rescued = *rescued || drained_any(flush, threads);
    }
    return found;
}
