/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores: how generations grow. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "model/generation_state.h"

static bool passes_cache(enum generation_kind kind) {
    return kind == GENERATION_STREAM || kind == GENERATION_DIRECT;
}

/* Has its thread noted the store when it is made? */
static bool is_noted(const struct generation *generation, enum generation_kind kind) {
    return kind == GENERATION_DIRECT || (kind == GENERATION_STREAM && !generation->rules.inplace);
}

static void take_pieces(struct generation *generation, struct generation_line *line) {
    if (line->room != 0 || generation->spare_count == 0)
        return;
    line->pieces = generation->spare[--generation->spare_count];
    line->room = GENERATION_SPARE;
}

/* The units of the line that [start, end) of it touches, one bit each. */
static uint64_t units_of(uint32_t start, uint32_t end) {
    uint32_t first = start / MODEL_UNIT_SIZE, last = (end - 1) / MODEL_UNIT_SIZE;
    return (UINT64_C(2) << last) - (UINT64_C(1) << first);
}

/* Streaming and direct stores leave by buffers that keep no order among themselves. */
static bool joins(const struct generation_line *line, const struct thread *thread,
                  const struct generation_store *store, uint64_t units) {
    return passes_cache(store->kind) && line->kind == store->kind &&
           line->thread == store->thread && line->breaks == thread->breaks && line->units != 0 &&
           (line->units & units) == 0;
}

/* A copy is read in units; what of one it stores is a piece. bytes: of the line's first byte */
static struct generation_piece make_piece(const struct generation_store *store, uint32_t unit,
                                          uint32_t start, uint32_t end, const uint8_t *bytes) {
    struct generation_piece piece = {
        .tag = store->tag, .thread = store->thread, .unit = (uint8_t)unit};
    for (uint32_t i = 0; i < MODEL_UNIT_SIZE; i++) {
        uint32_t at = unit * MODEL_UNIT_SIZE + i;
        if (at >= start && at < end) {
            piece.mask |= (uint8_t)(1u << i);
            piece.bytes[i] = bytes[at - start];
        }
    }
    return piece;
}

/* Under arm: does the line's last generation, now with the bytes in its cover, wait for the one
   whose last piece is number `last`? */
static bool waits_for(const struct generation_line *line, uint32_t last) {
    const struct generation_piece *piece = &line->pieces[last];
    return piece->thread != line->thread || piece->last < line->first ||
           (piece->cover & line->cover) != 0;
}

/* Under arm: the pieces before number own, where the last generation begins, that it waits for. */
static uint64_t waited_for(const struct generation_line *line, uint32_t own) {
    uint64_t set = 0;
    for (uint32_t from = 0, to; from < own; from = to) {
        for (to = from + 1; to < own && !line->pieces[to].begins;)
            to++;
        for (uint32_t i = from; i < to && waits_for(line, to - 1); i++)
            set |= UINT64_C(1) << i | line->pieces[i].after;
    }
    return set;
}

/* Under arm: places the pieces from number `fresh` on in the order of the line. What a piece waits
   for is settled when it is stored: it may be durable before the next one joins it. */
static void place_in_order(struct generation_line *line, const struct thread *thread,
                           uint32_t fresh) {
    uint32_t own = fresh;
    while (own > 0 && line->pieces[own - 1].number >= line->begun)
        own--;
    uint64_t after = waited_for(line, own);
    for (uint32_t i = fresh; i < line->count; i++) {
        line->pieces[i].after = after;
        line->pieces[i].cover = line->cover;
        line->pieces[i].last = thread->barriers;
    }
}

/* Lets the oldest go, where there is no place for so many more. */
static void make_place(struct generation *generation, struct generation_line *line,
                       uint32_t count) {
    uint32_t most = line->partial ? GENERATION_PARTIAL_PIECES : GENERATION_PIECES;
    if (line->count + count <= most)
        return;
    generation->left_out = true;
    uint32_t wanted = line->partial ? line->count + count - most : line->count;
    while (wanted < line->count && !line->pieces[wanted].begins)
        wanted++;
    generation_fold(generation, line, wanted);
}

