/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/regions.h"

#include <sys/mman.h>

/* A contiguous part of a token's region. */
struct region {
    uintptr_t address;
    uint64_t length, offset; /* bytes; offset in the file */
    uint32_t file;           /* index */
    uint64_t token;          /* handle: a forked child's record of the token is another one */
};

/* The truth; the table only answers faster. Read under a count that is odd while somebody writes. A
   list that has become too small stays where it is, for who still reads it. */
struct list {
    size_t count, room;
    struct region at[];
};

_Atomic uintptr_t regions_low = UINTPTR_MAX, regions_high;
_Atomic uintptr_t regions_top[REGIONS_TOP_SIZE];

static struct list *_Atomic list;
static _Atomic uint32_t version;
static _Atomic uint32_t lock;

#define READ_TRIES 1000

static void *new_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void take(struct self *me) {
    arena_lock(&source_process.arena, &lock, me->thread + 1);
}

static void give(void) {
    arena_unlock(&lock);
}

void regions_forked(void) {
    atomic_store(&lock, 0);
    if (atomic_load(&version) % 2 != 0)
        atomic_fetch_add(&version, 1);
}

/* The newest region that holds a byte of [address, end), from its first such byte on. Where several
   do, the one that begins first, so that a walk misses none. */
static bool search(uintptr_t address, uintptr_t end, struct stretch *found) {
    const struct list *regions = atomic_load(&list);
    uintptr_t best = end;
    for (size_t i = regions != NULL ? regions->count : 0; i > 0 && best > address; i--) {
        const struct region *region = &regions->at[i - 1];
        uintptr_t from = region->address > address ? region->address : address;
        uintptr_t stop = region->address + region->length;
        if (from >= best || stop <= from)
            continue;
        best = from;
        *found = (struct stretch){.file = region->file,
                                  .offset = region->offset + (from - region->address),
                                  .length = stop - from,
                                  .address = from};
    }
    return best < end;
}

/* Reads without a lock: the reader may have interrupted the writer. What it then sees of a write
   that does not end is as good as any order of the two. */
static bool find_between(uintptr_t address, uintptr_t end, struct stretch *found) {
    for (unsigned tries = 0;; tries++) {
        uint32_t before = atomic_load_explicit(&version, memory_order_acquire);
        bool any = search(address, end, found);
        atomic_thread_fence(memory_order_acquire);
        if ((before % 2 == 0 && atomic_load_explicit(&version, memory_order_relaxed) == before) ||
            tries == READ_TRIES)
            return any;
    }
}

bool regions_find(uintptr_t address, struct stretch *stretch) {
    return regions_near(address) && find_between(address, address + 1, stretch);
}

bool regions_hold(uintptr_t address, const struct model_page *page) {
    struct stretch found;
    if (regions_page(address) == page)
        return true;
    address = align_down(address, MODEL_PAGE_SIZE);
    return find_between(address, address + MODEL_PAGE_SIZE, &found) && found.file == page->file &&
           found.offset / MODEL_PAGE_SIZE == page->index;
}

void regions_stretches(uintptr_t address, uint64_t length, tokens_visit *visit, void *context) {
    uintptr_t end = length > UINTPTR_MAX - address ? UINTPTR_MAX : address + length;
    struct stretch found;
    while (address < end && find_between(address, end, &found)) {
        if (found.length > end - found.address)
            found.length = end - found.address;
        visit(context, &found);
        address = found.address + found.length;
    }
}

/* What all of [from, end) is; REGIONS_PARTLY where it is not all the same. pre: the lock */
static enum regions_mark cover(uintptr_t from, uintptr_t end, struct region *whole) {
    const struct list *regions = atomic_load(&list);
    bool touched = false;
    for (size_t i = regions != NULL ? regions->count : 0; i > 0; i--) {
        const struct region *region = &regions->at[i - 1];
        uintptr_t stop = region->address + region->length;
        if (region->address <= from && stop >= end) {
            *whole = *region;
            return REGIONS_WHOLE;
        }
        touched = touched || (region->address < end && stop > from);
    }
    return touched ? REGIONS_PARTLY : REGIONS_NONE;
}

