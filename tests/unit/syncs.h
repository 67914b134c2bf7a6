/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of drains: page-cache regions that are made up (the linker puts the probe below in the
   place of the map room's), and an msync that remembers what it was asked for and answers as it is
   told. */
#ifndef UNIT_SYNCS_H
#define UNIT_SYNCS_H

#include <errno.h>
#include <nvrtl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "event/event.h"
#include "os/calls.h"
#include "token/table.h"

#define PAGE ((size_t)4096)

/* What the probe says of every range. */
static struct {
    enum map_domain domain;
    uint64_t inode;
} probed = {.domain = MAP_DOMAIN_PAGE_CACHE, .inode = 1};

enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region);
enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region) {
    (void)system;
    region->answer.domain = probed.domain;
    region->answer.device = 1;
    region->answer.inode = probed.inode;
    strcpy(region->answer.reason, "made up");
    region->segments[0] = (struct event_segment){address, length, 0};
    region->segment_count = 1;
    return RESULT_OK;
}

#define SYNC_CALLS_MAX 64

/* The calls with MS_SYNC, in the order in which they began. */
struct sync_call {
    uintptr_t address;
    size_t size;
    _Atomic bool failed, succeeded; /* neither: it has not ended */
};
static struct {
    struct sync_call calls[SYNC_CALLS_MAX];
    _Atomic unsigned count;
    int errors[8]; /* of the next calls, one after another; then success */
    _Atomic unsigned errors_used;
    int async_error;      /* of every call with MS_ASYNC */
    void (*during)(void); /* called in the middle of each */
} syncs;

static inline int syncs_answer(void *address, size_t size, int flags) {
    errno = syncs.async_error;
    if (flags == MS_ASYNC)
        return errno == 0 ? 0 : -1;
    unsigned call = atomic_fetch_add(&syncs.count, 1);
    struct sync_call *told = &syncs.calls[call % SYNC_CALLS_MAX];
    told->address = (uintptr_t)address;
    told->size = size;
    if (syncs.during != NULL)
        syncs.during();
    unsigned next = atomic_fetch_add(&syncs.errors_used, 1);
    errno = next < ARRAY_LENGTH(syncs.errors) ? syncs.errors[next] : 0;
    told->failed = errno != 0;
    told->succeeded = errno == 0;
    return errno == 0 ? 0 : -1;
}

/* Forgets the calls; the next ones succeed, but for the first, which fails with error if that is
   not 0. */
static inline void syncs_reset(int error) {
    memset(&syncs, 0, sizeof syncs);
    syncs.errors[0] = error;
    os_calls.msync = syncs_answer;
}

/* Did some call hold all of [address, address + size)? Of those from number first on, which was
   how many there were at some moment, that succeeded. */
static inline bool syncs_done(unsigned first, uintptr_t address, size_t size) {
    unsigned count = atomic_load(&syncs.count);
    for (unsigned i = first; i < count && i < SYNC_CALLS_MAX; i++) {
        if (syncs.calls[i].succeeded &&
            range_inside(address, size, syncs.calls[i].address, syncs.calls[i].size))
            return true;
    }
    return false;
}

/* Of any, however they ended. */
static inline bool syncs_covered(uintptr_t address, size_t size) {
    unsigned count = atomic_load(&syncs.count);
    for (unsigned i = 0; i < count && i < SYNC_CALLS_MAX; i++) {
        if (range_inside(address, size, syncs.calls[i].address, syncs.calls[i].size))
            return true;
    }
    return false;
}

/* Some of these tests make up more files than the library has records for what the processes of a
   family tell each other of one: what the last ones left is forgotten. */
#define SYNCS_KIN 16
static struct kin_file *syncs_kin[SYNCS_KIN];
static size_t syncs_kin_next;

static inline void syncs_forget_kin(void) {
    for (size_t i = 0; i < SYNCS_KIN; i++) {
        if (syncs_kin[i] != NULL)
            memset((void *)syncs_kin[i], 0, sizeof *syncs_kin[i]);
        syncs_kin[i] = NULL;
    }
}

/* A token of made-up file number inode. */
static inline PVOID syncs_get(uint64_t inode, uintptr_t base, size_t length) {
    PVOID token = NULL;
    probed.inode = inode;
    if (RtlGetNonVolatileToken((PVOID)base, length, &token) != STATUS_SUCCESS)
        return NULL;
    token_table.settings.has_domain = false; /* whatever the environment of this test says */
    struct token_view view;
    if (token_find((uintptr_t)token, &view))
        syncs_kin[syncs_kin_next++ % SYNCS_KIN] = token_file(&view)->kin;
    return token;
}

#define SYNCS_SLOTS 4

/* The next tokens take the first slots in their order: no other token may be alive. */
static inline void syncs_order_slots(void) {
    PVOID tokens[SYNCS_SLOTS];
    for (size_t i = 0; i < SYNCS_SLOTS; i++)
        tokens[i] = syncs_get(1, PAGE, PAGE);
    for (uintptr_t slot = SYNCS_SLOTS; slot-- > 0;) {
        for (size_t i = 0; i < SYNCS_SLOTS; i++) {
            if (((uintptr_t)tokens[i] & ((1u << TOKEN_INDEX_BITS) - 1)) == slot)
                RtlFreeNonVolatileToken(tokens[i]);
        }
    }
}

static inline NTSTATUS flush_only(PVOID token, uintptr_t address, size_t length) {
    return RtlFlushNonVolatileMemory(token, (PVOID)address, length,
                                     FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
}

#endif
