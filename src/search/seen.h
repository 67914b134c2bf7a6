/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of hashes within so much memory: what finds no room is not in it. */
#ifndef SEARCH_SEEN_H
#define SEARCH_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
    uint64_t *hashes; /* 0: empty */
    size_t count, room, most;
};

void seen_start(struct seen *seen, uint64_t memory);
void seen_free(struct seen *seen);
void seen_clear(struct seen *seen);
bool seen_has(const struct seen *seen, uint64_t hash);
/* Adds the hash. false: it was there. */
bool seen_add(struct seen *seen, uint64_t hash);

#endif
