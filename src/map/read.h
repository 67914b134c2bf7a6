/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what the system tells in small text files and folders, below the root of a map_system.
   Allocation-free; works in signal handlers. */
#ifndef MAP_READ_H
#define MAP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "map/map.h"
#include "map/text.h"
#include "os/os.h"

/* A text file by lines, in a buffer of the caller's. Of a line that does not fit in the buffer the
   first half of the buffer's size and at least a quarter from the line's end are kept, joined. */
struct map_lines {
    struct os_text text;
    char *buffer;
    size_t size, start, end;
    bool ended;
};

/* pre: size >= 128 */
bool map_lines_open(struct map_lines *lines, const char *path, char *buffer, size_t size);
bool map_lines_next(struct map_lines *lines, struct map_span *line);
void map_lines_close(struct map_lines *lines);

/* The same in work->lines, and what could not be read is kept in work. path may be NULL (false). */
bool map_lines_of(struct map_work *work, struct map_lines *lines, const char *path);
void map_lines_end(struct map_work *work, struct map_lines *lines);

/* After a system call that failed: keeps in work whether that leaves something open, or shows that
   something is broken. false. */
bool map_fail(struct map_work *work);

/* Is there something at path, and what? path may be NULL (false). */
bool map_exists(struct map_work *work, const char *path);
bool map_status(struct map_work *work, const char *path, struct stat *status);

/* Puts the root and the strings, up to a closing NULL, together in work->file. NULL: too long. */
const char *map_file(struct map_work *work, ...) __attribute__((sentinel));

/* Reads the first line of a file into work->value. path may be work->file, or NULL (false). */
bool map_read_value(struct map_work *work, const char *path);

/* Reads where a symbolic link points into work->value. */
bool map_read_link(struct map_work *work, const char *path);

/* A folder by names, without those that start with a dot, in work->entries: one at a time. */
struct map_folder {
    int descriptor;
    size_t at, end;
};
bool map_folder_open(struct map_folder *folder, struct map_work *work, const char *path);
const char *map_folder_next(struct map_folder *folder, struct map_work *work);
void map_folder_close(struct map_folder *folder);

#endif
