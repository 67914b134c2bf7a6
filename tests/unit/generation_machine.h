/* SPDX-License-Identifier: BSD-2-Clause */
/* The model as a slow machine, written from its rules and not from the engine: every piece that was
   ever stored, who has noted it, whether it is guaranteed, which pieces it has to wait for. The
   images of a line are those of all sets of its pieces that hold what is guaranteed and, with a
   piece, all that it waits for. */
#ifndef UNIT_GENERATION_MACHINE_H
#define UNIT_GENERATION_MACHINE_H

#include <stdbool.h>
#include <string.h>

#include "model/generation.h"

#define MACHINE_SIZE (2 * MODEL_PAGE_SIZE)
#define MACHINE_PIECES 512
#define MACHINE_LINE_PIECES 10 /* all sets of so many can be tried */

struct machine_piece {
    uint64_t start, end; /* in the file */
    uint8_t bytes[8];
    uint32_t generation;    /* of its line */
    uint32_t thread, noted; /* by which threads, one bit each */
    enum generation_kind kind;
    bool guaranteed;
};

struct machine {
    enum generation_model model;
    uint32_t count;
    struct machine_piece pieces[MACHINE_PIECES];
    uint32_t time;
    uint32_t drained_at[8]; /* time of each thread's last drain */
    uint32_t stored_at[MACHINE_SIZE / MODEL_LINE_SIZE];
    bool flushed[MACHINE_SIZE / MODEL_PAGE_SIZE];
};

static inline void machine_start(struct machine *machine, enum generation_model model) {
    memset(machine, 0, sizeof *machine);
    machine->model = model;
}

static inline uint64_t machine_line(uint64_t offset) {
    return offset / MODEL_LINE_SIZE;
}

/* The pieces of a line, in order; returns how many. */
static inline uint32_t machine_list(const struct machine *machine, uint64_t line,
                                    uint32_t list[MACHINE_PIECES]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < machine->count; i++) {
        if (machine_line(machine->pieces[i].start) == line)
            list[count++] = i;
    }
    return count;
}

static inline bool machine_is_untouched(const struct machine *machine, uint64_t offset) {
    return machine->stored_at[machine_line(offset)] == 0;
}

/* The generation that a store to [from, to) of a line belongs to. */
static inline uint32_t machine_generation(const struct machine *machine,
                                          const struct generation_store *store, uint64_t from,
                                          uint64_t to) {
    uint32_t list[MACHINE_PIECES], count = machine_list(machine, machine_line(from), list);
    if (count == 0)
        return 0;
    const struct machine_piece *last = &machine->pieces[list[count - 1]];
    bool streams = store->kind == GENERATION_STREAM || store->kind == GENERATION_DIRECT;
    bool joins = streams && last->kind == store->kind && last->thread == store->thread &&
                 machine->drained_at[store->thread] < machine->stored_at[machine_line(from)];
    for (uint32_t i = 0; i < count; i++) {
        const struct machine_piece *piece = &machine->pieces[list[i]];
        if (piece->generation == last->generation && piece->start / 8 <= (to - 1) / 8 &&
            (piece->end - 1) / 8 >= from / 8)
            joins = false;
    }
    return joins ? last->generation : last->generation + 1;
}