/* The next level below a place, made as what the place said. NULL: there is no memory. */
static struct regions_level *open_level(_Atomic uintptr_t *place) {
    static struct regions_level *spare;
    static size_t spare_count;
    uintptr_t value = atomic_load(place);
    if (value >= REGIONS_MARKS)
        return (struct regions_level *)value;
    if (spare_count == 0) {
        const size_t count = 16;
        spare = new_memory(count * sizeof *spare);
        spare_count = spare != NULL ? count : 0;
    }
    if (spare_count == 0)
        return NULL;
    struct regions_level *level = &spare[--spare_count];
    for (size_t i = 0; i < REGIONS_LEVEL_SIZE; i++)
        atomic_store_explicit(&level->next[i], value, memory_order_relaxed);
    atomic_store_explicit(place, (uintptr_t)level, memory_order_release);
    return level;
}

/* Does the record that a page's place holds belong to what lies there now? */
static bool still_right(uintptr_t value, uintptr_t address, const struct region *region) {
    const struct model_page *page = (const struct model_page *)value;
    return value >= REGIONS_MARKS && page->file == region->file &&
           page->index == (region->offset + (address - region->address)) / MODEL_PAGE_SIZE;
}

/* Brings one place of the table, which stands for 2^shift bytes from address on, in line with the
   list. Where there is no memory for a level a larger part asks the list. */
static void refresh_place(_Atomic uintptr_t *place, uintptr_t address, unsigned shift,
                          uintptr_t from, uintptr_t to);

static void refresh_level(struct regions_level *level, uintptr_t address, unsigned shift,
                          uintptr_t from, uintptr_t to) {
    uintptr_t size = (uintptr_t)1 << shift;
    uintptr_t at = from > address ? align_down(from, size) : address;
    for (; at < to && at < address + REGIONS_LEVEL_SIZE * size; at += size)
        refresh_place(&level->next[(at - address) >> shift], at, shift, from, to);
}

static void refresh_place(_Atomic uintptr_t *place, uintptr_t address, unsigned shift,
                          uintptr_t from, uintptr_t to) {
    struct region region;
    enum regions_mark mark = cover(address, address + ((uintptr_t)1 << shift), &region);
    uintptr_t value = atomic_load(place);
    if (shift == 12) {
        if (mark != REGIONS_WHOLE || !still_right(value, address, &region))
            atomic_store(place, mark);
    } else if (value < REGIONS_MARKS && mark != REGIONS_PARTLY) {
        atomic_store(place, mark);
    } else {
        struct regions_level *level = open_level(place);
        if (level != NULL)
            refresh_level(level, address, shift - 9, from, to);
        else
            atomic_store(place, REGIONS_PARTLY);
    }
}

static void refresh(uintptr_t address, uint64_t length) {
    uintptr_t size = (uintptr_t)1 << REGIONS_TOP_SHIFT;
    for (uintptr_t at = align_down(address, size); at < address + length; at += size) {
        if (at >> REGIONS_TOP_SHIFT < REGIONS_TOP_SIZE)
            refresh_place(&regions_top[at >> REGIONS_TOP_SHIFT], at, REGIONS_TOP_SHIFT, address,
                          address + length);
    }
}

/* Notes the record of a page where the next one who looks finds it at once. pre: the lock */
static void note_page(uintptr_t address, struct model_page *page) {
    struct region region;
    if (address >> REGIONS_TOP_SHIFT >= REGIONS_TOP_SIZE)
        return;
    _Atomic uintptr_t *place = &regions_top[address >> REGIONS_TOP_SHIFT];
    if (cover(align_down(address, MODEL_PAGE_SIZE),
              align_down(address, MODEL_PAGE_SIZE) + MODEL_PAGE_SIZE, &region) != REGIONS_WHOLE)
        return;
    for (unsigned shift = 21; shift >= 12; shift -= 9) {
        struct regions_level *level = open_level(place);
        if (level == NULL)
            return;
        place = &level->next[address >> shift & (REGIONS_LEVEL_SIZE - 1)];
    }
    atomic_store_explicit(place, (uintptr_t)page, memory_order_release);
}

