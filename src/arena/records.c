/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks and pages: found in chains that only grow at their heads, without a lock. */
#include <string.h>

#include "arena/arena.h"
#include "base/bits.h"

#define NEIGHBOURS 256 /* pages; their places in the table fill a quarter of a page */

static uint32_t hash_words(const uint64_t *words, size_t count) {
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash ^ hash >> 32);
}

static size_t stack_size(uint32_t depth) {
    return sizeof(struct arena_stack) + depth * sizeof(uint64_t);
}

/* Looks through the chain from first up to, not including, last. */
static arena_id find_stack(const struct arena *arena, arena_id first, arena_id last, uint32_t hash,
                           const uint64_t *frames, uint32_t depth) {
    uint64_t links = 0;
    for (arena_id id = first; id != last && arena_follow(arena, &links);) {
        const struct arena_stack *stack = arena_at(arena, id, stack_size(depth));
        if (stack == NULL)
            return 0;
        if (stack->hash == hash && stack->depth == depth &&
            memcmp(stack->frames, frames, depth * sizeof *frames) == 0)
            return id;
        id = stack->next;
    }
    return 0;
}

arena_id arena_stack(const struct arena *arena, const uint64_t *frames, uint32_t depth) {
    uint32_t hash = hash_words(frames, depth);
    _Atomic arena_id *bucket = &arena->head->stacks[hash % ARENA_STACK_BUCKETS];
    arena_id first = atomic_load(bucket);
    arena_id id = find_stack(arena, first, 0, hash, frames, depth);
    if (id != 0)
        return id;
    struct arena_stack *stack = arena_new(arena, stack_size(depth));
    if (stack == NULL)
        return 0;
    stack->hash = hash;
    stack->depth = depth;
    memcpy(stack->frames, frames, depth * sizeof *frames);
    id = arena_id_of(arena, stack);
    stack->next = first;
    while (!atomic_compare_exchange_weak(bucket, &first, id)) {
        arena_id other = find_stack(arena, first, stack->next, hash, frames, depth);
        if (other != 0)
            return other;
        stack->next = first;
    }
    return id;
}

size_t arena_page_size(const struct arena *arena) {
    const struct arena_head *head = arena->head;
    bool shadowed = head->stores == ARENA_STORES_PAGES || head->stores == ARENA_STORES_INTERVAL;
    return head->log.on ? offsetof(struct model_page, open)
           : shadowed   ? offsetof(struct model_page, content)
                        : sizeof(struct model_page);
}

/* Neighbours in a file are neighbours here: what is touched of the table is little where the pages
   of a file are. */
static _Atomic arena_id *bucket_of(const struct arena *arena, uint32_t file, uint64_t index) {
    const uint64_t key[2] = {file, index / NEIGHBOURS};
    uint64_t bucket = hash_words(key, 2) + index % NEIGHBOURS;
    return &arena->head->pages[bucket % ARENA_PAGE_BUCKETS];
}

static struct model_page *find_page(const struct arena *arena, arena_id first, arena_id last,
                                    uint32_t file, uint64_t index) {
    uint64_t links = 0;
    for (arena_id id = first; id != last && arena_follow(arena, &links);) {
        struct model_page *page = arena_at(arena, id, arena_page_size(arena));
        if (page == NULL || (page->file == file && page->index == index))
            return page;
        id = page->next;
    }
    return NULL;
}

struct model_page *arena_page(const struct arena *arena, uint32_t file, uint64_t index, bool make) {
    _Atomic arena_id *bucket = bucket_of(arena, file, index);
    arena_id first = atomic_load(bucket);
    struct model_page *page = find_page(arena, first, 0, file, index);
    if (page != NULL || !make)
        return page;
    page = arena_new(arena, arena_page_size(arena));
    if (page == NULL)
        return NULL;
    page->file = file;
    page->index = index;
    page->next = first;
    while (!atomic_compare_exchange_weak(bucket, &first, arena_id_of(arena, page))) {
        struct model_page *other = find_page(arena, first, page->next, file, index);
        if (other != NULL)
            return other;
        page->next = first;
    }
    return page;
}

