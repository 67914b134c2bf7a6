/* SPDX-License-Identifier: BSD-2-Clause */
/* A page of text: words that are broken at 100 columns, colours, and nothing unprintable. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PAGE_COLUMNS 100

enum paint {
    PAINT_PLAIN,
    PAINT_GOOD,
    PAINT_PLACE,
    PAINT_DIM,
    PAINT_ERROR,
    PAINT_WARNING,
    PAINT_PERFORMANCE,
    PAINT_NOTE,
};

struct page {
    FILE *out;
    bool colour;
    int column; /* where the next character goes, from 0 */
    int margin; /* column at which a broken line goes on */
    bool fresh; /* the next word needs no space before it */
};

/* What follows is in this colour. */
void page_paint(struct page *page, enum paint paint);

/* Writes text where the line stands; never breaks it. */
void page_put(struct page *page, const char *text);

/* Writes the first code point of the size bytes at text. Returns how many bytes that took. */
size_t page_point(struct page *page, const char *text, size_t size);

/* Writes text as words, each after a space unless the line is fresh, broken as needed. */
void page_words(struct page *page, const char *text);

/* As page_words, but all of text is one word. */
void page_word(struct page *page, const char *text);

/* Ends the line. The next one begins at column 0. */
void page_end(struct page *page);

/* Ends the line and begins the next one at the margin. */
void page_break(struct page *page);

/* Writes spaces up to column; the line is fresh there. */
void page_move(struct page *page, int column);

#endif
