/* SPDX-License-Identifier: BSD-2-Clause */
/* From the log to an image. The files hold what was visible at the end: the system keeps that over
   the death of the processes. Every line that the log names is replaced by what a cut could have
   left of it; what nobody told of stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cut/session.h"

/* A file of the run. It is read and written by lines: few are in flight, and to map a page costs
   more than to read from it. */
struct view {
    int descriptor; /* valid if opened */
    bool opened;
    bool gone; /* nothing leads to it */
    uint64_t size;
};

struct work {
    struct cut_session *session;
    const struct log_record **records;
    size_t record_count;
    struct generation *generation;
    enum generation_model model;
    struct view views[ARENA_FILES];
    /* A file that got another name, or whose number a new file got, has several places among the
       arena's: the last of them stands for all. Of each place the last one, and the one before. */
    uint32_t newest[ARENA_FILES], older[ARENA_FILES]; /* older: + 1; 0: there is none */
    uint32_t *kept, *lost;                            /* of each record, words */
    struct chance *chance;
    struct cut_outcome *outcome;
};

static bool fail(struct work *work, const char *problem, const char *path, int error) {
    work->outcome->problem = problem;
    work->outcome->problem_path = path;
    work->outcome->error = error;
    return false;
}

static const struct arena_file *file_at(const struct work *work, uint32_t file) {
    return &work->session->arena.head->files[file];
}

/* Some file systems have several files with one number, which the mappings do not tell apart. */
static bool may_be_one(const struct arena_file *a, const struct arena_file *b) {
    struct stat first, second;
    return a->device == b->device && a->inode == b->inode &&
           (stat(a->path, &first) != 0 || stat(b->path, &second) != 0 ||
            first.st_dev == second.st_dev);
}

static void find_same(struct work *work) {
    uint32_t count = (uint32_t)cut_file_count(work->session);
    for (uint32_t i = count; i-- > 0;) {
        uint32_t later = i + 1;
        while (later < count && (file_at(work, later)->inode != file_at(work, i)->inode ||
                                 !may_be_one(file_at(work, i), file_at(work, later))))
            later++;
        work->newest[i] = later < count ? work->newest[later] : i;
        if (later < count)
            work->older[later] = i + 1;
    }
}

static void replay_store(struct generation *generation, enum generation_model model,
                         const struct log_record *record, uint32_t file) {
    static const enum generation_kind kinds[] = {
        [LOG_STORE] = GENERATION_CACHED,  [LOG_STREAM] = GENERATION_STREAM,
        [LOG_UNSEEN] = GENERATION_UNSEEN, [LOG_DIRECT] = GENERATION_DIRECT,
        [LOG_ATOMIC] = GENERATION_CACHED, [LOG_FOUND] = GENERATION_UNSEEN,
        [LOG_PWRITE] = GENERATION_CACHED};
    if (record->kind == LOG_ATOMIC)
        generation_atomic(generation, record->thread);
    const struct generation_store store = {.thread = record->thread,
                                           .file = file,
                                           .kind = kinds[record->kind],
                                           .offset = record->offset,
                                           .length = record->length,
                                           .bytes = record->bytes,
                                           .tag = record->number};
    generation_store(generation, &store);
    /* In the page cache the routines have its pages written. */
    if (record->kind == LOG_STREAM && model == GENERATION_PAGE)
        generation_flush(generation, record->thread, file, record->offset, record->length);
    /* Whoever stored unseen may have made it durable unseen too. */
    if (record->kind == LOG_UNSEEN)
        generation_settle(generation, file, record->offset, record->length);
}

static void replay_flush(struct generation *generation, const struct log_record *record,
                         uint32_t file) {
    generation_flush(generation, record->thread, file, record->offset, record->length);
    for (uint32_t at = 0; at < record->size; at += sizeof(struct log_range)) {
        struct log_range range;
        memcpy(&range, record->bytes + at, sizeof range);
        generation_flush(generation, record->thread, file, range.offset, range.length);
    }
}

/* Lines begin as zeros without being told so. But what a call was storing to as the power was cut
   has to be among the lines, also if no record says more of it. */
static void replay_empty(struct work *work, const struct log_record *record) {
    static const uint8_t zeros[MODEL_LINE_SIZE];
    const struct model_page *page =
        arena_page(&work->session->arena, record->file, record->offset / MODEL_PAGE_SIZE, false);
    for (uint64_t lines = page != NULL ? page->storing : 0; lines != 0; lines &= lines - 1) {
        uint64_t line = (uint64_t)__builtin_ctzll(lines);
        generation_base(work->generation, work->newest[record->file],
                        record->offset + line * MODEL_LINE_SIZE, zeros, sizeof zeros);
    }
}

/* What a line holds as it is met under another name. If the log explains that, it is the same line,
   with the same in flight; else it came from elsewhere, and stays. */
