/* SPDX-License-Identifier: BSD-2-Clause */
#include <sys/sysmacros.h>

#include "map/parse.h"
#include "map/scan.h"

/* "rw-s": all but the first matter here. */
static bool parse_permissions(struct map_span *rest, struct map_entry *entry) {
    if (rest->length < 4)
        return false;
    static const char letters[] = "rwx";
    for (size_t i = 0; i < 3; i++) {
        if (rest->text[i] != letters[i] && rest->text[i] != '-')
            return false;
    }
    char write = rest->text[1], share = rest->text[3];
    if (share != 's' && share != 'p')
        return false;
    entry->writable = write == 'w';
    entry->executable = rest->text[2] == 'x';
    entry->shared = share == 's';
    rest->text += 4;
    rest->length -= 4;
    return true;
}

static bool parse_device(struct map_span *rest, uint64_t *device) {
    uint64_t high, low;
    if (!scan_number(rest, 16, &high) || !scan_char(rest, ':') || !scan_number(rest, 16, &low) ||
        high > UINT32_MAX || low > UINT32_MAX)
        return false;
    *device = makedev((unsigned)high, (unsigned)low);
    return true;
}

bool map_parse_entry(struct map_span line, struct map_entry *entry) {
    struct map_span rest = line;
    if (!scan_number(&rest, 16, &entry->start) || !scan_char(&rest, '-') ||
        !scan_number(&rest, 16, &entry->end) || entry->start >= entry->end ||
        !scan_char(&rest, ' '))
        return false;
    if (!parse_permissions(&rest, entry) || !scan_char(&rest, ' '))
        return false;
    if (!scan_number(&rest, 16, &entry->offset) || !scan_char(&rest, ' ') ||
        !parse_device(&rest, &entry->device) || !scan_char(&rest, ' ') ||
        !scan_number(&rest, 10, &entry->inode))
        return false;
    if (rest.length > 0 && rest.text[0] != ' ')
        return false;
    while (scan_char(&rest, ' ')) {
    }
    entry->name = rest;
    return true;
}

bool map_strip_deleted(struct map_span *name) {
    static const char suffix[] = " (deleted)";
    size_t length = sizeof suffix - 1;
    if (name->length <= length || memcmp(name->text + name->length - length, suffix, length) != 0)
        return false;
    name->length -= length;
    return true;
}

/* The character that \ooo at the front of raw stands for, or -1. */
static int octal(struct map_span raw, const char *escaped) {
    if (raw.length < 4 || raw.text[0] != '\\')
        return -1;
    unsigned value = 0;
    for (size_t i = 1; i < 4; i++) {
        unsigned digit = scan_digit(raw.text[i]);
        if (digit >= 8)
            return -1;
        value = value * 8 + digit;
    }
    return value > 0 && value < 128 && strchr(escaped, (int)value) != NULL ? (int)value : -1;
}

bool map_decode(struct map_span raw, const char *escaped, char *buffer, size_t size) {
    size_t length = 0;
    while (raw.length > 0 && length < size - 1) {
        int decoded = octal(raw, escaped);
        size_t step = decoded < 0 ? 1 : 4;
        buffer[length++] = decoded < 0 ? raw.text[0] : (char)decoded;
        raw.text += step;
        raw.length -= step;
    }
    buffer[length] = '\0';
    return raw.length == 0;
}

bool map_point_covers(struct map_span raw, const char *path, size_t *length) {
    size_t at = 0;
    while (raw.length > 0) {
        int decoded = octal(raw, MAP_ESCAPED_IN_MOUNTINFO);
        size_t step = decoded < 0 ? 1 : 4;
        char c = decoded < 0 ? raw.text[0] : (char)decoded;
        if (path[at] == '\0' || path[at] != c)
            return false;
        at++;
        raw.text += step;
        raw.length -= step;
    }
    *length = at;
    /* "/" covers everything; "/a" covers "/a" and "/a/b", not "/ab". */
    return at > 0 && (path[at] == '\0' || path[at] == '/' || path[at - 1] == '/');
}
