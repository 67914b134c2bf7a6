/* SPDX-License-Identifier: BSD-2-Clause */
/* What places of the program did, counted. */
#include "arena/arena.h"

static struct arena_site *find_site(const struct arena *arena, arena_id first, arena_id last,
                                    uint32_t stack, uint32_t file) {
    uint64_t links = 0;
    for (arena_id id = first; id != last && arena_follow(arena, &links);) {
        struct arena_site *site = arena_at(arena, id, sizeof *site);
        if (site == NULL || (site->stack == stack && site->file == file))
            return site;
        id = site->next;
    }
    return NULL;
}

static struct arena_site *site_of(const struct arena *arena, uint32_t stack, uint32_t file) {
    uint32_t hash = (stack * 31 + file) * 2654435761u;
    _Atomic arena_id *bucket = &arena->head->sites[hash % ARENA_SITE_BUCKETS];
    arena_id first = atomic_load(bucket);
    struct arena_site *site = find_site(arena, first, 0, stack, file);
    if (site != NULL)
        return site;
    site = arena_new(arena, sizeof *site);
    if (site == NULL)
        return NULL;
    site->stack = stack;
    site->file = file;
    site->next = first;
    while (!atomic_compare_exchange_weak(bucket, &first, arena_id_of(arena, site))) {
        struct arena_site *other = find_site(arena, first, site->next, stack, file);
        if (other != NULL)
            return other;
        site->next = first;
    }
    return site;
}

void arena_count(const struct arena *arena, uint32_t stack, uint32_t file, enum arena_cost cost,
                 uint64_t amount) {
    struct arena_site *site = site_of(arena, stack, file);
    if (site != NULL)
        atomic_fetch_add(&site->counts[cost], amount);
}
