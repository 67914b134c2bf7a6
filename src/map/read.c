/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "os/calls.h"
#include "os/calm.h"

bool map_lines_open(struct map_lines *lines, const char *path, char *buffer, size_t size) {
    *lines = (struct map_lines){.buffer = buffer, .size = size};
    return os_text_open(&lines->text, path);
}

/* Makes room in a full buffer that holds no whole line. */
static void make_room(struct map_lines *lines) {
    if (lines->start > 0) {
        lines->end -= lines->start;
        memmove(lines->buffer, lines->buffer + lines->start, lines->end);
        lines->start = 0;
    } else if (lines->end == lines->size) {
        size_t half = lines->size / 2, tail = lines->size / 4;
        memmove(lines->buffer + half, lines->buffer + lines->end - tail, tail);
        lines->end = half + tail;
    }
}

bool map_lines_next(struct map_lines *lines, struct map_span *line) {
    for (;;) {
        line->text = lines->buffer + lines->start;
        line->length = lines->end - lines->start;
        const char *newline = (const char *)memchr(line->text, '\n', line->length);
        if (newline != NULL) {
            line->length = (size_t)(newline - line->text);
            lines->start += line->length + 1;
            return true;
        }
        if (lines->ended) {
            lines->start = lines->end;
            return line->length > 0;
        }
        make_room(lines);
        size_t got =
            os_text_read(&lines->text, lines->buffer + lines->end, lines->size - lines->end);
        lines->end += got;
        lines->ended = got == 0;
    }
}

void map_lines_close(struct map_lines *lines) {
    os_text_close(&lines->text);
}

bool map_lines_of(struct map_work *work, struct map_lines *lines, const char *path) {
    if (path == NULL)
        return false;
    bool opened = map_lines_open(lines, path, work->lines, sizeof work->lines);
    work->unread |= lines->text.failed != 0;
    return opened;
}

void map_lines_end(struct map_work *work, struct map_lines *lines) {
    work->unread |= lines->text.failed != 0;
    map_lines_close(lines);
}

/* Takes a failure; 0: there was none. A device or a file system that is broken says EIO today and
   tomorrow: who waits for another answer waits for ever. */
static void take_failure(struct map_work *work, int error) {
    work->broken |= error == EIO;
    work->unread |= error != 0 && error != EIO;
}

bool map_fail(struct map_work *work) {
    take_failure(work, os_is_answer(errno) ? 0 : errno);
    return false;
}

bool map_exists(struct map_work *work, const char *path) {
    return path != NULL && (os_calls.access(path, F_OK) == 0 || map_fail(work));
}

bool map_status(struct map_work *work, const char *path, struct stat *status) {
    return path != NULL && (os_calls.stat(path, status) == 0 || map_fail(work));
}

const char *map_file(struct map_work *work, ...) {
    struct map_text text = map_text_in(work->file, sizeof work->file);
    map_text_add(&text, work->system->root);
    va_list parts;
    va_start(parts, work);
    for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
        map_text_add(&text, part);
    va_end(parts);
    work->unread |= text.cut;
    return text.cut ? NULL : work->file;
}

bool map_read_value(struct map_work *work, const char *path) {
    struct os_text text;
    if (path == NULL)
        return false;
    if (!os_text_open(&text, path)) {
        take_failure(work, text.failed);
        return false;
    }
    size_t length = os_text_read(&text, work->value, sizeof work->value - 1);
    os_text_close(&text);
    take_failure(work, text.failed);
    work->value[length] = '\0';
    work->value[strcspn(work->value, "\n")] = '\0';
    return true;
}

bool map_read_link(struct map_work *work, const char *path) {
    if (path == NULL)
        return false;
    ssize_t length = os_calls.readlink(path, work->value, sizeof work->value - 1);
    if (length < 0)
        return map_fail(work);
    if ((size_t)length == sizeof work->value - 1)
        return false;
    work->value[length] = '\0';
    return true;
}

/* As the kernel writes it. */
struct folder_entry {
    uint64_t inode;
    int64_t position;
    uint16_t size;
    uint8_t type;
    char name[];
};

bool map_folder_open(struct map_folder *folder, struct map_work *work, const char *path) {
    folder->at = folder->end = 0;
    if (path == NULL)
        return false;
    struct os_calm calm = os_calm_begin();
    folder->descriptor = os_calls.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool opened = folder->descriptor >= 0 || map_fail(work);
    os_calm_end(calm);
    return opened;
}

/* Not readdir: that allocates. */
const char *map_folder_next(struct map_folder *folder, struct map_work *work) {
    for (;;) {
        if (folder->at == folder->end) {
            long got =
                os_calls.os_read_folder(folder->descriptor, work->entries, sizeof work->entries);
            if (got < 0)
                map_fail(work);
            if (got <= 0)
                return NULL;
            folder->at = 0;
            folder->end = (size_t)got;
        }
        const char *entry = work->entries + folder->at;
        uint16_t size;
        memcpy(&size, entry + offsetof(struct folder_entry, size), sizeof size);
        folder->at += size;
        const char *name = entry + offsetof(struct folder_entry, name);
        if (name[0] != '.')
            return name;
    }
}

void map_folder_close(struct map_folder *folder) {
    struct os_calm calm = os_calm_begin();
    os_calls.close(folder->descriptor);
    os_calm_end(calm);
}
