/* SPDX-License-Identifier: BSD-2-Clause */
/* Source files, read whole and kept for as long as their findings follow each other: ten thousand
   findings in one file read it once. */
#ifndef REPORT_FILE_H
#define REPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct file {
    char *path;
    char *bytes; /* size of them, and a '\0' behind */
    size_t size;
    size_t *starts; /* where each line begins; one more, the end of the last */
    size_t lines;
    struct timespec changed;
    size_t used; /* when it was last asked for */
};

#define FILES_KEPT 8

/* {0} is an empty one. */
struct files {
    struct file kept[FILES_KEPT];
    size_t asked;
};

/* The file at path, until others push it out. NULL: it is no regular file, cannot be read, or is
   larger than any source. */
const struct file *file_read(struct files *files, const char *path);

/* Line number, from 1, without its end. NULL: there is no such line. */
const char *file_line(const struct file *file, int number, size_t *size);

/* The line of a byte of the file, from 0. pre: at <= size */
size_t file_line_of(const struct file *file, size_t at);

/* A copy of a line that is a string, and no longer than anybody shows. NULL: out of memory. */
char *file_copy_line(const char *line, size_t size);

void file_forget(struct files *files);

#endif
