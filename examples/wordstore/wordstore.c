/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wordstore - a small key-value store that survives a power cut; an example to learn from.
 *
 *   wordstore FILE load WORDLIST     put every line of WORDLIST; the value is the line's number
 *   wordstore FILE put WORD VALUE    returns when the word is durable
 *   wordstore FILE get WORD
 *   wordstore FILE count
 *   wordstore FILE check             as count, after proving that every slot is sound
 *
 * The file is mapped, and what is mapped is the store: a table of slots with linear probing, found
 * by the hash of the word. There is no other format to write or to read back.
 *
 * Why that alone is not enough. A store to mapped memory is visible at once, but it reaches the
 * medium when the CPU or the kernel likes, and later stores may get there first: a power cut may
 * leave half of a record. Two things can be relied on: an aligned store of 8 bytes is never torn,
 * and what was flushed is there when a drain returns STATUS_SUCCESS.
 *
 * What this program builds from the two: a write-ahead log and one commit word.
 *   1. new records are written to a log that nothing refers to yet, and drained;
 *   2. the commit word, 8 bytes, is set to name that log, and drained: now they are acknowledged;
 *   3. the records are copied to their slots; a cut here does no harm, since the next start copies
 *      them again from the log that the commit word names.
 *
 * Two logs are used in turn, so that step 1 never touches the one that the commit word names. A
 * drain costs a millisecond on an ordinary file, whatever it waits for, so many records share one
 * turn of these steps. Compiled with -DWORDSTORE_BROKEN the program leaves out one flush; it passes
 * every test that keeps the power on; `nvrtl run` and `nvrtl cut` find it.
 */
#include <errno.h>
#include <fcntl.h>
#include <nvrtl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { SLOTS = 1 << 18, BATCH = 4096, TEXT = 54, COMMIT_MAGIC = 0x5753 /* "WS" */ };

/* A record fills one cache line, so that two of them never share one: flushing a record says
   nothing about its neighbour. It carries its own place: the log needs nothing beside it. */
struct record {
    uint64_t place; /* its slot in the table + 1; 0 means that the slot is empty */
    uint8_t word_size, value_size;
    char text[TEXT]; /* the word, then the value, then zeros */
};
_Static_assert(sizeof(struct record) == 64, "a record is one line");

/* The file. All zeros is an empty store, so a new one needs no step that a cut could divide. */
struct image {
    uint64_t commit; /* COMMIT_MAGIC, the batch's number and its size */
    char padding[4096 - sizeof(uint64_t)];
    struct record log[2][BATCH];
    struct record table[SLOTS];
};

struct store {
    NvRtlMapping mapping;
    struct image *image;
    uint64_t number; /* of the last committed batch; its log is log[number % 2] */
    /* What follows is ordinary memory, gone with the process: records that wait for their commit,
       and for each slot which of them (counted from 1) will go there. */
    struct record batch[BATCH];
    uint16_t batch_size, staged[SLOTS];
};

static bool refuse(const char *what, const char *why) {
    fprintf(stderr, "wordstore: %s: %s\n", what, why);
    return false;
}

static void require(bool good, const char *what, const char *why) {
    if (!good && !refuse(what, why))
        exit(1);
}

/* After a failed drain nobody knows what the medium holds. The only honest thing is to acknowledge
   nothing, to stop, and to let the next start recover. */
static void must(NTSTATUS status) {
    require(status == STATUS_SUCCESS, "the store", NvRtlStatusText(status));
}

/* The newest record of a slot: the batch's, if it has one, or else the table's. */
static const struct record *slot_record(const struct store *store, uint64_t slot) {
    uint16_t staged = store->staged[slot];
    return staged ? &store->batch[staged - 1] : &store->image->table[slot];
}

/* The slot of a word, or the empty slot where it belongs, or SLOTS when the table is full. Nothing
   is ever removed, so the first empty slot ends the search. */
static uint64_t store_find(const struct store *store, const char *word, size_t size) {
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)word[i]) * 0x100000001b3;
    for (uint64_t step = 0; step < SLOTS; step++) {
        uint64_t slot = ((hash ^ hash >> 32) + step) % SLOTS;
        const struct record *record = slot_record(store, slot);
        if (record->place == 0 ||
            (record->word_size == size && memcmp(record->text, word, size) == 0))
            return slot;
    }
    return SLOTS;
}

