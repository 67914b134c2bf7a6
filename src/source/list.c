/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of a thread's flushes that no drain has completed. */
#include "base/bits.h"
#include "source/pages.h"

#define LIST_MAX (1u << 20) /* flushes of a thread that never drains */

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static struct shadow_list *list_of(const struct self *me) {
    return &arena_here()->head->lists[me->thread];
}

static struct shadow_block *block_at(_Atomic arena_id *link) {
    return arena_at(arena_here(), atomic_load(link), sizeof(struct shadow_block));
}

static struct shadow_block *make_block(_Atomic arena_id *link) {
    struct shadow_block *block = block_at(link);
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
    me->pages.block = block_at(&list->first);
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

void pages_list(struct self *me, const struct shadow_flush *flush) {
    struct shadow_list *list = list_of(me);
    bool full = me->pages.block == NULL || me->pages.used == SHADOW_BLOCK_FLUSHES;
    if (UNLIKELY(full) && !next_block(me))
        return;
    uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
    me->pages.several = me->pages.several || (count != 0 && me->pages.token != flush->token);
    me->pages.token = flush->token;
    me->pages.block->flushes[me->pages.used++] = *flush;
    atomic_store_explicit(&list->count, count + 1, memory_order_release);
}

/* Of flushes for several tokens those stay whose token was not drained. */
static void drop_token(struct self *me, uint32_t token) {
    struct shadow_list *list = list_of(me);
    uint32_t count = atomic_load(&list->count), kept = 0;
    struct shadow_block *from = block_at(&list->first), *to = from;
    atomic_store(&list->epoch, atomic_load(&list->epoch) + 1);
    for (uint32_t i = 0; i < count && from != NULL && to != NULL; i++) {
        uint32_t place = i % SHADOW_BLOCK_FLUSHES;
        if (from->flushes[place].token != token) {
            if (kept != 0 && kept % SHADOW_BLOCK_FLUSHES == 0)
                to = block_at(&to->next);
            if (to != NULL)
                to->flushes[kept++ % SHADOW_BLOCK_FLUSHES] = from->flushes[place];
        }
        from = place + 1 == SHADOW_BLOCK_FLUSHES ? block_at(&from->next) : from;
    }
    atomic_store(&list->count, kept);
    atomic_store(&list->epoch, atomic_load(&list->epoch) + 1);
    me->pages.block = to;
    me->pages.used = kept == 0 ? 0 : (kept - 1) % SHADOW_BLOCK_FLUSHES + 1;
}

void pages_drained(struct self *me, uint32_t token) {
    uint32_t judge = arena_here()->head->judge;
    bool any = token == 0 || judge == MODEL_JUDGE_MEMORY || judge == MODEL_JUDGE_PAGES;
    if (atomic_load_explicit(&list_of(me)->count, memory_order_relaxed) == 0)
        return;
    if (any || (!me->pages.several && me->pages.token == token))
        empty_list(me);
    else if (me->pages.several)
        drop_token(me, token);
}
