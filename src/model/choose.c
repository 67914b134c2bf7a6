/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about one line: the contents that it may have. */
#include <string.h>

#include "model/generation.h"

/* How many pieces the generation that starts at piece number first has. */
static uint32_t size_from(const struct generation_line *line, uint32_t first) {
    uint32_t end = first + 1;
    while (end < line->count && !line->pieces[end].begins)
        end++;
    return end - first;
}

struct generation_choice generation_least(void) {
    return (struct generation_choice){0};
}

struct generation_choice generation_fullest(const struct generation_line *line) {
    return (struct generation_choice){.whole = line->count};
}

/* The parts of the generation that starts at piece number first: what stays together is one. Each
   is a mask, bit 0 for the first piece. */
struct parts {
    uint32_t count;
    uint64_t masks[64];
};

static void find_parts(const struct generation_line *line, uint32_t first, struct parts *parts) {
    uint32_t size = size_from(line, first);
    parts->count = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (i == 0 || !line->pieces[first + i].together)
            parts->masks[parts->count++] = 0;
        parts->masks[parts->count - 1] |= UINT64_C(1) << i;
    }
}

static uint64_t mask_of(const struct parts *parts, uint64_t set) {
    uint64_t mask = 0;
    for (; set != 0; set &= set - 1)
        mask |= parts->masks[__builtin_ctzll(set)];
    return mask;
}

/* The sets of parts that are not all of them: that is the next choice of `whole`. */
static uint64_t set_count(const struct parts *parts) {
    return parts->count == 64 ? UINT64_MAX : (UINT64_C(1) << parts->count) - 1;
}

/* May the piece be in the set, after what it waits for? */
static bool is_free(const struct generation_line *line, uint32_t index, uint64_t set) {
    return (line->pieces[index].after & ~set) == 0;
}

/* All pieces, however it came about. */
static struct generation_choice choice_of(const struct generation_line *line, uint64_t set) {
    uint64_t all = line->count == 64 ? UINT64_MAX : (UINT64_C(1) << line->count) - 1;
    return set == all ? generation_fullest(line) : (struct generation_choice){.mask = set};
}

static struct generation_choice random_set(const struct generation_line *line,
                                           struct chance *chance) {
    uint64_t set = 0;
    bool keeps = false;
    for (uint32_t i = 0; i < line->count; i++) {
        if (!line->pieces[i].together)
            keeps = chance_below(chance, 2) != 0 && is_free(line, i, set);
        if (keeps)
            set |= UINT64_C(1) << i;
    }
    return choice_of(line, set);
}

struct generation_choice generation_random(const struct generation_line *line,
                                           struct chance *chance) {
    uint32_t starts = 0, wanted, whole = 0;
    struct parts parts;
    if (line->partial)
        return random_set(line, chance);
    for (uint32_t i = 0; i < line->count; i++)
        starts += line->pieces[i].begins;
    wanted = (uint32_t)chance_below(chance, (uint64_t)starts + 1);
    for (; wanted != 0; wanted--)
        whole += size_from(line, whole);
    if (whole == line->count)
        return (struct generation_choice){.whole = whole};
    find_parts(line, whole, &parts);
    return (struct generation_choice){
        .whole = whole, .mask = mask_of(&parts, chance_below(chance, set_count(&parts)))};
}

bool generation_keeps(const struct generation_line *line, struct generation_choice choice,
                      uint32_t index) {
    (void)line;
    return index < choice.whole ||
           (index - choice.whole < 64 && (choice.mask >> (index - choice.whole) & 1) != 0);
}

void generation_content(const struct generation_line *line, struct generation_choice choice,
                        uint8_t *bytes) {
    memcpy(bytes, line->base, line->size);
    for (uint32_t i = 0; i < line->count; i++) {
        const struct generation_piece *piece = &line->pieces[i];
        for (unsigned b = 0; b < MODEL_UNIT_SIZE && generation_keeps(line, choice, i); b++) {
            if (piece->mask & 1u << b)
                bytes[piece->unit * MODEL_UNIT_SIZE + b] = piece->bytes[b];
        }
    }
}

/* Does the piece's place hold what the piece would put there? */
static bool agrees(const struct generation_piece *piece, const uint8_t *bytes, uint32_t size) {
    for (unsigned b = 0; b < MODEL_UNIT_SIZE; b++) {
        uint32_t at = piece->unit * MODEL_UNIT_SIZE + b;
        if ((piece->mask & 1u << b) && at < size && bytes[at] != piece->bytes[b])
            return false;
    }
    return true;
}

