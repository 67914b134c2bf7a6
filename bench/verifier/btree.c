/* SPDX-License-Identifier: BSD-2-Clause */
/* Inserts random keys into a B+ tree in a file of 64 MiB: stores through pointers, a flush for each
   run of lines that an insert has changed, one drain an insert. Prints nanoseconds an insert, and a
   page's first store, and how many bytes the verifier takes for each byte of the file.

     btree FILE [INSERTS [BEFORE]]

   BEFORE inserts are made before those that are measured. Compiled with COUNT it prints stores and
   flushed lines an insert instead.

   What is measured begins when every page of the file has been stored to. */
#include "bench.h"

#define SIZE ((size_t)64 << 20)
#define KEYS 30
#define NODES (SIZE / sizeof(struct node))

struct node {
    uint64_t count, leaf;
    uint64_t key[KEYS];
    uint64_t value[KEYS + 2]; /* of a leaf; else children, count + 1 of them */
};
struct header {
    uint64_t root, used;
};

static NvRtlMapping map;
static struct node *nodes; /* the first one holds the header */
static uint64_t stores, lines;

static inline void store(uint64_t *place, uint64_t value) {
    *(volatile uint64_t *)place = value;
#ifdef COUNT
    stores++;
#endif
}

static inline void flush(const void *from, const void *to) {
    check(RtlFlushNonVolatileMemory(map.token, (void *)from,
                                    (size_t)((const char *)to - (const char *)from),
                                    FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
#ifdef COUNT
    lines += ((uintptr_t)to - 1) / 64 - (uintptr_t)from / 64 + 1;
#endif
}

static struct header *header(void) {
    return (struct header *)nodes;
}

static uint64_t make_node(uint64_t leaf) {
    uint64_t made = header()->used;
    if (made == NODES) {
        fputs("btree: the file is full\n", stderr);
        exit(1);
    }
    store(&header()->used, made + 1);
    flush(&header()->used, &header()->used + 1);
    store(&nodes[made].leaf, leaf);
    return made;
}

static unsigned find(const struct node *node, uint64_t key) {
    unsigned low = 0, high = (unsigned)node->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (node->key[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Puts key and value at place; of an inner node the value is the child behind the key. */
static void put(struct node *node, unsigned place, uint64_t key, uint64_t value) {
    unsigned count = (unsigned)node->count, behind = node->leaf ? 0 : 1;
    for (unsigned i = count; i > place; i--) {
        store(&node->key[i], node->key[i - 1]);
        store(&node->value[i + behind], node->value[i - 1 + behind]);
    }
    store(&node->key[place], key);
    store(&node->value[place + behind], value);
    store(&node->count, count + 1);
    flush(&node->key[place], &node->key[count + 1]);
    flush(&node->value[place + behind], &node->value[count + 1 + behind]);
    flush(&node->count, &node->count + 1);
}

/* Moves the upper half of parent's child at place to a new node. */
static void split(struct node *parent, unsigned place, uint64_t child) {
    struct node *from = &nodes[child];
    uint64_t made = make_node(from->leaf);
    struct node *to = &nodes[made];
    unsigned half = KEYS / 2, skip = from->leaf ? 0 : 1;
    unsigned moved = (unsigned)from->count - half - skip;
    uint64_t middle = from->key[half];
    for (unsigned i = 0; i < moved; i++)
        store(&to->key[i], from->key[half + skip + i]);
    for (unsigned i = 0; i < moved + skip; i++)
        store(&to->value[i], from->value[half + skip + i]);
    store(&to->count, moved);
    flush(to, to + 1);
    store(&from->count, half);
    flush(&from->count, &from->count + 1);
    /* A leaf's first key on the right is no less than the one that leads there. */
    put(parent, place, from->leaf ? to->key[0] - 1 : middle, made);
}

static void insert(uint64_t key, uint64_t value) {
    struct node *node = &nodes[header()->root];
    if (node->count == KEYS) {
        uint64_t root = make_node(0);
        store(&nodes[root].value[0], header()->root);
        split(&nodes[root], 0, header()->root);
        store(&header()->root, root);
        flush(header(), header() + 1);
        node = &nodes[root];
    }
    while (!node->leaf) {
        unsigned place = find(node, key);
        if (nodes[node->value[place]].count == KEYS) {
            split(node, place, node->value[place]);
            place = find(node, key);
        }
        node = &nodes[node->value[place]];
    }
    put(node, find(node, key), key, value);
    check(RtlDrainNonVolatileFlush(map.token));
}

static uint64_t random_key(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Stores a byte to each page, and flushes it. */
static double touch_pages(void) {
    double start = now();
    for (size_t at = 4096; at < SIZE; at += 4096) {
        char *byte = (char *)map.base + at + 4095;
        *(volatile char *)byte = 1;
        check(RtlFlushNonVolatileMemory(map.token, byte, 1, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
    }
    check(RtlDrainNonVolatileFlush(map.token));
    return (now() - start) / (double)(SIZE / 4096 - 1);
}

int main(int count, char **arguments) {
    if (count < 2)
        return 2;
    unsigned inserts = count > 2 ? (unsigned)strtoul(arguments[2], NULL, 10) : 1000000;
    unsigned before = count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : 400000;
    check(NvRtlMapFile(arguments[1], 0, SIZE, NVRTL_MAP_CREATE, 0600, &map));
    announce(map.base, SIZE);
    double memory = verifier_memory();
    nodes = map.base;
    double touch = touch_pages();
    store(&header()->used, 1);
    store(&header()->root, make_node(1));
    flush(header(), header() + 1);
    for (unsigned i = 0; i < before; i++)
        insert(random_key(), i);
    stores = lines = 0;
    double start = now();
    for (unsigned i = 0; i < inserts; i++)
        insert(random_key(), i);
    double time = (now() - start) / inserts;
    memory = (verifier_memory() - memory) / (double)SIZE;
    if (stores != 0)
        printf("%.1f stores, %.1f flushed lines an insert\n", (double)stores / inserts,
               (double)lines / inserts);
    else
        printf("%.1f %.1f %.3f\n", time, touch, memory);
    check(NvRtlUnmapFile(&map));
    return 0;
}
