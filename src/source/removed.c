/* SPDX-License-Identifier: BSD-2-Clause */
/* A watched file whose last name goes is wanted no more, whatever of it is in flight: a segment of
   a log, a temporary file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "source/record.h"
#include "source/regions.h"
#include "source/watch.h"

void watch_removing(struct watch_name *name, int directory, const char *path) {
    int error = errno;
    struct stat status;
    *name = (struct watch_name){.inode = 0};
    if (atomic_load(&regions_high) != 0 && watch_wanted() && !source_process.confined &&
        !record_wanted() && path != NULL &&
        fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
        status.st_nlink == 1)
        *name = (struct watch_name){.inode = status.st_ino};
    errno = error;
}

/* Is another file, or none, where the file was seen? Devices tell less: overlayfs has two of them,
   and other file systems have files with the same number. */
static bool has_left(const struct arena_file *file) {
    char path[sizeof file->path + 1];
    struct stat status;
    memcpy(path, file->path, sizeof file->path);
    path[sizeof file->path] = '\0';
    return lstat(path, &status) != 0 || status.st_ino != file->inode;
}

void watch_removed(const struct watch_name *name) {
    int error = errno;
    struct arena_head *head = name->inode != 0 ? source_process.arena.head : NULL;
    for (uint32_t i = 0; head != NULL && i < atomic_load(&head->file_count); i++) {
        struct arena_file *file = &head->files[i];
        if (file->inode == name->inode && file->watched != 0 && has_left(file))
            atomic_store(&file->gone, 1);
    }
    errno = error;
}
