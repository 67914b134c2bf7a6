/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/batch.h"

#include <errno.h>
#include <string.h>

#include "arena/stream.h"
#include "source/content.h"
#include "source/record.h"
#include "source/recorder.h"
#include "source/regions.h"

/* Of a page's record, in a run that is recorded. */
#define PAGE_SIZE_HERE offsetof(struct model_page, open)

/* Stores on their way into the log. */
struct telling {
    struct self *me;
    struct arena_batch *batch;
    struct model_page *page;
    uintptr_t address; /* of the page, here */
    uint32_t thread;   /* index, of whose stores they are */
    uint32_t count;
    struct batch_told told[BATCH_STORES];
};

void batch_begin(struct self *me) {
    struct arena *arena = arena_here();
    me->batch.lost = atomic_load(&arena->head->threads[me->thread].lost);
    if (me->batch.now != NULL || arena->head->log.on != LOG_TRACE || pages_wanted())
        return;
    struct arena_batch *batch = batch_of(arena, me->thread);
    if (batch == NULL)
        batch = arena_new(arena, sizeof *batch);
    if (batch == NULL)
        return;
    atomic_store(&batch->round, atomic_load(&batch->round) + 1);
    atomic_store(&arena->head->stream.batches[me->thread], arena_id_of(arena, batch));
    memset(me->batch.words, 0, sizeof me->batch.words);
    me->batch.now = batch;
}

static uint64_t mask_of(uint32_t length) {
    return UINT64_MAX >> (64 - 8 * length);
}

/* Brings the shadow up to the store, and gives the bytes that it has left. */
static uint64_t read_store(const struct telling *telling, uint8_t *shadow, uint32_t at,
                           uint32_t length) {
    uint32_t word = at & ~7u, shift = at % 8 * 8;
    uint64_t now = *(const volatile uint64_t *)(telling->address + word), before;
    uint64_t mask = mask_of(length) << shift;
    memcpy(&before, shadow + word, sizeof before);
    before = (before & ~mask) | (now & mask);
    memcpy(shadow + word, &before, sizeof before);
    return (now & mask) >> shift;
}

static void take_up(struct telling *telling, uint8_t *shadow, uint32_t place) {
    const struct batch_store *store = &telling->batch->at[place];
    uint32_t at = (uint32_t)(store->where % MODEL_PAGE_SIZE), length = BATCH_LENGTH(store->where);
    telling->told[telling->count++] =
        (struct batch_told){.value = read_store(telling, shadow, at, length),
                            .stack = store->stack,
                            .at = (uint16_t)at,
                            .length = (uint8_t)length,
                            .place = (uint8_t)place};
}

/* Tells of them, and takes them out: not before, since the process may be killed in between. */
static void tell(struct telling *telling) {
    struct model_page *page = telling->page;
    const struct log_record record = {
        .kind = LOG_STORES,
        .thread = telling->me->thread,
        .file = page->file,
        .size = (uint32_t)(telling->count * sizeof telling->told[0]),
        .stack = telling->thread,
        .offset = page->index * MODEL_PAGE_SIZE,
        .length = atomic_load_explicit(&telling->batch->round, memory_order_relaxed)};
    if (telling->count != 0)
        stream_append(arena_here(), &record, telling->told);
    for (uint32_t i = 0; i < telling->count; i++) {
        const struct batch_told *told = &telling->told[i];
        page->storing &= ~(UINT64_C(1) << told->at / MODEL_LINE_SIZE);
        atomic_store_explicit(&telling->batch->at[told->place].page, 0, memory_order_relaxed);
    }
}

static uint32_t count_of(const struct arena_batch *batch) {
    uint32_t count = atomic_load_explicit(&batch->count, memory_order_acquire);
    return count < BATCH_STORES ? count : BATCH_STORES;
}

static arena_id page_of(const struct arena_batch *batch, uint32_t place) {
    return atomic_load_explicit(&batch->at[place].page, memory_order_relaxed);
}

static bool is_made(const struct telling *telling, const uint8_t *shadow, uint32_t place) {
    uint64_t where = telling->batch->at[place].where;
    uint32_t at = (uint32_t)(where % MODEL_PAGE_SIZE);
    return memcmp(shadow + at, (const uint8_t *)telling->address + at, BATCH_LENGTH(where)) != 0;
}

void batch_note_other(struct self *me) {
    struct arena_batch *batch = me->batch.now;
    uintptr_t address = me->storing.address;
    struct model_page *page = regions_record(me, address);
    if (batch == NULL || page == NULL ||
        me->storing.length > MODEL_PAGE_SIZE - address % MODEL_PAGE_SIZE)
        return;
    batch->other.stack = me->storing.stack;
    batch->other.where = BATCH_WHERE(address, me->storing.length);
    atomic_store_explicit(&batch->other_kind, me->storing.kind, memory_order_relaxed);
    atomic_store_explicit(&batch->other.page, arena_id_of(arena_here(), page),
                          memory_order_release);
}

