/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of lines: stores and flushes. */
#include "base/bits.h"
#include "model/line.h"

/* One unit of a store through the cache. */
static inline void store_unit(struct model_line *line, uint32_t u, struct model_unit store) {
    struct model_unit *unit = &line->unit[u];
    store.mask |= unit->n > line->flushed ? unit->mask : 0;
    *unit = store;
}

/* The same where something of the unit came past the cache. */
APART static void store_over(struct model_line *line, uint32_t u, struct model_unit store) {
    struct model_unit *unit = &line->unit[u];
    bool placed = (line->placed >> u & 1) != 0;
    bool waits = unit->n > line->flushed && !placed && line_stream_of(line, u) == NULL;
    if (waits)
        store.mask |= unit->mask;
    line->placed &= (uint8_t) ~(1u << u);
    line_forget_stream(line, u);
    *unit = store;
}

/* Units from u on, of which nothing came past the cache; bytes: of u first. Most are stored to as
   wholes, so that it does not matter what of them waits already. */
static void store_units(struct model_line *line, uint32_t u, uint64_t bytes,
                        struct model_unit store) {
    store.mask = (uint8_t)bytes;
    store_unit(line, u, store);
    store.continues = true;
    store.mask = UINT8_MAX;
    for (bytes >>= MODEL_UNIT_SIZE, u++; bytes >= UINT8_MAX; bytes >>= MODEL_UNIT_SIZE, u++)
        line->unit[u] = store;
    if (bytes != 0) {
        store.mask = (uint8_t)bytes;
        store_unit(line, u, store);
    }
}

/* One unit of a store past the cache; false: bytes beside it wait in the cache for a flush, and
   those are what is remembered. */
static bool stream_unit(struct model_line *line, const struct model_actor *actor, uint32_t u,
                        struct model_unit store) {
    struct model_unit *unit = &line->unit[u];
    const struct model_flush *stream = line_stream_of(line, u);
    bool unflushed = unit->n > line->flushed, placed = (line->placed >> u & 1) != 0;
    if (unflushed && stream == NULL && !placed) {
        unit->mask &= (uint8_t)~store.mask;
        if (unit->mask != 0)
            return false;
    }
    if (unflushed && stream != NULL && stream->thread == actor->thread &&
        stream->token == actor->token)
        store.mask |= unit->mask;
    line->placed &= (uint8_t) ~(1u << u);
    line_forget_stream(line, u);
    *unit = store;
    return true;
}

static void store_line(struct model_line *line, const struct model_actor *actor, uint32_t start,
                       uint32_t end, bool continues, enum model_way way) {
    uint8_t n = line_count_store(line);
    uint16_t me = (uint16_t)(actor->thread + 1);
    uint8_t streamed = 0;
    if (way != MODEL_CACHED)
        line_settle(line, actor->threads, line_any_token(actor->judge));
    bool was_clean = line->durable == n - 1;
    line->storers = line->storers == 0 || line->storers == me ? me : MODEL_SEVERAL;
    line->number = actor->order != NULL ? actor->order->number : 0;
    struct model_unit store = {.n = n,
                               .stack = actor->stack,
                               .thread = actor->thread & MODEL_THREADS,
                               .continues = continues};
    uint8_t beside = line_beside_cache(line);
    uint64_t bytes = line_bytes(start, end) >> start / MODEL_UNIT_SIZE * MODEL_UNIT_SIZE;
    if (LIKELY(way == MODEL_CACHED && beside == 0)) {
        store_units(line, start / MODEL_UNIT_SIZE, bytes, store);
        return;
    }
    for (uint32_t u = start / MODEL_UNIT_SIZE; bytes != 0; u++, bytes >>= MODEL_UNIT_SIZE) {
        store.mask = (uint8_t)bytes;
        if (way == MODEL_CACHED)
            store_over(line, u, store);
        else if (stream_unit(line, actor, u, store))
            streamed |= (uint8_t)(1u << u);
        store.continues = true;
    }
    if (way == MODEL_PLACED)
        line->placed |= streamed;
    if (way == MODEL_PERSIST && was_clean) {
        if (line->storers == me)
            line->storers = 0;
        line_note_flush(line, actor, false);
    } else if (streamed != 0) {
        line_note_stream(line, actor, streamed);
    }
}

void model_store(struct model_page *page, const struct model_actor *actor, uint32_t start,
                 uint32_t length, bool continues, enum model_way way) {
    uint32_t end = start + length;
    if (actor->judge == MODEL_JUDGE_PAGES)
        way = MODEL_CACHED; /* only flushes of pages count, and they are noted by themselves */
    for (uint32_t at = start; at < end;) {
        uint32_t l = at / MODEL_LINE_SIZE, line_start = l * MODEL_LINE_SIZE;
        uint32_t stop = end < line_start + MODEL_LINE_SIZE ? end : line_start + MODEL_LINE_SIZE;
        struct model_line *line = line_open(page, actor->lines, l);
        if (line != NULL)
            store_line(line, actor, at - line_start, stop - line_start, continues, way);
        /* Of one that could not be noted nothing is known any more. */
        page->touched &= ~(UINT64_C(1) << l);
        page->touched |= (uint64_t)(line != NULL) << l;
        continues = true;
        at = stop;
    }
}

