/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings put together in a buffer of fixed size: what snprintf would do, where it may not be
   called (signal handlers). Always terminated; what does not fit is cut, and the caller may ask. */
#ifndef MAP_TEXT_H
#define MAP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of characters inside somebody else's text, not terminated. */
struct map_span {
    const char *text;
    size_t length;
};

struct map_text {
    char *buffer;
    size_t size, length;
    bool cut;
};

/* pre: size > 0 */
struct map_text map_text_in(char *buffer, size_t size);
void map_text_add(struct map_text *text, const char *string);
void map_text_add_span(struct map_text *text, struct map_span span);
void map_text_add_number(struct map_text *text, uint64_t number, unsigned base);

/* Appends each string up to the closing NULL. */
void map_text_add_all(struct map_text *text, ...) __attribute__((sentinel));

/* Copies a span; false when it was cut. */
bool map_span_copy(struct map_span span, char *buffer, size_t size);
bool map_span_equals(struct map_span span, const char *string);
bool map_starts_with(const char *string, const char *prefix);

#endif
