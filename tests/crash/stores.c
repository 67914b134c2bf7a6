/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stores CASE right|wrong FILE SECOND: makes a store, and does its operations; wrong in just one
 * way, or right. Where a power cut makes the difference stand the lines that a report has to name:
 *
 *     at CASE         the finding itself
 *     early CASE, missing CASE, ack CASE   what is related to it
 */
#include <nvrtl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/stores.h"

static NvRtlMapping mapping, second;
static bool wrong;

static void must(NTSTATUS status) {
    if (status != STATUS_SUCCESS) {
        fprintf(stderr, "stores: %s\n", NvRtlStatusText(status));
        exit(3);
    }
}

#define WRITE(to, from, size) must(RtlWriteNonVolatileMemory(mapping.token, to, from, size, 0))
#define PUT(to, value) WRITE(to, &(const uint64_t){value}, 8)
#define FLUSH(at, size)                                                                            \
    must(RtlFlushNonVolatileMemory(mapping.token, at, size, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN))
#define DRAIN() must(RtlDrainNonVolatileFlush(mapping.token))
#define MARK(kind, id) NvRtlVerifierMark(mapping.token, kind, id, NULL)

static void begin(enum store_kind kind) {
    PUT(mapping.base, kind);
    FLUSH(mapping.base, 8);
    DRAIN();
}

/* The append log. */

static struct log_record record_of(uint64_t id) {
    struct log_record record = {.id = id, .valid = id};
    memset(record.body, (int)id, sizeof record.body);
    return record;
}

static void append(const char *bug) {
    struct log_file *file = mapping.base;
    bool first = wrong && strcmp(bug, "commit-without-drain") == 0;
    bool tail = wrong && strcmp(bug, "tail-not-flushed") == 0;
    bool never = wrong && strcmp(bug, "record-not-flushed") == 0;
    bool early = wrong && strcmp(bug, "ack-before-drain") == 0;
    bool reversed = wrong && strcmp(bug, "commit-before-record") == 0;
    bool unflushed = wrong && strcmp(bug, "commit-not-flushed") == 0;
    begin(STORE_LOG);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        struct log_record record = record_of(id), *to = &file->records[id - 1];
        MARK(NVRTL_OP_BEGIN, id);
        if (reversed) {
            PUT(&file->count, id); /* at commit-before-record */
            FLUSH(&file->count, 8);
            DRAIN();
        }
        WRITE(to, &record,
              sizeof record); /* missing commit-without-drain, missing tail-not-flushed,
                                              missing record-not-flushed,
                                              missing commit-before-record */
        if (!never)
            FLUSH(to, tail ? 64 : sizeof record);
        if (!first)
            DRAIN();
        if (!reversed)
            PUT(&file->count, id); /* at commit-without-drain, at tail-not-flushed,
                                      at record-not-flushed, at ack-before-drain,
                                      at commit-not-flushed */
        if (!unflushed)
            FLUSH(&file->count, 8);
        if (!early)
            DRAIN();
        MARK(NVRTL_OP_ACK, id); /* ack ack-before-drain, ack commit-not-flushed */
        DRAIN();
    }
}

/* A record that says itself that it is whole, and has not been copied whole. */
static void append_flagged(const char *bug) {
    struct log_file *file = mapping.base;
    (void)bug;
    begin(STORE_LOG);
    PUT(&file->count, UINT64_MAX); /* then each record has its flag */
    FLUSH(&file->count, 8);
    DRAIN();
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        struct log_record record = record_of(id), *to = &file->records[id - 1];
        MARK(NVRTL_OP_BEGIN, id);
        if (!wrong)
            record.valid = 0;
        WRITE(to, &record, sizeof record); /* at flag-in-copy */
        FLUSH(to, sizeof record);
        DRAIN();
        if (!wrong) {
            PUT(&to->valid, id);
            FLUSH(&to->valid, 8);
            DRAIN();
        }
        MARK(NVRTL_OP_ACK, id);
    }
}

/* The tree, copied on each write. */

