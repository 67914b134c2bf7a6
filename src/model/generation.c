/* SPDX-License-Identifier: BSD-2-Clause */
/* Events: how generations grow, and how guarantees fold them into the base. */
#include "model/generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Stores to one line that nothing ever makes durable: beyond so many pieces the oldest count as
   durable. That leaves images out and never adds an impossible one. */
#define PIECES_MAX 4096u

#define SPARE_ROOM 8u

/* What a thread may count on at its next drain: of a line, the pieces up to number n. */
struct note {
    uint32_t line;
    uint64_t n;
};

/* Under the page model: pages that were flushed. */
struct stretch {
    uint32_t file;
    uint64_t from, to;
};

struct thread {
    uint64_t drains;
    struct note *notes;
    size_t count, room;
};

struct generation {
    enum generation_model model;
    bool failed;
    struct generation_line *lines;
    size_t count, room;
    uint32_t *places; /* hash table of indices + 1 */
    size_t place_count;
    struct thread *threads;
    size_t thread_count;
    struct stretch *flushed;
    size_t flushed_count, flushed_room;
    /* Arrays of SPARE_ROOM pieces that lines no longer need: few lines are in flight at a time. */
    struct generation_piece **spare;
    size_t spare_count, spare_room;
};

/* Makes room for one more element. */
static void *grow(struct generation *generation, void *array, size_t count, size_t *room,
                  size_t size) {
    if (count < *room)
        return array;
    size_t wanted = *room == 0 ? SPARE_ROOM : *room * 2;
    void *grown = realloc(array, wanted * size);
    if (grown == NULL)
        generation->failed = true;
    else
        *room = wanted;
    return grown;
}

struct generation *generation_new(enum generation_model model) {
    struct generation *made = calloc(1, sizeof *made);
    if (made != NULL)
        made->model = model;
    return made;
}

void generation_free(struct generation *generation) {
    if (generation == NULL)
        return;
    for (size_t i = 0; i < generation->count; i++)
        free(generation->lines[i].pieces);
    for (size_t i = 0; i < generation->thread_count; i++)
        free(generation->threads[i].notes);
    for (size_t i = 0; i < generation->spare_count; i++)
        free(generation->spare[i]);
    free(generation->spare);
    free(generation->lines);
    free(generation->places);
    free(generation->threads);
    free(generation->flushed);
    free(generation);
}

bool generation_failed(const struct generation *generation) {
    return generation->failed;
}

static size_t place_of(const struct generation *generation, uint32_t file, uint64_t offset) {
    uint64_t seed = offset ^ (uint64_t)file << 48;
    size_t place = chance_mix(&seed) & (generation->place_count - 1);
    for (; generation->places[place] != 0; place = (place + 1) & (generation->place_count - 1)) {
        const struct generation_line *line = &generation->lines[generation->places[place] - 1];
        if (line->file == file && line->offset == offset)
            break;
    }
    return place;
}

static struct generation_line *find(const struct generation *generation, uint32_t file,
                                    uint64_t offset) {
    if (generation->count == 0)
        return NULL;
    uint32_t found = generation->places[place_of(generation, file, offset)];
    return found == 0 ? NULL : &generation->lines[found - 1];
}

static bool rehash(struct generation *generation) {
    size_t wanted = generation->place_count == 0 ? 64 : generation->place_count * 2;
    uint32_t *places = calloc(wanted, sizeof *places);
    if (places == NULL) {
        generation->failed = true;
        return false;
    }
    free(generation->places);
    generation->places = places;
    generation->place_count = wanted;
    const struct generation_line *lines = generation->lines;
    for (size_t i = 0; lines != NULL && i < generation->count; i++) {
        const struct generation_line *line = &lines[i];
        places[place_of(generation, line->file, line->offset)] = (uint32_t)i + 1;
    }
    return true;
}

