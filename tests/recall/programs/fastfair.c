/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu */
/* A B+-tree of two levels whose leaves are kept sorted by shifting, 8 bytes at a time and line by
   line, as FAST and FAIR do: no log, the order of the stores is what recovery lives on. */
#include "recall.h"

#define RECORDS 30 /* of a leaf */
#define LEAVES 8

struct record {
    uint64_t key, value;
};

struct leaf {
    uint64_t sibling, low;
    char line[48];
    struct record records[RECORDS + 2]; /* the first one behind has value 0 */
};

struct tree {
    uint64_t root, leaves;
    char line[48];
    struct leaf leaf[LEAVES];
};

static struct pool pool;
static struct tree *tree;

static void write_back(const void *from, size_t size) {
    size_t start = BUG(8) ? 0 : (uintptr_t)from % 64;
    for (size_t at = 0; at < start + size; at += 64)
        CLWB((const char *)from - start + at); /* bug 7 */
}

static bool begins_line(const void *at) {
    return (uintptr_t)at % 64 == 0;
}

static size_t count_of(const struct leaf *leaf) {
    size_t count = 0;
    while (count < RECORDS && leaf->records[count].value != 0)
        count++;
    return count;
}

static void insert_into(struct leaf *leaf, uint64_t key, uint64_t value) {
    size_t at = count_of(leaf);
    for (; at > 0 && leaf->records[at - 1].key > key; at--) {
        leaf->records[at].value = leaf->records[at - 1].value; /* bug 1, 2 */
        leaf->records[at].key = leaf->records[at - 1].key;     /* bug 1, 2 */
        if (begins_line(&leaf->records[at]) && !BUG(1)) {
            CLWB(&leaf->records[at]);
            SFENCE();
        }
    }
    leaf->records[at].key = key;     /* bug 2 */
    leaf->records[at].value = value; /* bug 2 */
    if (!BUG(2) || key != 1)
        CLWB(&leaf->records[at]); /* bug 5 */
    if (!BUG(5) || key != 1)
        SFENCE();
    if (BUG(6) && key == 2)
        CLWB(&leaf->records[at]); /* bug 6 */
}

/* The upper half moves to a new leaf, which is whole before the old one leads to it. */
static struct leaf *split(struct leaf *leaf) {
    struct leaf *made = &tree->leaf[tree->leaves];
    size_t half = RECORDS / 2;
    for (size_t i = half; i < RECORDS; i++)
        made->records[i - half] = leaf->records[i];
    made->low = made->records[0].key;
    made->sibling = leaf->sibling;
    write_back(made, 64 + (RECORDS - half) * sizeof(struct record));
    if (!BUG(3))
        SFENCE();
    /* bug 3, 4: unordered-commit, 8: unordered-commit */
    leaf->sibling = (uint64_t)(made - tree->leaf) + 1;
    CLWB(&leaf->sibling);
    SFENCE();
    /* The old leaf ends where the new one begins. */
    for (size_t i = half; i < RECORDS; i++)
        leaf->records[i].value = 0; /* bug 4, 8 */
    write_back(&leaf->records[BUG(4) ? half + 1 : half], (RECORDS - half) * sizeof(struct record));
    SFENCE();
    COMMIT_POINT(&made->sibling);
    tree->leaves++;
    CLWB(&tree->leaves);
    SFENCE();
    return made;
}

static void insert(uint64_t key, uint64_t value) {
    struct leaf *leaf = &tree->leaf[tree->root];
    while (leaf->sibling != 0 && tree->leaf[leaf->sibling - 1].low <= key)
        leaf = &tree->leaf[leaf->sibling - 1];
    if (count_of(leaf) == RECORDS) {
        struct leaf *upper = split(leaf);
        leaf = key >= upper->low ? upper : leaf;
    }
    insert_into(leaf, key, value);
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "tree", sizeof(struct tree));
    tree = (struct tree *)pool.base;
    COMMIT_POINT(&tree->leaf[0].sibling);
    tree->leaves = 1;
    CLWB(&tree->leaves);
    SFENCE();
    for (uint64_t key = 10; key < 700; key += 10)
        insert(key, key * 3);
    for (uint64_t key = 9; key > 0; key--)
        insert(key, key * 3);
    if (BUG(7))
        write_back(&tree->leaf[0], 64);
    ok(tree->leaves > 3);
    pool_close(&pool);
    return 0;
}
