/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions with an undo log: what is about to change is copied to the log first, and the log is
   emptied when all changes are durable. By the routines; the stores are the program's own. */
#include "recall.h"

#define ENTRIES 16
#define ACCOUNTS 8

struct entry {
    uint64_t offset, length;
    char old[112]; /* two lines */
};

struct account {
    int64_t balance;
    char owner[56];
};

struct heap {
    uint64_t count; /* of valid log entries: not 0 means undo them */
    char line[56];
    struct entry log[ENTRIES];
    struct account accounts[ACCOUNTS];
};

static struct pool pool;
static struct heap *heap;
static unsigned added; /* ranges of this transaction */
static uint64_t transactions;

static void tx_add(void *at, size_t length) {
    struct entry *entry = &heap->log[added];
    for (unsigned i = 0; i < added && !BUG(3); i++)
        if (heap->log[i].offset == (uint64_t)((char *)at - pool.base))
            return; /* it is there already */
    ok(added < ENTRIES && length <= sizeof entry->old);
    entry->offset = (uint64_t)((char *)at - pool.base);
    entry->length = length;
    memcpy(entry->old, at, length);
    START(entry, sizeof *entry);
    if (!BUG(2))
        DRAIN();
    heap->count = ++added; /* bug 2 */
    FLUSH(&heap->count, 8);
}

static void tx_end(void) {
    for (unsigned i = 0; i < added; i++)
        START(pool.base + heap->log[i].offset, heap->log[i].length); /* bug 3 */
    if (!BUG(4))
        DRAIN(); /* bug 6: redundant-drain */
    /* bug 1: unordered-commit, 4, 5, 6: unordered-commit */
    heap->count = 0;
    transactions++;
    if (!(BUG(5) && transactions == 3))
        FLUSH(&heap->count, 8);
    if (BUG(7))
        DRAIN(); /* bug 7 */
    added = 0;
}

/* Puts back what the log has. */
static void tx_abort(void) {
    while (added > 0) {
        struct entry *entry = &heap->log[--added];
        memcpy(pool.base + entry->offset, entry->old, entry->length); /* bug 6 */
        if (!BUG(6))
            START(pool.base + entry->offset, entry->length);
    }
    tx_end();
}

static void transfer(unsigned from, unsigned to, int64_t amount) {
    tx_add(&heap->accounts[from], sizeof(struct account));
    if (!BUG(1) || to != 4)
        tx_add(&heap->accounts[to], sizeof(struct account));
    tx_add(&heap->accounts[from], sizeof(struct account)); /* a second change of the same */
    heap->accounts[from].balance -= amount;
    heap->accounts[to].balance += amount; /* bug 1 */
    if (heap->accounts[from].balance < -100)
        tx_abort();
    else
        tx_end();
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "heap", sizeof(struct heap));
    heap = (struct heap *)pool.base;
    COMMIT_POINT(&heap->count);
    transfer(0, 1, 10);
    transfer(1, 2, 1000);
    transfer(3, 4, 50);
    ok(heap->accounts[0].balance == -10 && heap->accounts[1].balance == 10);
    pool_close(&pool);
    return 0;
}