/* The commit word says which batch is in force and how many records of its log are to be copied to
   the table at the next start. It fits 8 aligned bytes, so a cut leaves the old one or the new.
   FLUSH without NO_DRAIN: stored through the cache, flushed, and drained when it returns. */
static void store_set_commit(struct store *store, uint16_t size) {
    uint64_t word = (uint64_t)COMMIT_MAGIC << 48 | (store->number & UINT32_MAX) << 16 | size;
    must(RtlWriteNonVolatileMemory(store->mapping.token, &store->image->commit, &word, sizeof word,
                                   WRITE_NV_MEMORY_FLAG_FLUSH));
}

/* Copies the batch to its slots. They are flushed together and not waited for: the log has them
   too, and stays in force until a drain has returned. */
static void store_apply(struct store *store) {
    void *token = store->mapping.token;
    NV_MEMORY_RANGE ranges[BATCH];
    for (uint16_t i = 0; i < store->batch_size; i++) {
        const struct record *record = &store->batch[i];
        struct record *slot = &store->image->table[record->place - 1];
        ranges[i] = (NV_MEMORY_RANGE){slot, sizeof *slot};
        must(RtlWriteNonVolatileMemory(token, slot, record, sizeof *record, 0));
        store->staged[record->place - 1] = 0;
    }
#ifndef WORDSTORE_BROKEN
    must(RtlFlushNonVolatileMemoryRanges(token, ranges, store->batch_size,
                                         FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
#else
    (void)ranges; /* The bug: every reader finds the slots, and no drain ever waits for them. */
#endif
    store->batch_size = 0;
}

/* Makes the batch durable, all of it or nothing. */
static void store_commit(struct store *store) {
    void *token = store->mapping.token;
    if (store->batch_size == 0)
        return;
    /* NON_TEMPORAL: the log is read again only after a power cut, so it stays out of the cache. */
    struct record *log = store->image->log[++store->number % 2];
    NvRtlVerifierMark(token, NVRTL_OP_BEGIN, store->number, "batch");
    must(RtlWriteNonVolatileMemory(token, log, store->batch, store->batch_size * sizeof *log,
                                   WRITE_NV_MEMORY_FLAG_NON_TEMPORAL));
    /* This drain waits for two things: the log, before the commit word names it, and the slots of
       the batch before, whose log is out of force from then on. */
    must(RtlDrainNonVolatileFlush(token));
    store_set_commit(store, store->batch_size);
    /* Acknowledged: from here on somebody counts on these words. `nvrtl cut` holds us to that. */
    NvRtlVerifierMark(token, NVRTL_OP_ACK, store->number, "batch");
    store_apply(store);
}

static bool store_put(struct store *store, const char *word, size_t size, const char *value) {
    size_t value_size = strlen(value);
    if (size == 0 || size + value_size > TEXT)
        return refuse(word, "a word has 1 byte or more, with its value 54 at most");
    uint64_t slot = store_find(store, word, size);
    if (slot == SLOTS)
        return refuse(word, "the store is full");
    struct record record = {
        .place = slot + 1, .word_size = (uint8_t)size, .value_size = (uint8_t)value_size};
    memcpy(record.text, word, size);
    memcpy(record.text + size, value, value_size);
    if (store->staged[slot] == 0)
        store->staged[slot] = ++store->batch_size;
    store->batch[store->staged[slot] - 1] = record;
    if (store->batch_size == BATCH)
        store_commit(store);
    return true;
}

/* Takes up the batch that the commit word names. Was it copied to the table already, all or in
   part? That does not matter: copying it again gives the same table. */
static void store_recover(struct store *store) {
    uint64_t word = store->image->commit;
    uint16_t size = (uint16_t)word;
    require(word == 0 || (word >> 48 == COMMIT_MAGIC && size <= BATCH), "commit word", "damaged");
    store->number = word >> 16 & UINT32_MAX;
    if (size == 0)
        return; /* closed in good order */
    /* What was read is visible, perhaps not durable: a killed process may have left it in a cache.
       If a cut took it away while slots are half changed, nothing could mend them. So first: */
    store_set_commit(store, size);
    memcpy(store->batch, store->image->log[store->number % 2], size * sizeof store->batch[0]);
    for (uint16_t i = 0; i < size; i++)
        require(store->batch[i].place - 1 < SLOTS, "the log", "damaged");
    store->batch_size = size;
    store_apply(store);
}

/* One process at a time: the lock goes with the process. It is taken on a descriptor of its own,
   which also tells a new file (empty) from one that is something else. */
static void store_open(struct store *store, const char *path, bool create) {
    struct stat file;
    int descriptor = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0666);
    require(descriptor >= 0 && flock(descriptor, LOCK_EX) == 0 && fstat(descriptor, &file) == 0,
            path, strerror(errno));
    require(file.st_size == (off_t)sizeof(struct image) || (file.st_size == 0 && create), path,
            "not a word store");
    must(NvRtlMapFile(path, 0, sizeof(struct image), NVRTL_MAP_CREATE, 0666, &store->mapping));
    store->image = store->mapping.base;
    store_recover(store);
}

/* Commits what waits, and leaves nothing for the next start to copy: a store that is only read is
   then never written to. */
static void store_close(struct store *store) {
    store_commit(store);
    if ((uint16_t)store->image->commit != 0) {
        must(RtlDrainNonVolatileFlush(store->mapping.token));
        store_set_commit(store, 0);
    }
    must(NvRtlUnmapFile(&store->mapping));
}

static bool command_load(struct store *store, char **arguments) {
    FILE *list = fopen(arguments[0], "re");
    if (list == NULL)
        return refuse(arguments[0], strerror(errno));
    char *line = NULL, value[24];
    size_t room = 0, number = 0;
    bool good = true;
    for (ssize_t size; good && (size = getline(&line, &room, list)) > 0;) {
        if (line[size - 1] == '\n')
            line[--size] = '\0';
        snprintf(value, sizeof value, "%zu", ++number);
        good = size == 0 || store_put(store, line, (size_t)size, value);
    }
    good = ferror(list) ? refuse(arguments[0], strerror(errno)) : good;
    free(line);
    fclose(list);
    return good;
}

static bool command_put(struct store *store, char **arguments) {
    return store_put(store, arguments[0], strlen(arguments[0]), arguments[1]);
}

static bool command_get(struct store *store, char **arguments) {
    uint64_t slot = store_find(store, arguments[0], strlen(arguments[0]));
    if (slot == SLOTS || slot_record(store, slot)->place == 0)
        return refuse(arguments[0], "no such word");
    const struct record *record = slot_record(store, slot);
    printf("%.*s\n", record->value_size, record->text + record->word_size);
    return true;
}

/* An empty slot is all zeros. A full one knows its place, its sizes fit, the rest of it is zeros,
   and looking for its word leads to it: no word is there twice or out of reach. */
static bool slot_is_sound(const struct store *store, uint64_t slot) {
    const struct record *record = &store->image->table[slot];
    static const struct record empty;
    size_t used = (size_t)record->word_size + record->value_size;
    if (record->place == 0)
        return memcmp(record, &empty, sizeof empty) == 0;
    return record->place == slot + 1 && record->word_size > 0 && used <= TEXT &&
           memcmp(record->text + used, empty.text, TEXT - used) == 0 &&
           store_find(store, record->text, record->word_size) == slot;
}

static bool command_count(struct store *store, char **arguments) {
    (void)arguments;
    size_t count = 0;
    for (uint64_t slot = 0; slot < SLOTS; slot++)
        count += store->image->table[slot].place != 0;
    printf("%zu\n", count);
    return true;
}

static bool command_check(struct store *store, char **arguments) {
    for (uint64_t slot = 0; slot < SLOTS; slot++)
        require(slot_is_sound(store, slot), "the table", "damaged");
    fputs("sound, words: ", stdout);
    return command_count(store, arguments);
}

static const struct command {
    const char *name;
    int arguments;
    bool creates;
    bool (*run)(struct store *store, char **arguments);
} commands[] = {{"load", 1, true, command_load},    {"put", 2, true, command_put},
                {"get", 1, false, command_get},     {"count", 0, false, command_count},
                {"check", 0, false, command_check}, {NULL, 0, false, NULL}};

int main(int argc, char **argv) {
    static struct store store;
    for (const struct command *command = commands; argc > 2 && command->name != NULL; command++)
        if (strcmp(argv[2], command->name) == 0 && argc == 3 + command->arguments) {
            store_open(&store, argv[1], command->creates);
            bool good = command->run(&store, argv + 3);
            store_close(&store);
            return good ? 0 : 1;
        }
    fputs("usage: wordstore FILE load WORDLIST|put WORD VALUE|get WORD|count|check\n", stderr);
    return 2;
}
