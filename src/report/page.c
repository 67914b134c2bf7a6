/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/page.h"

#include <string.h>

#include "report/utf8.h"

void page_paint(struct page *page, enum paint paint) {
    static const char *const escapes[] = {
        [PAINT_PLAIN] = "\033[0m",          [PAINT_GOOD] = "\033[1;32m",
        [PAINT_PLACE] = "\033[1m",          [PAINT_DIM] = "\033[2m",
        [PAINT_ERROR] = "\033[1;31m",       [PAINT_WARNING] = "\033[1;35m",
        [PAINT_PERFORMANCE] = "\033[1;34m", [PAINT_NOTE] = "\033[1;36m",
    };
    if (page->colour)
        fputs(escapes[paint], page->out);
}

size_t page_point(struct page *page, const char *text, size_t size) {
    uint32_t point;
    size_t length = utf8_decode(text, size, &point);
    if (utf8_printable(point) && point != UTF8_REPLACEMENT)
        fwrite(text, 1, length, page->out);
    else
        fputc('?', page->out);
    page->column++;
    page->fresh = false;
    return length;
}

static void put_bytes(struct page *page, const char *text, size_t size) {
    while (size > 0) {
        size_t length = page_point(page, text, size);
        text += length;
        size -= length;
    }
}

static int width_of(const char *text, size_t size) {
    int width = 0;
    while (size > 0) {
        uint32_t point;
        size_t length = utf8_decode(text, size, &point);
        text += length;
        size -= length;
        width++;
    }
    return width;
}

void page_put(struct page *page, const char *text) {
    put_bytes(page, text, strlen(text));
}

static void put_word(struct page *page, const char *word, size_t size) {
    if (!page->fresh) {
        if (page->column + 1 + width_of(word, size) > PAGE_COLUMNS)
            page_break(page);
        else
            page_put(page, " ");
    }
    put_bytes(page, word, size);
}

void page_word(struct page *page, const char *text) {
    put_word(page, text, strlen(text));
}

void page_words(struct page *page, const char *text) {
    for (text += strspn(text, " \n"); *text != '\0'; text += strspn(text, " \n")) {
        size_t size = strcspn(text, " \n");
        put_word(page, text, size);
        text += size;
    }
}

void page_end(struct page *page) {
    fputc('\n', page->out);
    page->column = 0;
    page->fresh = true;
}

void page_break(struct page *page) {
    page_end(page);
    page_move(page, page->margin);
}

void page_move(struct page *page, int column) {
    while (page->column < column)
        page_put(page, " ");
    page->fresh = true;
}
