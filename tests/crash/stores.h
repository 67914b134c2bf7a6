/* SPDX-License-Identifier: BSD-2-Clause */
/* What stores.c keeps in its files, and stores_check.c holds it against. */
#ifndef CRASH_STORES_H
#define CRASH_STORES_H

#include <stdint.h>

#define STORES_SIZE 16384
#define STORES_OPERATIONS 3 /* numbered from 1; each adds an item */

/* The first word of a file says which store it is. */
enum store_kind {
    STORE_LOG = 1,
    STORE_TREE,
    STORE_ARRAY,
    STORE_TWO,
    STORE_TABLE,
    STORE_WIDE,
    STORE_META
};

/* STORE_LOG: so many records are there. */
struct log_record {
    uint64_t id;
    uint8_t body[104]; /* of bytes with the record's id */
    uint64_t valid;
    uint64_t spare;
};
struct log_file {
    uint64_t kind, spare[7];
    uint64_t count, spare_too[7];
    struct log_record records[8];
};

/* STORE_TREE: the root names the node of the newest operation; the one before is free then. */
struct tree_node {
    uint64_t id, spare[7];
    uint64_t sum, more[7]; /* id * 3 */
};
struct tree_file {
    uint64_t kind, spare[7];
    uint64_t root, spare_too[7]; /* place + 1 */
    uint64_t version, more[7];   /* of the root: its node's id, or one behind */
    struct tree_node nodes[8];
};

/* STORE_ARRAY: sorted, each item once or, while it is being moved, twice. */
struct array_file {
    uint64_t kind, count, spare[6];
    uint64_t items[64];
};

/* STORE_TWO: the index has the ids, the data file what they stand for. */
struct index_file {
    uint64_t kind, spare[7];
    uint64_t entries[8];
};
struct data_file {
    uint64_t kind, spare[7];
    struct {
        uint64_t value, spare[7]; /* id * 7 */
    } items[8];
};

/* STORE_TABLE: the one of both tables that is in force has all ids. */
struct table_file {
    uint64_t kind, spare[7];
    uint64_t current, spare_too[7]; /* 0 or 1 */
    uint64_t tables[2][64];
};

/* STORE_WIDE: both halves are equal, or recovery cannot tell what holds. */
struct wide_file {
    uint64_t kind, spare[6];
    uint8_t before[4];
    uint8_t counter[8]; /* across the end of a line */
    uint8_t behind[52];
    struct {
        uint32_t one, two; /* equal */
        uint64_t three;    /* likewise */
    } pair;
};

/* STORE_META: pages as LMDB has them; the meta page names the newest of the data pages. */
struct meta_file {
    uint64_t kind, spare[7];
    uint64_t newest, spare_too[503]; /* place + 1 */
    uint64_t pages[3][512];          /* each word id * 5 */
};

#endif
