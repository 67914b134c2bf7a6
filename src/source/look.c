/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks for direct stores that nobody flushed: pages that were stored to, against their shadows. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bits.h"
#include "map/map.h"
#include "source/compare.h"
#include "source/content.h"
#include "source/pages.h"
#include "source/record.h"
#include "source/snapshot.h"
#include "track/track.h"

/* One look at a stretch. */
struct look {
    struct self *me;
    const struct arena_token *token;
    const struct stretch *stretch;
    arena_id stack;  /* of the call that asks */
    arena_id direct; /* of the stores, when it is not the page's own hint that says most */
    bool settle;     /* all is durable */
    bool doubtful;   /* the kernel does not tell whose stores they were */
    _Alignas(MODEL_LINE_SIZE) uint8_t bytes[MODEL_PAGE_SIZE];
};

/* The last drain of this process at which its pages were looked at. */
static _Atomic arena_id last_drain;

static struct arena *arena_here(void) {
    return &source_process.arena;
}

/* A copy of the page at address. The program may truncate the file meanwhile, which is no reason
   for a signal here. */
static bool copy_page(struct look *look, uintptr_t address) {
    const struct iovec to = {look->bytes, MODEL_PAGE_SIZE};
    const struct iovec from = {(void *)address, MODEL_PAGE_SIZE};
    ssize_t copied = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    if (copied == MODEL_PAGE_SIZE)
        return true;
    if ((copied < 0 && errno == EFAULT) || copied > 0 || !content_readable(address))
        return false;
    memcpy(look->bytes, (const void *)address, MODEL_PAGE_SIZE);
    return true;
}

/* The stack that stores get which were found on the page. */
static arena_id stack_of(const struct look *look, const struct shadow_page *shadow) {
    arena_id hint = atomic_load(&shadow->hint);
    if (look->direct != 0)
        return look->direct;
    if (hint == 0)
        hint = look->me->pages.last;
    if (hint == 0)
        hint = look->token->got;
    return shadow_stack(arena_here(), look->doubtful ? SHADOW_DOUBTFUL : SHADOW_DIRECT, hint);
}

/* The share's bytes of a line, one bit each. Those beside it may be another thread's, that Write is
   storing at this moment. */
static uint64_t bytes_of(const struct pages_share *share, uint32_t start) {
    uint32_t from = share->from > start ? share->from - start : 0;
    uint32_t to = share->to - start < MODEL_LINE_SIZE ? share->to - start : MODEL_LINE_SIZE;
    return to > from ? UINT64_MAX << from & UINT64_MAX >> (MODEL_LINE_SIZE - to) : 0;
}

/* Tells the model of what has changed on the page. pre: shadow is locked */
static void tell_changes(const struct look *look, const struct pages_share *share,
                         struct shadow_page *shadow) {
    struct model_actor actor = *self_actor(look->me, arena_id_of(arena_here(), look->token), 0);
    struct model_page *page = NULL;
    if (record_wanted()) {
        record_found(share, shadow, look->bytes, stack_of(look, shadow), look->settle);
        return;
    }
    for (uint32_t l = share->from / MODEL_LINE_SIZE; l * MODEL_LINE_SIZE < share->to; l++) {
        uint32_t start = l * MODEL_LINE_SIZE;
        uint64_t bytes =
            compare_take_part(shadow->bytes + start, look->bytes + start, bytes_of(share, start));
        if (look->settle)
            shadow->flusher[l] = 0;
        if (look->settle && look->stack != 0)
            atomic_store(&shadow->hint, look->stack);
        if (bytes == 0 || look->settle)
            continue;
        if (page == NULL) {
            page = arena_page(arena_here(), share->file, share->index, true);
            if (page == NULL)
                return;
            actor.stack = stack_of(look, shadow);
            shadow_set_modelled(
                pages_chunk(look->me, share->file, share->index / SHADOW_CHUNK_PAGES, true),
                (uint32_t)(share->index % SHADOW_CHUNK_PAGES));
            arena_lock_page(arena_here(), page, look->me->thread + 1);
        }
        shadow_tell(page, &actor, l, bytes);
    }
    if (page != NULL)
        arena_unlock_page(arena_here(), page, look->me->thread + 1);
}

