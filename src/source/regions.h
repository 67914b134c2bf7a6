/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file lies behind an address? The regions of this process's live tokens, looked up by every
   store that the program makes: an address of no region costs two comparisons, one of a region four
   loads. Only Get, Free and unmapping write.

   Of the functions that take no thread anybody may call any at any time, in signal handlers too.
   The others are for whoever keeps the runtime busy (runtime.c): none interrupts another of its own
   thread. */
#ifndef SOURCE_REGIONS_H
#define SOURCE_REGIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "source/tokens.h"

/* No region begins before the first address, none ends after the second. They only move apart. */
extern _Atomic uintptr_t regions_low, regions_high;

/* The table has three levels, as page tables have. A level is a pointer to the next one, or says
   the same of all that it stands for. */
#define REGIONS_TOP_SHIFT 30
#define REGIONS_TOP_SIZE (UINT64_C(1) << (47 - REGIONS_TOP_SHIFT))
#define REGIONS_LEVEL_SIZE 512
enum regions_mark {
    REGIONS_NONE,   /* no byte of it lies in a region */
    REGIONS_WHOLE,  /* all of it lies in a region; its pages were not looked for yet */
    REGIONS_PARTLY, /* a page some of whose bytes do: ask the list */
    REGIONS_MARKS   /* beyond: a pointer */
};
struct regions_level {
    _Atomic uintptr_t next[REGIONS_LEVEL_SIZE];
};
extern _Atomic uintptr_t regions_top[REGIONS_TOP_SIZE];

/* Is the table kept? Not where nobody looks for stores, nor for waits. Where it is not said who
   does, a library with hooks may come when tokens are there. */
static inline bool regions_wanted(void) {
    const struct arena_head *head = source_process.arena.head;
    return head->stores != ARENA_STORES_API || head->log.on != 0;
}

/* May the address lie in a region? Mostly it does not. */
static inline bool regions_near(uintptr_t address) {
    return address < atomic_load_explicit(&regions_high, memory_order_relaxed) &&
           address >= atomic_load_explicit(&regions_low, memory_order_relaxed);
}

/* What the table says of the address's page: one of the marks, or the page's record. */
static inline uintptr_t regions_look(uintptr_t address) {
    uintptr_t value = address >> REGIONS_TOP_SHIFT;
    if (UNLIKELY(value >= REGIONS_TOP_SIZE))
        return REGIONS_NONE;
    value = atomic_load_explicit(&regions_top[value], memory_order_acquire);
    for (unsigned shift = 21; value >= REGIONS_MARKS && shift >= 12; shift -= 9) {
        struct regions_level *level = (struct regions_level *)value;
        value = atomic_load_explicit(&level->next[address >> shift & (REGIONS_LEVEL_SIZE - 1)],
                                     memory_order_acquire);
    }
    return value;
}

/* The record of a page all of which lies in regions. NULL: there may be one all the same, or the
   address lies in a region in part only; regions_find knows. */
static inline struct model_page *regions_page(uintptr_t address) {
    uintptr_t value = regions_near(address) ? regions_look(address) : REGIONS_NONE;
    return value >= REGIONS_MARKS ? (struct model_page *)value : NULL;
}

/* The region's part that holds the address, from the address on. false: it lies in no region. */
bool regions_find(uintptr_t address, struct stretch *stretch);

/* Does this page of a file still lie at this address, or a part of it? Programs unmap regions
   whose tokens live. */
bool regions_hold(uintptr_t address, const struct model_page *page);

/* The record of the page at an address that lies in a region, made if it is new; NULL: it lies in
   none, or the arena is full. */
struct model_page *regions_record(struct self *me, uintptr_t address);

/* Visits the parts of [address, address + length) that lie in regions, in order, each once. */
void regions_stretches(uintptr_t address, uint64_t length, tokens_visit *visit, void *context);

/* A token of this process was made, or ends. */
void regions_add(struct self *me, const struct arena_token *token);
void regions_remove(struct self *me, const struct arena_token *token);

/* From now on call-outs of all from low to high are not for nothing, though no region lies there.
   */
void regions_widen(uintptr_t low, uintptr_t high);

/* The memory is mapped no more, or holds something else now. */
void regions_forget(struct self *me, uintptr_t address, uint64_t length);

/* In the child of a fork: who was writing at the fork is not there. */
void regions_forked(void);

#endif
