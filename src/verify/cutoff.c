/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/cutoff.h"

#include <sys/stat.h>

#include "base/bits.h"
#include "model/model.h"

static bool is_about_stores(const struct arena_finding *record) {
    return (record->kind == KIND_UNFLUSHED_WRITE || record->kind == KIND_UNFLUSHED_STREAM ||
            record->kind == KIND_UNDRAINED_FLUSH) &&
           record->roles[0] != ARENA_ROLE_ASSERTED;
}

/* Where its pages end, if it still is the file with that name. An overlay has two numbers of a
   device for one file, so that the inode has to do. */
static uint64_t end_of(const struct arena_file *file) {
    struct stat status;
    if (stat(file->path, &status) != 0 || status.st_ino != file->inode || !S_ISREG(status.st_mode))
        return UINT64_MAX;
    return align_up((uint64_t)status.st_size, MODEL_PAGE_SIZE);
}

bool cutoff_has_all(const struct arena *arena, const struct arena_finding *record) {
    uint32_t count = atomic_load(&record->range_count);
    if (!is_about_stores(record) || record->file == 0 || record->file > ARENA_FILES || count == 0 ||
        count > ARENA_RANGES)
        return false;
    uint64_t end = end_of(&arena->head->files[record->file - 1]);
    for (uint32_t i = 0; i < count; i++) {
        if (record->ranges[i].offset < end)
            return false;
    }
    return true;
}
