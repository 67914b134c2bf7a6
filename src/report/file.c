/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE_MAX_SOURCE ((off_t)64 << 20) /* bytes */
#define LINE_BYTES 511                    /* more than fits on a page */

static void forget(struct file *file) {
    free(file->path);
    free(file->bytes);
    free(file->starts);
    *file = (struct file){0};
}

void file_forget(struct files *files) {
    for (size_t i = 0; i < FILES_KEPT; i++)
        forget(&files->kept[i]);
}

static bool read_bytes(struct file *file, const struct stat *status) {
    size_t room = (size_t)status->st_size;
    FILE *in = fopen(file->path, "re");
    file->bytes = in != NULL ? malloc(room + 1) : NULL;
    if (file->bytes != NULL) {
        file->size = fread(file->bytes, 1, room, in);
        file->bytes[file->size] = '\0';
    }
    if (in != NULL)
        fclose(in);
    return file->bytes != NULL;
}

static bool find_lines(struct file *file) {
    size_t lines = 1;
    for (size_t i = 0; i < file->size; i++)
        lines += file->bytes[i] == '\n';
    file->starts = malloc((lines + 1) * sizeof *file->starts);
    if (file->starts == NULL)
        return false;
    file->starts[0] = 0;
    for (size_t i = 0; i < file->size; i++) {
        if (file->bytes[i] == '\n')
            file->starts[++file->lines] = i + 1;
    }
    /* What follows the last line end is a line only if there is something. */
    if (file->starts[file->lines] < file->size)
        file->starts[++file->lines] = file->size;
    return true;
}

/* A place for one more: that of the file that was not asked for the longest. */
static struct file *make_room(struct files *files) {
    struct file *oldest = &files->kept[0];
    for (size_t i = 1; i < FILES_KEPT; i++) {
        if (files->kept[i].used < oldest->used)
            oldest = &files->kept[i];
    }
    forget(oldest);
    return oldest;
}

const struct file *file_read(struct files *files, const char *path) {
    files->asked++;
    for (size_t i = 0; i < FILES_KEPT; i++) {
        struct file *file = &files->kept[i];
        if (file->path != NULL && strcmp(file->path, path) == 0) {
            file->used = files->asked;
            return file->bytes != NULL ? file : NULL;
        }
    }
    struct file *file = make_room(files);
    struct stat status;
    file->used = files->asked;
    file->path = strdup(path);
    if (file->path == NULL)
        return NULL;
    /* Only of a regular file is it known that opening it does not wait. */
    bool known = stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
                 status.st_size <= SIZE_MAX_SOURCE && read_bytes(file, &status) && find_lines(file);
    if (known) {
        file->changed = status.st_mtim;
        return file;
    }
    /* The path stays: nobody needs to try again. */
    free(file->bytes);
    file->bytes = NULL;
    return NULL;
}

const char *file_line(const struct file *file, int number, size_t *size) {
    if (number < 1 || (size_t)number > file->lines)
        return NULL;
    size_t start = file->starts[number - 1], end = file->starts[number];
    *size = end - start;
    if (*size > 0 && file->bytes[end - 1] == '\n')
        (*size)--;
    return file->bytes + start;
}

size_t file_line_of(const struct file *file, size_t at) {
    size_t low = 0, high = file->lines;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (file->starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

char *file_copy_line(const char *line, size_t size) {
    size = size < LINE_BYTES ? size : LINE_BYTES;
    char *copy = malloc(size + 1);
    for (size_t i = 0; copy != NULL && i < size; i++)
        copy[i] = (char)(line[i] == '\0' ? '?' : line[i]);
    if (copy != NULL)
        copy[size] = '\0';
    return copy;
}
