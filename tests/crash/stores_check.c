/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery of the stores of stores.c, and what it has to find. */
#include <nvrtl_crash.h>
#include <stdbool.h>
#include <string.h>

#include "crash/stores.h"

static bool is_begun(const struct NvRtlCrash *crash, uint64_t id) {
    for (size_t i = 0; i < crash->begunCount; i++) {
        if (crash->begun[i] == id)
            return true;
    }
    return false;
}

/* Every acknowledged one is among the first so many, and those have begun. */
static int judge_count(const struct NvRtlCrash *crash, uint64_t count) {
    for (uint64_t id = 1; id <= count; id++) {
        if (!is_begun(crash, id))
            return 10;
    }
    return crash->ackedCount <= count ? 0 : 11;
}

static bool is_whole(const struct log_record *record, uint64_t id) {
    for (size_t i = 0; i < sizeof record->body; i++) {
        if (record->body[i] != id)
            return false;
    }
    return record->id == id;
}

static int check_log(const struct NvRtlCrash *crash, const struct log_file *file) {
    uint64_t count = file->count;
    if (count == UINT64_MAX) {
        count = 0;
        while (count < 8 && file->records[count].valid != 0)
            count++;
    }
    if (count > 8)
        return 1;
    for (uint64_t id = 1; id <= count; id++) {
        if (!is_whole(&file->records[id - 1], id))
            return 2;
    }
    return judge_count(crash, count);
}

static int check_tree(const struct NvRtlCrash *crash, const struct tree_file *file) {
    uint64_t id = file->root;
    if (id > 8 || file->version > id)
        return 3;
    if (id != 0 && (file->nodes[id - 1].id != id || file->nodes[id - 1].sum != id * 3))
        return 2;
    return judge_count(crash, id);
}

static int check_array(const struct NvRtlCrash *crash, const struct array_file *file) {
    uint64_t count = file->count, before = 0;
    bool has_new = false;
    unsigned old = 0;
    if (count > 64)
        return 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t item = file->items[i];
        if (item < before)
            return 2;
        old += item != before && item >= 100 && item < 112;
        has_new = has_new || item == 1;
        before = item;
    }
    if (count != 0 && old != 12)
        return 3;
    return crash->ackedCount != 0 && !has_new ? 11 : 0;
}

static int check_two(const struct NvRtlCrash *crash, const struct index_file *index) {
    const struct data_file *data = crash->regions[1].image;
    uint64_t count = 0;
    for (uint64_t id = 1; id < 8; id++) {
        if (index->entries[id] == 0)
            continue;
        if (index->entries[id] != id || data->items[id].value != id * 7)
            return 2;
        count = id;
    }
    return judge_count(crash, count);
}

static int check_table(const struct NvRtlCrash *crash, const struct table_file *file) {
    if (file->current > 1)
        return 1;
    for (size_t i = 0; i < crash->ackedCount; i++) {
        uint64_t id = crash->acked[i];
        if (file->tables[file->current][id * 8] != id)
            return 11;
    }
    return 0;
}

static int check_wide(const struct wide_file *file) {
    uint32_t halves[2];
    memcpy(halves, file->counter, sizeof halves);
    if (halves[0] != halves[1] || file->pair.one != file->pair.two)
        return 2;
    uint64_t both = file->pair.one | (uint64_t)file->pair.one << 32;
    return file->pair.three != 0 && file->pair.three != both ? 2 : 0;
}

static int check_meta(const struct NvRtlCrash *crash, const struct meta_file *file) {
    if (file->newest > 3)
        return 1;
    for (size_t i = 0; file->newest != 0 && i < 512; i++) {
        if (file->pages[file->newest - 1][i] != file->newest * 5)
            return 2;
    }
    return judge_count(crash, file->newest);
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    const void *image = crash->regions[0].image;
    switch (*(const uint64_t *)image) {
    case STORE_LOG:
        return check_log(crash, image);
    case STORE_TREE:
        return check_tree(crash, image);
    case STORE_ARRAY:
        return check_array(crash, image);
    case STORE_TWO:
        return check_two(crash, image);
    case STORE_TABLE:
        return check_table(crash, image);
    case STORE_WIDE:
        return check_wide(image);
    case STORE_META:
        return check_meta(crash, image);
    default:
        return crash->begunCount == 0 ? 0 : 1;
    }
}
