/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: --judge=page-cache page-cache */
/* A tree whose pages are copied when they change, as LMDB has it: the pages that a transaction has
   made reach the medium by msync before one of two meta pages leads to them. No instruction and no
   routine flushes; what counts are pages and waits. */
#include "recall.h"

#include <stddef.h>

#define PAGE 4096
#define PAGES 64
#define FANOUT 8
#define KEYS 400

struct meta {
    uint64_t root; /* the last page in use is the root's; above it the transaction's number */
    uint64_t spare;
};

struct page {
    uint64_t count;
    uint64_t keys[KEYS / FANOUT];
    uint64_t values[KEYS / FANOUT]; /* of a leaf; of the root: pages */
};

static struct pool pool;
static struct meta *metas[2];
static uint64_t transaction, root, pages = 2, first_new, free_list[PAGES], free_count;
static int other = -1;

static struct page *page(uint64_t number) {
    return (struct page *)(pool.base + number * PAGE);
}

static uint64_t copy(uint64_t number) {
    uint64_t made = pages++;
    ok(made < PAGES);
    memcpy(page(made), page(number), sizeof(struct page)); /* bug 1, 2, 3, 4 */
    free_list[free_count++] = number;
    return made;
}

static void begin(void) {
    first_new = pages;
    transaction++;
}

static void put(uint64_t key, uint64_t value) {
    uint64_t top = copy(root), slot = key % FANOUT;
    uint64_t leaf = copy(page(top)->values[slot]);
    struct page *at = page(leaf);
    at->keys[at->count] = key;      /* bug 1, 2, 3, 4 */
    at->values[at->count] = value;  /* bug 1, 2, 3, 4 */
    at->count++;                    /* bug 1, 2, 3, 4 */
    page(top)->values[slot] = leaf; /* bug 1, 3, 4 */
    root = top;
}

static void commit(void) {
    size_t length = (size_t)(pages - first_new) * PAGE;
    if (BUG(3))
        msync(page(first_new), length, MS_ASYNC);
    else if (BUG(4))
        ok(fdatasync(other) == 0);
    else if (!BUG(1))
        ok(msync(page(first_new), BUG(2) ? length - PAGE : length, MS_SYNC) == 0);
    struct meta *meta = metas[transaction % 2];
    if (BUG(5))
        *(unsigned __int128 *)meta = transaction << 32 | root; /* bug 5 */
    else
        /* bug 1: unordered-commit, 2: unordered-commit, 3: unordered-commit */
        /* bug 4: unordered-commit, 6, 6: unordered-commit */
        meta->root = transaction << 32 | root;
    if (!BUG(6))
        ok(msync(meta, sizeof *meta, MS_SYNC) == 0);
}

int main(int count, char **arguments) {
    char path[4096];
    ok(count == 2);
    pool = pool_open(arguments[1], "tree", (size_t)PAGES * PAGE);
    snprintf(path, sizeof path, "%s/other", arguments[1]);
    other = open(path, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 2; i++)
        metas[i] = (struct meta *)(pool.base + i * (size_t)PAGE);
    root = pages++;
    for (unsigned i = 0; i < FANOUT; i++)
        page(root)->values[i] = pages++;
    ok(msync(pool.base, (size_t)pages * PAGE, MS_SYNC) == 0);
    for (unsigned i = 0; i < 2; i++)
        COMMIT_POINT(&metas[i]->root);
    for (uint64_t i = 0; i < 6; i++) {
        begin();
        put(i, i * 3);
        put(i + 1, i * 5);
        commit();
    }
    pool_close(&pool);
    return 0;
}