/* Which parts of the next generation have to be kept so that the line holds the bytes? What is
   there already is left out. pre: choice->mask is 0 */
static bool match_next(const struct generation_line *line, const uint8_t *bytes, uint32_t size,
                       struct generation_choice *choice) {
    uint8_t content[GENERATION_LINE_MAX];
    struct parts parts;
    uint64_t set = 0;
    if (choice->whole < line->count) {
        find_parts(line, choice->whole, &parts);
        generation_content(line, *choice, content);
        for (uint32_t i = 0; i < parts.count; i++) {
            bool missing = false;
            for (uint64_t left = parts.masks[i]; left != 0; left &= left - 1) {
                struct generation_piece piece =
                    line->pieces[choice->whole + (uint32_t)__builtin_ctzll(left)];
                memcpy(piece.bytes, content + (size_t)piece.unit * MODEL_UNIT_SIZE,
                       sizeof piece.bytes);
                missing = missing || !agrees(&piece, bytes, size);
            }
            set |= (uint64_t)missing << i;
        }
        choice->mask = mask_of(&parts, set);
        if (set == set_count(&parts) && parts.count != 64)
            return false; /* all of them: the next choice of whole */
    }
    generation_content(line, *choice, content);
    return memcmp(content, bytes, size) == 0;
}

struct matching {
    const struct generation_line *line;
    const uint8_t *bytes;
    uint32_t size;
    struct generation_choice *choice;
    bool found;
};

static void try_choice(void *context, struct generation_choice choice) {
    struct matching *matching = context;
    uint8_t content[GENERATION_LINE_MAX];
    if (matching->found)
        return;
    generation_content(matching->line, choice, content);
    matching->found = memcmp(content, matching->bytes, matching->size) == 0;
    *matching->choice = choice;
}

/* A walk over the sets of a line whose order is partial. visit: NULL to count. */
struct walk {
    const struct generation_line *line;
    generation_visit *visit;
    void *context;
    uint64_t count, most;
};

/* The sets that agree with `set` on the pieces before number index. */
static void each_set(struct walk *walk, uint32_t index, uint64_t set) {
    const struct generation_line *line = walk->line;
    if (walk->count >= walk->most)
        return;
    if (index == line->count) {
        walk->count++;
        if (walk->visit != NULL)
            walk->visit(walk->context, choice_of(line, set));
        return;
    }
    bool tied = line->pieces[index].together, before = index != 0 && (set >> (index - 1) & 1) != 0;
    if (!tied || !before)
        each_set(walk, index + 1, set);
    if ((!tied || before) && is_free(line, index, set))
        each_set(walk, index + 1, set | UINT64_C(1) << index);
}

uint64_t generation_choice_count(const struct generation_line *line, uint64_t most) {
    struct parts parts;
    uint64_t count = 1;
    if (line->partial) {
        struct walk walk = {.line = line, .most = most};
        each_set(&walk, 0, 0);
        return walk.count;
    }
    for (uint32_t whole = 0; whole < line->count && count < most;) {
        find_parts(line, whole, &parts);
        if (__builtin_add_overflow(count, set_count(&parts), &count))
            return most;
        whole += size_from(line, whole);
    }
    return count < most ? count : most;
}

void generation_each(const struct generation_line *line, generation_visit *visit, void *context) {
    struct generation_choice choice = {0};
    struct parts parts;
    if (line->partial) {
        struct walk walk = {line, visit, context, 0, UINT64_MAX};
        each_set(&walk, 0, 0);
        return;
    }
    while (choice.whole < line->count) {
        find_parts(line, choice.whole, &parts);
        for (uint64_t set = 0; set < set_count(&parts); set++) {
            choice.mask = mask_of(&parts, set);
            visit(context, choice);
        }
        choice.whole += size_from(line, choice.whole);
        choice.mask = 0;
    }
    visit(context, choice);
}

bool generation_match(const struct generation_line *line, const uint8_t *bytes, uint32_t size,
                      struct generation_choice *choice) {
    if (line->partial) {
        struct matching matching = {line, bytes, size, choice, false};
        struct walk walk = {line, try_choice, &matching, 0, UINT64_C(1) << 20};
        each_set(&walk, 0, 0);
        return matching.found;
    }
    for (uint32_t whole = 0;;) {
        *choice = (struct generation_choice){.whole = whole};
        if (match_next(line, bytes, size, choice))
            return true;
        if (whole == line->count)
            return false;
        whole += size_from(line, whole);
    }
}
