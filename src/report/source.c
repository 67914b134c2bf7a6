/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/stat.h>

#include "report/place.h"

#define CONTEXT_MAX 2
#define LINE_BYTES 512 /* more than fits on the page */
#define TAB_COLUMNS 8

struct excerpt {
    char lines[2 * CONTEXT_MAX + 1][LINE_BYTES];
    int first, last; /* numbers of the lines that were read; last < first: none */
};

/* Reads the lines around number. */
static void excerpt_read(struct excerpt *excerpt, FILE *file, int number, int context) {
    int line = 1, byte;
    size_t size = 0;
    excerpt->first = number > context ? number - context : 1;
    excerpt->last = excerpt->first - 1;
    while (line <= number + context && (byte = getc_unlocked(file)) != EOF) {
        if (line >= excerpt->first) {
            char *text = excerpt->lines[line - excerpt->first];
            excerpt->last = line;
            if (byte != '\n' && size < LINE_BYTES - 1)
                text[size++] = (char)(byte == '\0' ? '?' : byte);
            text[size] = '\0';
        }
        if (byte == '\n') {
            line++;
            size = 0;
        }
    }
}

static size_t blanks(const char *line) {
    return strspn(line, " \t\r\f\v");
}

static bool is_blank(const struct excerpt *excerpt, int line) {
    const char *text = excerpt->lines[line - excerpt->first];
    return text[blanks(text)] == '\0';
}

static int after_tab(int column) {
    return (column / TAB_COLUMNS + 1) * TAB_COLUMNS;
}

/* A source line may be as wide as a page of its own, so that well-kept programs are shown whole. */
#define SOURCE_END (PLACE_GUTTER + 2 + PAGE_COLUMNS)

/* Prints a source line with its tabs as spaces, and dots where it is cut. */
static void print_line(struct page *page, const char *text) {
    int start = page->column;
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r\f\v", text[size - 1]) != NULL)
        size--;
    for (size_t i = 0; i < size;) {
        if (page->column >= SOURCE_END - 3 && size - i > 3) {
            page_put(page, "...");
            return;
        }
        if (text[i] == '\t') {
            page_move(page, start + after_tab(page->column - start));
            i++;
        } else {
            i += page_point(page, text + i, size - i);
        }
    }
}

static void print_gutter(struct page *page, int number, bool blamed) {
    char digits[16] = "";
    if (number > 0)
        snprintf(digits, sizeof digits, "%*d", PLACE_GUTTER - 1, number);
    page_paint(page, blamed ? PAINT_PLAIN : PAINT_DIM);
    page_put(page, digits);
    page_move(page, PLACE_GUTTER);
    page_paint(page, PAINT_DIM);
    page_put(page, "|");
    page_paint(page, PAINT_PLAIN);
}

static void print_caret(struct page *page, const char *text) {
    int column = 0;
    for (const char *end = text + blanks(text); text < end; text++)
        column = *text == '\t' ? after_tab(column) : column + 1;
    if (PLACE_GUTTER + 2 + column >= SOURCE_END)
        return;
    print_gutter(page, 0, false);
    page_move(page, PLACE_GUTTER + 2 + column);
    page_paint(page, PAINT_GOOD);
    page_put(page, "^");
    page_paint(page, PAINT_PLAIN);
    page_end(page);
}

static void print_excerpt(struct page *page, const struct excerpt *excerpt, int number) {
    int first = excerpt->first, last = excerpt->last;
    while (first < number && is_blank(excerpt, first))
        first++;
    while (last > number && is_blank(excerpt, last))
        last--;
    for (int line = first; line <= last; line++) {
        const char *text = excerpt->lines[line - excerpt->first];
        print_gutter(page, line, line == number);
        if (!is_blank(excerpt, line)) {
            page_put(page, " ");
            print_line(page, text);
        }
        page_end(page);
        if (line == number && !is_blank(excerpt, line))
            print_caret(page, text);
    }
}

static bool newer(const struct stat *a, const struct stat *b) {
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

void place_source(struct page *page, const struct source_frame *frame, int context) {
    struct stat source, module;
    /* Only of a regular file is it known that opening it does not wait. */
    if (frame->file == NULL || frame->line <= 0 || stat(frame->file, &source) != 0 ||
        !S_ISREG(source.st_mode))
        return;
    if (frame->module != NULL && stat(frame->module, &module) != 0)
        return;
    if (frame->module != NULL && newer(&source, &module)) {
        print_gutter(page, 0, false);
        page_put(page, " (this file is newer than the program: its lines are not shown)");
        page_end(page);
        return;
    }
    FILE *file = fopen(frame->file, "re");
    if (file == NULL)
        return;
    struct excerpt excerpt = {.first = 1};
    excerpt_read(&excerpt, file, frame->line, context <= CONTEXT_MAX ? context : CONTEXT_MAX);
    fclose(file);
    if (excerpt.last >= frame->line)
        print_excerpt(page, &excerpt, frame->line);
}
