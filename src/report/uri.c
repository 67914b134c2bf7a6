/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/uri.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

const char *uri_below(const char *path, const char *base) {
    size_t size = base != NULL ? strlen(base) : 0;
    while (size > 0 && base[size - 1] == '/')
        size--;
    if (size == 0 || strncmp(path, base, size) != 0 || path[size] != '/' || path[size + 1] == '\0')
        return NULL;
    return path + size + 1;
}

static bool is_plain(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("-._~/", byte) != NULL);
}

char *uri_of(const char *path, bool directory) {
    static const char digits[] = "0123456789ABCDEF";
    size_t size = strlen(path);
    char *uri = malloc(sizeof "file://" + 3 * size + 1);
    if (uri == NULL)
        return NULL;
    char *to = path[0] == '/' ? stpcpy(uri, "file://") : uri;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)path[i];
        if (is_plain(path[i])) {
            *to++ = path[i];
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
    }
    if (directory && (size == 0 || path[size - 1] != '/'))
        *to++ = '/';
    *to = '\0';
    return uri;
}
