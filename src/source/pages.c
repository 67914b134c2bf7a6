/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes of direct stores. This runs between a program's write-back instructions and its drain: an
   instruction with a lock would wait for all of them, as a drain does, so there is none on the way
   of a page that one thread uses. */
#include "source/pages.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/compare.h"

#define LIST_MAX (1u << 20) /* flushes of a thread that never drains */

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static struct shadow_list *list_of(const struct self *me) {
    return &arena_here()->head->lists[me->thread];
}

/* Finds a chunk where it was found before. */
static struct shadow_chunk *find_chunk(struct self *me, uint32_t file, uint64_t index, bool make) {
    uint64_t key = (uint64_t)(file + 1) << 48 | index;
    size_t place = (index ^ file * 31u) % SELF_CHUNKS;
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
static bool is_unread(const struct pages_share *share) {
    uint64_t from = atomic_load(&arena_here()->head->files[share->file].unread);
    return from != 0 && (share->index + 1) * MODEL_PAGE_SIZE >= from;
}

static struct shadow_page *find_page(const struct pages_share *share, bool make) {
    struct shadow_chunk *chunk =
        find_chunk(share->me, share->file, share->index / SHADOW_CHUNK_PAGES, make);
    if (chunk == NULL)
        return NULL;
    uint32_t place = (uint32_t)(share->index % SHADOW_CHUNK_PAGES);
    arena_id id = atomic_load_explicit(&chunk->pages[place], memory_order_acquire);
    if (LIKELY(id != 0))
        return arena_at(arena_here(), id, sizeof(struct shadow_page));
    return make && !is_unread(share)
               ? shadow_page(arena_here(), chunk, place, true, share->me->thread + 1)
               : NULL;
}

/* Waits until a thread that used the page without a lock is seen to do so no longer. What it stores
   last is seen after all CPUs have passed a barrier. */
static void wait_outside(const struct self *me, uint32_t thread) {
    const struct timespec pause = {.tv_nsec = 50000};
    const struct shadow_list *list = &arena_here()->head->lists[thread % ARENA_THREADS];
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0) != 0)
        nanosleep(&pause, NULL);
    for (unsigned i = 0; i < 1000 && thread != me->thread && atomic_load(&list->inside) != 0; i++)
        nanosleep(&pause, NULL);
}

/* From here on other users take the lock. */
static void lock_page(struct self *me, struct shadow_page *page) {
    uint32_t user = atomic_load(&page->user), own = me->thread + 1;
    if (user == 0 && atomic_compare_exchange_strong(&page->user, &user, own))
        user = own;
    if (user != own && user != SHADOW_SEVERAL) {
        user = atomic_exchange(&page->user, SHADOW_SEVERAL);
        if (user != own && user != SHADOW_SEVERAL)
            wait_outside(me, user - 1);
    }
    arena_lock(arena_here(), &page->lock, own);
}

struct shadow_page *pages_lock(const struct pages_share *share, bool make) {
    struct shadow_page *page = find_page(share, make);
    if (page != NULL)
        lock_page(share->me, page);
    return page;
}

void pages_unlock(struct shadow_page *shadow) {
    arena_unlock(&shadow->lock);
}

static struct shadow_block *make_block(_Atomic arena_id *link) {
    struct shadow_block *block = arena_at(arena_here(), atomic_load(link), sizeof *block);
    if (block != NULL)
        return block;
    block = arena_new(arena_here(), sizeof *block);
    if (block != NULL)
        atomic_store(link, arena_id_of(arena_here(), block));
    return block;
}

static void empty_list(struct self *me) {
    struct shadow_list *list = list_of(me);
    uint32_t epoch = atomic_load_explicit(&list->epoch, memory_order_relaxed);
    atomic_store_explicit(&list->epoch, epoch + 2, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&list->count, 0, memory_order_release);
    me->pages.block = arena_at(arena_here(), atomic_load(&list->first), sizeof *me->pages.block);
    me->pages.used = 0;
    me->pages.several = false;
}

/* Makes room in the list; false: there is none. */
APART static bool next_block(struct self *me) {
    struct shadow_list *list = list_of(me);
    if (atomic_load(&list->count) >= LIST_MAX) {
        uint32_t files = atomic_load(&arena_here()->head->file_count);
        for (uint32_t i = 0; i < files; i++) {
            const struct arena_pages all = {i, 0, UINT64_MAX, me->thread + 1};
            shadow_fold(arena_here(), &all);
        }
        empty_list(me);
        return true;
    }
    struct shadow_block *block =
        make_block(me->pages.block != NULL ? &me->pages.block->next : &list->first);
    if (block == NULL)
        return false;
    me->pages.block = block;
    me->pages.used = 0;
    return true;
}

static void add_flush(const struct pages_share *share, uint32_t line, uint64_t bytes) {
    struct self *me = share->me;
    const struct model_actor *actor = share->actor;
    struct shadow_list *list = list_of(me);
    bool full = me->pages.block == NULL || me->pages.used == SHADOW_BLOCK_FLUSHES;
    if (UNLIKELY(full) && !next_block(me))
        return;
    uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
    me->pages.several = me->pages.several || (count != 0 && me->pages.token != actor->token);
    me->pages.token = actor->token;
    me->pages.block->flushes[me->pages.used++] =
        (struct shadow_flush){.line = share->index * MODEL_PAGE_LINES + line,
                              .bytes = bytes,
                              .token = actor->token,
                              .stack = actor->stack,
                              .file = share->file,
                              .drains = atomic_load_explicit(&actor->threads[actor->thread].drains,
                                                             memory_order_relaxed)};
    atomic_store_explicit(&list->count, count + 1, memory_order_release);
}

