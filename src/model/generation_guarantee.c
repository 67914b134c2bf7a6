/* SPDX-License-Identifier: BSD-2-Clause */
/* Guarantees: what threads note, and how what is guaranteed goes into the base. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "model/generation_state.h"

/* From so many notes on it is worth to look for those that say nothing new. */
#define PRUNE_AT 4096u

static void apply(uint8_t *bytes, const struct generation_piece *piece) {
    for (unsigned i = 0; i < MODEL_UNIT_SIZE; i++) {
        if (piece->mask & 1u << i)
            bytes[piece->unit * MODEL_UNIT_SIZE + i] = piece->bytes[i];
    }
}

/* Keeps the line's array for the next line that needs one, if there is memory for its address. */
static void give_pieces(struct generation *generation, struct generation_line *line) {
    if (generation->spare_count == generation->spare_room) {
        size_t wanted = generation->spare_room * 2 + 64;
        void *grown = realloc(generation->spare, wanted * sizeof(void *));
        if (grown == NULL)
            return;
        generation->spare = grown;
        generation->spare_room = wanted;
    }
    generation->spare[generation->spare_count++] = line->pieces;
    line->pieces = NULL;
    line->room = 0;
}

/* The line has fewer pieces than before. */
static void shrink(struct generation *generation, struct generation_line *line, uint32_t count) {
    if (count == line->count)
        return;
    line->count = count;
    if (count != 0) {
        line->pieces[0].begins = true; /* the rest of a generation */
        return;
    }
    generation_lands(generation, line);
    if (line->room == GENERATION_SPARE)
        give_pieces(generation, line);
}

/* Takes the bits of a word that mask names, side by side. */
static uint64_t gather(uint64_t word, uint64_t mask) {
    uint64_t gathered = 0;
    for (unsigned bit = 0; mask != 0; mask &= mask - 1, bit++)
        gathered |= (word >> __builtin_ctzll(mask) & 1) << bit;
    return gathered;
}

void generation_fold_set(struct generation *generation, struct generation_line *line,
                         uint64_t set) {
    uint32_t kept = 0;
    bool begins = false; /* the generation's first piece has gone */
    for (uint32_t i = 0; i < line->count; i++) {
        struct generation_piece *piece = &line->pieces[i];
        begins = piece->begins || begins;
        if (set >> i & 1) {
            apply(line->base, piece);
            continue;
        }
        piece->begins = begins;
        begins = false;
        piece->after = gather(piece->after, ~set);
        line->pieces[kept++] = *piece;
    }
    shrink(generation, line, kept);
}

