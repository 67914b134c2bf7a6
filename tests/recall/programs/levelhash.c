/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu */
/* Level hashing: two levels of buckets, the lower one with half as many, so that a resize moves
   only the lower one. A slot is valid when its bit among the bucket's tokens is set, which is what
   the order of stores hangs on. Flushed by the CPU's own instructions. */
#include "recall.h"

#define SLOTS 4
#define MAXIMUM 32 /* buckets of a level */

struct slot {
    uint64_t key;
    char value[24];
};

struct bucket {
    struct slot slots[SLOTS]; /* two lines */
    uint64_t tokens;
    char line[56];
};

struct level {
    struct bucket buckets[MAXIMUM];
};

struct table {
    uint64_t top, size; /* which of the three is the top level; its buckets */
    char line[48];
    struct level levels[3]; /* top, bottom = top - 1, and the next top */
};

static struct pool pool;
static struct table *table;

static void write_back(const void *from, size_t size) {
    for (uintptr_t at = (uintptr_t)from & ~(uintptr_t)63; at < (uintptr_t)from + size; at += 64)
        CLWB(at); /* bug 6, 7 */
}

static size_t hash(uint64_t key) {
    return key * 0x9e3779b97f4a7c15u >> 40;
}

static struct bucket *bucket_of(uint64_t level, uint64_t size, uint64_t key) {
    return &table->levels[level % 3].buckets[hash(key) % size];
}

static bool put_into(struct bucket *bucket, uint64_t key, const char *value, bool moves) {
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &bucket->slots[i];
        if (bucket->tokens >> i & 1)
            continue;
        slot->key = key;                                 /* bug 3 */
        strncpy(slot->value, value, sizeof slot->value); /* bug 3 */
        if (!(BUG(3) && moves))
            write_back(slot, sizeof *slot);
        if (!(BUG(1) && !moves))
            SFENCE();
        bucket->tokens |= 1u << i; /* bug 1, 2 */
        if (!(BUG(2) && value[0] == 'l')) {
            write_back(&bucket->tokens, 8);
            SFENCE();
        }
        return true;
    }
    return false;
}

static bool put(uint64_t key, const char *value) {
    return put_into(bucket_of(table->top, table->size, key), key, value, false) ||
           put_into(bucket_of(table->top + 2, table->size / 2, key), key, value, false);
}

static struct slot *find(uint64_t key, struct bucket **bucket, unsigned *place) {
    for (unsigned level = 0; level < 2; level++) {
        *bucket = bucket_of(table->top + 2 * level, table->size >> level, key);
        for (unsigned i = 0; i < SLOTS; i++) {
            *place = i;
            if (((*bucket)->tokens >> i & 1) && (*bucket)->slots[i].key == key)
                return &(*bucket)->slots[i];
        }
    }
    return NULL;
}

/* What the bottom level has moves to a new top level, and the old top becomes the bottom. */
static void resize(void) {
    struct level *bottom = &table->levels[(table->top + 2) % 3];
    for (size_t b = 0; b < table->size / 2; b++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot *slot = &bottom->buckets[b].slots[i];
            if (bottom->buckets[b].tokens >> i & 1)
                ok(put_into(bucket_of(table->top + 1, table->size * 2, slot->key), slot->key,
                            slot->value, true));
        }
        bottom->buckets[b].tokens = 0;
        write_back(&bottom->buckets[b].tokens, 8);
    }
    if (!BUG(4))
        SFENCE();
    table->size *= 2; /* bug 5 */
    /* Compilers would store both at once, and a power cut might take one of them. */
    /* bug 3: unordered-commit, 4, 5 */
    __atomic_store_n(&table->top, table->top + 1, __ATOMIC_RELEASE);
    if (!BUG(5))
        write_back(&table->top, 8);
    SFENCE();
}

static void update(uint64_t key, const char *value) {
    struct bucket *bucket;
    unsigned place;
    struct slot *slot = find(key, &bucket, &place);
    ok(slot != NULL);
    strncpy(slot->value, value, sizeof slot->value);
    write_back(slot, sizeof *slot);
    SFENCE();
    if (BUG(7))
        write_back(slot, sizeof *slot);
}

static void erase(uint64_t key) {
    struct bucket *bucket;
    unsigned place;
    ok(find(key, &bucket, &place) != NULL);
    bucket->tokens &= ~(1u << place); /* bug 8 */
    if (!BUG(8))
        write_back(&bucket->tokens, 8);
    if (!BUG(6))
        SFENCE();
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "table", sizeof(struct table));
    table = (struct table *)pool.base;
    table->size = 8;
    write_back(&table->size, 8);
    SFENCE();
    COMMIT_POINT(&table->top);
    COMMIT_POINT(&bucket_of(0, 8, 1)->tokens);
    uint64_t key = 1;
    while (put(key, "a value"))
        key++;
    resize();
    ok(put(key, "last value"));
    update(2, "a new value");
    erase(3);
    pool_close(&pool);
    return 0;
}
