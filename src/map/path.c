/* SPDX-License-Identifier: BSD-2-Clause */
/* For a person's questions: what would this path be, and what has that process mapped? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "map/gather.h"
#include "map/mount.h"
#include "map/read.h"
#include "map/table.h"
#include "os/calls.h"

/* Puts the path without symbolic links into work->name, and finds its mount. A file without a name,
   reached by a link like /proc/self/fd/3, has none; then what the link says has to do. */
static void resolve(struct map_work *work, const char *path, const struct statx *status) {
    char *real = realpath(path, NULL);
    const char *name = real != NULL ? real : map_read_link(work, path) ? work->value : path;
    map_span_copy((struct map_span){name, strlen(name)}, work->name, sizeof work->name);
    work->subject.device = makedev(status->stx_dev_major, status->stx_dev_minor);
    if (real == NULL)
        map_mount_of_subject(work);
    else if (map_mount_of_path(work, work->name, &work->mount))
        work->subject.device = work->mount.device;
    if (!work->mount.found)
        map_take_type(work, path);
    free(real);
}

/* A directory stands for the files that may be made in it. Whether those are on DAX is up to their
   mount: what the directory itself has is no answer. */
static void stand_for_file(struct map_work *work) {
    work->subject.kind = MAP_KIND_FILE;
    work->subject.dax = MAP_UNKNOWN;
    work->subject.deleted = false; /* the count of links of a directory means little */
}

static enum result probe_path(struct map_work *work, const char *path, struct map_answer *answer) {
    struct statx status;
    if (os_calls.statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_INO | STATX_NLINK, &status) != 0) {
        map_reason(answer, strerror(errno), NULL);
        return RESULT_INVALID;
    }
    resolve(work, path, &status);
    work->subject.inode = status.stx_ino;
    work->subject.deleted = status.stx_nlink == 0;
    work->subject.hypothetical = true;
    map_take_status(work, &status);
    if ((status.stx_mode & S_IFMT) == S_IFDIR)
        stand_for_file(work);
    map_gather_storage(work);
    work->subject.synchronous =
        work->subject.kind == MAP_KIND_FILE && map_file_has_dax(work) == MAP_YES &&
        map_type_has_sync(work->mount.type) && work->storage.host == MAP_HOST_NONE;
    map_take_doubt(work);
    enum result result = map_judge(work, answer);
    map_answer_subject(work, answer);
    if (result != RESULT_OK || (work->mount.traits & MAP_TRAIT_READ_ONLY) == 0 ||
        work->subject.kind != MAP_KIND_FILE)
        return result;
    map_reason(answer, work->mount.type, " at ", work->mount.point,
               " is mounted read-only: no view of it can be written", NULL);
    return RESULT_DENIED;
}

enum result map_probe_path(const struct map_system *system, const char *path,
                           struct map_answer *answer) {
    struct map_work work;
    map_begin(&work, system, 0);
    return probe_path(&work, path, answer);
}

static void visit_entry(const struct map_system *system, uint32_t pid,
                        const struct map_entry *entry, map_visit *visit, void *context) {
    struct map_work work;
    struct map_answer answer;
    map_begin(&work, system, pid);
    work.subject.device = entry->device;
    work.subject.inode = entry->inode;
    work.subject.start = work.subject.first = entry->start;
    work.subject.end = entry->end;
    work.subject.last = entry->end - 1;
    map_span_copy(entry->name, work.name, sizeof work.name);
    map_gather(&work);
    if (work.subject.kind == MAP_KIND_ANONYMOUS)
        return;
    enum result result = map_judge(&work, &answer);
    map_answer_subject(&work, &answer);
    if (!entry->writable) {
        result = RESULT_DENIED;
        map_reason(&answer, "it is mapped for reading only, and no token is made for that", NULL);
    }
    visit(context, entry->start, entry->end - entry->start, result, &answer);
}

enum result map_each(const struct map_system *system, uint32_t pid, map_visit *visit,
                     void *context) {
    struct map_work work; /* the table's; each mapping has its own */
    struct map_table table;
    map_begin(&work, system, pid);
    if (!map_table_open(&table, system, work.process, MAP_TABLE_TEXT, work.lines,
                        sizeof work.lines)) {
        const char *folder = map_file(&work, "/proc/", work.process, NULL);
        return os_calls.access(folder, F_OK) == 0 ? RESULT_DENIED : RESULT_INVALID;
    }
    struct map_entry entry;
    while (map_table_find(&table, 0, &entry, work.name, sizeof work.name)) {
        if (entry.shared)
            visit_entry(system, pid, &entry, visit, context);
    }
    map_table_close(&table);
    return RESULT_OK;
}