/* false: nothing was done, since a line would have more pieces than can be tried. */
static inline bool machine_store(struct machine *machine, const struct generation_store *store) {
    uint64_t end = store->offset + store->length;
    uint32_t list[MACHINE_PIECES], threads = 1u << store->thread;
    for (uint64_t at = store->offset; at < end; at = (machine_line(at) + 1) * MODEL_LINE_SIZE) {
        if (machine_list(machine, machine_line(at), list) + 8 > MACHINE_LINE_PIECES)
            return false;
    }
    if (end > MACHINE_SIZE)
        return false;
    machine->time++;
    for (uint64_t at = store->offset; at < end;) {
        uint64_t stop = (machine_line(at) + 1) * MODEL_LINE_SIZE;
        stop = stop < end ? stop : end;
        uint32_t generation = machine_generation(machine, store, at, stop);
        for (uint64_t byte = at; byte < stop;) {
            uint64_t piece_end = (byte / 8 + 1) * 8 < stop ? (byte / 8 + 1) * 8 : stop;
            struct machine_piece *piece = &machine->pieces[machine->count++];
            *piece = (struct machine_piece){.start = byte,
                                            .end = piece_end,
                                            .generation = generation,
                                            .thread = store->thread,
                                            .kind = store->kind};
            memcpy(piece->bytes, (const uint8_t *)store->bytes + (byte - store->offset),
                   piece_end - byte);
            bool past_cache = store->kind == GENERATION_STREAM || store->kind == GENERATION_DIRECT;
            if (past_cache)
                piece->noted = machine->model == GENERATION_PAGE ? UINT32_MAX : threads;
            else
                piece->guaranteed = machine->model == GENERATION_EADR;
            byte = piece_end;
        }
        machine->stored_at[machine_line(at)] = machine->time;
        at = stop;
    }
    return true;
}

static inline void machine_flush(struct machine *machine, uint32_t thread, uint64_t offset,
                                 uint64_t length) {
    for (uint64_t byte = offset; byte < offset + length && byte < MACHINE_SIZE; byte++)
        machine->flushed[byte / MODEL_PAGE_SIZE] = true;
    for (uint32_t i = 0; i < machine->count; i++) {
        uint64_t line = machine_line(machine->pieces[i].start);
        if (line >= machine_line(offset) && line <= machine_line(offset + length - 1))
            machine->pieces[i].noted |= 1u << thread;
    }
}

static inline void machine_drain(struct machine *machine, uint32_t thread) {
    machine->drained_at[thread] = ++machine->time;
    for (uint32_t i = 0; i < machine->count; i++) {
        struct machine_piece *piece = &machine->pieces[i];
        bool covered = (machine->model == GENERATION_PAGE &&
                        machine->flushed[piece->start / MODEL_PAGE_SIZE]) ||
                       (piece->noted & 1u << thread) != 0;
        piece->guaranteed = piece->guaranteed || covered;
        piece->noted &= ~(1u << thread);
    }
    memset(machine->flushed, 0, sizeof machine->flushed);
}

/* What must be in a set with each piece of the list, and with none. */
struct machine_needs {
    uint32_t always, with[MACHINE_LINE_PIECES];
};

static inline struct machine_needs machine_needs(const struct machine *machine,
                                                 const uint32_t *list, uint32_t count) {
    struct machine_needs needs = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct machine_piece *piece = &machine->pieces[list[i]];
        needs.always |= piece->guaranteed ? 1u << i : 0;
        for (uint32_t k = 0; k < count; k++) {
            const struct machine_piece *other = &machine->pieces[list[k]];
            if (other->generation < piece->generation ||
                (other->generation == piece->generation && piece->kind == GENERATION_UNSEEN))
                needs.with[i] |= 1u << k;
        }
    }
    return needs;
}

/* Is the set of pieces one that a cut can leave? */
static inline bool machine_legal(const struct machine_needs *needs, uint32_t count, uint32_t set) {
    bool legal = (set & needs->always) == needs->always;
    for (uint32_t i = 0; i < count && legal; i++)
        legal = (set & 1u << i) == 0 || (set & needs->with[i]) == needs->with[i];
    return legal;
}

static inline void machine_images(const struct machine *machine, uint64_t offset,
                                  void (*visit)(void *context, const uint8_t *bytes),
                                  void *context) {
    uint32_t list[MACHINE_PIECES], count = machine_list(machine, machine_line(offset), list);
    const struct machine_needs needs = machine_needs(machine, list, count);
    for (uint32_t set = 0; set < 1u << count; set++) {
        uint8_t bytes[MODEL_LINE_SIZE] = {0};
        if (!machine_legal(&needs, count, set))
            continue;
        for (uint32_t i = 0; i < count; i++) {
            const struct machine_piece *piece = &machine->pieces[list[i]];
            if (set & 1u << i)
                memcpy(bytes + piece->start % MODEL_LINE_SIZE, piece->bytes,
                       piece->end - piece->start);
        }
        visit(context, bytes);
    }
}

#endif
