/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/space.h"

#include <stdlib.h>
#include <string.h>

uint64_t space_mix(uint64_t value) {
    value = (value ^ value >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    value = (value ^ value >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return value ^ value >> 32;
}

uint64_t space_hash_line(size_t region, uint64_t offset, const uint8_t *bytes, uint32_t size) {
    uint64_t hash = space_mix(offset * 1024 + region + 1), any = 0;
    for (uint32_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, size - at < 8 ? size - at : 8);
        hash = space_mix(hash + word) + at;
        any |= word;
    }
    return any != 0 ? hash : 0;
}

static bool grow(struct space *space) {
    size_t room = space->content_room != 0 ? 2 * space->content_room : 64;
    struct generation_choice *choices = realloc(space->choices, room * sizeof *choices);
    if (choices != NULL)
        space->choices = choices;
    uint64_t *hashes = realloc(space->hashes, room * sizeof *hashes);
    if (hashes != NULL)
        space->hashes = hashes;
    uint8_t *bytes = realloc(space->bytes, room * SPACE_LINE);
    if (bytes != NULL)
        space->bytes = bytes;
    space->failed = choices == NULL || hashes == NULL || bytes == NULL;
    if (!space->failed)
        space->content_room = room;
    return !space->failed;
}

struct adding {
    struct space *space;
    struct space_line *line;
    uint32_t most;
};

static void add(void *context, struct generation_choice choice) {
    const struct adding *adding = context;
    struct space *space = adding->space;
    struct space_line *line = adding->line;
    if (line->count == adding->most) {
        line->cut_down = true;
        return;
    }
    if (space->failed || (space->content_count == space->content_room && !grow(space)))
        return;
    uint8_t *bytes = space->bytes + space->content_count * SPACE_LINE;
    generation_content(line->line, choice, bytes);
    uint64_t hash = space_hash_line(line->region, line->offset, bytes, line->size);
    for (uint32_t i = line->first; i < line->first + line->count; i++) {
        if (space->hashes[i] == hash)
            return;
    }
    space->choices[space->content_count] = choice;
    space->hashes[space->content_count++] = hash;
    line->count++;
}

static void fill_line(struct space *space, struct space_line *line, uint32_t most,
                      struct chance *chance) {
    struct adding adding = {space, line, most};
    add(&adding, generation_fullest(line->line));
    add(&adding, generation_least());
    if (generation_choice_count(line->line, most + 1) <= most) {
        generation_each(line->line, add, &adding);
        return;
    }
    line->cut_down = true;
    for (uint32_t i = 0; i < 2 * most; i++)
        add(&adding, generation_random(line->line, chance));
}

static int by_place(const void *a, const void *b) {
    const struct space_line *first = a, *second = b;
    if (first->region != second->region)
        return first->region < second->region ? -1 : 1;
    return (first->offset > second->offset) - (first->offset < second->offset);
}

static bool add_line(struct space *space, const struct walk *walk,
                     const struct generation_line *line) {
    const struct walk_region *region = &walk->facts->regions[line->file];
    if (line->offset >= region->size)
        return true;
    if (space->line_count == space->line_room) {
        size_t room = space->line_room != 0 ? 2 * space->line_room : 32;
        struct space_line *lines = realloc(space->lines, room * sizeof *lines);
        if (lines == NULL)
            return false;
        space->lines = lines;
        space->line_room = room;
    }
    uint64_t rest = region->size - line->offset;
    space->lines[space->line_count++] =
        (struct space_line){.line = line,
                            .region = line->file,
                            .offset = line->offset,
                            .size = rest < line->size ? (uint32_t)rest : line->size,
                            .varied = true};
    return true;
}

void space_fill(struct space *space, const struct walk *walk, uint32_t most, uint64_t seed) {
    struct chance chance = chance_seeded(seed, walk->point);
    space->line_count = space->content_count = 0;
    space->failed = false;
    size_t count = generation_flight_count(walk->lines);
    for (size_t i = 0; i < count; i++) {
        if (!add_line(space, walk, generation_flight(walk->lines, i)))
            space->failed = true;
    }
    if (space->line_count != 0)
        qsort(space->lines, space->line_count, sizeof *space->lines, by_place);
    for (size_t i = 0; i < space->line_count && !space->failed; i++) {
        space->lines[i].first = (uint32_t)space->content_count;
        fill_line(space, &space->lines[i], most, &chance);
    }
}

void space_free(struct space *space) {
    free(space->lines);
    free(space->choices);
    free(space->hashes);
    free(space->bytes);
    *space = (struct space){0};
}

uint64_t space_images(const struct space *space, uint64_t most) {
    uint64_t images = 1;
    for (size_t i = 0; i < space->line_count; i++) {
        if (!space->lines[i].varied)
            continue;
        if (images > most / space->lines[i].count)
            return most;
        images *= space->lines[i].count;
    }
    return images < most ? images : most;
}

struct space_turn space_begin(bool bounded, uint64_t seed) {
    return (struct space_turn){.bounded = bounded, .chance = chance_seeded(seed, 1)};
}

static uint16_t least_of(const struct space_line *line) {
    return line->varied && line->count > 1 ? 1 : 0;
}

static void pick_all(const struct space *space, bool least, uint16_t *picks) {
    for (size_t i = 0; i < space->line_count; i++)
        picks[i] = least ? least_of(&space->lines[i]) : 0;
}

/* The at-th image that differs by one line from the fullest or the least. */
static bool pick_near(const struct space *space, uint64_t at, bool least, uint16_t *picks) {
    pick_all(space, least, picks);
    for (size_t i = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        uint64_t others = line->varied ? line->count - 1 : 0;
        if (at < others) {
            picks[i] = (uint16_t)(at < picks[i] ? at : at + 1);
            return true;
        }
        at -= others;
    }
    return false;
}

/* The at-th in the order of the numbers. */
static bool pick_counted(const struct space *space, uint64_t at, uint16_t *picks) {
    for (size_t i = 0; i < space->line_count; i++) {
        uint32_t count = space->lines[i].varied ? space->lines[i].count : 1;
        picks[i] = (uint16_t)(at % count);
        at /= count;
    }
    return at == 0;
}

static void pick_any(const struct space *space, struct chance *chance, uint16_t *picks) {
    uint64_t mood = chance_below(chance, 4);
    for (size_t i = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        uint16_t any = (uint16_t)(line->varied ? chance_below(chance, line->count) : 0);
        bool odd = chance_below(chance, 8) == 0;
        picks[i] = mood >= 2 || odd ? any : mood == 0 ? 0 : least_of(line);
    }
}

bool space_next(const struct space *space, struct space_turn *turn, uint16_t *picks) {
    switch (turn->stage) {
    case 0:
    case 1:
        pick_all(space, turn->stage == 1, picks);
        turn->stage++;
        return true;
    case 2:
    case 3:
        if (pick_near(space, turn->at++, turn->stage == 3, picks))
            return true;
        turn->at = 0;
        turn->stage++;
        return space_next(space, turn, picks);
    default:
        if (!turn->bounded)
            return pick_counted(space, turn->at++, picks);
        pick_any(space, &turn->chance, picks);
        return true;
    }
}
