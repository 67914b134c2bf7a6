/* SPDX-License-Identifier: BSD-2-Clause */
/* The images of one crash point: for each line in flight the contents that it may have, and the
   ways to choose one for each. */
#ifndef SEARCH_SPACE_H
#define SEARCH_SPACE_H

#include "base/chance.h"
#include "search/walk.h"

/* A line in flight. Content 0 is what the program has seen last, 1 what is durable for certain,
   where that differs. */
struct space_line {
    const struct generation_line *line;
    size_t region;
    uint64_t offset;
    uint32_t size;  /* bytes; less where the region ends */
    uint32_t count; /* of contents, all different */
    uint32_t first; /* of them among the space's */
    bool cut_down;  /* there are more */
    bool varied;    /* false: it stays as it is seen */
};

struct space {
    struct space_line *lines;
    size_t line_count, line_room;
    struct generation_choice *choices; /* one a content */
    uint64_t *hashes;                  /* of line and content */
    uint8_t *bytes;                    /* SPACE_LINE a content */
    size_t content_count, content_room;
    bool failed; /* no memory */
};
#define SPACE_LINE GENERATION_LINE_MAX

/* The point where the walk is. most: of contents of one line. */
void space_fill(struct space *space, const struct walk *walk, uint32_t most, uint64_t seed);
void space_free(struct space *space);

/* How many images there are of the varied lines; most, if there are as many or more. */
uint64_t space_images(const struct space *space, uint64_t most);

/* Images in the order in which they are to be tried: those near the fullest and the least first. */
struct space_turn {
    uint64_t stage, at;
    struct chance chance;
    bool bounded; /* not all of them: by chance in the end */
};
struct space_turn space_begin(bool bounded, uint64_t seed);
/* From this stage on images are counted through, or chosen by chance. */
#define SPACE_BY_CHANCE 4
/* The next one: a content's number for each line. false: there is no other. */
bool space_next(const struct space *space, struct space_turn *turn, uint16_t *picks);

uint64_t space_mix(uint64_t value);
/* 0 of zeros: a line that nothing has been stored to is not looked at. */
uint64_t space_hash_line(size_t region, uint64_t offset, const uint8_t *bytes, uint32_t size);

#endif