bool model_store_word(struct model_page *page, const struct model_actor *actor, uint32_t start,
                      uint32_t length) {
    uint32_t l = start / MODEL_LINE_SIZE, u = start % MODEL_LINE_SIZE / MODEL_UNIT_SIZE;
    struct model_line *line = line_open(page, actor->lines, l);
    if (UNLIKELY(line == NULL))
        return false;
    uint32_t first = start % MODEL_UNIT_SIZE;
    uint16_t me = (uint16_t)(actor->thread + 1);
    if (UNLIKELY(first + length > MODEL_UNIT_SIZE || line->n >= LINE_COUNT_MAX ||
                 (line_beside_cache(line) >> u & 1) != 0))
        return false;
    store_unit(line, u,
               (struct model_unit){.n = (uint8_t)(line->n + 1),
                                   .stack = actor->stack,
                                   .thread = actor->thread & MODEL_THREADS,
                                   .mask = (uint8_t)(((1u << length) - 1) << first)});
    line->n++;
    line->storers = line->storers == 0 || line->storers == me ? me : MODEL_SEVERAL;
    line->number = actor->order != NULL ? actor->order->number : 0;
    page->touched |= UINT64_C(1) << l;
    return true;
}

/* Did the stores of another thread, or several, that wait for a flush happen before what the actor
   does? */
static bool happened_before(const struct model_line *line, const struct model_actor *actor) {
    const struct model_order *order = actor->order;
    if (order == NULL)
        return true;
    if (line->storers == MODEL_SEVERAL || line->number == 0 || order->number == 0)
        return false;
    uint8_t place = order->places[line->storers - 1];
    return place != 0 && order->known[place - 1] >= line->number;
}

uint32_t model_waiting(const struct model_page *page, const struct model_lines *lines, uint32_t l) {
    struct model_line *line = line_at(page, lines, l);
    uint32_t bytes = 0;
    for (uint32_t u = 0; line != NULL && u < MODEL_LINE_UNITS; u++) {
        const struct model_unit *unit = &line->unit[u];
        if (unit->n > line->flushed && line_stream_of(line, u) == NULL)
            bytes += (uint32_t)__builtin_popcount(unit->mask);
    }
    return bytes;
}

enum model_flushed model_flush(struct model_page *page, const struct model_actor *actor,
                               uint32_t l) {
    struct model_line *line = line_at(page, actor->lines, l);
    if ((page->touched >> l & 1) == 0)
        return MODEL_FLUSH_UNKNOWN;
    if (line == NULL) /* closed; or this process has not mapped as much as another one */
        return page->open[l] == 0 ? MODEL_FLUSH_AGAIN : MODEL_FLUSH_NEEDED;
    line_settle(line, actor->threads, line_any_token(actor->judge));
    /* Where another thread stored and this one flushed, who was first is not known: the thread that
       stored flushes in its own right, and so does whoever it asks. */
    bool again =
        line->storers == 0 && (line->durable == line->n || line_flushed_by(line, actor->thread));
    bool foreign = line->storers != 0 && line->storers != actor->thread + 1;
    bool ordered = !foreign || happened_before(line, actor);
    if (!foreign || (ordered && actor->order != NULL))
        line->storers = 0;
    if (line->durable != line->n)
        line_note_flush(line, actor, !ordered);
    return again ? MODEL_FLUSH_AGAIN : MODEL_FLUSH_NEEDED;
}

void model_flush_at(struct model_page *page, const struct model_actor *actor, uint32_t l,
                    uint32_t drains) {
    struct model_line *line = line_at(page, actor->lines, l);
    if (line == NULL)
        return;
    line_settle(line, actor->threads, line_any_token(actor->judge));
    line_note_flush(line, actor, false);
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        if (flush->n == line->n && flush->units == 0 && flush->thread == actor->thread &&
            flush->token == actor->token)
            flush->drains = drains;
    }
}

void model_flush_done(struct model_page *page, const struct model_actor *actor, uint32_t l) {
    struct model_line *line = line_at(page, actor->lines, l);
    if (line != NULL)
        line_complete(line, actor);
}

void model_flush_page(struct model_page *page, const struct model_lines *lines,
                      uint32_t file_drains, uint32_t stack) {
    bool done = page->page_drains != file_drains;
    page->page_drains = file_drains;
    page->page_stack = stack;
    for (uint32_t l = 0; l < MODEL_PAGE_LINES; l++) {
        struct model_line *line = line_at(page, lines, l);
        if (line == NULL)
            continue;
        if (done)
            line->page_durable = line->page_n;
        line->page_n = line->n;
    }
}

void model_make_durable(struct model_page *page, const struct model_lines *lines, uint32_t from,
                        uint32_t to) {
    for (uint32_t l = (from + MODEL_LINE_SIZE - 1) / MODEL_LINE_SIZE; l < to / MODEL_LINE_SIZE;
         l++) {
        struct model_line *line = line_at(page, lines, l);
        if (line == NULL)
            continue;
        line->durable = line->flushed = line->page_durable = line->page_n = line->n;
        for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++)
            line->flush[i].n = 0;
    }
}