static void grow(const char *bug) {
    struct tree_file *file = mapping.base;
    bool first = wrong && strcmp(bug, "root-before-node") == 0;
    bool half = wrong && strcmp(bug, "half-of-node") == 0;
    bool reuse = wrong && strcmp(bug, "old-node-reused") == 0;
    bool version = wrong && strcmp(bug, "version-with-root") == 0;
    begin(STORE_TREE);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        struct tree_node node = {.id = id, .sum = id * 3};
        struct tree_node *to = &file->nodes[id - 1];
        MARK(NVRTL_OP_BEGIN, id);
        WRITE(to, &node, 64);           /* missing root-before-node */
        WRITE(&to->sum, &node.sum, 64); /* missing half-of-node */
        FLUSH(to, half ? 64 : sizeof *to);
        if (!first)
            DRAIN();
        PUT(&file->root, id); /* at root-before-node, at half-of-node, missing old-node-reused,
                                 missing version-with-root */
        FLUSH(&file->root, 8);
        if (!reuse && !version)
            DRAIN();
        if (id > 1) {
            PUT(&file->nodes[id - 2].sum, 0); /* at old-node-reused */
            FLUSH(&file->nodes[id - 2].sum, 8);
        }
        if (!version)
            DRAIN();
        PUT(&file->version, id); /* at version-with-root */
        FLUSH(&file->version, 8);
        DRAIN();
        MARK(NVRTL_OP_ACK, id);
    }
}

/* The sorted array: an item goes in front of the greater ones, which move up one by one. */

static void insert(const char *bug) {
    struct array_file *file = mapping.base;
    bool counted = wrong && strcmp(bug, "count-first") == 0;
    bool upwards = wrong && strcmp(bug, "moved-at-once") == 0;
    bool lazy = wrong && strcmp(bug, "moved-without-drain") == 0;
    const uint64_t filled = 12;
    begin(STORE_ARRAY);
    for (uint64_t i = 0; i < filled; i++)
        PUT(&file->items[i], 100 + i);
    FLUSH(file, sizeof *file);
    DRAIN();
    PUT(&file->count, filled);
    FLUSH(&file->count, 8);
    DRAIN();
    MARK(NVRTL_OP_BEGIN, 1);
    if (counted) {
        PUT(&file->count, filled + 1); /* at count-first */
        FLUSH(&file->count, 8);
        DRAIN();
    }
    if (!counted) {
        PUT(&file->items[filled], 100 + filled - 1);
        FLUSH(&file->items[filled], 8);
        DRAIN();
        PUT(&file->count, filled + 1);
        FLUSH(&file->count, 8);
        DRAIN();
    } else {
        PUT(&file->items[filled], 100 + filled - 1); /* missing count-first */
        FLUSH(&file->items[filled], 8);
        DRAIN();
    }
    if (upwards) {
        uint64_t moved[64];
        memcpy(moved, file->items, sizeof moved);
        memcpy(moved + 1, file->items, (filled - 1) * 8);
        moved[0] = 1;
        WRITE(file->items, moved, filled * 8); /* at moved-at-once */
        FLUSH(file->items, sizeof file->items);
        DRAIN();
    }
    for (uint64_t i = filled - 1; i > 0 && !upwards; i--) {
        PUT(&file->items[i], file->items[i - 1]); /* at moved-without-drain,
                                                     missing moved-without-drain */
        FLUSH(&file->items[i], 8);
        if (!lazy)
            DRAIN();
    }
    PUT(&file->items[0], 1);
    FLUSH(&file->items[0], 8);
    DRAIN();
    MARK(NVRTL_OP_ACK, 1);
}

/* Two files. */

static void put_both(const char *bug) {
    struct index_file *index = mapping.base;
    struct data_file *data = second.base;
    bool first = wrong && strcmp(bug, "index-before-data") == 0;
    bool never = wrong && strcmp(bug, "data-not-flushed") == 0;
    bool early = wrong && strcmp(bug, "index-after-ack") == 0;
    begin(STORE_TWO);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        uint64_t value = id * 7;
        MARK(NVRTL_OP_BEGIN, id);
        must(
            RtlWriteNonVolatileMemory(second.token, &data->items[id].value, &value, 8,
                                      0)); /* missing index-before-data, missing data-not-flushed */
        if (!never)
            must(RtlFlushNonVolatileMemory(second.token, &data->items[id].value, 8,
                                           FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
        if (!first)
            must(RtlDrainNonVolatileFlush(second.token));
        PUT(&index->entries[id], id); /* at index-before-data, at data-not-flushed,
                                         at index-after-ack */
        FLUSH(&index->entries[id], 8);
        if (!early)
            DRAIN();
        MARK(NVRTL_OP_ACK, id); /* ack index-after-ack */
        DRAIN();
        must(RtlDrainNonVolatileFlush(second.token));
    }
}

/* The table that is replaced by a larger one. */

static void resize(const char *bug) {
    struct table_file *file = mapping.base;
    bool freed = wrong && strcmp(bug, "old-table-freed") == 0;
    bool first = wrong && strcmp(bug, "table-before-entries") == 0;
    const uint64_t none[8] = {0};
    begin(STORE_TABLE);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        MARK(NVRTL_OP_BEGIN, id);
        PUT(&file->tables[0][id * 8], id);
        FLUSH(&file->tables[0][id * 8], 8);
        DRAIN();
        MARK(NVRTL_OP_ACK, id);
    }
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        PUT(&file->tables[1][id * 8], id); /* missing table-before-entries */
        FLUSH(&file->tables[1][id * 8], 8);
    }
    if (!first)
        DRAIN();
    PUT(&file->current, 1); /* at table-before-entries, missing old-table-freed */
    FLUSH(&file->current, 8);
    if (!freed)
        DRAIN();
    WRITE(&file->tables[0][8], none, 64); /* at old-table-freed */
    FLUSH(&file->tables[0][8], 64);
    DRAIN();
}

