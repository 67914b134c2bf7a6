/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/line.h"

#include "base/bits.h"

_Static_assert(sizeof(struct model_line) == 112,
               "a page's state takes no more than 3 bytes a byte");

/* All numbers of a line, one after the other. */
#define NUMBERS (5 + 2 + MODEL_LINE_UNITS)
static void numbers_of(struct model_line *line, uint8_t *numbers[NUMBERS]) {
    size_t count = 0;
    numbers[count++] = &line->n;
    numbers[count++] = &line->durable;
    numbers[count++] = &line->flushed;
    numbers[count++] = &line->page_n;
    numbers[count++] = &line->page_durable;
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++)
        numbers[count++] = &line->flush[i].n;
    for (size_t i = 0; i < ARRAY_LENGTH(line->unit); i++)
        numbers[count++] = &line->unit[i].n;
}

/* Gives the numbers the smallest values that keep their order; 0, which is none, stays 0. */
APART static void line_renumber(struct model_line *line) {
    uint8_t *numbers[NUMBERS], smaller[UINT8_MAX + 1] = {0};
    uint8_t before = line->n, rank = 0;
    numbers_of(line, numbers);
    for (size_t i = 0; i < NUMBERS; i++)
        smaller[*numbers[i]] = 1;
    smaller[0] = 1;
    for (size_t value = 0; value <= UINT8_MAX; value++) {
        uint8_t is = smaller[value];
        smaller[value] = rank;
        rank = (uint8_t)(rank + is);
    }
    for (size_t i = 0; i < NUMBERS; i++)
        *numbers[i] = smaller[*numbers[i]];
    line->base += (uint32_t)(before - line->n);
}

#define MAKE 4u /* lines at once, which fill whole lines of the CPU's cache */

static uint32_t take_record(const struct model_lines *lines) {
    struct model_spare *spare = lines->spare;
    if (spare != NULL && spare->count != 0)
        return spare->ids[--spare->count];
    uint32_t count = spare != NULL ? MAKE : 1;
    uint32_t id = lines->make(lines->context, count);
    for (uint32_t i = 1; i < count && id != 0; i++)
        spare->ids[spare->count++] = id + i * (uint32_t)MODEL_LINE_GRAINS;
    return id;
}

APART static struct model_line *open_line(struct model_page *page, const struct model_lines *lines,
                                          uint32_t l) {
    uint32_t id = take_record(lines);
    if (id == 0)
        return NULL;
    void *record = lines->memory + (size_t)id * MODEL_GRAIN;
    struct model_line *line = record;
    CLEAR_SMALL(line);
    line->base = page->last;
    /* Only now: the process may be killed at any moment, and the parent looks. */
    atomic_signal_fence(memory_order_seq_cst);
    page->open[l] = id;
    return line;
}

struct model_line *line_open(struct model_page *page, const struct model_lines *lines, uint32_t l) {
    struct model_line *line = line_at(page, lines, l);
    return LIKELY(line != NULL) ? line : open_line(page, lines, l);
}

uint32_t model_stores(const struct model_page *page, const struct model_lines *lines, uint32_t l) {
    const struct model_line *line = line_at(page, lines, l);
    return line != NULL ? line->base + line->n : page->last;
}

/* Does anything of the line wait, for whatever? */
static bool waits(const struct model_line *line, bool by_pages) {
    return line->durable != line->n || line->storers != 0 || line->flush[0].n != 0 ||
           line->flush[1].n != 0 || (by_pages && line->page_durable != line->n);
}

void model_close(struct model_page *page, const struct model_actor *actor, uint32_t l,
                 bool by_pages) {
    struct model_spare *spare = actor->lines->spare;
    struct model_line *line = line_at(page, actor->lines, l);
    if (line == NULL || spare == NULL || spare->count == MODEL_SPARE)
        return;
    line_settle(line, actor->threads, line_any_token(actor->judge));
    if (waits(line, by_pages))
        return;
    if (line->base + line->n > page->last)
        page->last = line->base + line->n;
    spare->ids[spare->count++] = page->open[l];
    page->open[l] = 0;
}