struct model_page *regions_record(struct self *me, uintptr_t address) {
    struct model_page *page = regions_page(address);
    struct stretch stretch;
    if (page != NULL || !regions_find(address, &stretch))
        return page;
    page = arena_page(&source_process.arena, stretch.file, stretch.offset / MODEL_PAGE_SIZE, true);
    /* One that asked the list before asks it each time. */
    if (page == NULL || regions_look(address) == REGIONS_PARTLY)
        return page;
    take(me);
    /* Not from what was found before: it may have been unmapped meanwhile. */
    if (search(address, address + 1, &stretch) && page->file == stretch.file &&
        page->index == stretch.offset / MODEL_PAGE_SIZE)
        note_page(address, page);
    give();
    return page;
}

/* pre: the lock */
static void begin_write(void) {
    atomic_fetch_add(&version, 1);
}

static void end_write(void) {
    atomic_fetch_add(&version, 1);
}

/* A place at the end of the list. NULL: there is no memory. pre: begin_write */
static struct region *append(void) {
    struct list *regions = atomic_load(&list);
    if (regions == NULL || regions->count == regions->room) {
        size_t room = regions != NULL ? regions->room * 2 : 120;
        struct list *larger = new_memory(sizeof *larger + room * sizeof larger->at[0]);
        if (larger == NULL)
            return NULL;
        larger->room = room;
        larger->count = regions != NULL ? regions->count : 0;
        for (size_t i = 0; i < larger->count; i++)
            larger->at[i] = regions->at[i];
        atomic_store(&list, larger);
        regions = larger;
    }
    return &regions->at[regions->count++];
}

static void drop(size_t index) {
    struct list *regions = atomic_load(&list);
    for (size_t i = index; i + 1 < regions->count; i++)
        regions->at[i] = regions->at[i + 1];
    regions->count--;
}

/* Takes [address, end) out of every region, but for those that have the same bytes of the same file
   there as like has. */
static void cut(uintptr_t address, uintptr_t end, const struct region *like) {
    struct list *regions = atomic_load(&list);
    for (size_t i = regions != NULL ? regions->count : 0; i > 0; i--) {
        struct region *region = &regions->at[i - 1], old = *region;
        uintptr_t stop = old.address + old.length;
        if (old.address >= end || stop <= address ||
            (like != NULL && old.file == like->file &&
             old.offset - old.address == like->offset - like->address))
            continue;
        region->length = old.address < address ? address - old.address : 0;
        if (stop > end) {
            struct region rest = old;
            rest.address = end;
            rest.length = stop - end;
            rest.offset += end - old.address;
            struct region *place = region->length == 0 ? region : append();
            if (place != NULL)
                *place = rest;
            regions = atomic_load(&list);
        } else if (region->length == 0) {
            drop(i - 1);
        }
    }
}

void regions_widen(uintptr_t low, uintptr_t high) {
    if (low < atomic_load(&regions_low))
        atomic_store(&regions_low, low);
    if (high > atomic_load(&regions_high))
        atomic_store(&regions_high, high);
}

void regions_add(struct self *me, const struct arena_token *token) {
    take(me);
    for (uint32_t i = 0; i < token->segment_count; i++) {
        const struct arena_segment *segment = &token->segments[i];
        const struct region region = {.address = segment->address,
                                      .length = segment->length,
                                      .offset = segment->offset,
                                      .file = token->file,
                                      .token = token->handle};
        begin_write();
        /* What is noted of another file there was unmapped, and nobody told. */
        cut(region.address, region.address + region.length, &region);
        struct region *place = append();
        if (place != NULL)
            *place = region;
        else
            atomic_fetch_add(&source_process.arena.head->lost.memory, 1);
        end_write();
        refresh(region.address, region.length);
        regions_widen(region.address, region.address + region.length);
    }
    give();
}

void regions_remove(struct self *me, const struct arena_token *token) {
    take(me);
    struct list *regions = atomic_load(&list);
    for (size_t i = regions != NULL ? regions->count : 0; i > 0; i--) {
        const struct region region = regions->at[i - 1];
        if (region.token != token->handle)
            continue;
        begin_write();
        drop(i - 1);
        end_write();
        refresh(region.address, region.length);
    }
    give();
}

void regions_forget(struct self *me, uintptr_t address, uint64_t length) {
    if (length == 0 || address >= atomic_load(&regions_high) || length > UINTPTR_MAX - address ||
        address + length <= atomic_load(&regions_low))
        return;
    take(me);
    begin_write();
    cut(address, address + length, NULL);
    end_write();
    refresh(address, length);
    give();
}
