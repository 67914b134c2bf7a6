/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines and threads that there are, and what may be asked about them. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "model/generation_state.h"

#define BASE_BLOCK 256u /* lines whose bases are allocated at once */

void *generation_grow(struct generation *generation, void *array, size_t count, size_t *room,
                      size_t size) {
    if (count < *room)
        return array;
    size_t wanted = *room == 0 ? GENERATION_SPARE : *room * 2;
    void *grown = realloc(array, wanted * size);
    if (grown == NULL)
        generation->failed = true;
    else
        *room = wanted;
    return grown;
}

struct generation *generation_make(const struct generation_rules *rules) {
    struct generation *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->rules = *rules;
    made->common.id = UINT64_MAX;
    if (rules->line_size == 0)
        made->rules.line_size = MODEL_LINE_SIZE;
    if (rules->model == GENERATION_PAGE && rules->stable_pages)
        made->rules.line_size = GENERATION_SECTOR;
    return made;
}

struct generation *generation_new(enum generation_model model) {
    return generation_make(&(struct generation_rules){.model = model});
}

void generation_free(struct generation *generation) {
    if (generation == NULL)
        return;
    for (size_t i = 0; i < generation->count; i++)
        free(generation->lines[i].pieces);
    for (size_t i = 0; i < generation->base_blocks; i++)
        free(generation->bases[i]);
    for (size_t i = 0; i < generation->thread_count; i++) {
        free(generation->threads[i].notes.list);
        free(generation->threads[i].syncing.list);
    }
    for (size_t i = 0; i < generation->spare_count; i++)
        free(generation->spare[i]);
    generation_free_order(generation);
    free(generation->spare);
    free(generation->lines);
    free(generation->bases);
    free(generation->places);
    free(generation->flight);
    free(generation->threads);
    free(generation->common.list);
    free(generation->flushed);
    free(generation);
}

bool generation_failed(const struct generation *generation) {
    return generation->failed;
}

bool generation_left_out(const struct generation *generation) {
    return generation->left_out;
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

struct generation_line *generation_find(const struct generation *generation, uint32_t file,
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

/* Where the base of line number count is to be; NULL without memory. */
static uint8_t *need_base(struct generation *generation) {
    size_t block = generation->count / BASE_BLOCK, size = generation_line_size(generation);
    if (block == generation->base_blocks) {
        void *bases = generation_grow(generation, generation->bases, generation->base_blocks,
                                      &generation->base_room, sizeof *generation->bases);
        if (bases == NULL)
            return NULL;
        generation->bases = bases;
        generation->bases[block] = calloc(BASE_BLOCK, size);
        generation->failed = generation->failed || generation->bases[block] == NULL;
        if (generation->bases[block] == NULL)
            return NULL;
        generation->base_blocks++;
    }
    return generation->bases[block] + generation->count % BASE_BLOCK * size;
}

struct generation_line *generation_need_line(struct generation *generation, uint32_t file,
                                             uint64_t offset) {
    struct generation_line *line = generation_find(generation, file, offset);
    if (line != NULL)
        return line;
    if ((generation->count + 1) * 2 > generation->place_count && !rehash(generation))
        return NULL;
    uint8_t *base = need_base(generation);
    void *lines = base == NULL ? NULL
                               : generation_grow(generation, generation->lines, generation->count,
                                                 &generation->room, sizeof *generation->lines);
    if (lines == NULL)
        return NULL;
    generation->lines = lines;
    line = &generation->lines[generation->count];
    *line = (struct generation_line){.file = file,
                                     .offset = offset,
                                     .base = base,
                                     .size = generation_line_size(generation),
                                     .partial = generation->rules.model == GENERATION_ARM};
    generation->places[place_of(generation, file, offset)] = (uint32_t)++generation->count;
    return line;
}

struct thread *generation_need_thread(struct generation *generation, uint32_t number) {
    if (number < generation->thread_count)
        return &generation->threads[number];
    size_t wanted = (size_t)number + 1;
    struct thread *threads = realloc(generation->threads, wanted * sizeof *threads);
    if (threads == NULL) {
        generation->failed = true;
        return NULL;
    }
    for (size_t i = generation->thread_count; i < wanted; i++)
        threads[i] = (struct thread){
            .now = 1, .notes.id = 2 * (uint64_t)i + 1, .syncing.id = 2 * (uint64_t)i + 2};
    generation->threads = threads;
    generation->thread_count = wanted;
    return &generation->threads[number];
}

void generation_takes_off(struct generation *generation, struct generation_line *line) {
    void *flight = generation_grow(generation, generation->flight, generation->flight_count,
                                   &generation->flight_room, sizeof *generation->flight);
    if (flight == NULL)
        return;
    generation->flight = flight;
    generation->flight[generation->flight_count++] = (uint32_t)(line - generation->lines);
    line->flight = (uint32_t)generation->flight_count;
}

void generation_lands(struct generation *generation, struct generation_line *line) {
    uint32_t last = generation->flight[--generation->flight_count];
    if (line->flight == 0)
        return; /* there was no memory for its place */
    generation->flight[line->flight - 1] = last;
    generation->lines[last].flight = line->flight;
    line->flight = 0;
}

void generation_base(struct generation *generation, uint32_t file, uint64_t offset,
                     const void *bytes, uint64_t length) {
    uint32_t size = generation_line_size(generation);
    for (uint64_t at = 0; at < length; at += GENERATION_BLOCK) {
        uint64_t start = align_down(offset + at, size), within = offset + at - start;
        uint8_t block = (uint8_t)(1u << within / GENERATION_BLOCK);
        struct generation_line *line = generation_need_line(generation, file, start);
        if (line == NULL || (line->known & block) != 0)
            continue;
        line->known |= block;
        memcpy(line->base + within, (const uint8_t *)bytes + at,
               length - at < GENERATION_BLOCK ? length - at : GENERATION_BLOCK);
    }
}

size_t generation_line_count(const struct generation *generation) {
    return generation->count;
}

const struct generation_line *generation_line(const struct generation *generation, size_t index) {
    return &generation->lines[index];
}

size_t generation_flight_count(const struct generation *generation) {
    return generation->flight_count;
}

const struct generation_line *generation_flight(const struct generation *generation, size_t index) {
    return &generation->lines[generation->flight[index]];
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
    uint32_t size = generation_line_size(generation);
    uint64_t end = generation_end(offset, length), first = align_down(offset, size);
    if (length / size >= generation->count) {
        for (size_t i = 0; i < generation->count; i++) {
            if (generation->lines[i].file == file && has_open(&generation->lines[i], offset, end))
                return false;
        }
        return true;
    }
    for (uint64_t at = first; at < end; at += size) {
        const struct generation_line *line = generation_find(generation, file, at);
        if (line != NULL && has_open(line, offset, end))
            return false;
    }
    return true;
}