static void meet_again(struct work *work, uint32_t file, uint64_t offset, const uint8_t *bytes) {
    const struct generation_line *line = generation_find(work->generation, file, offset);
    uint8_t explained[MODEL_LINE_SIZE];
    if (line == NULL)
        return;
    generation_content(line, generation_fullest(line), explained);
    if (memcmp(explained, bytes, sizeof explained) == 0)
        return;
    const struct generation_store store = {.file = file,
                                           .kind = GENERATION_UNSEEN,
                                           .offset = offset,
                                           .length = sizeof explained,
                                           .bytes = bytes};
    generation_store(work->generation, &store);
    generation_settle(work->generation, file, offset, sizeof explained);
}

static void replay_base(struct work *work, const struct log_record *record) {
    static const uint8_t zeros[MODEL_LINE_SIZE];
    uint32_t file = work->newest[record->file];
    bool again = file != record->file || work->older[file] != 0;
    for (uint64_t at = 0; again && at < record->length; at += MODEL_LINE_SIZE)
        meet_again(work, file, record->offset + at, record->size != 0 ? record->bytes + at : zeros);
    if (record->size != 0)
        generation_base(work->generation, file, record->offset, record->bytes, record->length);
    else
        replay_empty(work, record);
}

static void replay(struct work *work, const struct log_record *record) {
    struct generation *generation = work->generation;
    uint32_t file = work->newest[record->file];
    switch ((enum log_kind)record->kind) {
    case LOG_BASE:
        replay_base(work, record);
        return;
    case LOG_STORE:
    case LOG_STREAM:
    case LOG_UNSEEN:
    case LOG_DIRECT:
    case LOG_ATOMIC:
    case LOG_FOUND:
    case LOG_PWRITE:
        replay_store(generation, work->model, record, file);
        return;
    case LOG_CLFLUSH:
        generation_clflush(generation, record->thread, file, record->offset, record->length);
        return;
    case LOG_SYNC_BEGIN:
        generation_sync_begin(generation, record->thread, file, record->offset, record->length);
        return;
    case LOG_SYNC_END:
        generation_sync_end(generation, record->thread);
        return;
    case LOG_FLUSH:
        replay_flush(generation, record, file);
        return;
    case LOG_DRAIN:
        generation_drain(generation, record->thread);
        return;
    case LOG_SETTLE:
        generation_settle(generation, file, record->offset, record->length);
        return;
    case LOG_GET:
    case LOG_MARK:
    case LOG_STORES: /* of traces only */
    case LOG_KINDS:
        return;
    }
}

/* A record whose length and bytes disagree would be read beyond its end. */
static bool is_sound(const struct log_record *record) {
    bool carries = record->kind == LOG_STORE || record->kind == LOG_STREAM ||
                   record->kind == LOG_UNSEEN || record->kind == LOG_DIRECT ||
                   record->kind == LOG_ATOMIC || record->kind == LOG_FOUND ||
                   record->kind == LOG_PWRITE || (record->kind == LOG_BASE && record->size != 0);
    if (record->kind == LOG_FLUSH && record->size % sizeof(struct log_range) != 0)
        return false;
    return record->kind < LOG_KINDS && record->file < ARENA_FILES &&
           record->thread < ARENA_THREADS && (!carries || record->length <= record->size);
}

static bool read_log(struct work *work) {
    work->records = session_records(work->session);
    if (work->records == NULL)
        return fail(work, "there is no memory for the log of", "the run", ENOMEM);
    while (work->records[work->record_count] != NULL) {
        const struct log_record *record = work->records[work->record_count++];
        if (!is_sound(record))
            return fail(work, "the program has overwritten the log of", "the run", 0);
        replay(work, record);
    }
    work->kept = calloc(work->record_count + 1, sizeof *work->kept);
    work->lost = calloc(work->record_count + 1, sizeof *work->lost);
    if (work->kept == NULL || work->lost == NULL || generation_failed(work->generation))
        return fail(work, "there is no memory for the states of", "the run", ENOMEM);
    return true;
}

/* Is this still what the program mapped? device: 0 where the name says enough. Some file systems
   tell another device to stat than to the program's mappings. */
static bool is_known(int descriptor, const struct arena_file *known, uint64_t device,
                     struct stat *stat) {
    return fstat(descriptor, stat) == 0 && S_ISREG(stat->st_mode) && stat->st_ino == known->inode &&
           (device == 0 || stat->st_dev == device);
}

/* Looks for a file that got another name in its folder, as it does when it takes the place of an
   older one. -1: there is none. */
