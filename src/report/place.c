/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/place.h"

#include <inttypes.h>
#include <string.h>

#include "base/bits.h"

/* Bytes of path that are whole segments and equal in base; base has no slash at its end. */
static size_t common_directory(const char *path, const char *base, size_t base_size) {
    size_t common = 0;
    for (size_t i = 0;; i++) {
        bool ends = i == base_size || base[i] == '/';
        if (ends && path[i] == '/')
            common = i;
        if (i == base_size || path[i] != base[i])
            return common;
    }
}

const char *place_path(const char *path, const char *base, char buffer[PLACE_SIZE]) {
    static const char *const climbs[] = {"", "../", "../../"};
    size_t base_size = base != NULL ? strlen(base) : 0;
    while (base_size > 0 && base[base_size - 1] == '/')
        base_size--;
    size_t common = base_size > 0 ? common_directory(path, base, base_size) : 0;
    size_t up = 0;
    for (size_t i = common; i < base_size; i++)
        up += base[i] == '/';
    /* A long climb is no easier to read than the whole path, nor is one that is not shorter. */
    if (common > 0 && up < ARRAY_LENGTH(climbs) && strlen(climbs[up]) < common)
        snprintf(buffer, PLACE_SIZE, "%s%s", climbs[up], path + common + 1);
    else
        snprintf(buffer, PLACE_SIZE, "%s", path);
    return buffer;
}

const char *place_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

const char *place_frame(const struct source_frame *frame, const char *base,
                        char buffer[PLACE_SIZE]) {
    if (frame->file == NULL && frame->module == NULL)
        return NULL;
    if (frame->file == NULL) {
        snprintf(buffer, PLACE_SIZE, "%s+0x%" PRIx64, place_name(frame->module), frame->offset);
        return buffer;
    }
    place_path(frame->file, base, buffer);
    size_t size = strlen(buffer);
    if (frame->line > 0)
        snprintf(buffer + size, PLACE_SIZE - size, ":%d", frame->line);
    return buffer;
}

static bool starts_with(const char *string, const char *start) {
    return strncmp(string, start, strlen(start)) == 0;
}

/* Is this a frame that every stack ends with? */
static bool starts_programs(const struct source_frame *frame) {
    static const char *const functions[] = {"_start", "__libc_start", "start_thread", "clone",
                                            "__clone"};
    static const char *const modules[] = {"libc.so", "libc-", "libpthread", "ld-linux", "ld-musl"};
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (frame->function != NULL && starts_with(frame->function, functions[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(modules); i++) {
        if (frame->module != NULL && starts_with(place_name(frame->module), modules[i]))
            return true;
    }
    return false;
}

size_t place_visible(const struct source_stack *stack) {
    size_t count = stack->count;
    while (count > 1 && starts_programs(&stack->frames[count - 1]))
        count--;
    return count;
}
