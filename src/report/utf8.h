/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings from anywhere (paths, source files, arguments) to text that can be shown. */
#ifndef REPORT_UTF8_H
#define REPORT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xFFFDu

/* Reads the code point at bytes, of which size > 0 are there. Returns how many bytes it takes; a
   byte that starts no valid sequence takes one and gives UTF8_REPLACEMENT. */
size_t utf8_decode(const char *bytes, size_t size, uint32_t *point);

/* May a reader get this code point? Not so: control characters, those that reorder or hide the text
   around them, and those that are none. */
bool utf8_printable(uint32_t point);

/* A malloc'ed copy in which bytes that are no UTF-8 are replaced. NULL: out of memory. */
char *utf8_clean(const char *string);

/* Puts a '?' in place of each byte of what may not be shown. */
void utf8_tame(char *string);

#endif
