/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of lines: stores, flushes, drains, and the judgement over them. */
#include "base/bits.h"
#include "model/line.h"

static uint8_t mask_of(uint32_t start, uint32_t end, uint32_t unit_start) {
    uint32_t from = start > unit_start ? start - unit_start : 0;
    uint32_t to = end < unit_start + MODEL_UNIT_SIZE ? end - unit_start : MODEL_UNIT_SIZE;
    return (uint8_t)(((1u << to) - 1) & ~((1u << from) - 1));
}

static void store_line(struct model_line *line, const struct model_actor *actor, uint32_t start,
                       uint32_t end, bool continues) {
    uint32_t n = line_count_store(line);
    for (uint32_t u = start / MODEL_UNIT_SIZE; u * MODEL_UNIT_SIZE < end; u++) {
        struct model_unit *unit = &line->unit[u];
        uint8_t mask = mask_of(start, end, u * MODEL_UNIT_SIZE);
        unit->mask = unit->n <= line->flushed ? mask : unit->mask | mask;
        unit->n = n;
        unit->stack = actor->stack;
        unit->flags = continues ? MODEL_CONTINUES : 0;
        continues = true;
    }
}

void model_store(struct model_page *page, const struct model_actor *actor, uint32_t start,
                 uint32_t length, bool continues, bool streaming) {
    uint32_t end = start + length;
    for (uint32_t at = start; at < end;) {
        uint32_t l = at / MODEL_LINE_SIZE, line_start = l * MODEL_LINE_SIZE;
        uint32_t stop = end < line_start + MODEL_LINE_SIZE ? end : line_start + MODEL_LINE_SIZE;
        struct model_line *line = &page->line[l];
        store_line(line, actor, at - line_start, stop - line_start, continues);
        page->touched |= UINT64_C(1) << l;
        if (streaming) {
            line_settle(line, actor->threads, line_any_token(actor->judge));
            line_note_flush(line, actor);
        }
        continues = true;
        at = stop;
    }
}

enum model_flushed model_flush(struct model_page *page, const struct model_actor *actor,
                               uint32_t l) {
    struct model_line *line = &page->line[l];
    if (line->n == 0)
        return MODEL_FLUSH_UNKNOWN;
    line_settle(line, actor->threads, line_any_token(actor->judge));
    bool again = line->durable == line->n || line_flushed_by(line, actor->thread);
    if (line->durable != line->n)
        line_note_flush(line, actor);
    return again ? MODEL_FLUSH_AGAIN : MODEL_FLUSH_NEEDED;
}

static void settle_page(struct model_page *page, uint32_t file_drains) {
    if (page->page_drains == file_drains)
        return;
    for (uint32_t l = 0; l < MODEL_PAGE_LINES; l++)
        page->line[l].page_durable = page->line[l].page_n;
}

void model_flush_page(struct model_page *page, uint32_t file_drains) {
    settle_page(page, file_drains);
    page->page_drains = file_drains;
    for (uint32_t l = 0; l < MODEL_PAGE_LINES; l++)
        page->line[l].page_n = page->line[l].n;
}

void model_make_durable(struct model_page *page) {
    for (uint32_t l = 0; l < MODEL_PAGE_LINES; l++) {
        struct model_line *line = &page->line[l];
        line->durable = line->flushed = line->page_durable = line->page_n = line->n;
        for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++)
            line->flush[i].n = 0;
    }
}

void model_drain(const struct model_actor *actor) {
    struct model_thread *thread = &actor->threads[actor->thread];
    uint32_t drains = atomic_load(&thread->drains) + 1;
    atomic_store(&thread->flushes, 0);
    size_t place = 0;
    if (actor->token == 0) {
        atomic_store(&thread->every, drains);
    } else {
        for (size_t i = 0; i < MODEL_TOKENS; i++) {
            if (atomic_load(&thread->tokens[i].token) == actor->token ||
                atomic_load(&thread->tokens[i].token) == 0) {
                place = i;
                break;
            }
            /* The least recent one makes room. */
            if (drains - atomic_load(&thread->tokens[i].drained) >
                drains - atomic_load(&thread->tokens[place].drained))
                place = i;
        }
        if (atomic_load(&thread->tokens[place].token) != actor->token &&
            atomic_load(&thread->tokens[place].token) != 0)
            atomic_store(&thread->evicted, atomic_load(&thread->tokens[place].drained));
        atomic_store(&thread->tokens[place].token, actor->token);
        atomic_store(&thread->tokens[place].drained, drains);
    }
    /* Last: who sees the new number finds what it was for. */
    atomic_store(&thread->drains, drains);
}

bool model_drain_needed(const struct model_actor *actor) {
    return atomic_load(&actor->threads[actor->thread].flushes) != 0;
}
