/* SPDX-License-Identifier: BSD-2-Clause */
/* A slab allocator: slabs of objects of one size, a bitmap of those in use in each, and a root
   object that holds what was allocated. The bitmap is changed by atomic operations. */
#include "recall.h"

#include <stdatomic.h>

#define OBJECTS 32
#define SLABS 4

struct object {
    uint64_t id;
    char name[72];
    uint64_t next;
    char line[40];
};

struct slab {
    uint64_t size, count;
    char line[48];
    _Atomic uint64_t used;
    char another[56];
    struct object objects[OBJECTS];
};

struct arena {
    uint64_t slabs; /* of them are made */
    char line[56];
    uint64_t root; /* the newest object, as a number from 1 */
    char another[56];
    struct slab slab[SLABS];
};

static struct pool pool;
static struct arena *arena;

static void add_slab(void) {
    struct slab *slab = &arena->slab[arena->slabs];
    slab->size = sizeof(struct object);
    slab->count = OBJECTS;
    START(slab, 64);
    if (!BUG(2))
        DRAIN();
    arena->slabs++; /* bug 2 */
    FLUSH(&arena->slabs, 8);
}

/* The bit is durable before the object is in use. */
static struct object *allocate(uint64_t *number) {
    for (uint64_t s = 0; s < arena->slabs; s++) {
        struct slab *slab = &arena->slab[s];
        uint64_t used = atomic_load(&slab->used);
        if (used == (UINT64_C(1) << OBJECTS) - 1)
            continue;
        unsigned bit = (unsigned)__builtin_ctzll(~used);
        atomic_fetch_or(&slab->used, UINT64_C(1) << bit);
        if (!BUG(1))
            FLUSH(&slab->used, 8);
        *number = s * OBJECTS + bit + 1;
        return &slab->objects[bit];
    }
    return NULL;
}

static struct object *object_of(uint64_t number) {
    return &arena->slab[(number - 1) / OBJECTS].objects[(number - 1) % OBJECTS];
}

static void release(uint64_t number) {
    struct slab *slab = &arena->slab[(number - 1) / OBJECTS];
    uint64_t bit = UINT64_C(1) << (number - 1) % OBJECTS;
    uint64_t before = atomic_load(&slab->used);
    if ((before & bit) != 0)
        atomic_fetch_and(&slab->used, ~bit); /* bug 4 */
    else if (!BUG(5))
        return; /* it is free already */
    if (!BUG(4))
        FLUSH(&slab->used, 8); /* bug 5 */
}

static void push(uint64_t id, const char *name) {
    uint64_t number;
    struct object *object = allocate(&number);
    ok(object != NULL);
    object->id = id;
    strncpy(object->name, name, sizeof object->name); /* bug 6 */
    object->next = arena->root;                       /* bug 6 */
    START(object, BUG(6) ? sizeof object : sizeof *object);
    if (!BUG(3))
        DRAIN();
    arena->root = number; /* bug 1, 3, 6: unordered-commit */
    FLUSH(&arena->root, 8);
}

static void pop(void) {
    uint64_t number = arena->root;
    arena->root = object_of(number)->next;
    FLUSH(&arena->root, 8);
    release(number);
    release(number);
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "slabs", sizeof(struct arena));
    arena = (struct arena *)pool.base;
    COMMIT_POINT(&arena->slabs);
    add_slab();
    add_slab();
    COMMIT_POINT(&arena->root);
    for (uint64_t i = 0; i < 5; i++)
        push(i, "an object of the slab");
    pop();
    pool_close(&pool);
    return 0;
}
