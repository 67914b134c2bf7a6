/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a page is not durable, store by store. */
#include "base/bits.h"
#include "model/line.h"

enum verdict { VERDICT_DURABLE, VERDICT_UNDRAINED, VERDICT_UNFLUSHED };

static enum verdict verdict_of(uint32_t n, uint32_t durable, uint32_t flushed) {
    return n <= durable ? VERDICT_DURABLE : n <= flushed ? VERDICT_UNDRAINED : VERDICT_UNFLUSHED;
}

/* Judges a unit's last store; fills in all of hole but its place. false: it is durable. */
static bool judge_unit(const struct model_page *page, struct model_line *line, uint32_t u,
                       const struct model_judging *judging, struct model_hole *hole) {
    const struct model_unit *unit = &line->unit[u];
    bool rescued, races, streamed = line_stream_of(line, u) != NULL;
    const struct model_flush *flush = line_flush_of(line, judging->threads, u, &rescued, &races);
    enum verdict lines = verdict_of(unit->n, line->durable, streamed ? unit->n : line->flushed);
    enum verdict pages = verdict_of(unit->n, line->page_durable, line->page_n);
    bool actual = judging->judge == MODEL_JUDGE_ACTUAL;
    bool by_pages = judging->judge == MODEL_JUDGE_PAGES || (actual && judging->pages);
    enum verdict verdict = by_pages ? pages : lines;
    *hole = (struct model_hole){.store = unit->stack,
                                .thread = unit->thread,
                                .n = line->base + unit->n,
                                .continues = unit->continues};
    if (by_pages && actual && pages == VERDICT_DURABLE && lines == VERDICT_UNFLUSHED) {
        hole->page_rescued = true;
        verdict = lines;
    }
    hole->flushed = verdict == VERDICT_UNDRAINED;
    hole->placed = verdict == VERDICT_UNFLUSHED && lines == verdict && (line->placed >> u & 1) != 0;
    if (hole->flushed) {
        hole->flush = streamed        ? unit->stack
                      : flush != NULL ? flush->stack
                      : by_pages      ? page->page_stack
                                      : 0;
        hole->token_rescued = rescued && !by_pages;
    }
    /* What may be covered is nobody's mistake. */
    return verdict != VERDICT_DURABLE && !(hole->flushed && races && !by_pages);
}

static bool joins(const struct model_hole *a, const struct model_hole *b) {
    return b->continues && a->start + a->length == b->start && a->store == b->store &&
           a->thread == b->thread && a->flush == b->flush && a->flushed == b->flushed &&
           a->page_rescued == b->page_rescued && a->token_rescued == b->token_rescued &&
           a->placed == b->placed;
}

/* What is being told. */
struct telling {
    const struct model_page *page;
    const struct model_judging *judging;
    struct model_hole run; /* not yet told; nothing if its length is 0 */
};

static void tell(struct telling *telling) {
    if (telling->run.length != 0)
        telling->judging->tell(telling->judging->context, telling->page, &telling->run);
    telling->run.length = 0;
}

/* Tells of the bytes of a unit that wait, run by run; they wait no longer. start: of the unit, in
   the page */
static void tell_bytes(struct telling *telling, struct model_unit *unit, uint8_t bytes,
                       uint32_t start, struct model_hole hole) {
    if (!telling->judging->keep)
        unit->mask &= (uint8_t)~bytes;
    while (bytes != 0) {
        uint32_t first = (uint32_t)__builtin_ctz(bytes);
        uint32_t length = (uint32_t)__builtin_ctz(~((unsigned)bytes >> first));
        hole.start = start + first;
        hole.length = length;
        if (telling->run.length != 0 && joins(&telling->run, &hole)) {
            telling->run.length += length;
        } else {
            tell(telling);
            telling->run = hole;
        }
        hole.continues = true; /* unless the run before is adjacent, this joins nothing */
        bytes &= (uint8_t) ~(((1u << length) - 1) << first);
    }
}

/* Which bytes of the unit at unit_start lie in [start, end)? One bit each. */
static uint8_t unit_bytes(uint32_t unit_start, uint32_t start, uint32_t end) {
    uint32_t from = start > unit_start ? start - unit_start : 0;
    uint32_t to = end < unit_start + MODEL_UNIT_SIZE ? end - unit_start : MODEL_UNIT_SIZE;
    return (uint8_t)(((1u << to) - 1) & ~((1u << from) - 1));
}

void model_judge(struct model_page *page, const struct model_judging *judging, uint32_t start,
                 uint32_t length) {
    struct telling telling = {.page = page, .judging = judging};
    uint32_t end = start + length;
    bool page_done = page->page_drains != judging->file_drains;
    for (uint32_t at = start / MODEL_UNIT_SIZE; at * MODEL_UNIT_SIZE < end; at++) {
        struct model_line *line = line_at(page, judging->lines, at / MODEL_LINE_UNITS);
        uint32_t u = at % MODEL_LINE_UNITS;
        struct model_hole hole;
        if (line == NULL)
            continue;
        if (u == 0 || at == start / MODEL_UNIT_SIZE) {
            line_settle(line, judging->threads, line_any_token(judging->judge));
            if (page_done)
                line->page_durable = line->page_n;
        }
        uint32_t unit_start = at * MODEL_UNIT_SIZE;
        uint8_t bytes = line->unit[u].mask & unit_bytes(unit_start, start, end);
        if (bytes != 0 && judge_unit(page, line, u, judging, &hole))
            tell_bytes(&telling, &line->unit[u], bytes, unit_start, hole);
    }
    tell(&telling);
}

bool model_came_before(const struct model_page *page, const struct model_lines *lines,
                       const struct model_hole *hole, const struct model_order *order) {
    const struct model_line *line = line_at(page, lines, hole->start / MODEL_LINE_SIZE);
    uint8_t place = order->places[hole->thread];
    /* The line knows the number of its last store alone. */
    bool last =
        line != NULL && (hole->n == line->base + line->n || line->storers == hole->thread + 1);
    return last && line->number != 0 && place != 0 && order->known[place - 1] >= line->number;
}

bool model_lasts(struct model_page *page, const struct model_judging *judging, uint32_t l,
                 uint32_t n) {
    struct model_line *line = line_at(page, judging->lines, l);
    if (line == NULL)
        return true; /* closed: nothing of it waits */
    bool by_pages = judging->judge == MODEL_JUDGE_PAGES ||
                    (judging->judge == MODEL_JUDGE_ACTUAL && judging->pages);
    line_settle(line, judging->threads, line_any_token(judging->judge));
    if (page->page_drains != judging->file_drains)
        line->page_durable = line->page_n;
    return n > line->base && n - line->base <= (by_pages ? line->page_durable : line->durable);
}
