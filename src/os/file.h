/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that libnvrtl maps itself, and only those. May allocate; not for signal handlers. None of
   the functions changes errno. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct os_file {
    int descriptor;
    bool created; /* by this open */
    bool device;  /* a character device: has no length to change and nothing to sync */
    uint64_t size;
};

struct os_file_wish {
    bool create;    /* make it if it is not there */
    bool exclusive; /* and fail if it is */
    uint32_t mode;  /* permission bits of a new file */
};

/* Opens a file for reading and writing. RESULT_INVALID: no such file, or exclusive and it is there;
   RESULT_DENIED; RESULT_NOT_SUPPORTED: a directory, pipe or socket, or a device without bytes;
   RESULT_NO_SPACE; RESULT_NO_MEMORY; RESULT_IO_ERROR. */
enum result os_file_open(const char *path, struct os_file_wish wish, struct os_file *file);

/* Makes the file size bytes long, with blocks for all that is new unless sparse; on failure it
   keeps its old length. pre: size > file->size */
enum result os_file_grow(struct os_file *file, uint64_t size, bool sparse);

/* Maps [offset, offset + size) shared for reading and writing, with MAP_SYNC where that is granted.
   pre: offset is page-aligned */
enum result os_file_map(const struct os_file *file, uint64_t offset, size_t size, void **base);
void os_file_unmap(void *base, size_t size);

/* Waits until the file, its length and the directory entry that leads to it are on the medium. */
enum result os_file_sync(const struct os_file *file);

void os_file_close(struct os_file *file);

/* Takes back a file that os_file_open created: removes its name if that still leads to it. */
void os_file_remove(const struct os_file *file, const char *path);

#endif
