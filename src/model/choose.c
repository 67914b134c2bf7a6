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

/* The masks of a generation that are not all of it: that is the next choice of `whole`. */
static uint32_t mask_count(const struct generation_line *line, uint32_t first) {
    return line->pieces[first].together ? 1 : (1u << size_from(line, first)) - 1;
}

struct generation_choice generation_random(const struct generation_line *line,
                                           struct chance *chance) {
    uint32_t starts = 0, wanted, whole = 0;
    for (uint32_t i = 0; i < line->count; i++)
        starts += line->pieces[i].begins;
    wanted = (uint32_t)chance_below(chance, (uint64_t)starts + 1);
    for (; wanted != 0; wanted--)
        whole += size_from(line, whole);
    if (whole == line->count)
        return (struct generation_choice){.whole = whole};
    return (struct generation_choice){
        .whole = whole, .mask = (uint8_t)chance_below(chance, mask_count(line, whole))};
}

bool generation_keeps(const struct generation_line *line, struct generation_choice choice,
                      uint32_t index) {
    (void)line;
    return index < choice.whole || (index - choice.whole < MODEL_LINE_UNITS &&
                                    (choice.mask & 1u << (index - choice.whole)));
}

void generation_content(const struct generation_line *line, struct generation_choice choice,
                        uint8_t bytes[MODEL_LINE_SIZE]) {
    memcpy(bytes, line->base, MODEL_LINE_SIZE);
    for (uint32_t i = 0; i < line->count; i++) {
        const struct generation_piece *piece = &line->pieces[i];
        for (unsigned b = 0; b < MODEL_UNIT_SIZE && generation_keeps(line, choice, i); b++) {
            if (piece->mask & 1u << b)
                bytes[piece->unit * MODEL_UNIT_SIZE + b] = piece->bytes[b];
        }
    }
}

void generation_each(const struct generation_line *line, generation_visit *visit, void *context) {
    struct generation_choice choice = {0};
    while (choice.whole < line->count) {
        uint32_t masks = mask_count(line, choice.whole);
        for (uint32_t mask = 0; mask < masks; mask++) {
            choice.mask = (uint8_t)mask;
            visit(context, choice);
        }
        choice.whole += size_from(line, choice.whole);
        choice.mask = 0;
    }
    visit(context, choice);
}
