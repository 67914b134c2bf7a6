/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/shadow.h"

#include <string.h>

#include "base/bits.h"

_Static_assert(sizeof(struct shadow_page) == 192 + MODEL_PAGE_SIZE, "bytes begin at a line");

/* Neighbours in a file are neighbours here, too, so that little of the table is touched. */
static _Atomic arena_id *bucket_of(const struct arena *arena, uint32_t file, uint64_t index) {
    uint64_t group = index / 256;
    uint64_t hash = (group * 2 + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ file * UINT64_C(0x85EBCA6B);
    return &arena->head->shadows[((hash ^ hash >> 32) + index % 256) % ARENA_SHADOW_BUCKETS];
}

/* Looks through the chain from first up to, not including, last. */
static struct shadow_chunk *find_chunk(const struct arena *arena, arena_id first, arena_id last,
                                       uint32_t file, uint64_t index) {
    uint64_t links = 0;
    for (arena_id id = first; id != last && arena_follow(arena, &links);) {
        struct shadow_chunk *chunk = arena_at(arena, id, sizeof *chunk);
        if (chunk == NULL || (chunk->file == file && chunk->index == index))
            return chunk;
        id = chunk->next;
    }
    return NULL;
}

struct shadow_chunk *shadow_chunk(const struct arena *arena, uint32_t file, uint64_t index,
                                  bool make) {
    _Atomic arena_id *bucket = bucket_of(arena, file, index);
    arena_id first = atomic_load(bucket);
    struct shadow_chunk *chunk = find_chunk(arena, first, 0, file, index);
    if (chunk != NULL || !make)
        return chunk;
    chunk = arena_new(arena, sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    chunk->file = file;
    chunk->index = index;
    chunk->next = first;
    while (!atomic_compare_exchange_weak(bucket, &first, arena_id_of(arena, chunk))) {
        struct shadow_chunk *other = find_chunk(arena, first, chunk->next, file, index);
        if (other != NULL)
            return other;
        chunk->next = first;
    }
    return chunk;
}

struct shadow_page *shadow_page(const struct arena *arena, struct shadow_chunk *chunk,
                                uint32_t place, bool make) {
    arena_id id = atomic_load(&chunk->pages[place]);
    struct shadow_page *page = arena_at(arena, id, sizeof *page);
    if (page != NULL || !make || id != 0)
        return page;
    page = arena_new(arena, sizeof *page);
    if (page == NULL)
        return NULL;
    if (atomic_compare_exchange_strong(&chunk->pages[place], &id, arena_id_of(arena, page)))
        return page;
    return arena_at(arena, id, sizeof *page);
}

void shadow_set_modelled(struct shadow_chunk *chunk, uint32_t place) {
    uint64_t bit = UINT64_C(1) << place;
    if ((atomic_load(&chunk->modelled) & bit) == 0)
        atomic_fetch_or(&chunk->modelled, bit);
}

/* Adds the frames of a stack, up to most of them. */
static uint32_t add_frames(const struct arena *arena, arena_id id, uint64_t *frames,
                           uint32_t most) {
    const struct arena_stack *stack = arena_at(arena, id, sizeof *stack);
    if (stack == NULL || stack->depth > ARENA_STACK_DEPTH)
        return 0;
    uint32_t depth = stack->depth < most ? stack->depth : most;
    /* A mark does not hide behind another one. */
    if (depth != 0 && shadow_mark_of(stack->frames[0]) != 0)
        return 0;
    memcpy(frames, stack->frames, depth * sizeof *frames);
    return depth;
}

arena_id shadow_stack(const struct arena *arena, enum shadow_mark mark, arena_id hint) {
    uint64_t frames[ARENA_STACK_DEPTH] = {ARENA_FRAME((uint64_t)SHADOW_MARK_MODULE, mark)};
    uint32_t depth = 1 + add_frames(arena, hint, frames + 1, ARENA_STACK_DEPTH - 1);
    return arena_stack(arena, frames, depth);
}

arena_id shadow_interval(const struct arena *arena, arena_id since, arena_id before) {
    const uint32_t half = ARENA_STACK_DEPTH / 2;
    uint64_t frames[ARENA_STACK_DEPTH] = {ARENA_FRAME((uint64_t)SHADOW_MARK_MODULE, SHADOW_BEFORE)};
    uint32_t depth = 1 + add_frames(arena, before, frames + 1, half - 1);
    frames[depth++] = ARENA_FRAME((uint64_t)SHADOW_MARK_MODULE, SHADOW_SINCE);
    depth += add_frames(arena, since, frames + depth, half - 1);
    return arena_stack(arena, frames, depth);
}