void generation_fold(struct generation *generation, struct generation_line *line, uint32_t count) {
    if (line->partial) {
        generation_fold_set(generation, line,
                            count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        apply(line->base, &line->pieces[i]);
    if (count != 0)
        memmove(line->pieces, line->pieces + count, (line->count - count) * sizeof line->pieces[0]);
    shrink(generation, line, line->count - count);
}

/* Of pieces in one order, those up to number n. Under arm only the piece of that number, and what
   it waits for. */
static void guarantee(struct generation *generation, struct generation_line *line, uint64_t n) {
    if (line->count == 0 || n < line->pieces[0].number)
        return;
    if (!line->partial) {
        generation_fold(generation, line, (uint32_t)(n - line->pieces[0].number) + 1);
        return;
    }
    uint32_t place = 0;
    while (place < line->count && line->pieces[place].number != n)
        place++;
    if (place < line->count)
        generation_fold_set(generation, line, UINT64_C(1) << place | line->pieces[place].after);
}

static int compare(const void *left, const void *right) {
    const struct note *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->n < b->n ? -1 : a->n > b->n;
}

/* Drops what says nothing: pieces that are durable already, and in one order all but a line's
   last. */
static void prune(const struct generation *generation, struct notes *notes) {
    size_t kept = 0;
    qsort(notes->list, notes->count, sizeof notes->list[0], compare);
    for (size_t i = 0; i < notes->count; i++) {
        const struct generation_line *line = &generation->lines[notes->list[i].line];
        const struct note *next = i + 1 < notes->count ? &notes->list[i + 1] : NULL;
        bool again = next != NULL && next->line == notes->list[i].line &&
                     (!line->partial || next->n == notes->list[i].n);
        if (!again && line->count != 0 && notes->list[i].n >= line->pieces[0].number)
            notes->list[kept++] = notes->list[i];
    }
    notes->count = kept;
    notes->prune = kept * 2 > PRUNE_AT ? kept * 2 : PRUNE_AT;
}

static void add_note(struct generation *generation, struct notes *notes, uint32_t line,
                     uint64_t n) {
    if (notes->count >= notes->prune && notes->count >= PRUNE_AT)
        prune(generation, notes);
    void *list =
        generation_grow(generation, notes->list, notes->count, &notes->room, sizeof *notes->list);
    if (list == NULL)
        return;
    notes->list = list;
    notes->list[notes->count++] = (struct note){.line = line, .n = n};
}

struct notes *generation_notes(struct generation *generation, struct thread *thread) {
    return generation->rules.model == GENERATION_PAGE ? &generation->common : &thread->notes;
}

void generation_note(struct generation *generation, struct notes *notes, uint32_t line_index,
                     uint32_t thread, uint64_t from) {
    struct generation_line *line = &generation->lines[line_index];
    for (uint32_t i = line->count; i != 0 && line->pieces[i - 1].number > from; i--) {
        const struct generation_piece *piece = &line->pieces[i - 1];
        bool known = notes->id != 0 && line->noter == notes->id &&
                     line->noted_at == notes->completed && line->noted >= piece->number;
        if (known && !line->partial)
            return;
        if (!generation_before(generation, piece, thread))
            continue;
        add_note(generation, notes, line_index, piece->number);
        if (!line->partial) {
            line->noter = notes->id;
            line->noted_at = notes->completed;
            line->noted = piece->number;
            return;
        }
    }
}

static void complete(struct generation *generation, struct notes *notes) {
    for (size_t i = 0; i < notes->count; i++)
        guarantee(generation, &generation->lines[notes->list[i].line], notes->list[i].n);
    notes->count = 0;
    notes->completed++;
}

/* An act on the lines of a range. */
struct act {
    void (*line)(struct generation *generation, uint32_t line, const struct act *act);
    uint32_t thread;
    struct notes *notes;
};

/* Acts on the lines of [from, to) that have something in flight, the quicker way. From the back:
   a line that lands leaves its place to the last. */
static void each_line(struct generation *generation, uint32_t file, uint64_t from, uint64_t to,
                      const struct act *act) {
    uint64_t size = generation_line_size(generation);
    uint64_t first = from / size, last = to == 0 ? 0 : (to - 1) / size;
    if (from >= to)
        return;
    if (last - first >= generation->flight_count) {
        for (size_t i = generation->flight_count; i != 0; i--) {
            uint32_t index = generation->flight[i - 1];
            const struct generation_line *line = &generation->lines[index];
            if (line->file == file && line->offset / size >= first && line->offset / size <= last)
                act->line(generation, index, act);
        }
        return;
    }
    for (uint64_t at = first; at <= last && generation->flight_count != 0; at++) {
        const struct generation_line *line = generation_find(generation, file, at * size);
        if (line != NULL && line->count != 0)
            act->line(generation, (uint32_t)(line - generation->lines), act);
    }
}

static void note_line(struct generation *generation, uint32_t line, const struct act *act) {
    generation_note(generation, act->notes, line, act->thread, 0);
}

static void settle_line(struct generation *generation, uint32_t index, const struct act *act) {
    (void)act;
    generation_fold(generation, &generation->lines[index], generation->lines[index].count);
}

/* What a flush acts on: lines, or under the page model pages. */
static struct stretch widen(const struct generation *generation, uint32_t file, uint64_t offset,
                            uint64_t length) {
    uint64_t unit = generation->rules.model == GENERATION_PAGE ? GENERATION_PAGE_SIZE
                                                               : generation_line_size(generation);
    uint64_t last = align_down(generation_end(offset, length) - 1, unit);
    return (struct stretch){file, align_down(offset, unit), generation_end(last, unit)};
}

/* Remembers that a drain has to write the pages. */
static void add_stretch(struct generation *generation, struct stretch stretch) {
    struct stretch *before =
        generation->flushed_count != 0 ? &generation->flushed[generation->flushed_count - 1] : NULL;
    if (before != NULL && before->file == stretch.file && before->from <= stretch.from &&
        before->to >= stretch.from) {
        before->to = before->to > stretch.to ? before->to : stretch.to;
        return;
    }
    void *flushed = generation_grow(generation, generation->flushed, generation->flushed_count,
                                    &generation->flushed_room, sizeof *generation->flushed);
    if (flushed == NULL)
        return;
    generation->flushed = flushed;
    generation->flushed[generation->flushed_count++] = stretch;
}

static void note_range(struct generation *generation, struct notes *notes, uint32_t thread,
                       struct stretch range) {
    const struct act act = {.line = note_line, .thread = thread, .notes = notes};
    each_line(generation, range.file, range.from, range.to, &act);
}

void generation_flush(struct generation *generation, uint32_t thread, uint32_t file,
                      uint64_t offset, uint64_t length) {
    struct thread *own = generation_need_thread(generation, thread);
    if (length == 0 || own == NULL)
        return;
    struct stretch range = widen(generation, file, offset, length);
    if (generation->rules.model == GENERATION_PAGE)
        add_stretch(generation, range);
    note_range(generation, generation_notes(generation, own), thread, range);
}

void generation_clflush(struct generation *generation, uint32_t thread, uint32_t file,
                        uint64_t offset, uint64_t length) {
    struct notes notes = {0};
    if (length == 0 || generation_need_thread(generation, thread) == NULL)
        return;
    note_range(generation, &notes, thread, widen(generation, file, offset, length));
    complete(generation, &notes);
    free(notes.list);
}

/* Under the page model a drain writes the pages as they are when it begins. */
void generation_drain(struct generation *generation, uint32_t thread) {
    struct thread *own = generation_need_thread(generation, thread);
    if (own == NULL)
        return;
    own->breaks++;
    own->barriers++;
    for (size_t i = 0; i < generation->flushed_count; i++)
        note_range(generation, &generation->common, thread, generation->flushed[i]);
    generation->flushed_count = 0;
    complete(generation, generation_notes(generation, own));
}

void generation_atomic(struct generation *generation, uint32_t thread) {
    struct thread *own = generation_need_thread(generation, thread);
    if (own == NULL)
        return;
    own->breaks++;
    if (generation->rules.model != GENERATION_ARM)
        complete(generation, generation_notes(generation, own));
}

void generation_barrier(struct generation *generation, uint32_t thread) {
    struct thread *own = generation_need_thread(generation, thread);
    if (own != NULL)
        own->barriers++;
}

void generation_sync_begin(struct generation *generation, uint32_t thread, uint32_t file,
                           uint64_t offset, uint64_t length) {
    struct thread *own = generation_need_thread(generation, thread);
    if (length == 0 || own == NULL)
        return;
    own->syncing.count = 0;
    own->syncing.completed++;
    note_range(generation, &own->syncing, thread, widen(generation, file, offset, length));
}

void generation_sync_end(struct generation *generation, uint32_t thread) {
    struct thread *own = generation_need_thread(generation, thread);
    if (own != NULL)
        complete(generation, &own->syncing);
}

void generation_settle(struct generation *generation, uint32_t file, uint64_t offset,
                       uint64_t length) {
    const struct act act = {.line = settle_line};
    each_line(generation, file, offset, generation_end(offset, length), &act);
}