/* What does not fit 8 aligned bytes. */

static void count_wide(const char *bug) {
    struct wide_file *file = mapping.base;
    bool counter = strcmp(bug, "counter-torn") == 0;
    begin(STORE_WIDE);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        uint64_t both = id | id << 32;
        uint64_t halves[2] = {both, both};
        MARK(NVRTL_OP_BEGIN, id);
        if (counter && wrong)
            WRITE(file->counter, &both, 8); /* at counter-torn */
        if (!counter && wrong)
            WRITE(&file->pair, halves, 16); /* at pair-torn */
        if (!wrong)
            WRITE(&file->pair.one, &both, 8);
        FLUSH(file, sizeof *file);
        DRAIN();
        MARK(NVRTL_OP_ACK, id);
    }
}

/* Pages that the kernel writes in the order that it likes. */
static void publish(const char *bug) {
    struct meta_file *file = mapping.base;
    bool first = wrong && strcmp(bug, "meta-before-pages") == 0;
    bool at_once = wrong && strcmp(bug, "meta-with-pages") == 0;
    uint64_t words[512];
    begin(STORE_META);
    for (uint64_t id = 1; id <= STORES_OPERATIONS; id++) {
        for (size_t i = 0; i < 512; i++)
            words[i] = id * 5;
        MARK(NVRTL_OP_BEGIN, id);
        if (first) {
            PUT(&file->newest, id); /* at meta-before-pages */
            FLUSH(&file->newest, 8);
            DRAIN();
        }
        WRITE(file->pages[id - 1], words, 4096); /* missing meta-before-pages,
                                                    missing meta-with-pages */
        FLUSH(file->pages[id - 1], 4096);
        if (!at_once)
            DRAIN();
        if (!first)
            PUT(&file->newest, id); /* at meta-with-pages */
        FLUSH(&file->newest, 8);
        DRAIN();
        MARK(NVRTL_OP_ACK, id);
    }
}

static const struct {
    const char *name;
    void (*run)(const char *bug);
} cases[] = {
    {"commit-without-drain", append}, {"tail-not-flushed", append},
    {"record-not-flushed", append},   {"ack-before-drain", append},
    {"commit-before-record", append}, {"commit-not-flushed", append},
    {"flag-in-copy", append_flagged}, {"root-before-node", grow},
    {"half-of-node", grow},           {"old-node-reused", grow},
    {"version-with-root", grow},      {"count-first", insert},
    {"moved-at-once", insert},        {"moved-without-drain", insert},
    {"index-before-data", put_both},  {"data-not-flushed", put_both},
    {"index-after-ack", put_both},    {"old-table-freed", resize},
    {"table-before-entries", resize}, {"counter-torn", count_wide},
    {"pair-torn", count_wide},        {"meta-before-pages", publish},
    {"meta-with-pages", publish},
};

int main(int argc, char **argv) {
    if (argc != 5) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            puts(cases[i].name);
        return 0;
    }
    wrong = strcmp(argv[2], "wrong") == 0;
    must(NvRtlMapFile(argv[3], 0, STORES_SIZE, NVRTL_MAP_CREATE, 0666, &mapping));
    must(NvRtlMapFile(argv[4], 0, STORES_SIZE, NVRTL_MAP_CREATE, 0666, &second));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0)
            cases[i].run(argv[1]);
    }
    must(NvRtlUnmapFile(&mapping));
    must(NvRtlUnmapFile(&second));
    return 0;
}
