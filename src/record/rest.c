/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread had stored when it was killed is in its file, though nobody has told of it yet. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/recording.h"

/* The file that was read last. */
struct rest {
    struct recording *recording;
    uint32_t file; /* index + 1; 0: none yet */
    int descriptor;
};

/* By its name, since who had it open is no more. */
static int open_file(const struct arena_file *file) {
    char path[sizeof file->path];
    struct stat stat;
    snprintf(path, sizeof path, "%.*s", (int)sizeof path - 1, file->path);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    /* Not by the device: some file systems have another number for it in a process's map. */
    if (descriptor >= 0 && (fstat(descriptor, &stat) != 0 || stat.st_ino != file->inode)) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
}

static bool read_file(struct rest *rest, uint32_t file, uint64_t offset, void *bytes, size_t size) {
    if (rest->file != file + 1) {
        if (rest->descriptor >= 0)
            close(rest->descriptor);
        rest->file = file + 1;
        rest->descriptor = open_file(&rest->recording->arena->head->files[file]);
    }
    return rest->descriptor >= 0 &&
           pread(rest->descriptor, bytes, size, (off_t)offset) == (ssize_t)size;
}

/* The page of a store that is still to be told and that nobody else has come to since. */
static const struct model_page *page_of(const struct rest *rest, const struct batch_store *store,
                                        uint32_t thread) {
    const struct model_page *page = arena_at(rest->recording->arena, atomic_load(&store->page),
                                             offsetof(struct model_page, open));
    bool is_own = page != NULL && atomic_load(&page->owner) == thread + 1;
    return is_own && page->file < ARENA_FILES ? page : NULL;
}

/* last: it was perhaps not made. Then the file holds what the trace knows. */
static bool tell_rest(struct rest *rest, uint32_t thread, uint32_t place, bool last) {
    struct recording *recording = rest->recording;
    const struct arena_batch *batch = batch_of(recording->arena, thread);
    const struct batch_store *store = &batch->at[place];
    const struct model_page *page = page_of(rest, store, thread);
    struct batch_told told = {.stack = store->stack,
                              .at = (uint16_t)(store->where % MODEL_PAGE_SIZE),
                              .length = (uint8_t)BATCH_LENGTH(store->where),
                              .place = (uint8_t)place};
    if (page == NULL || told.length == 0 || told.length > 8 - told.at % 8)
        return true;
    uint64_t offset = page->index * MODEL_PAGE_SIZE + told.at;
    const uint8_t *known = arena_at(recording->arena, page->shadow, MODEL_PAGE_SIZE);
    if (!read_file(rest, page->file, offset, &told.value, told.length)) {
        recording->counts.lost = true;
        return true;
    }
    if (last && known != NULL && memcmp(known + told.at, &told.value, told.length) == 0)
        return true;
    const struct stream_event event = {.kind = LOG_STORES,
                                       .thread = thread,
                                       .file = page->file,
                                       .size = sizeof told,
                                       .stack = thread,
                                       .offset = page->index * MODEL_PAGE_SIZE,
                                       .length = atomic_load(&batch->round),
                                       .bytes = (const uint8_t *)&told};
    return recording_stores(recording, &event);
}

bool recording_rest(struct recording *recording) {
    const struct arena_head *head = recording->arena->head;
    struct rest rest = {.recording = recording, .descriptor = -1};
    bool good = true;
    for (uint32_t t = 0; t < atomic_load(&head->thread_count) && t < ARENA_THREADS; t++) {
        const struct arena_batch *batch = batch_of(recording->arena, t);
        uint32_t count = batch != NULL ? atomic_load(&batch->count) : 0;
        for (uint32_t i = 0; good && i < count && i < BATCH_STORES; i++)
            good = tell_rest(&rest, t, i, i + 1 == count);
    }
    if (rest.descriptor >= 0)
        close(rest.descriptor);
    return good;
}