/* Finds or makes; NULL without memory. */
static struct generation_line *need_line(struct generation *generation, uint32_t file,
                                         uint64_t offset) {
    struct generation_line *line = find(generation, file, offset);
    if (line != NULL)
        return line;
    if ((generation->count + 1) * 2 > generation->place_count && !rehash(generation))
        return NULL;
    void *lines = grow(generation, generation->lines, generation->count, &generation->room,
                       sizeof *generation->lines);
    if (lines == NULL)
        return NULL;
    generation->lines = lines;
    line = &generation->lines[generation->count];
    *line = (struct generation_line){.file = file, .offset = offset};
    generation->places[place_of(generation, file, offset)] = (uint32_t)++generation->count;
    return line;
}

static struct thread *need_thread(struct generation *generation, uint32_t number) {
    if (number >= generation->thread_count) {
        size_t wanted = (size_t)number + 1;
        struct thread *threads = realloc(generation->threads, wanted * sizeof *threads);
        if (threads == NULL) {
            generation->failed = true;
            return NULL;
        }
        memset(threads + generation->thread_count, 0,
               (wanted - generation->thread_count) * sizeof *threads);
        generation->threads = threads;
        generation->thread_count = wanted;
    }
    return &generation->threads[number];
}

static void apply(uint8_t bytes[MODEL_LINE_SIZE], const struct generation_piece *piece) {
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

static void take_pieces(struct generation *generation, struct generation_line *line) {
    if (line->room != 0 || generation->spare_count == 0)
        return;
    line->pieces = generation->spare[--generation->spare_count];
    line->room = SPARE_ROOM;
}

/* Makes the pieces up to number n durable. They are a prefix of the order: a flush notes all that
   came before it, and a streaming store, which notes itself, can only stand behind pieces that it
   waits for or, in its own generation, that the same thread has noted and not drained. */
static void fold(struct generation *generation, struct generation_line *line, uint64_t n) {
    if (n <= line->folded)
        return;
    uint32_t done = (uint32_t)(n - line->folded);
    for (uint32_t i = 0; i < done; i++)
        apply(line->base, &line->pieces[i]);
    line->count -= done;
    memmove(line->pieces, line->pieces + done, line->count * sizeof line->pieces[0]);
    line->folded = n;
    if (line->count != 0)
        line->pieces[0].begins = true; /* the rest of a generation */
    else if (line->room == SPARE_ROOM)
        give_pieces(generation, line);
}

void generation_base(struct generation *generation, uint32_t file, uint64_t offset,
                     const void *bytes, uint64_t length) {
    for (uint64_t at = 0; at < length; at += MODEL_LINE_SIZE) {
        if (find(generation, file, offset + at) != NULL)
            continue;
        struct generation_line *line = need_line(generation, file, offset + at);
        if (line != NULL)
            memcpy(line->base, (const uint8_t *)bytes + at, MODEL_LINE_SIZE);
    }
}

/* The units of the line that [start, end) of it touches, one bit each. */
static uint8_t units_of(uint32_t start, uint32_t end) {
    uint32_t first = start / MODEL_UNIT_SIZE, last = (end - 1) / MODEL_UNIT_SIZE;
    return (uint8_t)((2u << last) - (1u << first));
}

/* Streaming and direct stores leave by buffers that keep no order among themselves. */
static bool joins(const struct generation_line *line, const struct thread *thread,
                  const struct generation_store *store, uint8_t units) {
    return (store->kind == GENERATION_STREAM || store->kind == GENERATION_DIRECT) &&
           line->kind == store->kind && line->thread == store->thread &&
           line->drains == thread->drains && line->units != 0 && (line->units & units) == 0;
}

/* A copy is read in units; what of one it stores is a piece. bytes: of the line's first byte */
static void add_piece(struct generation_line *line, const struct generation_store *store,
                      uint32_t unit, uint32_t start, uint32_t end, const uint8_t *bytes) {
    struct generation_piece *piece = &line->pieces[line->count++];
    *piece = (struct generation_piece){
        .tag = store->tag, .unit = (uint8_t)unit, .together = store->kind == GENERATION_UNSEEN};
    for (uint32_t i = 0; i < MODEL_UNIT_SIZE; i++) {
        uint32_t at = unit * MODEL_UNIT_SIZE + i;
        if (at >= start && at < end) {
            piece->mask |= (uint8_t)(1u << i);
            piece->bytes[i] = bytes[at - start];
        }
    }
}

/* Stores [start, end) of a line; bytes are the store's from there on. */
static void store_line(struct generation *generation, struct generation_line *line,
                       const struct thread *thread, const struct generation_store *store,
                       uint32_t start, uint32_t end, const uint8_t *bytes) {
    uint8_t units = units_of(start, end);
    bool joined = joins(line, thread, store, units);
    if (line->count + MODEL_LINE_UNITS > PIECES_MAX)
        fold(generation, line, line->folded + line->count);
    uint32_t first = line->count;
    take_pieces(generation, line);
    for (uint32_t unit = 0; unit < MODEL_LINE_UNITS; unit++) {
        size_t room = line->room;
        if ((units & 1u << unit) == 0)
            continue;
        void *pieces = grow(generation, line->pieces, line->count, &room, sizeof *line->pieces);
        if (pieces == NULL)
            return;
        line->pieces = pieces;
        line->room = (uint32_t)room;
        add_piece(line, store, unit, start, end, bytes);
    }
    if (!joined || first == 0)
        line->pieces[first].begins = true;
    line->kind = store->kind;
    line->thread = store->thread;
    line->drains = thread->drains;
    line->units = joined ? line->units | units : units;
}

/* The thread notes all that the line has. */
static void note(struct generation *generation, struct thread *thread, uint32_t line) {
    uint64_t n = generation->lines[line].folded + generation->lines[line].count;
    if (thread->count != 0 && thread->notes[thread->count - 1].line == line) {
        thread->notes[thread->count - 1].n = n;
        return;
    }
    void *notes =
        grow(generation, thread->notes, thread->count, &thread->room, sizeof *thread->notes);
    if (notes == NULL)
        return;
    thread->notes = notes;
    thread->notes[thread->count++] = (struct note){.line = line, .n = n};
}

typedef void act_on_line(struct generation *generation, uint32_t line, uint32_t thread);

/* Calls act for the lines of the range that exist, the quicker way. */
static void each_line(struct generation *generation, uint32_t file, uint64_t from, uint64_t to,
                      act_on_line *act, uint32_t thread) {
    uint64_t first = from / MODEL_LINE_SIZE, last = to == 0 ? 0 : (to - 1) / MODEL_LINE_SIZE;
    if (from >= to)
        return;
    if (last - first >= generation->count) {
        for (uint32_t i = 0; i < generation->count; i++) {
            const struct generation_line *line = &generation->lines[i];
            uint64_t at = line->offset / MODEL_LINE_SIZE;
            if (line->file == file && at >= first && at <= last)
                act(generation, i, thread);
        }
        return;
    }
    for (uint64_t at = first; at <= last; at++) {
        const struct generation_line *line = find(generation, file, at * MODEL_LINE_SIZE);
        if (line != NULL)
            act(generation, (uint32_t)(line - generation->lines), thread);
    }
}

static void flush_line(struct generation *generation, uint32_t line, uint32_t thread) {
    struct thread *flusher = need_thread(generation, thread);
    if (flusher != NULL && generation->lines[line].count != 0)
        note(generation, flusher, line);
}

static void settle_line(struct generation *generation, uint32_t index, uint32_t thread) {
    struct generation_line *line = &generation->lines[index];
    (void)thread;
    fold(generation, line, line->folded + line->count);
}

static uint64_t end_of(uint64_t offset, uint64_t length) {
    return length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
}

static void flush_pages(struct generation *generation, uint32_t file, uint64_t from, uint64_t to) {
    uint64_t first = from / MODEL_PAGE_SIZE * MODEL_PAGE_SIZE;
    uint64_t last = (to - 1) / MODEL_PAGE_SIZE * MODEL_PAGE_SIZE;
    struct stretch *before =
        generation->flushed_count != 0 ? &generation->flushed[generation->flushed_count - 1] : NULL;
    if (before != NULL && before->file == file && before->from <= first && before->to >= first) {
        before->to =
            before->to > end_of(last, MODEL_PAGE_SIZE) ? before->to : end_of(last, MODEL_PAGE_SIZE);
        return;
    }
    void *flushed = grow(generation, generation->flushed, generation->flushed_count,
                         &generation->flushed_room, sizeof *generation->flushed);
    if (flushed == NULL)
        return;
    generation->flushed = flushed;
    generation->flushed[generation->flushed_count++] =
        (struct stretch){.file = file, .from = first, .to = end_of(last, MODEL_PAGE_SIZE)};
}

void generation_flush(struct generation *generation, uint32_t thread, uint32_t file,
                      uint64_t offset, uint64_t length) {
    if (length == 0)
        return;
    if (generation->model == GENERATION_PAGE)
        flush_pages(generation, file, offset, end_of(offset, length));
    else
        each_line(generation, file, offset, end_of(offset, length), flush_line, thread);
}

void generation_store(struct generation *generation, const struct generation_store *store) {
    const struct thread *thread = need_thread(generation, store->thread);
    uint64_t end = store->offset + store->length;
    bool noted = store->kind == GENERATION_STREAM || store->kind == GENERATION_DIRECT;
    if (thread == NULL || store->length == 0)
        return;
    for (uint64_t at = store->offset; at < end;) {
        uint64_t start = at / MODEL_LINE_SIZE * MODEL_LINE_SIZE;
        uint64_t stop = end - start < MODEL_LINE_SIZE ? end : start + MODEL_LINE_SIZE;
        struct generation_line *line = need_line(generation, store->file, start);
        if (line == NULL)
            return;
        store_line(generation, line, thread, store, (uint32_t)(at - start),
                   (uint32_t)(stop - start), (const uint8_t *)store->bytes + (at - store->offset));
        at = stop;
    }
    if (noted)
        generation_flush(generation, store->thread, store->file, store->offset, store->length);
    else if (generation->model == GENERATION_EADR)
        generation_settle(generation, store->file, store->offset, store->length);
}

/* The system writes the pages as they are when the wait begins. */
static void drain_pages(struct generation *generation) {
    for (size_t i = 0; i < generation->flushed_count; i++) {
        const struct stretch *stretch = &generation->flushed[i];
        each_line(generation, stretch->file, stretch->from, stretch->to, settle_line, 0);
    }
    generation->flushed_count = 0;
}

void generation_drain(struct generation *generation, uint32_t thread) {
    struct thread *own = need_thread(generation, thread);
    if (own == NULL)
        return;
    own->drains++;
    for (size_t i = 0; i < own->count; i++)
        fold(generation, &generation->lines[own->notes[i].line], own->notes[i].n);
    own->count = 0;
    if (generation->model == GENERATION_PAGE)
        drain_pages(generation);
}

void generation_settle(struct generation *generation, uint32_t file, uint64_t offset,
                       uint64_t length) {
    each_line(generation, file, offset, end_of(offset, length), settle_line, 0);
}

size_t generation_line_count(const struct generation *generation) {
    return generation->count;
}

const struct generation_line *generation_line(const struct generation *generation, size_t index) {
    return &generation->lines[index];
}

/* Does any piece of the line that is not guaranteed lie in [from, to)? */
static bool has_open(const struct generation_line *line, uint64_t from, uint64_t to) {
    for (uint32_t i = 0; i < line->count; i++) {
        uint64_t unit = line->offset + (uint64_t)line->pieces[i].unit * MODEL_UNIT_SIZE;
        for (unsigned b = 0; b < MODEL_UNIT_SIZE; b++) {
            if ((line->pieces[i].mask & 1u << b) && unit + b >= from && unit + b < to)
                return true;
        }
    }
    return false;
}

bool generation_guaranteed(const struct generation *generation, uint32_t file, uint64_t offset,
                           uint64_t length) {
    uint64_t end = end_of(offset, length), first = offset / MODEL_LINE_SIZE * MODEL_LINE_SIZE;
    if (length / MODEL_LINE_SIZE >= generation->count) {
        for (size_t i = 0; i < generation->count; i++) {
            if (generation->lines[i].file == file && has_open(&generation->lines[i], offset, end))
                return false;
        }
        return true;
    }
    for (uint64_t at = first; at < end; at += MODEL_LINE_SIZE) {
        const struct generation_line *line = find(generation, file, at);
        if (line != NULL && has_open(line, offset, end))
            return false;
    }
    return true;
}