static uint32_t make_lines(const void *context, uint32_t count) {
    const struct arena *arena = context;
    const struct model_line *made = arena_new(arena, count * sizeof *made);
    return arena_id_of(arena, made) * (ARENA_GRAIN / MODEL_GRAIN);
}

struct model_lines arena_lines(const struct arena *arena) {
    return (struct model_lines){.memory = (unsigned char *)arena->head,
                                .size = arena->size,
                                .context = arena,
                                .make = make_lines};
}

/* A stretch on its way from page to page. */
struct tour {
    const struct arena *arena;
    const struct arena_pages *pages;
    uint64_t end;                   /* of the stretch, in the file */
    uint64_t first, last;           /* pages of the stretch */
    uint64_t seen_first, seen_last; /* of those that there are */
    arena_visit *visit;
    void *context;
};

static void visit_page(struct tour *tour, struct model_page *page) {
    uint64_t start = page->index * MODEL_PAGE_SIZE;
    uint64_t from = tour->pages->offset > start ? tour->pages->offset - start : 0;
    uint64_t to = tour->end - start < MODEL_PAGE_SIZE ? tour->end - start : MODEL_PAGE_SIZE;
    if (from >= to)
        return;
    arena_lock_page(tour->arena, page, tour->pages->thread);
    tour->visit(page, tour->context, from, to);
    arena_unlock_page(tour->arena, page, tour->pages->thread);
}

static void see_page(struct tour *tour, struct model_page *page) {
    if (page->index < tour->seen_first)
        tour->seen_first = page->index;
    if (page->index > tour->seen_last)
        tour->seen_last = page->index;
}

/* Every page of the stretch that the arena has, in no order. */
static void each_in_chains(struct tour *tour, void (*act)(struct tour *, struct model_page *)) {
    const struct arena *arena = tour->arena;
    uint64_t links = 0;
    for (size_t b = 0; b < ARENA_PAGE_BUCKETS; b++) {
        for (arena_id id = atomic_load(&arena->head->pages[b]);
             id != 0 && arena_follow(arena, &links);) {
            struct model_page *page = arena_at(arena, id, arena_page_size(arena));
            if (page == NULL)
                break;
            id = page->next;
            if (page->file == tour->pages->file && page->index >= tour->first &&
                page->index <= tour->last)
                act(tour, page);
        }
    }
}

static bool is_wide(const struct tour *tour) {
    return tour->last - tour->first >= ARENA_PAGE_BUCKETS;
}

void arena_each_page(const struct arena *arena, const struct arena_pages *pages, arena_visit *visit,
                     void *context) {
    bool endless = pages->length > UINT64_MAX - pages->offset;
    struct tour tour = {.arena = arena,
                        .pages = pages,
                        .end = endless ? UINT64_MAX : pages->offset + pages->length,
                        .first = pages->offset / MODEL_PAGE_SIZE,
                        .seen_first = UINT64_MAX,
                        .visit = visit,
                        .context = context};
    if (pages->length == 0)
        return;
    tour.last = (tour.end - 1) / MODEL_PAGE_SIZE;
    if (is_wide(&tour)) {
        /* More pages than the arena has chains: look at what there is first. */
        each_in_chains(&tour, see_page);
        if (tour.seen_first > tour.seen_last)
            return;
        tour.first = tour.seen_first;
        tour.last = tour.seen_last;
    }
    if (is_wide(&tour)) {
        each_in_chains(&tour, visit_page);
        return;
    }
    for (uint64_t index = tour.first; index <= tour.last; index++) {
        struct model_page *page = arena_page(arena, pages->file, index, false);
        if (page != NULL)
            visit_page(&tour, page);
    }
}
