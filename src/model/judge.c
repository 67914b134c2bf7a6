/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a page is not durable, store by store. */
#include "base/bits.h"
#include "model/line.h"

enum verdict { VERDICT_DURABLE, VERDICT_UNDRAINED, VERDICT_UNFLUSHED };

static enum verdict verdict_of(uint32_t n, uint32_t durable, uint32_t flushed) {
    return n <= durable ? VERDICT_DURABLE : n <= flushed ? VERDICT_UNDRAINED : VERDICT_UNFLUSHED;
}

/* Judges a unit's last store; fills in all of hole but its place. false: it is durable. */
static bool judge_unit(const struct model_line *line, const struct model_unit *unit,
                       const struct model_judging *judging, struct model_hole *hole) {
    bool rescued;
    const struct model_flush *flush = line_flush_of(line, judging->threads, unit->n, &rescued);
    enum verdict lines = verdict_of(unit->n, line->durable, line->flushed);
    enum verdict pages = verdict_of(unit->n, line->page_durable, line->page_n);
    bool by_pages = judging->judge == MODEL_JUDGE_PAGES ||
                    (judging->judge == MODEL_JUDGE_ACTUAL && judging->pages);
    enum verdict verdict = by_pages ? pages : lines;
    *hole = (struct model_hole){.store = unit->stack};
    if (by_pages && pages == VERDICT_DURABLE && lines != VERDICT_DURABLE &&
        judging->judge == MODEL_JUDGE_ACTUAL && !rescued) {
        hole->page_rescued = true;
        verdict = lines;
    }
    hole->flushed = verdict == VERDICT_UNDRAINED;
    if (hole->flushed && flush != NULL) {
        hole->flush = flush->stack;
        hole->token_rescued = rescued && !by_pages;
    }
    return verdict != VERDICT_DURABLE;
}

/* Cuts the bytes of a unit that are named by mask, in [start, end) of the page, out of hole. */
static void clip(struct model_hole *hole, uint8_t mask, uint32_t unit_start, uint32_t start,
                 uint32_t end) {
    uint32_t first = unit_start + (uint32_t)__builtin_ctz(mask);
    uint32_t last = unit_start + 31 - (uint32_t)__builtin_clz(mask);
    hole->start = first > start ? first : start;
    uint32_t stop = last + 1 < end ? last + 1 : end;
    hole->length = stop > hole->start ? stop - hole->start : 0;
}

static bool joins(const struct model_hole *a, const struct model_hole *b) {
    return a->start + a->length == b->start && a->store == b->store && a->flush == b->flush &&
           a->flushed == b->flushed && a->page_rescued == b->page_rescued &&
           a->token_rescued == b->token_rescued;
}

static void tell(const struct model_page *page, const struct model_judging *judging,
                 struct model_hole *run) {
    if (run->length != 0)
        judging->tell(judging->context, page, run);
    run->length = 0;
}

void model_judge(struct model_page *page, const struct model_judging *judging, uint32_t start,
                 uint32_t length) {
    struct model_hole run = {.length = 0};
    uint32_t end = start + length;
    bool page_done = page->page_drains != judging->file_drains;
    for (uint32_t u = start / MODEL_UNIT_SIZE; u * MODEL_UNIT_SIZE < end; u++) {
        uint32_t l = u / MODEL_LINE_UNITS;
        struct model_line *line = &page->line[l];
        struct model_unit *unit = &line->unit[u % MODEL_LINE_UNITS];
        struct model_hole hole;
        if (u % MODEL_LINE_UNITS == 0 || u == start / MODEL_UNIT_SIZE) {
            line_settle(line, judging->threads, line_any_token(judging->judge));
            if (page_done)
                line->page_durable = line->page_n;
        }
        bool open = unit->n != 0 && unit->mask != 0 && (unit->flags & MODEL_TOLD) == 0 &&
                    judge_unit(line, unit, judging, &hole);
        if (open) {
            clip(&hole, unit->mask, u * MODEL_UNIT_SIZE, start, end);
            open = hole.length != 0;
        }
        if (!open)
            continue;
        unit->flags |= MODEL_TOLD;
        if (run.length != 0 && (unit->flags & MODEL_CONTINUES) && joins(&run, &hole)) {
            run.length += hole.length;
            continue;
        }
        tell(page, judging, &run);
        run = hole;
    }
    tell(page, judging, &run);
}
