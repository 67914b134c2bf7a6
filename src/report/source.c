/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report/file.h"
#include "report/place.h"

#define CONTEXT 2
#define TAB_COLUMNS 8

static size_t blanks(const char *line) {
    return strspn(line, " \t\r\f\v");
}

static bool is_blank(const char *line) {
    return line[blanks(line)] == '\0';
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

void place_source(struct page *page, const struct source_excerpt *excerpt, int number) {
    if (excerpt->changed) {
        print_gutter(page, 0, false);
        page_put(page, " (this file is newer than the program: its lines are not shown)");
        page_end(page);
    }
    for (size_t i = 0; i < excerpt->count; i++) {
        const char *text = excerpt->lines[i];
        int line = excerpt->first + (int)i;
        print_gutter(page, line, line == number);
        if (!is_blank(text)) {
            page_put(page, " ");
            print_line(page, text);
        }
        page_end(page);
        if (line == number && !is_blank(text))
            print_caret(page, text);
    }
}

static bool newer(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static bool is_told(const struct file *file, int line) {
    size_t size;
    const char *text = file_line(file, line, &size);
    for (size_t i = 0; text != NULL && i < size; i++) {
        if (strchr(" \t\r\f\v", text[i]) == NULL || text[i] == '\0')
            return true;
    }
    return false;
}

/* Blank lines at either end tell nothing. */
static bool take_lines(struct source_excerpt *excerpt, const struct file *file, int number,
                       int context) {
    int first = number > context ? number - context : 1, last = number + context;
    size_t size;
    if (file_line(file, number, &size) == NULL)
        return true;
    while (first < number && !is_told(file, first))
        first++;
    while (last > number && !is_told(file, last))
        last--;
    excerpt->first = first;
    excerpt->lines = calloc((size_t)(last - first) + 1, sizeof *excerpt->lines);
    if (excerpt->lines == NULL)
        return false;
    for (int line = first; line <= last; line++) {
        const char *text = file_line(file, line, &size);
        char *copy = file_copy_line(text, size);
        if (copy == NULL)
            return false;
        excerpt->lines[excerpt->count++] = copy;
    }
    return true;
}

static bool read_excerpt(struct files *files, const struct source_stack *stack, int context,
                         struct source_excerpt *excerpt) {
    const struct source_frame *frame = stack->count > 0 ? &stack->frames[0] : NULL;
    struct stat module;
    if (excerpt->lines != NULL || excerpt->changed || frame == NULL || frame->file == NULL ||
        frame->line <= 0 || frame->line > INT_MAX - CONTEXT)
        return true;
    if (frame->module != NULL && stat(frame->module, &module) != 0)
        return true;
    const struct file *file = file_read(files, frame->file);
    if (file == NULL)
        return true;
    excerpt->changed = frame->module != NULL && newer(&file->changed, &module.st_mtim);
    return excerpt->changed || take_lines(excerpt, file, frame->line, context);
}

bool report_read_sources(struct report *report) {
    struct files files = {0};
    bool complete = true;
    for (size_t i = 0; i < report->finding_count && complete; i++) {
        struct finding *finding = &report->findings[i];
        complete = read_excerpt(&files, &finding->at, CONTEXT, &finding->source);
        for (size_t r = 0; r < finding->related_count && complete; r++) {
            struct related *related = &finding->related[r];
            complete = read_excerpt(&files, &related->stack, 0, &related->source);
        }
    }
    file_forget(&files);
    return complete;
}
