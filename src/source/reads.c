/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that reads what another one has stored, and makes something durable that it stores after
   that: does what it rests on last? A power cut in between leaves the one without the other.

   Only a store that is known to have come before the read counts. Which of the thread's later
   stores rest on it nobody can see: each may. Where there is no room the oldest reads are
   forgotten, and later stores are not looked at. */
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "source/extra.h"
#include "source/regions.h"

#define READS 64
#define DEPENDENTS 8

/* A store on a line, as the line's n-th. */
struct store_at {
    arena_id page, stack;
    uint32_t line, n;
};

struct read {
    struct store_at store;
    uint32_t start, length; /* in the page */
    uint32_t thread;        /* that stored */
    arena_id stack;         /* of the read */
    uint32_t count;
    struct store_at dependents[DEPENDENTS];
};

struct reads {
    uint32_t count, next;
    struct read at[READS];
};

static const struct arena *arena_here(void) {
    return &source_process.arena;
}

static struct reads *reads_of(struct self *me) {
    if (me->reads == NULL) {
        void *made = mmap(NULL, sizeof *me->reads, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        me->reads = made == MAP_FAILED ? NULL : made;
    }
    return me->reads;
}

void reads_forget(struct self *me) {
    if (me->reads != NULL)
        me->reads->count = me->reads->next = 0;
}

static void lock_page(const struct self *me, struct model_page *page) {
    arena_lock_page(arena_here(), page, me->thread + 1);
}

static void unlock_page(const struct self *me, struct model_page *page) {
    arena_unlock_page(arena_here(), page, me->thread + 1);
}

/* One look at a page for what is not durable in it. */
struct look {
    struct self *me;
    arena_id stack;          /* of a read that is to be noted; or */
    const struct read *read; /* one that was: is its store still not durable? */
    bool found;
};

static bool is_candidate(const struct look *look, const struct model_page *page,
                         const struct model_hole *hole) {
    return hole->thread != look->me->thread && hole->store != MODEL_UNSEEN && !hole->placed &&
           !hole->token_rescued && !hole->page_rescued &&
           model_came_before(page, &look->me->lines, hole, &look->me->clock.order);
}

static void note(const struct look *look, const struct model_page *page,
                 const struct model_hole *hole) {
    struct reads *reads = look->me->reads;
    const struct read read = {.store = {.page = arena_id_of(arena_here(), page),
                                        .stack = hole->store,
                                        .line = hole->start / MODEL_LINE_SIZE,
                                        .n = hole->n},
                              .start = hole->start,
                              .length = hole->length,
                              .thread = hole->thread,
                              .stack = look->stack};
    for (uint32_t i = 0; i < reads->count; i++) {
        const struct read *known = &reads->at[i];
        if (memcmp(&known->store, &read.store, sizeof read.store) == 0 &&
            known->start == read.start && known->stack == read.stack)
            return;
    }
    reads->at[reads->next % READS] = read;
    reads->next = (reads->next + 1) % READS;
    if (reads->count < READS)
        reads->count++;
}

static void tell_hole(void *context, const struct model_page *page, const struct model_hole *hole) {
    struct look *look = context;
    if (look->read != NULL)
        look->found = look->found || (hole->n == look->read->store.n &&
                                      hole->thread == look->read->thread && !hole->placed);
    else if (is_candidate(look, page, hole))
        note(look, page, hole);
}

static void look_at(struct look *look, struct model_page *page, uint32_t start, uint32_t length) {
    struct model_judging judging =
        arena_judging(arena_here(), &look->me->lines, page->file, tell_hole, look);
    judging.keep = true;
    lock_page(look->me, page);
    if (page->touched != 0)
        model_judge(page, &judging, start, length);
    unlock_page(look->me, page);
}

/* The record of the page at an address, if there is one: not by the table alone, which has no pages
   that lie in a region in part. */
static struct model_page *page_at(uintptr_t address) {
    struct model_page *page = regions_page(address);
    struct stretch stretch;
    if (page == NULL && regions_find(address, &stretch))
        page = arena_page(arena_here(), stretch.file, stretch.offset / MODEL_PAGE_SIZE, false);
    return page;
}

void reads_note(struct self *me, uintptr_t address, uint64_t length, arena_id stack) {
    struct look look = {.me = me, .stack = stack};
    uintptr_t end = address + length;
    if (reads_of(me) == NULL || end < address)
        return;
    while (address < end) {
        uintptr_t stop = align_down(address, MODEL_PAGE_SIZE) + MODEL_PAGE_SIZE;
        struct model_page *page = page_at(address);
        if (stop > end)
            stop = end;
        if (page != NULL)
            look_at(&look, page, address % MODEL_PAGE_SIZE, (uint32_t)(stop - address));
        address = stop;
    }
}

/* A line keeps the order of its stores: what lies on the line that was read lasts no sooner. */
static void add_dependent(struct read *read, const struct store_at *store) {
    bool beside = read->store.page == store->page && read->store.line == store->line;
    if (beside || read->count == DEPENDENTS)
        return;
    for (uint32_t i = 0; i < read->count; i++) {
        if (read->dependents[i].page == store->page && read->dependents[i].line == store->line)
            return;
    }
    read->dependents[read->count++] = *store;
}

void reads_stored(const struct commit_store *store) {
    struct reads *reads = store->me->reads;
    for (uint32_t i = 0; reads != NULL && i < reads->count; i++) {
        for (uint32_t at = store->from; at < store->to; at += MODEL_LINE_SIZE) {
            uint32_t line = at / MODEL_LINE_SIZE;
            const struct store_at made = {.page = arena_id_of(arena_here(), store->page),
                                          .stack = store->stack,
                                          .line = line,
                                          .n = model_stores(store->page, &store->me->lines, line)};
            add_dependent(&reads->at[i], &made);
        }
    }
}

static void report(const struct read *read, uint32_t file, const struct store_at *dependent) {
    const struct model_page *page = arena_at(arena_here(), read->store.page, sizeof *page);
    struct arena_finding finding = {.kind = KIND_UNPERSISTED_READ,
                                    .file = file + 1,
                                    .at = read->stack,
                                    .related = {read->store.stack, dependent->stack},
                                    .roles = {ARENA_ROLE_STORE, ARENA_ROLE_DEPENDENT},
                                    .bytes = read->length,
                                    .range_count = 1};
    finding.ranges[0].offset = page->index * MODEL_PAGE_SIZE + read->start;
    finding.ranges[0].length = read->length;
    if (!arena_ignores(arena_here(), file, finding.ranges[0].offset, read->length))
        arena_report(arena_here(), &finding);
}

/* Is the store durable, whatever came after it? */
static bool lasts(const struct self *me, const struct store_at *store) {
    struct model_page *page = arena_at(arena_here(), store->page, sizeof *page);
    if (page == NULL)
        return false;
    const struct model_judging judging =
        arena_judging(arena_here(), &me->lines, page->file, NULL, NULL);
    lock_page(me, page);
    bool durable = model_lasts(page, &judging, store->line, store->n);
    unlock_page(me, page);
    return durable;
}

/* false: nothing is to be asked of the read any more. */
static bool goes_on(struct self *me, const struct read *read) {
    struct model_page *page = arena_at(arena_here(), read->store.page, sizeof *page);
    struct look look = {.me = me, .read = read};
    if (page == NULL)
        return false;
    look_at(&look, page, read->start, read->length);
    for (uint32_t i = 0; look.found && i < read->count; i++) {
        if (lasts(me, &read->dependents[i])) {
            report(read, page->file, &read->dependents[i]);
            return false;
        }
    }
    return look.found;
}

void reads_drained(struct self *me) {
    struct reads *reads = me->reads;
    uint32_t kept = 0;
    for (uint32_t i = 0; reads != NULL && i < reads->count; i++) {
        if (goes_on(me, &reads->at[i]))
            reads->at[kept++] = reads->at[i];
    }
    if (reads != NULL) {
        reads->count = kept;
        reads->next = kept % READS;
    }
}
