/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters by key. */
#ifndef SEARCH_GROUPS_H
#define SEARCH_GROUPS_H

#include <stddef.h>
#include <stdint.h>

struct groups {
    struct {
        uint64_t key, count;
    } * table;
    size_t count, room;
    uint64_t spare; /* counts what finds no memory */
};

/* The counter of a key, at first 0; valid until the next call. */
uint64_t *groups_count(struct groups *groups, uint64_t key);
/* Visits each that has been counted, in an order that the same keys have again. */
typedef void groups_visit(void *context, uint64_t key, uint64_t count);
void groups_each(const struct groups *groups, groups_visit *visit, void *context);
void groups_clear(struct groups *groups);
void groups_free(struct groups *groups);

#endif
