/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/utf8.h"

#include <stdlib.h>
#include <string.h>

size_t utf8_decode(const char *bytes, size_t size, uint32_t *point) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *from = (const unsigned char *)bytes;
    size_t length = from[0] < 0x80           ? 1
                    : (from[0] >> 5) == 0x06 ? 2
                    : (from[0] >> 4) == 0x0E ? 3
                    : (from[0] >> 3) == 0x1E ? 4
                                             : 0;
    *point = UTF8_REPLACEMENT;
    if (length == 0 || length > size)
        return 1;
    uint32_t value = length == 1 ? from[0] : from[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((from[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (from[i] & 0x3Fu);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 1;
    *point = value;
    return length;
}

bool utf8_printable(uint32_t point) {
    return point >= 0x20 && !(point >= 0x7F && point < 0xA0) && /* controls */
           !(point >= 0x200B && point <= 0x200F) &&             /* zero width, direction marks */
           !(point >= 0x2028 && point <= 0x202E) &&             /* line breaks, embedding */
           !(point >= 0x2066 && point <= 0x2069) &&
           point != 0xFEFF && /* isolates, byte order mark */
           !(point >= 0xFDD0 && point <= 0xFDEF) && (point & 0xFFFE) != 0xFFFE; /* no characters */
}

char *utf8_clean(const char *string) {
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t size = strlen(string);
    char *clean = malloc(size * (sizeof replacement - 1) + 1);
    if (clean == NULL)
        return NULL;
    char *to = clean;
    while (size > 0) {
        uint32_t point;
        size_t length = utf8_decode(string, size, &point);
        to = point == UTF8_REPLACEMENT ? stpcpy(to, replacement) : mempcpy(to, string, length);
        string += length;
        size -= length;
    }
    *to = '\0';
    return clean;
}

void utf8_tame(char *string) {
    size_t size = strlen(string);
    while (size > 0) {
        uint32_t point;
        size_t length = utf8_decode(string, size, &point);
        if (!utf8_printable(point) || point == UTF8_REPLACEMENT)
            memset(string, '?', length);
        string += length;
        size -= length;
    }
}