uint8_t line_count_store(struct model_line *line) {
    if (line->n >= LINE_COUNT_MAX)
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
    if (flush->token == 0)
        return true; /* the program's own instruction: any fence will do */
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

static void close_units(struct model_line *line, uint8_t units) {
    for (uint32_t u = 0; u < MODEL_LINE_UNITS; u++) {
        if ((units & (uint8_t)~line->placed) >> u & 1)
            line->unit[u].mask = 0;
    }
}

/* What the flush covers is durable. */
static void line_raise(struct model_line *line, struct model_flush *flush) {
    if (flush->units != 0)
        close_units(line, flush->units);
    else if (flush->n > line->durable)
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

/* Does a flush by the actor cover what the earlier one does? */
static bool repeats(const struct model_flush *earlier, const struct model_actor *actor,
                    bool streamed) {
    return earlier->thread == actor->thread && earlier->token == actor->token &&
           (!streamed || earlier->units != 0);
}

/* A place for a flush by the actor: the note that it repeats, an empty place, one of which a drain
   of another token has made something durable, one of its own. NULL: there is none. */
static struct model_flush *find_place(struct model_line *line, const struct model_actor *actor,
                                      bool streamed) {
    struct model_flush *empty = NULL, *passed = NULL, *own = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if (flush->n == 0) {
            empty = flush;
            continue;
        }
        if (repeats(flush, actor, streamed))
            return flush;
        if (flush->thread == actor->thread)
            own = flush;
        if (drained_any(flush, actor->threads))
            passed = flush;
    }
    return empty != NULL ? empty : passed != NULL ? passed : own;
}

/* Notes a flush; units: of a streaming store, or 0. Where there is no place, or only that of
   another flush, what would be forgotten counts as durable. That may miss an error and never
   invents one. */
static void line_note(struct model_line *line, const struct model_actor *actor, uint8_t units,
                      bool races) {
    struct model_flush *place = find_place(line, actor, units != 0);
    struct model_flush flush = {.n = line->n,
                                .drains = atomic_load(&actor->threads[actor->thread].drains),
                                .token = actor->token,
                                .stack = actor->stack,
                                .thread = actor->thread & MODEL_THREADS,
                                .units = units,
                                .races = races};
    if (place == NULL) {
        line_raise(line, &flush);
        return;
    }
    if (place->n != 0 && !repeats(place, actor, units != 0))
        line_raise(line, place);
    else if (place->n != 0 && units != 0)
        flush.units |= place->units;
    *place = flush;
}

void line_note_flush(struct model_line *line, const struct model_actor *actor, bool races) {
    line->flushed = line->n;
    line_note(line, actor, 0, races);
}

void line_complete(struct model_line *line, const struct model_actor *actor) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if (flush->n != 0 && flush->units == 0 && flush->thread == actor->thread &&
            flush->token == actor->token)
            line_raise(line, flush);
    }
}

void line_note_stream(struct model_line *line, const struct model_actor *actor, uint8_t units) {
    line_note(line, actor, units, false);
}

struct model_flush *line_stream_of(struct model_line *line, uint32_t unit) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        if (line->flush[i].n != 0 && line->flush[i].units >> unit & 1)
            return &line->flush[i];
    }
    return NULL;
}

void line_forget_stream(struct model_line *line, uint32_t unit) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if ((flush->units >> unit & 1) == 0)
            continue;
        flush->units &= (uint8_t) ~(1u << unit);
        if (flush->units == 0)
            flush->n = 0;
    }
}

bool line_flushed_by(const struct model_line *line, uint32_t thread) {
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        const struct model_flush *flush = &line->flush[i];
        if (flush->n == line->n && flush->units == 0 && flush->thread == thread)
            return true;
    }
    return false;
}

const struct model_flush *line_flush_of(const struct model_line *line,
                                        const struct model_thread *threads, uint32_t unit,
                                        bool *rescued, bool *races) {
    const struct model_flush *found = NULL;
    *rescued = *races = false;
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        const struct model_flush *flush = &line->flush[i];
        bool covers =
            flush->units != 0 ? (flush->units >> unit & 1) != 0 : flush->n >= line->unit[unit].n;
        if (flush->n == 0 || !covers)
            continue;
        /* One that is known to cover it is worth more than one that may. */
        bool may = flush->races && flush->thread != line->unit[unit].thread;
        if (found != NULL && may)
            continue;
        found = flush;
        *races = may;
        *rescued = *rescued || drained_any(flush, threads);
    }
    return found;
}
