/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/seen.h"

#include <stdlib.h>
#include <string.h>

void seen_start(struct seen *seen, uint64_t memory) {
    *seen = (struct seen){.most = (size_t)(memory / sizeof(uint64_t))};
}

void seen_free(struct seen *seen) {
    free(seen->hashes);
    *seen = (struct seen){0};
}

/* Where the hash is, or belongs. pre: there is an empty place */
static uint64_t *place_of(const struct seen *seen, uint64_t hash) {
    size_t at = hash & (seen->room - 1);
    while (seen->hashes[at] != 0 && seen->hashes[at] != hash)
        at = (at + 1) & (seen->room - 1);
    return &seen->hashes[at];
}

/* Both tables are there for a moment. false: no memory. */
static bool grow(struct seen *seen) {
    struct seen larger = {.room = seen->room != 0 ? 2 * seen->room : 1024, .most = seen->most};
    if (larger.room + seen->room > seen->most)
        return false;
    larger.hashes = calloc(larger.room, sizeof *larger.hashes);
    if (larger.hashes == NULL)
        return false;
    for (size_t i = 0; i < seen->room; i++) {
        if (seen->hashes[i] != 0)
            *place_of(&larger, seen->hashes[i]) = seen->hashes[i];
    }
    larger.count = seen->count;
    free(seen->hashes);
    *seen = larger;
    return true;
}

void seen_clear(struct seen *seen) {
    if (seen->count != 0)
        memset(seen->hashes, 0, seen->room * sizeof *seen->hashes);
    seen->count = 0;
}

bool seen_has(const struct seen *seen, uint64_t hash) {
    hash += hash == 0;
    return seen->room != 0 && *place_of(seen, hash) != 0;
}

bool seen_add(struct seen *seen, uint64_t hash) {
    hash += hash == 0;
    if (seen->room != 0) {
        uint64_t *place = place_of(seen, hash);
        if (*place != 0)
            return false;
    }
    if (2 * seen->count >= seen->room && !grow(seen) && 8 * (seen->count + 1) > 7 * seen->room)
        return true; /* looked at again, should it come again */
    *place_of(seen, hash) = hash;
    seen->count++;
    return true;
}
