/* SPDX-License-Identifier: BSD-2-Clause */
/* How the parsers walk over a line. Each step takes what it names from the front of the rest, or
   leaves the rest as it is and says false. */
#ifndef MAP_SCAN_H
#define MAP_SCAN_H

#include <string.h>

#include "map/text.h"

static inline bool scan_char(struct map_span *rest, char wanted) {
    if (rest->length == 0 || rest->text[0] != wanted)
        return false;
    rest->text++;
    rest->length--;
    return true;
}

static inline unsigned scan_digit(char c) {
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return 16;
}

/* A number of at least one digit that fits; more digits than fit are no number. */
static inline bool scan_number(struct map_span *rest, unsigned base, uint64_t *number) {
    size_t i = 0;
    *number = 0;
    for (; i < rest->length; i++) {
        unsigned digit = scan_digit(rest->text[i]);
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(*number, base, number) ||
            __builtin_add_overflow(*number, digit, number))
            return false;
    }
    if (i == 0)
        return false;
    rest->text += i;
    rest->length -= i;
    return true;
}

/* Takes everything up to the separator, and the separator if there is one; it may be nothing. */
static inline struct map_span scan_until(struct map_span *rest, char separator) {
    const char *end =
        rest->length == 0 ? NULL : (const char *)memchr(rest->text, separator, rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->text);
    struct map_span taken = {rest->text, length};
    size_t skip = length + (end != NULL);
    /* NULL + 0 would do, but the standard does not say so. */
    if (skip > 0)
        rest->text += skip;
    rest->length -= skip;
    return taken;
}

#endif
