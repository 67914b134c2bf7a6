/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/shadow.h"

#include <string.h>

#include "base/bits.h"

_Static_assert(sizeof(struct shadow_page) == 192 + MODEL_PAGE_SIZE, "bytes begin at a line");

static _Atomic arena_id *bucket_of(const struct arena *arena, uint32_t file, uint64_t index) {
    uint64_t hash = (index * 2 + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ file * UINT64_C(0x85EBCA6B);
    return &arena->head->shadows[(hash ^ hash >> 32) % ARENA_SHADOW_BUCKETS];
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
                                uint32_t place, bool make, uint32_t user) {
    arena_id id = atomic_load(&chunk->pages[place]);
    struct shadow_page *page = arena_at(arena, id, sizeof *page);
    if (page != NULL || !make || id != 0)
        return page;
    page = arena_new(arena, sizeof *page);
    if (page == NULL)
        return NULL;
    atomic_store(&page->user, user);
    if (atomic_compare_exchange_strong(&chunk->pages[place], &id, arena_id_of(arena, page)))
        return page;
    return arena_at(arena, id, sizeof *page);
}

/* The shadow that the flush changed, if the flush still counts: whoever flushed the line later
   answers for all of it. */
static struct shadow_page *page_of(const struct arena *arena, const struct shadow_flush *flush,
                                   uint32_t thread) {
    uint64_t index = flush->line / MODEL_PAGE_LINES;
    struct shadow_chunk *chunk =
        shadow_chunk(arena, flush->file, index / SHADOW_CHUNK_PAGES, false);
    struct shadow_page *page =
        chunk != NULL ? shadow_page(arena, chunk, index % SHADOW_CHUNK_PAGES, false, 0) : NULL;
    bool counts = page != NULL && page->flusher[flush->line % MODEL_PAGE_LINES] == thread + 1;
    return counts ? page : NULL;
}

/* What is being folded. */
struct folding {
    const struct arena *arena;
    const struct arena_pages *pages;
    uint32_t thread; /* whose list it is */
};

/* Bytes of a line between the first and the last changed one of a unit count as stored with them.
 */
static uint64_t fill_units(uint64_t bytes) {
    for (uint32_t u = 0; u < MODEL_LINE_UNITS; u++) {
        uint8_t part = (uint8_t)(bytes >> u * 8);
        if (part == 0)
            continue;
        unsigned low = (unsigned)__builtin_ctz(part), high = 31u - (unsigned)__builtin_clz(part);
        bytes |= (uint64_t)(((2u << high) - (1u << low)) & 0xFF) << u * 8;
    }
    return bytes;
}

/* Does the flush lie in the stretch? */
static bool lies_in(const struct folding *folding, const struct shadow_flush *flush) {
    uint64_t offset = flush->line * MODEL_LINE_SIZE, start = folding->pages->offset;
    return flush->file == folding->pages->file && offset + MODEL_LINE_SIZE > start &&
           (offset <= start || offset - start < folding->pages->length);
}

void shadow_tell(struct model_page *page, const struct model_actor *actor, uint32_t line,
                 uint64_t bytes) {
    bytes = fill_units(bytes);
    while (bytes != 0) {
        uint32_t first = (uint32_t)__builtin_ctzll(bytes);
        uint64_t rest = ~(bytes >> first);
        uint32_t length = rest != 0 ? (uint32_t)__builtin_ctzll(rest) : MODEL_LINE_SIZE;
        uint64_t run = length < MODEL_LINE_SIZE ? (UINT64_C(1) << length) - 1 : UINT64_MAX;
        model_store(page, actor, line * MODEL_LINE_SIZE + first, length, first == 0, MODEL_CACHED);
        bytes &= ~(run << first);
    }
}

static void fold_flush(const struct folding *folding, const struct shadow_flush *flush) {
    const struct arena *arena = folding->arena;
    if (!lies_in(folding, flush) || page_of(arena, flush, folding->thread) == NULL)
        return;
    struct model_page *page = arena_page(arena, flush->file, flush->line / MODEL_PAGE_LINES, true);
    if (page == NULL)
        return;
    struct model_actor actor = {.threads = arena->head->threads,
                                .judge = (enum model_judge)arena->head->judge,
                                .thread = folding->thread,
                                .token = flush->token,
                                .stack = shadow_stack(arena, SHADOW_DIRECT, 0)};
    uint32_t line = (uint32_t)(flush->line % MODEL_PAGE_LINES);
    arena_lock(arena, &page->lock, folding->pages->thread);
    shadow_tell(page, &actor, line, flush->bytes);
    actor.stack = flush->stack;
    model_flush_at(page, &actor, line, flush->drains);
    arena_unlock(&page->lock);
}

/* From now on the model answers for the line, and not for this flush once more. */
static void forget_flush(const struct folding *folding, const struct shadow_flush *flush) {
    struct shadow_page *page = page_of(folding->arena, flush, folding->thread);
    if (!lies_in(folding, flush) || page == NULL)
        return;
    atomic_store(&page->modelled, 1);
    page->flusher[flush->line % MODEL_PAGE_LINES] = 0;
}

/* Copies up to a block's flushes while their thread may go on; how many it has copied. Those of one
   epoch are only ever added to. */
static uint32_t copy_block(const struct shadow_list *list, uint32_t epoch,
                           const struct shadow_block *block, uint32_t count,
                           struct shadow_flush flushes[SHADOW_BLOCK_FLUSHES]) {
    memcpy(flushes, block->flushes, count * sizeof *flushes);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&list->epoch) == epoch && epoch % 2 == 0 ? count : 0;
}

typedef void fold_one(const struct folding *folding, const struct shadow_flush *flush);

static void each_of_list(const struct folding *folding, fold_one *act) {
    const struct arena *arena = folding->arena;
    const struct shadow_list *list = &arena->head->lists[folding->thread];
    uint32_t epoch = atomic_load(&list->epoch);
    uint32_t left = atomic_load_explicit(&list->count, memory_order_acquire);
    uint64_t links = 0;
    for (arena_id id = atomic_load(&list->first); left != 0 && arena_follow(arena, &links);) {
        struct shadow_flush flushes[SHADOW_BLOCK_FLUSHES];
        const struct shadow_block *block = arena_at(arena, id, sizeof *block);
        if (block == NULL)
            return;
        uint32_t count = left < SHADOW_BLOCK_FLUSHES ? left : SHADOW_BLOCK_FLUSHES;
        arena_id next = atomic_load(&block->next);
        if (copy_block(list, epoch, block, count, flushes) != count)
            return; /* its thread has drained meanwhile */
        for (uint32_t i = 0; i < count; i++)
            act(folding, &flushes[i]);
        left -= count;
        id = next;
    }
}

void shadow_fold(const struct arena *arena, const struct arena_pages *pages) {
    uint32_t threads = atomic_load(&arena->head->thread_count);
    for (uint32_t t = 0; t < threads && t < ARENA_THREADS; t++) {
        if (atomic_load(&arena->head->lists[t].count) == 0)
            continue;
        const struct folding folding = {arena, pages, t};
        each_of_list(&folding, fold_flush);
        each_of_list(&folding, forget_flush);
    }
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
