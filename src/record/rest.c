/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread had stored when it was killed is in its file, though nobody has told of it yet. Who
   comes to the page tells of it; for who waits for the file without coming there, and at the end of
   the run, this does. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/recording.h"

struct rest {
    struct recording *recording;
    uint32_t wanted; /* a file's index + 1; 0: all of them */
    /* The file that was read last. */
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

/* Is it still there to be told? Whoever has come to its page meanwhile may have stored there. */
static bool still_waits(const struct rest *rest, const struct batch_store *store, uint32_t thread,
                        uint64_t round) {
    const struct arena_batch *batch = batch_of(rest->recording->arena, thread);
    return page_of(rest, store, thread) != NULL && atomic_load(&batch->round) == round;
}

/* last: it was perhaps not made. Then the file holds what the trace knows. */
static bool tell_rest(struct rest *rest, uint32_t thread, uint32_t place, bool last) {
    struct recording *recording = rest->recording;
    const struct arena_batch *batch = batch_of(recording->arena, thread);
    const struct batch_store *store = &batch->at[place];
    const struct model_page *page = page_of(rest, store, thread);
    uint64_t round = atomic_load(&batch->round);
    struct batch_told told = {.stack = store->stack,
                              .at = (uint16_t)(store->where % MODEL_PAGE_SIZE),
                              .length = (uint8_t)BATCH_LENGTH(store->where),
                              .place = (uint8_t)place};
    if (page == NULL || (rest->wanted != 0 && page->file + 1 != rest->wanted) || told.length == 0 ||
        told.length > 8 - told.at % 8)
        return true;
    struct stream_event event = {.kind = LOG_STORES,
                                 .thread = thread,
                                 .file = page->file,
                                 .size = sizeof told,
                                 .stack = thread,
                                 .offset = page->index * MODEL_PAGE_SIZE,
                                 .length = round,
                                 .bytes = (const uint8_t *)&told};
    const uint8_t *known = arena_at(recording->arena, page->shadow, MODEL_PAGE_SIZE);
    if (!read_file(rest, page->file, event.offset + told.at, &told.value, told.length)) {
        recording->counts.lost = recording->counts.lost || rest->wanted == 0;
        return true;
    }
    if ((last && known != NULL && memcmp(known + told.at, &told.value, told.length) == 0) ||
        !still_waits(rest, store, thread, round))
        return true;
    return recording_stores(recording, &event);
}

/* A process that is not waited for yet has its first thread still. */
static bool is_zombie(uint32_t id) {
    char name[32], line[128] = "";
    snprintf(name, sizeof name, "/proc/%u/stat", id);
    FILE *file = fopen(name, "re");
    size_t size = file != NULL ? fread(line, 1, sizeof line - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    const char *state = size != 0 ? strrchr(line, ')') : NULL;
    return state != NULL && strspn(state, ") ") == 2 && strchr("ZX", state[2]) != NULL;
}

/* Will the thread never tell anything again? */
static bool is_over(const struct arena *arena, uint32_t thread) {
    const struct arena_head *head = arena->head;
    uint32_t process = head->thread_processes[thread] % ARENA_PROCESSES;
    return atomic_load(&head->processes[process].end) != ARENA_RUNS ||
           !arena_thread_lives(arena, thread + 1) || is_zombie(head->thread_ids[thread]);
}

bool recording_rest(struct recording *recording, uint32_t file) {
    const struct arena_head *head = recording->arena->head;
    struct rest rest = {.recording = recording, .wanted = file, .descriptor = -1};
    bool good = true;
    for (uint32_t t = 0; t < atomic_load(&head->thread_count) && t < ARENA_THREADS; t++) {
        const struct arena_batch *batch = batch_of(recording->arena, t);
        uint32_t count = batch != NULL ? atomic_load(&batch->count) : 0;
        if (count != 0 && file != 0 && !is_over(recording->arena, t))
            continue;
        for (uint32_t i = 0; good && i < count && i < BATCH_STORES; i++)
            good = tell_rest(&rest, t, i, i + 1 == count);
    }
    if (rest.descriptor >= 0)
        close(rest.descriptor);
    return good;
}
