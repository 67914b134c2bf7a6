/* SPDX-License-Identifier: BSD-2-Clause */
/* 8 threads call every routine on the same tokens while they free and replace them. A call that
   began after Free returned is refused, one that ended before Free began works, one between does
   either; nothing is stored but what was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "child.h"
#include "os/calls.h"
#include "seed.h"
#include "view.h"

#define THREADS 8
#define OPERATIONS 20000
#define REGIONS 16
#define STRIPE 256 /* of a region, for each thread its own */

/* One Get's token. */
struct entry {
    PVOID token;
    size_t region;
    _Atomic bool freeing, freed;
    _Atomic unsigned frees;
};
static struct entry entries[REGIONS + THREADS * OPERATIONS];
static _Atomic uint32_t entries_used;
static _Atomic uint32_t current[REGIONS];

static struct view view;

static unsigned char *region_start(size_t region) {
    return view.bytes + region * PAGE + region; /* at every alignment */
}

static void get_new(size_t region) {
    uint32_t number = atomic_fetch_add(&entries_used, 1);
    struct entry *entry = &entries[number];
    entry->region = region;
    CHILD_NEED(RtlGetNonVolatileToken(region_start(region), THREADS * STRIPE, &entry->token) ==
               STATUS_SUCCESS);
    atomic_store(&current[region], number);
}

struct racer {
    pthread_t thread;
    size_t number;
    uint64_t seed;
    unsigned works, refused;
    unsigned char stripes[REGIONS][STRIPE]; /* what this thread has stored */
};

static void judge(struct racer *racer, NTSTATUS status, bool was_freed, bool is_freeing) {
    CHILD_NEED(status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER);
    CHILD_NEED(status != STATUS_SUCCESS || !was_freed);
    CHILD_NEED(status == STATUS_SUCCESS || is_freeing);
    racer->works += status == STATUS_SUCCESS;
    racer->refused += status != STATUS_SUCCESS;
}

/* A Write or Fill of this thread's stripe. A refused one stored all of it or nothing. */
static NTSTATUS store(struct racer *racer, PVOID token, size_t region, uint64_t random) {
    static const ULONG every_flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};
    unsigned char *stripe = region_start(region) + racer->number * STRIPE;
    unsigned char *known = racer->stripes[region], before[STRIPE];
    size_t start = random % 200, length = random >> 8 & 31;
    ULONG flags = every_flags[random >> 16 & 7];
    UCHAR value = (UCHAR)(random >> 24);
    memcpy(before, known, STRIPE);
    memset(known + start, value, length);
    NTSTATUS status =
        random >> 32 & 1
            ? RtlWriteNonVolatileMemory(token, stripe + start, known + start, length, flags)
            : RtlFillNonVolatileMemory(token, stripe + start, length, value, flags);
    bool stored = memcmp(stripe, known, STRIPE) == 0;
    if (!stored) {
        CHILD_NEED(status != STATUS_SUCCESS && memcmp(stripe, before, STRIPE) == 0);
        memcpy(known, before, STRIPE);
    }
    return status;
}

static NTSTATUS query(const struct entry *entry) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    NTSTATUS status = NvRtlQueryToken(entry->token, &info);
    if (status == STATUS_SUCCESS) {
        CHILD_NEED(info.base == region_start(entry->region));
        CHILD_NEED(info.length == THREADS * STRIPE);
        CHILD_NEED(strncmp(info.path, MEMORY_FOLDER, strlen(MEMORY_FOLDER)) == 0);
    }
    return status;
}

static NTSTATUS use(struct racer *racer, const struct entry *entry, uint64_t random) {
    unsigned char *start = region_start(entry->region);
    NV_MEMORY_RANGE ranges[] = {{start + random % 64, 64}, {start + 1000, 1}, {start, 0}};
    char bytes[16];
    switch (random >> 40 & 7) {
    case 0:
        return RtlFlushNonVolatileMemory(entry->token, start + random % 64, 64, random >> 8 & 1);
    case 1:
        return RtlFlushNonVolatileMemoryRanges(entry->token, ranges, 3, random >> 8 & 1);
    case 2:
        return RtlDrainNonVolatileFlush(entry->token);
    case 3:
        return query(entry);
    case 4:
        return NvRtlReadNonVolatileMemory(entry->token, bytes, start + racer->number * STRIPE,
                                          sizeof bytes);
    default:
        return store(racer, entry->token, entry->region, random);
    }
}

static void free_and_replace(struct racer *racer, struct entry *entry) {
    bool was_freed = entry->freed;
    entry->freeing = true;
    NTSTATUS status = RtlFreeNonVolatileToken(entry->token);
    judge(racer, status, was_freed, true);
    if (status != STATUS_SUCCESS)
        return;
    atomic_fetch_add(&entry->frees, 1);
    entry->freed = true;
    get_new(entry->region);
}

static void *race(void *context) {
    struct racer *racer = context;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint64_t random = random_next(&racer->seed);
        size_t region = random >> 48 & (REGIONS - 1);
        struct entry *entry = &entries[atomic_load(&current[region])];
        if (i % 16 == 0) {
            free_and_replace(racer, entry);
        } else if (i % 16 == 1) {
            /* Finds the token of the region, or makes one while there is none. */
            NTSTATUS status = store(racer, EACH, region, random);
            judge(racer, status, false, entry->freeing);
        } else {
            bool was_freed = entry->freed;
            NTSTATUS status = use(racer, entry, random);
            judge(racer, status, was_freed, entry->freeing);
        }
    }
    return NULL;
}

static int no_msync(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    return 0;
}

static const char *domain;

static void check_race(void) {
    static struct racer racers[THREADS];
    uint64_t seed = seed_of_test();
    unsigned works = 0, refused = 0;
    CHILD_NEED(view_open(&view, MEMORY_FOLDER, (REGIONS + 1) * PAGE));
    library_set_domain(domain);
    os_calls.msync = no_msync;
    for (size_t i = 0; i < REGIONS; i++)
        get_new(i);
    for (size_t i = 0; i < THREADS; i++) {
        racers[i].number = i;
        racers[i].seed = random_next(&seed);
        CHILD_NEED(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(racers[i].thread, NULL);
        works += racers[i].works;
        refused += racers[i].refused;
    }
    uint32_t used = atomic_load(&entries_used);
    for (uint32_t i = 0; i < used; i++) {
        bool lives = atomic_load(&current[entries[i].region]) == i;
        CHILD_NEED(entries[i].frees == !lives);
    }
    printf("%s: %u worked, %u were refused, %u tokens\n", domain, works, refused, used);
    fflush(stdout);
}

static void test_volatile(void **state) {
    (void)state;
    domain = "volatile";
    check_child(check_race, 0);
}

static void test_page_cache(void **state) {
    (void)state;
    domain = "page-cache!";
    check_child(check_race, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volatile),
        cmocka_unit_test(test_page_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