static void look_at_page(struct look *look, uintptr_t address, bool present) {
    static const uint8_t zeros[MODEL_PAGE_SIZE];
    const struct stretch *stretch = look->stretch;
    uintptr_t start = stretch->address > address ? stretch->address : address;
    uintptr_t end = stretch->address + stretch->length;
    end = end < address + MODEL_PAGE_SIZE ? end : address + MODEL_PAGE_SIZE;
    if (start >= end || !copy_page(look, address))
        return;
    const struct pages_share share = {.me = look->me,
                                      .file = stretch->file,
                                      .index = (stretch->offset + (start - stretch->address)) /
                                               MODEL_PAGE_SIZE,
                                      .from = (uint32_t)(start - address),
                                      .to = (uint32_t)(end - address),
                                      .address = address};
    bool empty = memcmp(look->bytes, zeros, MODEL_PAGE_SIZE) == 0, settle = look->settle;
    struct shadow_page *shadow = pages_lock(&share, !empty);
    if (shadow == NULL)
        return;
    /* Once more, now that no flush comes between: what another thread has stored and flushed since
       the first copy would be older in this one than in the shadow. */
    if (copy_page(look, address)) {
        empty = memcmp(look->bytes, zeros, MODEL_PAGE_SIZE) == 0;
        /* Zeros that nobody has looked at since: the page was taken out of the file. */
        look->settle = settle || (empty && !present);
        tell_changes(look, &share, shadow);
        look->settle = settle;
    }
    pages_unlock(shadow);
}

static void look_at_run(void *context, uintptr_t from, uintptr_t to, bool present) {
    for (uintptr_t at = from; at < to; at += MODEL_PAGE_SIZE)
        look_at_page(context, at, present);
}

bool pages_stand(const struct stretch *part) {
    const struct arena_file *file = &arena_here()->head->files[part->file];
    const struct map_identity identity = {.start = part->address,
                                          .length = part->length,
                                          .device = file->device,
                                          .inode = file->inode,
                                          .offset = part->offset};
    return map_same(&map_this_system, &identity) == RESULT_OK;
}

/* The last length bytes of a stretch, or the first ones. */
static struct stretch part_of(const struct stretch *stretch, uint64_t length, bool last) {
    struct stretch part = *stretch;
    part.length = length;
    if (last) {
        part.address += stretch->length - length;
        part.offset += stretch->length - length;
    }
    return part;
}

/* What still stands of a stretch that does not as a whole, from its begin or up to its end:
   programs unmap a part of a view whose token lives. Mostly it is nothing, which is soon known. */
static struct stretch standing(const struct stretch *stretch, bool last) {
    uint64_t good = 0, bad = stretch->length;
    for (uint64_t length = 1; bad - good > 1; length = good + (bad - good) / 2) {
        const struct stretch part = part_of(stretch, length, last);
        if (pages_stand(&part))
            good = length;
        else
            bad = length;
    }
    return part_of(stretch, good, last);
}

/* First whether the kernel tells exactly, since that decides how sure a finding is. */
static void look_at_part(struct look *look, const struct stretch *part, bool again) {
    const struct stretch *whole = look->stretch;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = align_down(part->address, page);
    uintptr_t to = align_up(part->address + part->length, page);
    if (part->length == 0)
        return;
    look->stretch = part;
    /* All of it is one mapping, so one page answers for all. */
    look->doubtful = !track_is_exact(from, page);
    track_written(from, to - from, again, look_at_run, look);
    look->stretch = whole;
}

static void look_through(struct look *look, bool again) {
    if (source_process.confined) {
        snapshot_give_up(look->stretch);
        return;
    }
    if (pages_stand(look->stretch)) {
        look_at_part(look, look->stretch, again);
        return;
    }
    const struct stretch first = standing(look->stretch, false);
    const struct stretch last = standing(look->stretch, true);
    look_at_part(look, &first, again);
    look_at_part(look, &last, again);
}

/* A trace has room for one call: the one that comes after. */
static arena_id interval_before(arena_id stack) {
    return record_wanted() ? stack : shadow_interval(arena_here(), atomic_load(&last_drain), stack);
}

void pages_look(struct self *me, const struct arena_token *token, const struct stretch *stretch,
                arena_id stack) {
    struct look look = {.me = me, .token = token, .stretch = stretch, .stack = stack};
    const struct arena_pages pages = {stretch->file, stretch->offset, stretch->length,
                                      me->thread + 1};
    if (arena_here()->head->stores == ARENA_STORES_INTERVAL)
        look.direct = interval_before(stack);
    if (token->process == source_process.process)
        look_through(&look, false);
    pages_apply_others(me, &pages);
    shadow_fold(arena_here(), &pages);
}

bool pages_shared(void) {
    /* A child that has only stored was not heard of yet. */
    return atomic_load(&arena_here()->head->process_count) > 1 ||
           atomic_load(&source_process.forks) != 0;
}