static void flush_lines(const struct pages_share *share, struct shadow_page *page,
                        struct pages_found *found) {
    uint16_t own = (uint16_t)(share->me->thread + 1);
    for (uint32_t l = share->from / MODEL_LINE_SIZE; l * MODEL_LINE_SIZE < share->to; l++) {
        uint32_t start = l * MODEL_LINE_SIZE;
        uint64_t bytes = compare_take(page->bytes + start, (const void *)(share->address + start));
        found->unknown = found->unknown || (bytes == 0 && page->flusher[l] == 0);
        found->needed = found->needed || bytes != 0 || page->flusher[l] != own;
        if (bytes == 0 && page->flusher[l] == 0)
            continue;
        if (bytes != 0)
            add_flush(share, l, bytes);
        page->flusher[l] = own;
    }
    if (atomic_load_explicit(&page->hint, memory_order_relaxed) != share->actor->stack)
        atomic_store_explicit(&page->hint, share->actor->stack, memory_order_relaxed);
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
    struct shadow_list *list = list_of(share->me);
    struct shadow_page *page = find_page(share, false);
    if (page == NULL)
        page = find_page(share, !is_empty(share));
    if (page == NULL) {
        found->unknown = true;
        return true;
    }
    share->me->pages.last = share->actor->stack;
    atomic_store_explicit(&list->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    bool alone = atomic_load_explicit(&page->user, memory_order_relaxed) == share->me->thread + 1;
    bool modelled = atomic_load_explicit(&page->modelled, memory_order_relaxed) != 0;
    if (LIKELY(alone && !modelled))
        flush_lines(share, page, found);
    atomic_store_explicit(&list->inside, 0, memory_order_release);
    if (LIKELY(alone || modelled))
        return !modelled;
    lock_page(share->me, page);
    modelled = atomic_load(&page->modelled) != 0;
    if (!modelled)
        flush_lines(share, page, found);
    arena_unlock(&page->lock);
    return !modelled;
}

void pages_explain(const struct pages_share *share, struct shadow_page *shadow) {
    const volatile uint8_t *memory = (const volatile uint8_t *)share->address;
    for (uint32_t i = share->from; i < share->to; i++)
        shadow->bytes[i] = memory[i];
    atomic_store(&shadow->modelled, 1);
    atomic_store(&shadow->hint, share->actor->stack);
}

bool pages_take(const struct pages_share *share, struct shadow_page *shadow,
                struct model_page *page, uint32_t line) {
    uint32_t start = line * MODEL_LINE_SIZE;
    uint16_t own = (uint16_t)(share->me->thread + 1);
    uint64_t bytes = compare_take(shadow->bytes + start, (const void *)(share->address + start));
    if (shadow->flusher[line] != 0 && shadow->flusher[line] != own)
        shadow->flusher[line] = own; /* this flush answers for what the other's did */
    if (bytes == 0)
        return false;
    struct model_actor actor = *share->actor;
    actor.stack = shadow_stack(arena_here(), SHADOW_DIRECT, actor.stack);
    shadow_tell(page, &actor, line, bytes);
    atomic_store(&shadow->modelled, 1);
    return true;
}

/* Of flushes for several tokens those stay whose token was not drained. */
static void drop_token(struct self *me, uint32_t token) {
    struct shadow_list *list = list_of(me);
    uint32_t count = atomic_load(&list->count), kept = 0;
    struct shadow_block *from = arena_at(arena_here(), atomic_load(&list->first), sizeof *from);
    struct shadow_block *to = from, *next = NULL;
    atomic_store(&list->epoch, atomic_load(&list->epoch) + 1);
    for (uint32_t i = 0; i < count && from != NULL; i++) {
        uint32_t place = i % SHADOW_BLOCK_FLUSHES;
        if (from->flushes[place].token != token) {
            if (kept != 0 && kept % SHADOW_BLOCK_FLUSHES == 0)
                to = arena_at(arena_here(), atomic_load(&to->next), sizeof *to);
            if (to == NULL)
                break;
            to->flushes[kept++ % SHADOW_BLOCK_FLUSHES] = from->flushes[place];
        }
        next = arena_at(arena_here(), atomic_load(&from->next), sizeof *from);
        from = place + 1 == SHADOW_BLOCK_FLUSHES ? next : from;
    }
    atomic_store(&list->count, kept);
    atomic_store(&list->epoch, atomic_load(&list->epoch) + 1);
    me->pages.block = to;
    me->pages.used = kept == 0 ? 0 : (kept - 1) % SHADOW_BLOCK_FLUSHES + 1;
}

void pages_drained(struct self *me, uint32_t token) {
    uint32_t judge = arena_here()->head->judge;
    bool any = token == 0 || judge == MODEL_JUDGE_MEMORY || judge == MODEL_JUDGE_PAGES;
    if (!pages_pending(me))
        return;
    if (any || (!me->pages.several && me->pages.token == token))
        empty_list(me);
    else if (me->pages.several)
        drop_token(me, token);
}

bool pages_pending(const struct self *me) {
    return atomic_load_explicit(&list_of(me)->count, memory_order_relaxed) != 0;
}