void batch_forget_other(struct self *me) {
    if (me->batch.now != NULL)
        atomic_store_explicit(&me->batch.now->other.page, 0, memory_order_release);
}

void batch_take_others(struct self *me, const struct model_page *page, uint8_t *shadow,
                       const uint8_t *memory, uint64_t lines) {
    const struct arena *arena = arena_here();
    for (uint32_t t = 0; t < atomic_load(&arena->head->thread_count) && t < ARENA_THREADS; t++) {
        const struct arena_batch *batch = t != me->thread ? batch_of(arena, t) : NULL;
        if (batch == NULL || atomic_load(&batch->other.page) != arena_id_of(arena, page))
            continue;
        uint32_t at = (uint32_t)(batch->other.where % MODEL_PAGE_SIZE);
        uint32_t length = BATCH_LENGTH(batch->other.where);
        if (length == 0 || length > MODEL_PAGE_SIZE - at)
            continue; /* its thread has come to another one meanwhile */
        uint64_t its = recorder_lines(at, at + length);
        if ((its & lines) == 0 || (page->based & its) != its ||
            memcmp(shadow + at, memory + at, length) == 0)
            continue;
        memcpy(shadow + at, memory + at, length);
        const struct log_record record = {.kind = atomic_load(&batch->other_kind),
                                          .thread = t,
                                          .file = page->file,
                                          .size = length,
                                          .stack = batch->other.stack,
                                          .offset = page->index * MODEL_PAGE_SIZE + at,
                                          .length = length};
        stream_append(arena_here(), &record, shadow + at);
    }
}

void batch_take(struct self *me, struct model_page *page, uintptr_t address, uint32_t owner) {
    struct telling telling = {.me = me,
                              .batch = batch_of(arena_here(), owner - 1),
                              .page = page,
                              .address = address,
                              .thread = owner - 1};
    uint8_t *shadow = arena_at(arena_here(), page->shadow, MODEL_PAGE_SIZE);
    uint32_t count = telling.batch != NULL ? count_of(telling.batch) : 0;
    uint64_t under_way = 0;
    if (count == 0 || shadow == NULL || !content_readable(address))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (page_of(telling.batch, i) != arena_id_of(arena_here(), page))
            continue;
        /* Its last store may be still to come, and be told then; it was made if there is something
           to be seen of it. */
        if (i + 1 < count || is_made(&telling, shadow, i))
            take_up(&telling, shadow, i);
        else
            under_way = UINT64_C(1)
                        << telling.batch->at[i].where % MODEL_PAGE_SIZE / MODEL_LINE_SIZE;
    }
    tell(&telling);
    page->storing |= under_way;
}

void batch_take_range(struct self *me, uintptr_t address, size_t length) {
    const struct arena_head *head = arena_here()->head;
    for (uint32_t t = 0; t < atomic_load(&head->thread_count) && t < ARENA_THREADS; t++) {
        const struct arena_batch *batch = batch_of(arena_here(), t);
        bool here = t != me->thread && head->thread_processes[t] == source_process.process;
        uint32_t count = batch != NULL && here ? count_of(batch) : 0;
        for (uint32_t i = 0; i < count; i++) {
            uintptr_t at = align_down(BATCH_ADDRESS(batch->at[i].where), MODEL_PAGE_SIZE);
            struct model_page *page = arena_at(arena_here(), page_of(batch, i), PAGE_SIZE_HERE);
            /* Its thread may put another store there meanwhile: then this one was told. */
            if (page == NULL || at - address >= length || regions_page(at) != page)
                continue;
            recorder_lock(me, page, at);
            recorder_unlock(me, page);
        }
    }
}

/* What is known to be there, without asking the system. */
struct there {
    uintptr_t from, to; /* of pages; equal: none */
};

/* A run of stores to one page. Whoever unmaps memory says so before: if something else lies there
   now, its bytes are not theirs. */
static void settle_run(struct telling *telling, const struct there *there, uint32_t from,
                       uint32_t to) {
    bool known = telling->address - there->from < there->to - there->from;
    bool readable = regions_hold(telling->address, telling->page) &&
                    (known || content_readable(telling->address));
    if (readable)
        telling->me->batch.there = telling->address;
    recorder_lock(telling->me, telling->page, telling->address);
    uint8_t *shadow = arena_at(arena_here(), telling->page->shadow, MODEL_PAGE_SIZE);
    telling->count = 0;
    for (uint32_t i = from; i < to; i++) {
        if (page_of(telling->batch, i) == 0)
            continue; /* who took the page away has told it */
        if (readable && shadow != NULL)
            take_up(telling, shadow, i);
        else
            atomic_store_explicit(&telling->batch->at[i].page, 0, memory_order_relaxed);
    }
    tell(telling);
    recorder_unlock(telling->me, telling->page);
}

