/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of PMDebugger, each in a few lines of its own: an epoch is what stands between two
   fences, a strand what one thread does by itself. */
#include "recall.h"

#define LINES 32

struct item {
    uint64_t value, version;
    char line[48];
};

static struct pool pool;
static struct item *items;

/* No durability guarantee: a store is not flushed, or not waited for. */
static void durable(void) {
    items[0].value = 1; /* bug 1 */
    if (!BUG(1))
        FLUSH(&items[0], 8);
    items[1].value = 2;
    START(&items[1], 8); /* bug 2 */
    if (!BUG(2))
        DRAIN();
    NvRtlVerifierAssertDurable(pool.token, items, 2 * sizeof(struct item));
}

/* No order guarantee: of two stores the second is to be durable later. */
static void ordered(void) {
    NvRtlVerifierCommitPointFor(pool.token, &items[3].version, 8, &items[2], 16);
    items[2].value = 3;
    START(&items[2], 8);
    if (!BUG(3))
        DRAIN();
    items[3].version = 1; /* bug 3 */
    FLUSH(&items[3], 16);
}

/* Redundant flushes: nothing was stored since, or nothing at all. */
static void once(void) {
    items[4].value = 4;
    START(&items[4], 8);
    if (BUG(4))
        START(&items[4], 8); /* bug 4 */
    DRAIN();
    if (BUG(5))
        FLUSH(&items[4], 8); /* bug 5 */
}

/* Lack of durability in an epoch: what belongs to it is flushed in the next one. */
static void epoch(void) {
    items[6].value = 5;
    items[7].value = 6; /* bug 6 */
    START(&items[6], 8);
    if (!BUG(6))
        START(&items[7], 8);
    DRAIN();
    NvRtlVerifierAssertDurable(pool.token, &items[6], 2 * sizeof(struct item));
    if (BUG(6))
        FLUSH(&items[7], 8);
}

/* Redundant fence in an epoch. */
static void one_fence(void) {
    items[8].value = 7;
    START(&items[8], 8);
    DRAIN();
    if (BUG(7))
        DRAIN(); /* bug 7 */
}

/* Lack of ordering in strands: a second thread relies on what the first one has only flushed. */
static void *second_strand(void *unused) {
    items[11].version = items[10].version;
    FLUSH(&items[11], 16);
    NvRtlVerifierAssertDurable(pool.token, &items[10], sizeof(struct item));
    return unused;
}

static void strands(void) {
    pthread_t thread;
    items[10].version = 8;
    START(&items[10], 16); /* bug 8 */
    if (!BUG(8))
        DRAIN();
    pthread_create(&thread, NULL, second_strand, NULL);
    pthread_join(thread, NULL);
    if (BUG(8))
        DRAIN();
}

/* A union of fields that cross a line: one of both lines is flushed. */
static void crossing(void) {
    char *across = (char *)&items[13] - 8;
    memcpy(across, "two words at once", 16); /* bug 9 */
    FLUSH(across, BUG(9) ? 8 : 16);
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "items", LINES * sizeof(struct item));
    items = (struct item *)pool.base;
    durable();
    ordered();
    once();
    epoch();
    one_fence();
    strands();
    crossing();
    pool_close(&pool);
    return 0;
}
