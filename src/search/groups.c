/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/groups.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct groups *groups, uint64_t key) {
    size_t at = key & (groups->room - 1);
    while (groups->table[at].key != 0 && groups->table[at].key != key)
        at = (at + 1) & (groups->room - 1);
    return at;
}

static bool grow(struct groups *groups) {
    struct groups larger = {.room = groups->room != 0 ? 2 * groups->room : 256};
    larger.table = calloc(larger.room, sizeof *larger.table);
    if (larger.table == NULL)
        return false;
    for (size_t i = 0; i < groups->room; i++) {
        if (groups->table[i].key != 0)
            larger.table[place_of(&larger, groups->table[i].key)] = groups->table[i];
    }
    larger.count = groups->count;
    free(groups->table);
    *groups = larger;
    return true;
}

uint64_t *groups_count(struct groups *groups, uint64_t key) {
    key += key == 0;
    if (2 * groups->count >= groups->room && !grow(groups))
        return &groups->spare;
    size_t at = place_of(groups, key);
    groups->count += groups->table[at].key == 0;
    groups->table[at].key = key;
    return &groups->table[at].count;
}

void groups_each(const struct groups *groups, groups_visit *visit, void *context) {
    for (size_t i = 0; i < groups->room; i++) {
        if (groups->table[i].key != 0)
            visit(context, groups->table[i].key, groups->table[i].count);
    }
}

void groups_clear(struct groups *groups) {
    if (groups->room != 0)
        memset(groups->table, 0, groups->room * sizeof *groups->table);
    groups->count = 0;
}

void groups_free(struct groups *groups) {
    free(groups->table);
    *groups = (struct groups){0};
}
