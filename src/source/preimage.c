/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/preimage.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arena/shadow.h"
#include "base/bits.h"
#include "source/content.h"
#include "source/explain.h"
#include "source/record.h"
#include "source/regions.h"
#include "source/snapshot.h"
#include "track/track.h"

/* Pages that one process keeps, all Gets together: a quarter of a gigabyte takes a tenth of a
   second. A Get of a small region costs more than its pages. */
#define BUDGET_PAGES ((UINT64_C(256) << 20) / MODEL_PAGE_SIZE)
#define GET_PAGES 16u

/* The kernel takes 2 bytes for each KiB that it tracks, whatever is there. */
#define TRACKED_MAX (UINT64_C(16) << 30)

/* Pages that one process has looked through, all questions together: it takes the kernel some 15 ns
   for each, and programs that wait for a large file often ask each time. */
#define LOOKED_MAX (UINT64_C(1) << 25)

static _Atomic uint64_t spent, looked; /* pages */

static struct arena *arena_here(void) {
    return &source_process.arena;
}

void preimage_give_up(uint32_t file, uint64_t offset) {
    snapshot_note(&arena_here()->head->files[file].blind, align_down(offset, MODEL_PAGE_SIZE));
}

/* Was the process begun under a filter of system calls? That may kill it for those which tracking
   needs and no program makes. What it forbids itself later is known by itself. */
static bool is_filtered(void) {
    static const char wanted[] = "\nSeccomp:\t0\n", field[] = "\nSeccomp:";
    char text[4096] = "";
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    if (file >= 0)
        close(file);
    /* A kernel without such filters does not speak of them. */
    return size <= 0 || (strstr(text, field) != NULL && strstr(text, wanted) == NULL);
}

static bool may_track(void) {
    static _Atomic int known; /* 1: yes, -1: no */
    if (atomic_load(&known) == 0)
        atomic_store(&known, is_filtered() ? -1 : 1);
    return !source_process.confined && atomic_load(&known) > 0;
}

struct keeping {
    struct self *me;
    const struct arena_token *token;
};

static void keep_uncovered(void *context, const struct stretch *stretch) {
    const struct keeping *keeping = context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = align_down(stretch->address, page);
    uint64_t before = atomic_fetch_add(&spent, GET_PAGES) + GET_PAGES;
    uint64_t room = before < BUDGET_PAGES ? BUDGET_PAGES - before : 0;
    explain_renew(keeping->me, stretch);
    if (room == 0 || stretch->length > TRACKED_MAX || !may_track() ||
        !track_begin(from, align_up(stretch->address + stretch->length, page) - from)) {
        preimage_give_up(stretch->file, stretch->offset);
        return;
    }
    atomic_fetch_add(&spent,
                     snapshot_take(stretch, room, &arena_here()->head->files[stretch->file].blind));
}

static void keep_stretch(void *context, const struct stretch *stretch) {
    const struct keeping *keeping = context;
    tokens_uncovered(keeping->token, stretch, keep_uncovered, context);
}

/* Stores to the region may be told of before what it holds is kept: that is not asked for then. */
struct arena_token *preimage_token(struct self *me, const struct event *event, arena_id stack) {
    if (!explain_wanted() || record_wanted())
        return tokens_add(me, event, stack);
    atomic_fetch_add(&arena_here()->head->keeping, 1);
    struct arena_token *token = tokens_add(me, event, stack);
    struct keeping keeping = {me, token};
    if (token != NULL)
        tokens_stretches(token, 0, UINT64_MAX, keep_stretch, &keeping);
    atomic_fetch_sub(&arena_here()->head->keeping, 1);
    return token;
}

/* Is it known what the page held? */
static bool is_known(uint32_t file, uint64_t index) {
    uint64_t blind = atomic_load(&arena_here()->head->files[file].blind);
    return atomic_load(&arena_here()->head->keeping) == 0 &&
           (blind == 0 || (index + 1) * MODEL_PAGE_SIZE < blind);
}

