/* SPDX-License-Identifier: BSD-2-Clause */
/* Inserts into B-trees in a mapped file, as such programs do it: stores through pointers, each line
   that was stored to flushed, one drain an insert.

   insert FILE INSERTS THREADS [OUTSTANDING]: prints nanoseconds an insert, of the second half of
   them; each thread has a tree of its own. OUTSTANDING lines are stored to before, and flushed at
   the end. */
#include <nvrtl.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEYS 21
#define LINE 64
#define REGION (UINT64_C(64) << 20)

struct node {
    uint32_t count, leaf;
    uint64_t keys[KEYS];
    uint64_t slots[KEYS + 1]; /* values, or offsets of nodes */
};

struct tree {
    char *base;
    void *token;
    uint64_t root, used, end; /* offsets */
    uint64_t dirty[64];       /* lines of this insert */
    size_t dirty_count;
};

static struct node *node_at(const struct tree *tree, uint64_t offset) {
    return (struct node *)(tree->base + offset);
}

/* Notes the lines of what was stored. */
static void touch(struct tree *tree, const void *from, size_t size) {
    uint64_t first = (uint64_t)((const char *)from - tree->base) / LINE;
    uint64_t last = (uint64_t)((const char *)from + size - 1 - tree->base) / LINE;
    for (uint64_t line = first; line <= last; line++) {
        size_t i = 0;
        while (i < tree->dirty_count && tree->dirty[i] != line)
            i++;
        if (i == tree->dirty_count)
            tree->dirty[tree->dirty_count++] = line;
    }
}

static void persist(struct tree *tree) {
    for (size_t i = 0; i < tree->dirty_count; i++)
        RtlFlushNonVolatileMemory(tree->token, tree->base + tree->dirty[i] * LINE, LINE,
                                  FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    RtlDrainNonVolatileFlush(tree->token);
    tree->dirty_count = 0;
}

static uint64_t new_node(struct tree *tree, uint32_t leaf) {
    uint64_t offset = tree->used;
    tree->used += (sizeof(struct node) + LINE - 1) / LINE * LINE;
    if (tree->used > tree->end)
        exit(3);
    struct node *node = node_at(tree, offset);
    node->count = 0;
    node->leaf = leaf;
    touch(tree, node, 8);
    return offset;
}

/* Puts a key and what belongs behind it into a node that has room. */
static void put(struct tree *tree, struct node *node, uint32_t at, uint64_t key, uint64_t slot) {
    uint32_t behind = at + !node->leaf;
    for (uint32_t i = node->count; i > at; i--) {
        node->keys[i] = node->keys[i - 1];
        __asm__ volatile("" ::: "memory"); /* a store each: no memmove */
    }
    for (uint32_t i = node->count + !node->leaf; i > behind; i--) {
        node->slots[i] = node->slots[i - 1];
        __asm__ volatile("" ::: "memory");
    }
    node->keys[at] = key;
    node->slots[behind] = slot;
    node->count++;
    touch(tree, &node->keys[at], (node->count - at) * sizeof key);
    touch(tree, &node->slots[behind], (node->count + !node->leaf - behind) * sizeof slot);
    touch(tree, node, 8);
}

/* Splits the full child at slot at of a node that has room. */
static void split(struct tree *tree, struct node *parent, uint32_t at) {
    struct node *left = node_at(tree, parent->slots[at]);
    uint64_t offset = new_node(tree, left->leaf);
    struct node *right = node_at(tree, offset);
    uint32_t half = KEYS / 2, moved = KEYS - half - !left->leaf;
    uint64_t key = left->keys[half];
    for (uint32_t i = 0; i < moved; i++)
        right->keys[i] = left->keys[KEYS - moved + i];
    for (uint32_t i = 0; i < moved + !left->leaf; i++)
        right->slots[i] = left->slots[KEYS - moved + i];
    right->count = moved;
    left->count = half;
    touch(tree, right, sizeof *right);
    touch(tree, left, 8);
    put(tree, parent, at, key, offset);
}

static uint32_t place_of(const struct node *node, uint64_t key) {
    uint32_t at = 0;
    while (at < node->count && node->keys[at] <= key)
        at++;
    return at;
}

static void insert(struct tree *tree, uint64_t key, uint64_t value) {
    struct node *node = node_at(tree, tree->root);
    if (node->count == KEYS) {
        uint64_t old = tree->root;
        tree->root = new_node(tree, 0);
        node = node_at(tree, tree->root);
        node->slots[0] = old;
        split(tree, node, 0);
    }
    while (!node->leaf) {
        uint32_t at = place_of(node, key);
        if (node_at(tree, node->slots[at])->count == KEYS) {
            split(tree, node, at);
            at = place_of(node, key);
        }
        node = node_at(tree, node->slots[at]);
    }
    put(tree, node, place_of(node, key), key, value);
    persist(tree);
}

static uint64_t next_key(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    return (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
}

static uint64_t inserts;
static double *times;

static double now(void) {
    struct timespec time;
    clock_gettime(getenv("INSERT_CPU") != NULL ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *work(void *argument) {
    struct tree *tree = argument;
    uint64_t state = tree->used;
    tree->root = new_node(tree, 1);
    double start = 0;
    for (uint64_t i = 0; i < inserts; i++) {
        if (i == inserts / 2)
            start = now();
        insert(tree, next_key(&state), i);
    }
    times[(tree->end - 1) * 16 / REGION] = (now() - start) / (double)(inserts - inserts / 2);
    return NULL;
}

int main(int count, char **arguments) {
    NvRtlMapping map;
    if (count < 4 || NvRtlMapFile(arguments[1], 0, 2 * REGION, NVRTL_MAP_CREATE, 0600, &map) != 0)
        return 2;
    inserts = strtoull(arguments[2], NULL, 10);
    uint64_t threads = strtoull(arguments[3], NULL, 10);
    uint64_t outstanding = count > 4 ? strtoull(arguments[4], NULL, 10) : 0;
    char *base = map.base;
    struct tree trees[16];
    pthread_t ids[16];
    double all[16] = {0}, sum = 0;
    times = all;
    for (uint64_t i = 0; i < outstanding; i++)
        *(uint64_t *)(base + REGION + i * LINE) = i;
    for (uint64_t i = 0; i < threads; i++) {
        uint64_t size = REGION / 16;
        trees[i] = (struct tree){.base = base, .token = map.token};
        trees[i].used = threads == 1 ? 0 : i * size;
        trees[i].end = threads == 1 ? REGION : (i + 1) * size;
        if (pthread_create(&ids[i], NULL, work, &trees[i]) != 0)
            return 4;
    }
    for (uint64_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    for (uint64_t i = 0; i < 16; i++)
        sum += all[i];
    printf("%.1f\n", sum / (double)threads);
    if (outstanding != 0)
        RtlFlushNonVolatileMemory(map.token, base + REGION, outstanding * LINE, 0);
    return NvRtlUnmapFile(&map) == 0 ? 0 : 1;
}