static bool add_pieces(struct generation *generation, struct generation_line *line,
                       const struct generation_store *store, uint32_t start, uint32_t end,
                       const uint8_t *bytes) {
    uint64_t units = units_of(start, end);
    for (; units != 0; units &= units - 1) {
        size_t room = line->room;
        void *pieces =
            generation_grow(generation, line->pieces, line->count, &room, sizeof *line->pieces);
        if (pieces == NULL)
            return false;
        line->pieces = pieces;
        line->room = (uint32_t)room;
        line->pieces[line->count] =
            make_piece(store, (uint32_t)__builtin_ctzll(units), start, end, bytes);
        line->pieces[line->count].number = ++line->stored;
        line->pieces[line->count].at = generation->threads[store->thread].now;
        line->count++;
    }
    return true;
}

/* Of [start, end) of a line the bytes; lines are of 64 bytes where this matters. */
static uint64_t cover_of(uint32_t start, uint32_t end) {
    uint64_t upto = end >= 64 ? UINT64_MAX : (UINT64_C(1) << end) - 1;
    return start >= 64 ? 0 : upto & ~((UINT64_C(1) << start) - 1);
}

static bool is_atomic(const struct generation *generation, const struct generation_store *store) {
    return store->kind == GENERATION_UNSEEN ||
           (generation->rules.direct64_atomic && store->kind == GENERATION_DIRECT &&
            store->length == 64 && is_aligned(store->offset, 64));
}

/* Stores [start, end) of a line; bytes are the store's from there on. */
static void store_line(struct generation *generation, struct generation_line *line,
                       const struct thread *thread, const struct generation_store *store,
                       uint32_t start, uint32_t end, const uint8_t *bytes) {
    uint64_t units = units_of(start, end);
    make_place(generation, line, (uint32_t)__builtin_popcountll(units));
    bool joined = joins(line, thread, store, units);
    uint32_t first = line->count;
    uint64_t before = line->stored, cover = cover_of(start, end);
    take_pieces(generation, line);
    if (!add_pieces(generation, line, store, start, end, bytes))
        return;
    for (uint32_t i = first + 1; i < line->count; i++)
        line->pieces[i].together = is_atomic(generation, store);
    if (!joined) {
        line->begun = before + 1;
        line->first = thread->barriers;
    }
    line->kind = store->kind;
    line->thread = store->thread;
    line->breaks = thread->breaks;
    line->units = joined ? line->units | units : units;
    line->cover = joined ? line->cover | cover : cover;
    /* What it joins may be durable, and gone. */
    line->pieces[first].begins = first == 0 || line->pieces[first - 1].number < line->begun;
    if (line->partial)
        place_in_order(line, thread, first);
    if (first == 0)
        generation_takes_off(generation, line);
    line->known |=
        (uint8_t)((2u << (end - 1) / GENERATION_BLOCK) - (1u << start / GENERATION_BLOCK));
}

void generation_storing(struct generation *generation, const struct generation_store *store) {
    struct thread *thread = generation_need_thread(generation, store->thread);
    uint64_t end = store->offset + store->length, size = generation_line_size(generation);
    if (thread == NULL || store->length == 0)
        return;
    for (uint64_t at = store->offset; at < end;) {
        uint64_t start = align_down(at, size);
        uint64_t stop = end - start < size ? end : start + size;
        struct generation_line *line = generation_need_line(generation, store->file, start);
        if (line == NULL)
            return;
        uint64_t before = line->stored;
        store_line(generation, line, thread, store, (uint32_t)(at - start),
                   (uint32_t)(stop - start), (const uint8_t *)store->bytes + (at - store->offset));
        if (is_noted(generation, store->kind))
            generation_note(generation, generation_notes(generation, thread),
                            (uint32_t)(line - generation->lines), store->thread, before);
        at = stop;
    }
}

void generation_stored(struct generation *generation, const struct generation_store *store) {
    if (generation->rules.model == GENERATION_EADR && !is_noted(generation, store->kind))
        generation_settle(generation, store->file, store->offset, store->length);
}

void generation_store(struct generation *generation, const struct generation_store *store) {
    generation_storing(generation, store);
    generation_stored(generation, store);
}
