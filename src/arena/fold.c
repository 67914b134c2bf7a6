/* SPDX-License-Identifier: BSD-2-Clause */
/* From logs and lists of flushes to the state of the model. */
#include <string.h>

#include "arena/shadow.h"
#include "base/bits.h"

/* A page's shadow, and where its chunk has it. */
struct place {
    struct shadow_chunk *chunk;
    uint32_t place;
    struct shadow_page *page; /* NULL: zeros */
};

static struct place place_of(const struct arena *arena, uint32_t file, uint64_t line) {
    uint64_t index = line / MODEL_PAGE_LINES;
    struct place place = {.chunk = shadow_chunk(arena, file, index / SHADOW_CHUNK_PAGES, false),
                          .place = (uint32_t)(index % SHADOW_CHUNK_PAGES)};
    if (place.chunk != NULL)
        place.page = shadow_page(arena, place.chunk, place.place, false);
    return place;
}

/* Does the flush still count? Whoever flushed the line later answers for all of it. */
static bool counts(const struct place *place, const struct shadow_flush *flush, uint32_t thread) {
    return place->page != NULL &&
           (place->page->flusher[flush->line % MODEL_PAGE_LINES] & ~SHADOW_TURN) == thread + 1;
}

/* Bytes of a line between the first and the last changed one of a unit count as stored with them.
 */
static uint64_t fill_units(uint64_t bytes) {
    for (uint32_t u = 0; u < MODEL_LINE_UNITS; u++) {
        unsigned part = (unsigned)(bytes >> u * 8) & 0xFF;
        if (part == 0)
            continue;
        unsigned low = (unsigned)__builtin_ctz(part), high = 31u - (unsigned)__builtin_clz(part);
        bytes |= (uint64_t)((2u << high) - (1u << low)) << u * 8;
    }
    return bytes;
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

/* Tells the model of a flush by thread that no drain has completed. locker: who asks */
static void tell_flush(const struct arena *arena, const struct shadow_flush *flush, uint32_t thread,
                       uint32_t locker) {
    struct model_page *page = arena_page(arena, flush->file, flush->line / MODEL_PAGE_LINES, true);
    if (page == NULL)
        return;
    const struct model_lines lines = arena_lines(arena);
    struct model_actor actor = {.threads = arena->head->threads,
                                .lines = &lines,
                                .judge = (enum model_judge)arena->head->judge,
                                .thread = thread,
                                .token = flush->token,
                                .stack = shadow_stack(arena, SHADOW_DIRECT, 0)};
    uint32_t line = (uint32_t)(flush->line % MODEL_PAGE_LINES);
    arena_lock_page(arena, page, locker);
    shadow_tell(page, &actor, line, flush->bytes);
    actor.stack = flush->stack;
    model_flush_at(page, &actor, line, flush->drains);
    arena_unlock_page(arena, page, locker);
}

/* What is being folded. */
struct folding {
    const struct arena *arena;
    const struct arena_pages *pages;
    uint32_t thread; /* whose list it is */
};

/* Does the flush lie in the stretch? */
static bool lies_in(const struct folding *folding, const struct shadow_flush *flush) {
    uint64_t offset = flush->line * MODEL_LINE_SIZE, start = folding->pages->offset;
    return flush->file == folding->pages->file && flush->file < ARENA_FILES &&
           offset + MODEL_LINE_SIZE > start &&
           (offset <= start || offset - start < folding->pages->length);
}

typedef void fold_one(const struct folding *folding, const struct shadow_flush *flush);

static void fold_flush(const struct folding *folding, const struct shadow_flush *flush) {
    struct place place;
    if (!lies_in(folding, flush))
        return;
    place = place_of(folding->arena, flush->file, flush->line);
    if (counts(&place, flush, folding->thread))
        tell_flush(folding->arena, flush, folding->thread, folding->pages->thread);
}

/* From now on the model answers for the line, and not for this flush once more. */
static void forget_flush(const struct folding *folding, const struct shadow_flush *flush) {
    struct place place;
    if (!lies_in(folding, flush))
        return;
    place = place_of(folding->arena, flush->file, flush->line);
    if (!counts(&place, flush, folding->thread))
        return;
    shadow_set_modelled(place.chunk, place.place);
    place.page->flusher[flush->line % MODEL_PAGE_LINES] = 0;
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

/* Which bytes of the entry differ from the shadow, which then holds them; one bit each. */
static uint64_t take_entry(struct shadow_page *page, const struct shadow_entry *entry) {
    uint8_t *shadow = page->bytes + entry->line % MODEL_PAGE_LINES * MODEL_LINE_SIZE;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < MODEL_LINE_SIZE; i++)
        bytes |= (uint64_t)(shadow[i] != entry->bytes[i]) << i;
    memcpy(shadow, entry->bytes, MODEL_LINE_SIZE);
    return bytes;
}

static void absorb_entry(const struct arena *arena, uint32_t thread, const struct place *at,
                         const struct shadow_entry *entry, bool drained, uint32_t locker) {
    struct shadow_page *page = shadow_page(arena, at->chunk, at->place, true);
    if (page == NULL)
        return;
    const struct shadow_flush flush = {.line = entry->line,
                                       .bytes = take_entry(page, entry),
                                       .token = entry->token,
                                       .stack = entry->stack,
                                       .file = entry->file,
                                       .drains = entry->drains};
    page->flusher[entry->line % MODEL_PAGE_LINES] = shadow_flusher(arena, thread);
    if (drained || flush.bytes == 0)
        return;
    shadow_set_modelled(at->chunk, at->place);
    tell_flush(arena, &flush, thread, locker);
}

/* Visits what a thread's log has: of one page, or, where chunk is NULL, of all that it alone uses.
 */
static void absorb(const struct arena *arena, uint32_t thread, struct shadow_chunk *chunk,
                   uint32_t place, uint32_t locker) {
    const struct shadow_list *list = &arena->head->lists[thread];
    const struct shadow_log *log = arena_at(arena, atomic_load(&list->log), sizeof *log);
    uint32_t count = atomic_load_explicit(&list->log_count, memory_order_acquire);
    uint32_t drained = atomic_load(&list->log_drained);
    for (uint32_t i = 0; log != NULL && i < count && i < SHADOW_LOG_ENTRIES; i++) {
        const struct shadow_entry *entry = &log->entries[i];
        if (entry->file >= ARENA_FILES ||
            (chunk != NULL &&
             (entry->file != chunk->file ||
              entry->line / MODEL_PAGE_LINES != chunk->index * SHADOW_CHUNK_PAGES + place)))
            continue;
        const struct place at = place_of(arena, entry->file, entry->line);
        bool own = at.chunk != NULL &&
                   (chunk != NULL || atomic_load(&at.chunk->user[at.place]) == thread + 1);
        if (own)
            absorb_entry(arena, thread, &at, entry, i < drained, locker);
    }
}

void shadow_absorb(const struct arena *arena, uint32_t thread, struct shadow_chunk *chunk,
                   uint32_t place, uint32_t locker) {
    absorb(arena, thread, chunk, place, locker);
}

void shadow_absorb_all(const struct arena *arena) {
    uint32_t threads = atomic_load(&arena->head->thread_count);
    for (uint32_t t = 0; t < threads && t < ARENA_THREADS; t++) {
        absorb(arena, t, NULL, 0, ARENA_THREADS + 1);
        atomic_store(&arena->head->lists[t].log_count, 0);
    }
}
