/* SPDX-License-Identifier: BSD-2-Clause */
/* A B-tree with nodes of some lines and an undo record for each insertion, many keys in any order;
   several lines of a node are flushed by one call, with one drain. */
#include "recall.h"

#define ORDER 14
#define NODES 2048
#define KEYS 3000

struct node {
    uint64_t count, leaf;
    uint64_t keys[ORDER];
    uint64_t children[ORDER + 1]; /* of a leaf: values */
    uint64_t unused;
};

struct tree {
    uint64_t root, used, undo; /* undo: number of the saved node, or 0 */
    uint64_t line[5];
    struct node saved;
    struct node nodes[NODES];
};

static struct pool pool;
static struct tree *tree;

static struct node *node(uint64_t number) {
    return &tree->nodes[number - 1];
}

static uint64_t make(uint64_t leaf) {
    uint64_t number = ++tree->used;
    ok(number <= NODES);
    node(number)->leaf = leaf;
    return number;
}

/* Splits a full child; the parent has room. */
static void split(struct node *parent, uint64_t at) {
    struct node *left = node(parent->children[at]);
    uint64_t number = make(left->leaf);
    struct node *right = node(number);
    uint64_t half = ORDER / 2;
    right->count = ORDER - half - 1;
    memcpy(right->keys, left->keys + half + 1, right->count * sizeof(uint64_t));
    memcpy(right->children, left->children + half + 1, (right->count + 1) * sizeof(uint64_t));
    left->count = half;
    memmove(parent->keys + at + 1, parent->keys + at, (parent->count - at) * sizeof(uint64_t));
    memmove(parent->children + at + 2, parent->children + at + 1,
            (parent->count - at) * sizeof(uint64_t));
    parent->keys[at] = left->keys[half];
    parent->children[at + 1] = number;
    parent->count++;
    START(left, sizeof *left);
    START(right, sizeof *right);
    START(parent, sizeof *parent);
    START(&tree->used, sizeof tree->used);
    DRAIN();
}

static void insert(uint64_t key, uint64_t value) {
    if (node(tree->root)->count == ORDER) {
        uint64_t top = make(0);
        node(top)->children[0] = tree->root;
        tree->root = top;
        START(tree, 64);
        split(node(top), 0);
    }
    uint64_t number = tree->root;
    for (;;) {
        struct node *here = node(number);
        uint64_t at = 0;
        while (at < here->count && here->keys[at] < key)
            at++;
        if (here->leaf) {
            tree->saved = *here;
            START(&tree->saved, sizeof tree->saved);
            DRAIN();
            tree->undo = number;
            FLUSH(&tree->undo, 8);
            for (uint64_t i = here->count; i > at; i--) {
                here->keys[i] = here->keys[i - 1];
                here->children[i] = here->children[i - 1];
            }
            here->keys[at] = key;
            here->children[at] = value;
            here->count++;
            FLUSH(here, sizeof *here);
            tree->undo = 0;
            FLUSH(&tree->undo, 8);
            return;
        }
        if (node(here->children[at])->count == ORDER) {
            split(here, at);
            at += here->keys[at] < key;
        }
        number = here->children[at];
    }
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "tree", sizeof(struct tree));
    tree = (struct tree *)pool.base;
    tree->root = make(1);
    START(tree, 64);
    FLUSH(node(1), sizeof(struct node));
    for (uint64_t i = 0; i < KEYS; i++)
        insert(i * 2654435761u % 100003, i);
    pool_close(&pool);
    return 0;
}