static int open_moved(const struct arena_file *known, struct stat *stat) {
    char folder[sizeof known->path];
    memcpy(folder, known->path, sizeof folder);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return -1;
    slash[slash == folder] = '\0';
    int descriptor = -1;
    DIR *list = opendir(folder);
    for (struct dirent *entry; list != NULL && descriptor < 0 && (entry = readdir(list)) != NULL;) {
        if (entry->d_ino != known->inode || entry->d_type != DT_REG)
            continue;
        descriptor = openat(dirfd(list), entry->d_name, O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (descriptor >= 0 && !is_known(descriptor, known, known->device, stat)) {
            close(descriptor);
            descriptor = -1;
        }
    }
    if (list != NULL)
        closedir(list);
    return descriptor;
}

/* Opens a file by one of the names that it had. -1: it is not there; -2: told. */
static int open_known(struct work *work, const struct arena_file *known, struct stat *stat) {
    int descriptor = open(known->path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0 && errno != ENOENT && errno != ENOTDIR) {
        fail(work, "cannot open", known->path, errno);
        return -2;
    }
    if (descriptor >= 0 && !is_known(descriptor, known, 0, stat)) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
}

/* Opens a file that has lines in flight, if something leads to it. */
static bool open_view(struct work *work, uint32_t file) {
    struct view *view = &work->views[file];
    struct stat stat;
    int descriptor = -1;
    if (view->opened || view->gone)
        return true;
    for (uint32_t at = file + 1; at != 0 && descriptor == -1; at = work->older[at - 1])
        descriptor = open_known(work, file_at(work, at - 1), &stat);
    for (uint32_t at = file + 1; at != 0 && descriptor == -1; at = work->older[at - 1])
        descriptor = open_moved(file_at(work, at - 1), &stat);
    if (descriptor == -2)
        return false;
    /* Whatever is left of it keeps all that was stored to it, which is legal for every line. */
    view->gone = descriptor < 0;
    work->outcome->gone += view->gone;
    if (!view->gone)
        *view =
            (struct view){.descriptor = descriptor, .opened = true, .size = (uint64_t)stat.st_size};
    return true;
}

static bool read_line(struct work *work, const struct generation_line *line, uint8_t *bytes,
                      uint32_t part) {
    ssize_t size = pread(work->views[line->file].descriptor, bytes, part, (off_t)line->offset);
    return size == (ssize_t)part ||
           fail(work, "cannot read", file_at(work, line->file)->path, size < 0 ? errno : EIO);
}

static bool write_line(struct work *work, const struct generation_line *line, const uint8_t *bytes,
                       uint32_t part) {
    ssize_t size = pwrite(work->views[line->file].descriptor, bytes, part, (off_t)line->offset);
    return size == (ssize_t)part ||
           fail(work, "cannot write", file_at(work, line->file)->path, size < 0 ? errno : EIO);
}

/* The part of a line that its file has; the file may have been cut short since. */
static uint32_t part_of(const struct view *view, const struct generation_line *line) {
    if (line->offset >= view->size)
        return 0;
    uint64_t rest = view->size - line->offset;
    return rest < MODEL_LINE_SIZE ? (uint32_t)rest : MODEL_LINE_SIZE;
}

static bool is_being_stored(const struct work *work, const struct generation_line *line) {
    for (uint32_t file = line->file + 1; file != 0; file = work->older[file - 1]) {
        const struct model_page *page =
            arena_page(&work->session->arena, file - 1, line->offset / MODEL_PAGE_SIZE, false);
        if (page != NULL &&
            (page->storing >> line->offset % MODEL_PAGE_SIZE / MODEL_LINE_SIZE & 1) != 0)
            return true;
    }
    return false;
}

/* May the cut change the line? One with nothing in flight holds what it is to hold: what somebody
   stored to it, or wrote to the file, without the log may have become durable by means that are not
   watched. */
static bool is_in_flight(const struct work *work, const struct generation_line *line) {
    return line->count != 0 || is_being_stored(work, line);
}

/* Takes up what the line holds and the log does not explain. If a call was storing to it, that call
   has come this far. Else it came from elsewhere, and stays. */
static bool take_up(struct work *work, size_t index) {
    const struct generation_line *line = generation_line(work->generation, index);
    if (!is_in_flight(work, line))
        return true;
    if (!open_view(work, line->file))
        return false;
    if (work->views[line->file].gone)
        return true;
    uint32_t part = part_of(&work->views[line->file], line);
    uint8_t visible[MODEL_LINE_SIZE], explained[MODEL_LINE_SIZE];
    if (!read_line(work, line, visible, part))
        return false;
    generation_content(line, generation_fullest(line), explained);
    if (part == 0 || memcmp(visible, explained, part) == 0)
        return true;
    bool stored = is_being_stored(work, line);
    const struct generation_store store = {
        .file = line->file,
        .kind = stored ? GENERATION_CACHED : GENERATION_UNSEEN,
        .offset = line->offset,
        .length = part,
        .bytes = visible,
    };
    generation_store(work->generation, &store);
    if (!stored)
        generation_settle(work->generation, store.file, store.offset, store.length);
    return true;
}

/* How a cut treats the lines: some cuts lose nearly all that they may, some nearly nothing, since
   most bugs need one line that differs from the rest. */
enum mood { MOOD_LEAST, MOOD_FULLEST, MOOD_FEW_LOST, MOOD_FEW_KEPT, MOOD_COIN, MOOD_ANY };

static enum mood draw_mood(struct chance *chance) {
    static const uint8_t moods[] = {MOOD_LEAST, MOOD_FULLEST, MOOD_FEW_LOST, MOOD_FEW_KEPT,
                                    MOOD_COIN,  MOOD_COIN,    MOOD_ANY,      MOOD_ANY};
    return (enum mood)moods[chance_below(chance, sizeof moods)];
}

static struct generation_choice draw(const struct generation_line *line, enum mood mood,
                                     struct chance *chance) {
    bool odd = chance_below(chance, 16) == 0, coin = chance_below(chance, 2) != 0;
    struct generation_choice any = generation_random(line, chance);
    if (mood == MOOD_ANY || (odd && (mood == MOOD_FEW_LOST || mood == MOOD_FEW_KEPT)))
        return any;
    if (mood == MOOD_FULLEST || mood == MOOD_FEW_LOST || (mood == MOOD_COIN && coin))
        return generation_fullest(line);
    return generation_least();
}

/* pre: take_up has seen the line */
static bool cut_line(struct work *work, const struct generation_line *line, enum mood mood) {
    const struct view *view = &work->views[line->file];
    if (line->count == 0 || view->gone)
        return true;
    struct generation_choice choice = draw(line, mood, work->chance);
    uint8_t bytes[MODEL_LINE_SIZE];
    for (uint32_t i = 0; i < line->count; i++) {
        uint64_t record = line->pieces[i].tag;
        if (record <= work->record_count)
            (generation_keeps(line, choice, i) ? work->kept : work->lost)[record]++;
    }
    generation_content(line, choice, bytes);
    return write_line(work, line, bytes, part_of(view, line));
}

/* Counts what became of the stores; the newest that lost something are the examples. */
static void sum_up(struct work *work) {
    struct cut_outcome *outcome = work->outcome;
    const size_t most = sizeof outcome->examples / sizeof outcome->examples[0];
    for (size_t i = 0; i < work->record_count; i++) {
        const struct log_record *record = work->records[i];
        uint32_t kept = work->kept[i + 1], lost = work->lost[i + 1];
        outcome->lost += lost != 0 && kept == 0;
        outcome->torn += lost != 0 && kept != 0;
        outcome->kept += lost == 0 && kept != 0;
        if (lost == 0)
            continue;
        if (outcome->example_count == most) {
            memmove(outcome->examples, outcome->examples + 1,
                    (most - 1) * sizeof outcome->examples[0]);
            outcome->example_count--;
        }
        outcome->examples[outcome->example_count++] =
            (struct cut_fate){.record = record->number,
                              .path = file_at(work, work->newest[record->file])->path,
                              .offset = record->offset,
                              .length = record->length,
                              .kept = kept,
                              .lost = lost};
    }
}

static bool make(struct work *work, enum generation_model model) {
    work->model = model;
    work->generation = generation_new(model);
    if (work->generation == NULL)
        return fail(work, "there is no memory for the states of", "the run", ENOMEM);
    find_same(work);
    if (!read_log(work))
        return false;
    size_t count = generation_line_count(work->generation);
    work->outcome->lines = count;
    for (size_t i = 0; i < count; i++) {
        if (!take_up(work, i))
            return false;
    }
    if (generation_failed(work->generation))
        return fail(work, "there is no memory for the states of", "the run", ENOMEM);
    enum mood mood = draw_mood(work->chance);
    for (size_t i = 0; i < count; i++) {
        if (!cut_line(work, generation_line(work->generation, i), mood))
            return false;
    }
    sum_up(work);
    return true;
}

bool cut_write_image(struct cut_session *session, enum generation_model model,
                     struct chance *chance, struct cut_outcome *outcome) {
    struct work *work = calloc(1, sizeof *work);
    *outcome = (struct cut_outcome){
        .problem = "there is no memory for", .problem_path = "the run", .error = ENOMEM};
    if (work == NULL)
        return false;
    *outcome = (struct cut_outcome){0};
    work->session = session;
    work->chance = chance;
    work->outcome = outcome;
    bool made = make(work, model);
    for (size_t i = 0; i < ARENA_FILES; i++) {
        if (work->views[i].opened)
            close(work->views[i].descriptor);
    }
    generation_free(work->generation);
    free(work->kept);
    free(work->lost);
    free(work);
    return made;
}
