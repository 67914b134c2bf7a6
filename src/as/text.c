/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of text, and text that grows. Nothing is freed: the program ends soon. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as/as.h"

static _Noreturn void fail(void) {
    fputs("as: out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

static void reserve(struct text *text, size_t length) {
    if (text->length + length <= text->capacity)
        return;
    text->capacity = (text->length + length) * 2 + 4096;
    text->bytes = realloc(text->bytes, text->capacity);
    if (text->bytes == NULL)
        fail();
}

void text_add(struct text *text, const char *bytes, size_t length) {
    if (length == 0)
        return;
    reserve(text, length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_print(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *bytes;
    int length = vasprintf(&bytes, format, arguments);
    va_end(arguments);
    if (length < 0)
        fail();
    text_add(text, bytes, (size_t)length);
    free(bytes);
}

void *grow(void *array, size_t *count, size_t *capacity, size_t size) {
    if (*count == *capacity) {
        *capacity = *capacity * 2 + 64;
        array = realloc(array, *capacity * size);
        if (array == NULL)
            fail();
    }
    memset((char *)array + *count * size, 0, size);
    ++*count;
    return array;
}

bool span_is(struct span span, const char *word) {
    return strlen(word) == span.length && memcmp(span.at, word, span.length) == 0;
}

bool span_starts(struct span span, const char *word) {
    size_t length = strlen(word);
    return length <= span.length && memcmp(span.at, word, length) == 0;
}

bool span_same(struct span one, struct span other) {
    return one.length == other.length && one.length > 0 &&
           memcmp(one.at, other.at, one.length) == 0;
}

struct span span_trim(struct span span) {
    while (span.length > 0 && isspace((unsigned char)*span.at)) {
        span.at++;
        span.length--;
    }
    while (span.length > 0 && isspace((unsigned char)span.at[span.length - 1]))
        span.length--;
    return span;
}

size_t char_length(struct span text) {
    size_t length = text.length > 1 && text.at[1] == '\\' ? 3 : 2;
    if (length < text.length && text.at[length] == '\'')
        length++;
    return length < text.length ? length : text.length;
}

size_t span_find(struct span span, char wanted) {
    int depth = 0;
    for (size_t i = 0; i < span.length; i++) {
        char c = span.at[i];
        if (c == '"') {
            while (++i < span.length && span.at[i] != '"')
                if (span.at[i] == '\\')
                    i++;
        } else if (c == '\'') {
            i += char_length((struct span){span.at + i, span.length - i}) - 1;
        } else if (depth == 0 && c == wanted) {
            return i;
        } else if (c == '(' || c == '[' || c == '{') {
            depth++;
        } else if (c == ')' || c == ']' || c == '}') {
            depth--;
        }
    }
    return span.length;
}

bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$' || (c & 0x80) != 0;
}
