/* SPDX-License-Identifier: BSD-2-Clause */
/* Shadows, and flushes that compare with them at once. */
#include "source/pages.h"

#include "base/bits.h"
#include "source/compare.h"
#include "source/plain.h"

static struct arena *arena_here(void) {
    return &source_process.arena;
}

struct shadow_chunk *pages_chunk(struct self *me, uint32_t file, uint64_t index, bool make) {
    uint64_t key = (uint64_t)(file + 1) << 48 | index;
    size_t place = (index ^ (uint64_t)file * 31) % SELF_CHUNKS;
    if (LIKELY(me->pages.seen[place].key == key))
        return me->pages.seen[place].chunk;
    struct shadow_chunk *chunk = shadow_chunk(arena_here(), file, index, make);
    if (chunk != NULL) {
        me->pages.seen[place].key = key;
        me->pages.seen[place].chunk = chunk;
    }
    return chunk;
}

/* Is nothing known of what the page held before? */
static bool is_unread(uint32_t file, uint64_t index) {
    uint64_t from = atomic_load(&arena_here()->head->files[file].unread);
    return from != 0 && (index + 1) * MODEL_PAGE_SIZE >= from;
}

struct shadow_page *pages_page(uint32_t file, struct shadow_chunk *chunk, uint32_t place,
                               bool make) {
    arena_id id = atomic_load_explicit(&chunk->pages[place], memory_order_acquire);
    if (LIKELY(id != 0))
        return arena_at(arena_here(), id, sizeof(struct shadow_page));
    return make && !is_unread(file, chunk->index * SHADOW_CHUNK_PAGES + place)
               ? shadow_page(arena_here(), chunk, place, true)
               : NULL;
}

/* From here on other users take the lock. */
void pages_lock_page(struct self *me, struct shadow_chunk *chunk, uint32_t place,
                     struct shadow_page *page) {
    uint16_t own = (uint16_t)(me->thread + 1), user = 0;
    arena_lock(arena_here(), &page->lock, own);
    if (atomic_load(&chunk->user[place]) == own ||
        atomic_load(&chunk->user[place]) == SHADOW_SEVERAL ||
        atomic_compare_exchange_strong(&chunk->user[place], &user, own))
        return;
    user = atomic_exchange(&chunk->user[place], SHADOW_SEVERAL);
    if (user == own || user == SHADOW_SEVERAL)
        return;
    arena_await(arena_here(), user, &arena_here()->head->lists[(user - 1u) % ARENA_THREADS].inside,
                1);
    page->thread = user;
    page->epoch = atomic_load(&arena_here()->head->lists[user - 1].log_epoch);
    shadow_absorb(arena_here(), user - 1u, chunk, place, own);
}

struct shadow_page *pages_lock(const struct pages_share *share, bool make) {
    struct shadow_chunk *chunk =
        pages_chunk(share->me, share->file, share->index / SHADOW_CHUNK_PAGES, make);
    uint32_t place = (uint32_t)(share->index % SHADOW_CHUNK_PAGES);
    struct shadow_page *page = chunk != NULL ? pages_page(share->file, chunk, place, make) : NULL;
    if (page != NULL)
        pages_lock_page(share->me, chunk, place, page);
    return page;
}

void pages_unlock(struct shadow_page *shadow) {
    arena_unlock(&shadow->lock);
}

static void flush_lines(const struct pages_share *share, struct shadow_page *page,
                        struct pages_found *found) {
    const struct model_actor *actor = share->actor;
    uint16_t own = shadow_flusher(arena_here(), share->me->thread);
    for (uint32_t l = share->from / MODEL_LINE_SIZE; l * MODEL_LINE_SIZE < share->to; l++) {
        uint32_t start = l * MODEL_LINE_SIZE;
        uint64_t bytes = compare_take(page->bytes + start, (const void *)(share->address + start));
        found->unknown = found->unknown || (bytes == 0 && page->flusher[l] == 0);
        found->needed = found->needed || bytes != 0 || page->flusher[l] != own;
        if (bytes == 0 && page->flusher[l] == 0)
            continue;
        page->flusher[l] = own;
        if (bytes == 0)
            continue;
        const struct shadow_flush flush = {.line = share->index * MODEL_PAGE_LINES + l,
                                           .bytes = bytes,
                                           .token = actor->token,
                                           .stack = actor->stack,
                                           .file = share->file,
                                           .drains =
                                               atomic_load(&actor->threads[actor->thread].drains)};
        pages_list(share->me, &flush);
    }
    atomic_store(&page->hint, actor->stack);
    share->me->pages.last = actor->stack;
}

/* Are the lines of the share all zeros? */
static bool is_empty(const struct pages_share *share) {
    uintptr_t from = share->address + align_down(share->from, MODEL_LINE_SIZE);
    uintptr_t to = share->address + align_up(share->to, MODEL_LINE_SIZE);
    uint64_t bits = 0;
    for (const volatile uint64_t *word = (const volatile uint64_t *)from; (uintptr_t)word < to;
         word++)
        bits |= *word;
    return bits == 0;
}

bool pages_flush(const struct pages_share *share, struct pages_found *found) {
    struct shadow_page *page = pages_lock(share, false);
    if (page == NULL)
        page = pages_lock(share, !is_empty(share));
    if (page == NULL) {
        /* What was written to a page that could not be read is the model's all the same. */
        bool known = plain_page(share->me, share->file, share->index, false) != NULL;
        found->unknown = found->unknown || !known;
        return !known;
    }
    struct shadow_chunk *chunk =
        pages_chunk(share->me, share->file, share->index / SHADOW_CHUNK_PAGES, false);
    bool modelled = (atomic_load(&chunk->modelled) >> share->index % SHADOW_CHUNK_PAGES & 1) != 0;
    if (!modelled)
        flush_lines(share, page, found);
    pages_unlock(page);
    return !modelled;
}

/* The model has the page of the share, too. */
static void set_modelled(const struct pages_share *share) {
    shadow_set_modelled(
        pages_chunk(share->me, share->file, share->index / SHADOW_CHUNK_PAGES, true),
        (uint32_t)(share->index % SHADOW_CHUNK_PAGES));
}

void pages_explain(const struct pages_share *share, struct shadow_page *shadow) {
    const volatile uint8_t *memory = (const volatile uint8_t *)share->address;
    for (uint32_t i = share->from; i < share->to; i++)
        shadow->bytes[i] = memory[i];
    set_modelled(share);
    atomic_store(&shadow->hint, share->actor->stack);
}

bool pages_take(const struct pages_share *share, struct shadow_page *shadow,
                struct model_page *page, uint32_t line) {
    uint32_t start = line * MODEL_LINE_SIZE;
    uint16_t own = shadow_flusher(arena_here(), share->me->thread);
    uint64_t bytes = compare_take(shadow->bytes + start, (const void *)(share->address + start));
    /* This flush answers for what another thread's did, who may have been the first to see what
       this one has stored. */
    bool passed = shadow->flusher[line] != 0 && shadow->flusher[line] != own;
    if (passed || bytes != 0)
        shadow->flusher[line] = own;
    if (bytes == 0)
        return passed;
    struct model_actor actor = *share->actor;
    actor.stack = shadow_stack(arena_here(), SHADOW_DIRECT, actor.stack);
    shadow_tell(page, &actor, line, bytes);
    set_modelled(share);
    return true;
}
