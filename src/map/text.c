/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/text.h"

#include <stdarg.h>
#include <string.h>

struct map_text map_text_in(char *buffer, size_t size) {
    buffer[0] = '\0';
    return (struct map_text){.buffer = buffer, .size = size};
}

void map_text_add_span(struct map_text *text, struct map_span span) {
    size_t room = text->size - 1 - text->length;
    if (span.length > room) {
        span.length = room;
        text->cut = true;
    }
    /* An empty span may have no text at all. */
    if (span.length > 0)
        memcpy(text->buffer + text->length, span.text, span.length);
    text->length += span.length;
    text->buffer[text->length] = '\0';
}

void map_text_add(struct map_text *text, const char *string) {
    map_text_add_span(text, (struct map_span){string, strlen(string)});
}

void map_text_add_number(struct map_text *text, uint64_t number, unsigned base) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    map_text_add_span(text, (struct map_span){digits + at, sizeof digits - at});
}

void map_text_add_all(struct map_text *text, ...) {
    va_list strings;
    va_start(strings, text);
    for (const char *string; (string = va_arg(strings, const char *)) != NULL;)
        map_text_add(text, string);
    va_end(strings);
}

bool map_span_copy(struct map_span span, char *buffer, size_t size) {
    struct map_text text = map_text_in(buffer, size);
    map_text_add_span(&text, span);
    return !text.cut;
}

bool map_span_equals(struct map_span span, const char *string) {
    return span.length == strlen(string) && memcmp(span.text, string, span.length) == 0;
}

bool map_starts_with(const char *string, const char *prefix) {
    return strncmp(string, prefix, strlen(prefix)) == 0;
}