APART static void settle_all(struct telling *telling, const struct there *there) {
    struct arena_batch *batch = telling->batch;
    uint32_t count = count_of(batch), to;
    for (uint32_t from = 0; from < count; from = to) {
        arena_id page = page_of(batch, from);
        for (to = from + 1; to < count && page_of(batch, to) == page;)
            to++;
        telling->page = arena_at(arena_here(), page, PAGE_SIZE_HERE);
        telling->address = align_down(BATCH_ADDRESS(batch->at[from].where), MODEL_PAGE_SIZE);
        if (telling->page != NULL)
            settle_run(telling, there, from, to);
    }
}

void batch_settle(struct self *me, uintptr_t address, size_t length) {
    const struct there there = {align_down(address, MODEL_PAGE_SIZE),
                                align_up(address + length, MODEL_PAGE_SIZE)};
    struct telling telling; /* not cleared: it is large */
    int error = errno;
    telling.me = me;
    telling.batch = me->batch.now;
    telling.thread = me->thread;
    uint32_t lost = atomic_load(&arena_here()->head->threads[me->thread].lost);
    settle_all(&telling, &there);
    errno = error;
    /* What comes next is another round's, before there is anything of it. */
    atomic_store_explicit(&telling.batch->count, 0, memory_order_relaxed);
    atomic_store_explicit(&telling.batch->round, telling.batch->round + 1, memory_order_release);
    memset(me->batch.words, 0, sizeof me->batch.words);
    me->batch.lost = lost;
}

/* Has the batch a store of one of these bytes already? Then their values are to be read first. By
   the page's record: it may have several addresses. */
static bool overlaps(const struct self *me, const struct model_page *page, uintptr_t address,
                     size_t length) {
    const struct arena_batch *batch = me->batch.now;
    uint32_t at = address % MODEL_PAGE_SIZE, word = at / 8;
    if (LIKELY((me->batch.words[word / 64] >> word % 64 & 1) == 0))
        return false;
    for (uint32_t i = 0; i < count_of(batch); i++) {
        uint32_t other = (uint32_t)(batch->at[i].where % MODEL_PAGE_SIZE);
        if (page_of(batch, i) == arena_id_of(arena_here(), page) &&
            at < other + BATCH_LENGTH(batch->at[i].where) && other < at + length)
            return true;
    }
    return false;
}

static void put(const struct hooks_site *site, struct model_page *page, uintptr_t address,
                size_t length) {
    struct arena_batch *batch = site->me->batch.now;
    uint32_t count = atomic_load_explicit(&batch->count, memory_order_relaxed);
    uint32_t word = address % MODEL_PAGE_SIZE / 8;
    struct batch_store *store = &batch->at[count];
    store->stack = site->stack;
    store->where = BATCH_WHERE(address, length);
    atomic_store_explicit(&store->page, arena_id_of(arena_here(), page), memory_order_relaxed);
    /* It will be needed, and comes meanwhile. */
    __builtin_prefetch((const char *)arena_here()->head + (size_t)page->shadow * ARENA_GRAIN +
                           address % MODEL_PAGE_SIZE,
                       1);
    page->storing |= UINT64_C(1) << address % MODEL_PAGE_SIZE / MODEL_LINE_SIZE;
    site->me->batch.words[word / 64] |= UINT64_C(1) << word % 64;
    atomic_store_explicit(&batch->count, count + 1, memory_order_release);
}

/* What went the long way has been made by now. */
APART static void settle_other(struct self *me) {
    int error = errno;
    record_settle(me);
    errno = error;
}

bool batch_add(const struct hooks_site *site, struct model_page *page, uintptr_t address,
               size_t length) {
    struct self *me = site->me;
    const struct model_thread *thread = &arena_here()->head->threads[me->thread];
    const uint64_t line = UINT64_C(1) << address % MODEL_PAGE_SIZE / MODEL_LINE_SIZE;
    if (UNLIKELY(me->batch.now == NULL || address % 8 + length > 8) ||
        UNLIKELY(atomic_load_explicit(&thread->lost, memory_order_relaxed) != me->batch.lost) ||
        UNLIKELY(atomic_load_explicit(&page->owner, memory_order_relaxed) != me->thread + 1))
        return false;
    if (UNLIKELY(me->storing.length != 0))
        settle_other(me);
    if (UNLIKELY(count_of(me->batch.now) == BATCH_STORES || overlaps(me, page, address, length)))
        batch_settle(me, 0, 0);
    recorder_lock(me, page, align_down(address, MODEL_PAGE_SIZE));
    bool own = atomic_load_explicit(&page->owner, memory_order_relaxed) == me->thread + 1;
    bool known = own && page->shadow != 0 && (page->based & line) != 0;
    if (LIKELY(known))
        put(site, page, address, length);
    recorder_unlock(me, page);
    return known;
}
