/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/markup.h"

#include <stdbool.h>
#include <string.h>

#include "report/utf8.h"

static const char *entity(uint32_t point) {
    switch (point) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static bool is_space(uint32_t point) {
    return point == '\n' || point == '\t';
}

static void put(FILE *out, const char *text, bool spaces) {
    size_t size = strlen(text);
    while (size > 0) {
        uint32_t point;
        size_t length = utf8_decode(text, size, &point);
        const char *instead = entity(point);
        if (instead != NULL)
            fputs(instead, out);
        else if (is_space(point))
            fputc(spaces ? text[0] : ' ', out);
        else if (utf8_printable(point) && point != UTF8_REPLACEMENT)
            fwrite(text, 1, length, out);
        else
            fputs("\xEF\xBF\xBD", out);
        text += length;
        size -= length;
    }
}

void markup_text(FILE *out, const char *text) {
    put(out, text, true);
}

void markup_attribute(FILE *out, const char *name, const char *value) {
    fprintf(out, " %s=\"", name);
    put(out, value, false);
    fputc('"', out);
}