/* What is kept of the page; NULL: nothing but zeros were there. */
static uint8_t *kept(uint32_t file, uint64_t index) {
    struct shadow_chunk *chunk =
        shadow_chunk(arena_here(), file, index / SHADOW_CHUNK_PAGES, false);
    struct shadow_page *page =
        chunk != NULL ? shadow_page(arena_here(), chunk, index % SHADOW_CHUNK_PAGES, false) : NULL;
    return page != NULL ? page->bytes : NULL;
}

static void note_written(void *context, uintptr_t from, uintptr_t to, bool present) {
    bool *written = context;
    *written = from < to && present;
}

/* By this process, through this view. */
static bool was_stored_to(uintptr_t address) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    bool written = false;
    if (!source_process.confined)
        track_exactly(align_down(address, page), page, note_written, &written);
    return written;
}

/* Does the page hold what it did? */
static bool is_same(uint32_t file, uint64_t index, uintptr_t address) {
    static const uint8_t zeros[MODEL_PAGE_SIZE];
    const uint8_t *before = kept(file, index);
    return memcmp(before != NULL ? before : zeros, (const void *)address, MODEL_PAGE_SIZE) == 0;
}

bool preimage_adopt(struct model_page *page, uintptr_t address) {
    const struct arena *arena = arena_here();
    if (page->asked != 0 || !is_known(page->file, page->index))
        return false;
    page->asked = 1;
    uint8_t *before = kept(page->file, page->index);
    address = align_down(address, MODEL_PAGE_SIZE);
    if (!is_same(page->file, page->index, address) && !was_stored_to(address))
        return false;
    if (before == NULL)
        before = arena_new(arena, MODEL_PAGE_SIZE);
    if (before == NULL)
        return false;
    page->shadow = arena_id_of(arena, before);
    return true;
}

static bool has_changed(const struct stretch *stretch, uintptr_t address) {
    uint64_t index = (stretch->offset + (address - stretch->address)) / MODEL_PAGE_SIZE;
    return is_known(stretch->file, index) && content_readable(address) &&
           !is_same(stretch->file, index, address);
}

struct finding {
    struct self *me;
    const struct stretch *stretch;
    bool judged; /* what is found is told of, unless somebody flushes it later */
};

/* Has a process that this one has forked joined the run? Of pages that nobody had told of its
   flushes are not known. */
static bool has_child(void) {
    const struct arena_head *head = arena_here()->head;
    uint32_t count = atomic_load(&head->process_count);
    for (uint32_t i = 0; i < count && i < ARENA_PROCESSES; i++) {
        if (head->processes[i].parent == source_process.process + 1)
            return true;
    }
    return false;
}

static void find_run(void *context, uintptr_t from, uintptr_t to, bool present) {
    const struct finding *finding = context;
    for (uintptr_t at = from; present && at < to; at += MODEL_PAGE_SIZE) {
        struct model_page *page = regions_page(at);
        if ((page != NULL && page->based != 0) || !has_changed(finding->stretch, at))
            continue;
        if (finding->judged && has_child()) {
            preimage_give_up(finding->stretch->file,
                             finding->stretch->offset + (at - finding->stretch->address));
            continue;
        }
        page = regions_record(finding->me, at);
        if (page == NULL)
            continue;
        arena_lock_page(arena_here(), page, finding->me->thread + 1);
        explain_begin(page, at);
        arena_unlock_page(arena_here(), page, finding->me->thread + 1);
    }
}

void preimage_find(struct self *me, const struct stretch *stretch, bool judged) {
    struct finding finding = {me, stretch, judged};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = align_down(stretch->address, page);
    if (source_process.confined || !is_known(stretch->file, stretch->offset / MODEL_PAGE_SIZE))
        return;
    if (atomic_fetch_add(&looked, stretch->length / MODEL_PAGE_SIZE) > LOOKED_MAX)
        preimage_give_up(stretch->file, stretch->offset);
    else
        track_exactly(from, align_up(stretch->address + stretch->length, page) - from, find_run,
                      &finding);
}