/* What other processes have stored, too: of that the kernel tells this one nothing. */
static void look_at_all(struct look *look, bool again) {
    const struct stretch *stretch = look->stretch;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = align_down(stretch->address, page);
    uintptr_t to = align_up(stretch->address + stretch->length, page);
    if (pages_shared() && !source_process.confined && pages_stand(stretch))
        track_resident(from, to - from, look_at_run, look);
    else
        look_through(look, again);
}

/* What other processes have stored is waited for, too. */
void pages_settle(struct self *me, const struct stretch *stretch, arena_id stack) {
    struct look look = {.me = me, .stretch = stretch, .stack = stack, .settle = true};
    const struct arena_pages pages = {stretch->file, stretch->offset, stretch->length,
                                      me->thread + 1};
    pages_apply_others(me, &pages);
    look_at_all(&look, true);
    me->pages.last = stack;
}

static void look_at_interval(void *context, const struct stretch *stretch) {
    struct look *look = context;
    look->stretch = stretch;
    look_through(look, true);
}

static void look_at_token(struct self *me, struct arena_token *token, void *context) {
    struct look *look = context;
    look->me = me;
    look->token = token;
    tokens_stretches(token, 0, UINT64_MAX, look_at_interval, look);
}

void pages_interval(struct self *me, arena_id stack) {
    struct look look = {.stack = stack, .direct = interval_before(stack)};
    tokens_each_live(me, look_at_token, &look);
    atomic_store(&last_drain, stack);
}

static void look_at_found(void *context, const struct stretch *stretch) {
    struct look *look = context;
    look->stretch = stretch;
    look_at_all(look, false);
}

void pages_find(struct self *me, const struct arena_token *token, uintptr_t address, size_t length,
                arena_id stack) {
    struct look look = {.me = me, .token = token, .stack = stack, .direct = stack};
    tokens_stretches(token, address, length, look_at_found, &look);
}

void pages_find_all(struct self *me, const struct stretch *stretch, arena_id stack) {
    struct look look = {.me = me, .stretch = stretch, .stack = stack, .direct = stack};
    look_at_all(&look, true);
}

static void look_at_exit(void *context, const struct stretch *stretch) {
    const struct look *look = context;
    pages_look(look->me, look->token, stretch, 0);
}

static void look_at_last(struct self *me, struct arena_token *token, void *context) {
    struct look *look = context;
    look->me = me;
    look->token = token;
    tokens_stretches(token, 0, UINT64_MAX, look_at_exit, look);
}

void pages_exit(struct self *me) {
    struct look look = {.stack = 0};
    pages_apply(me);
    tokens_each_live(me, look_at_last, &look);
}

/* What no other token covers is not known yet. */
static void begin_uncovered(void *context, const struct stretch *stretch) {
    (void)context;
    if (source_process.confined)
        snapshot_give_up(stretch);
    else
        snapshot_take(stretch, UINT64_MAX, &arena_here()->head->files[stretch->file].unread);
}

/* Looks at the pages of which it is known what they held: that is told, and what has become of them
   since somebody has looked last. */
static void look_at_known(struct look *look, const struct stretch *stretch) {
    uint64_t end = (stretch->offset + stretch->length - 1) / MODEL_PAGE_SIZE;
    look->stretch = stretch;
    look->settle = true;
    for (uint64_t at = stretch->offset / MODEL_PAGE_SIZE, next; at <= end; at = next) {
        const struct shadow_chunk *chunk =
            pages_chunk(look->me, stretch->file, at / SHADOW_CHUNK_PAGES, false);
        next = (at / SHADOW_CHUNK_PAGES + 1) * SHADOW_CHUNK_PAGES;
        for (; chunk != NULL && at <= end && at < next; at++) {
            if (atomic_load(&chunk->pages[at % SHADOW_CHUNK_PAGES]) != 0)
                look_at_page(look, stretch->address + (at * MODEL_PAGE_SIZE - stretch->offset),
                             true);
        }
    }
    look->settle = false;
}

static void begin_stretch(void *context, const struct stretch *stretch) {
    struct look *look = context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = align_down(stretch->address, page);
    if (!source_process.confined)
        track_begin(from, align_up(stretch->address + stretch->length, page) - from);
    tokens_uncovered(look->token, stretch, begin_uncovered, look);
    if (record_wanted())
        look_at_known(look, stretch);
}

void pages_got(struct self *me, const struct arena_token *token) {
    struct look look = {.me = me, .token = token};
    arena_id none = 0;
    atomic_compare_exchange_strong(&last_drain, &none, token->got);
    tokens_stretches(token, 0, UINT64_MAX, begin_stretch, &look);
}

void pages_forked(void) {
    track_forked();
}
