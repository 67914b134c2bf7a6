/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a run: copies of them, and their names for the shell. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shell.h"
#include "cli/cli.h"
#include "cli/cut.h"

/* false: no memory. */
static bool learn(struct cut_files *files, const char *path) {
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->list[i].path, path) == 0)
            return true;
    }
    struct cut_before *list = realloc(files->list, (files->count + 1) * sizeof *list);
    if (list == NULL)
        return false;
    files->list = list;
    files->list[files->count] = (struct cut_before){.path = strdup(path), .copy = -1};
    if (files->list[files->count].path == NULL)
        return false;
    files->count++;
    return true;
}

bool cut_learn_files(struct cut_files *files, const struct cut_session *session) {
    for (size_t i = 0; i < cut_file_count(session); i++) {
        if (!learn(files, cut_file_path(session, i)))
            return false;
    }
    return true;
}

bool cut_learn_names(struct cut_files *files, const struct cut_files *from) {
    for (size_t i = 0; i < from->count; i++) {
        if (!learn(files, from->list[i].path))
            return false;
    }
    return true;
}

/* Copies what is not a hole. */
static bool copy_data(int from, int to) {
    struct stat stat;
    off_t data = 0;
    if (fstat(from, &stat) != 0 || ftruncate(to, stat.st_size) != 0)
        return false;
    while ((data = lseek(from, data, SEEK_DATA)) >= 0 && data < stat.st_size) {
        off_t hole = lseek(from, data, SEEK_HOLE), at = data;
        char buffer[1 << 16];
        while (hole > data) {
            size_t wanted =
                hole - data < (off_t)sizeof buffer ? (size_t)(hole - data) : sizeof buffer;
            ssize_t size = pread(from, buffer, wanted, data);
            errno = size == 0 ? EIO : errno; /* it became shorter meanwhile */
            ssize_t written = size > 0 ? pwrite(to, buffer, (size_t)size, data) : -1;
            if (written < 0)
                return false;
            errno = ENOSPC; /* what fits is written first */
            if (written != size)
                return false;
            data += size;
        }
        if (hole <= at)
            break;
    }
    return true;
}

/* A file without a name, beside the one that is to be copied if that is possible. */
static int unnamed(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash != NULL ? (int)(slash - path) + 1 : 0;
    snprintf(folder, sizeof folder, "%.*s", length, path);
    int made = open(length != 0 ? folder : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return made >= 0 ? made : memfd_create("nvrtl-before", MFD_CLOEXEC);
}

static bool save(struct cut_before *before) {
    int from = open(before->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (before->copy >= 0)
        close(before->copy);
    before->copy = -1;
    before->known = true;
    if (from < 0 && errno == ENOENT)
        return true;
    before->copy = from >= 0 ? unnamed(before->path) : -1;
    bool saved = before->copy >= 0 && copy_data(from, before->copy);
    if (!saved)
        cli_complain("cannot copy %s aside: %s", before->path, strerror(errno));
    if (from >= 0)
        close(from);
    return saved;
}

bool cut_save_files(struct cut_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        if (!save(&files->list[i]))
            return false;
    }
    return true;
}

void cut_forget_files(struct cut_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        if (files->list[i].copy >= 0)
            close(files->list[i].copy);
        free(files->list[i].path);
    }
    free(files->list);
}

static bool keep(int from, const char *folder, const char *what, size_t number) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s-%zu", folder, what, number);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool kept = to >= 0 && copy_data(from, to);
    if (to >= 0 && close(to) != 0)
        kept = false;
    if (!kept)
        cli_complain("cannot keep %s: %s", path, strerror(errno));
    return kept;
}

bool cut_keep_files(const struct cut_files *files, const char *name, const char *folder) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        cli_complain("cannot make the directory %s: %s", folder, strerror(errno));
        return false;
    }
    bool kept = true;
    for (size_t i = 0; i < files->count; i++) {
        if (files->list[i].copy >= 0)
            kept = keep(files->list[i].copy, folder, name, i + 1) && kept;
    }
    return kept;
}

char *cut_fill_in(const char *command, const struct cut_files *files) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (const char *at = command; *at != '\0'; at++) {
        if (strncmp(at, "{}", 2) != 0) {
            putc(*at, out);
            continue;
        }
        for (size_t i = 0; i < files->count; i++) {
            fputs(i != 0 ? " " : "", out);
            shell_put_word(out, files->list[i].path);
        }
        at++;
    }
    return fclose(out) == 0 ? text : NULL;
}

char *cut_join(const uint64_t *numbers, size_t count) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%" PRIu64, i != 0 ? " " : "", numbers[i]);
    return fclose(out) == 0 ? text : NULL;
}
