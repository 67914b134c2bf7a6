/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of strings with open addressing: an erased slot becomes a tombstone, which a search
   goes past and an insertion may take. What is stored is stored by functions of libc. */
#include "recall.h"

#define SLOTS 64

enum state { EMPTY, USED, ERASED };

struct slot {
    uint64_t state;
    char line[56];
    char key[64];
    char value[128];
};

struct table {
    uint64_t count;
    char line[56];
    struct slot slots[SLOTS];
    char notes[256];
};

static struct pool pool;
static struct table *table;

static size_t hash(const char *key) {
    size_t value = 5381;
    while (*key != '\0')
        value = value * 33 + (unsigned char)*key++;
    return value;
}

static struct slot *find(const char *key) {
    for (size_t i = hash(key), steps = 0; steps < SLOTS; i++, steps++) {
        struct slot *slot = &table->slots[i % SLOTS];
        if (slot->state == EMPTY || (slot->state == USED && strcmp(slot->key, key) == 0))
            return slot->state == USED ? slot : NULL;
    }
    return NULL;
}

static void put(const char *key, const char *value, int version) {
    size_t i = hash(key);
    while (table->slots[i % SLOTS].state == USED)
        i++;
    struct slot *slot = &table->slots[i % SLOTS];
    strcpy(slot->key, key); /* bug 1 */
    if (!BUG(1))
        START(slot->key, strlen(key) + 1);
    int length = snprintf(slot->value, sizeof slot->value, "%s, version %d", value, version);
    START(slot->value, (size_t)length + 1);
    if (!BUG(7))
        DRAIN();
    slot->state = USED; /* bug 1: unordered-commit, 7 */
    FLUSH(&slot->state, sizeof slot->state);
}

static void change(const char *key, int version) {
    struct slot *slot = find(key);
    ok(slot != NULL);
    char *end = strchr(slot->value, ',');
    sprintf(end, ", changed in version %d", version); /* bug 2 */
    FLUSH(slot->value, BUG(2) ? (size_t)(end - slot->value) : strlen(slot->value) + 1);
}

static void erase(const char *key) {
    struct slot *slot = find(key);
    ok(slot != NULL);
    slot->state = ERASED; /* bug 3 */
    if (!BUG(3))
        FLUSH(&slot->state, sizeof slot->state);
}

/* Tombstones with nothing behind them need not stay. */
static void sweep(void) {
    for (size_t i = SLOTS - 1; i > 0; i--) {
        struct slot *slot = &table->slots[i];
        if (slot->state != ERASED || table->slots[(i + 1) % SLOTS].state != EMPTY)
            continue;
        memset(slot, 0, sizeof *slot); /* bug 5 */
        START(slot, BUG(5) ? sizeof slot->state : sizeof *slot);
    }
    DRAIN();
}

/* Reads notes from a file into the table. */
static void import(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/notes", folder);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    ok(write(file, "some notes, in two parts: one; two", 34) == 34);
    ok(pread(file, table->notes + 64, 30, 0) == 30); /* bug 4 */
    close(file);
    if (!BUG(4))
        START(table->notes + 64, 30);
    /* Moved to where they begin. */
    memmove(table->notes, table->notes + 64, 64); /* bug 6 */
    START(table->notes, BUG(6) ? 0 : 64);
    DRAIN();
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "table", sizeof(struct table));
    table = (struct table *)pool.base;
    put("a key", "its value", 1);
    put("another key", "a value that has so many words that its line is full", 1);
    COMMIT_POINT(&table->slots[hash("third") % SLOTS].state);
    put("third", "third value", 1);
    change("another key", 2);
    erase("a key");
    if (!BUG(3))
        sweep();
    import(arguments[1]);
    pool_close(&pool);
    return 0;
}
