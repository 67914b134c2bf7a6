/* SPDX-License-Identifier: BSD-2-Clause */
/* The unified format: runs of lines that change, with three lines around them. */
#include "report/unified.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT ((size_t)3)

/* Lines first to end (not with it) of the file, from 0, become text. */
struct run {
    size_t first, end;
    char *text;
    size_t size;
};

/* What edits make of the bytes from first to end. */
static bool apply(const struct file *file, const struct edit *edits, size_t count, size_t first,
                  size_t end, struct run *run) {
    FILE *memory = open_memstream(&run->text, &run->size);
    if (memory == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        fwrite(file->bytes + first, 1, edits[i].at - first, memory);
        fputs(edits[i].text, memory);
        first = edits[i].at + edits[i].size;
    }
    fwrite(file->bytes + first, 1, end - first, memory);
    return fclose(memory) == 0;
}

/* The size of the first line of text, with its end. */
static size_t first_line(const char *text, size_t size) {
    const char *end = memchr(text, '\n', size);
    return end != NULL ? (size_t)(end - text) + 1 : size;
}

/* Lines at the front of a run that stay as they are do not belong to it. */
static void trim_front(const struct file *file, struct run *run, size_t *taken) {
    while (run->first < run->end) {
        size_t size = first_line(run->text + *taken, run->size - *taken);
        size_t start = file->starts[run->first], old = file->starts[run->first + 1] - start;
        if (size != old || memcmp(file->bytes + start, run->text + *taken, size) != 0)
            return;
        *taken += size;
        run->first++;
    }
}

/* One run for all edits of neighbouring lines. Returns how many edits it takes; 0: out of
   memory. */
static size_t make_run(const struct file *file, const struct edit *edits, size_t count,
                       struct run *run) {
    size_t taken = 1, skipped = 0;
    *run = (struct run){.first = file_line_of(file, edits[0].at),
                        .end = file_line_of(file, edits[0].at + edits[0].size) + 1};
    while (taken < count && file_line_of(file, edits[taken].at) <= run->end) {
        size_t end = file_line_of(file, edits[taken].at + edits[taken].size) + 1;
        run->end = end > run->end ? end : run->end;
        taken++;
    }
    if (!apply(file, edits, taken, file->starts[run->first], file->starts[run->end], run))
        return 0;
    trim_front(file, run, &skipped);
    memmove(run->text, run->text + skipped, run->size - skipped);
    run->size -= skipped;
    return taken;
}

static void put_line(FILE *out, char mark, const char *text, size_t size) {
    fputc(mark, out);
    fwrite(text, 1, size, out);
    if (size == 0 || text[size - 1] != '\n')
        fputs("\n\\ No newline at end of file\n", out);
}

static void put_old(FILE *out, char mark, const struct file *file, size_t line) {
    size_t start = file->starts[line];
    put_line(out, mark, file->bytes + start, file->starts[line + 1] - start);
}

static size_t count_lines(const struct run *run) {
    size_t lines = 0;
    for (size_t at = 0; at < run->size; lines++)
        at += first_line(run->text + at, run->size - at);
    return lines;
}

static void put_run(FILE *out, const struct file *file, const struct run *run) {
    for (size_t line = run->first; line < run->end; line++)
        put_old(out, '-', file, line);
    for (size_t at = 0; at < run->size;) {
        size_t size = first_line(run->text + at, run->size - at);
        put_line(out, '+', run->text + at, size);
        at += size;
    }
}

/* "-12,7": from which line, and how many. */
static void put_place(FILE *out, char mark, size_t first, size_t count) {
    fprintf(out, "%c%zu", mark, count > 0 ? first + 1 : first);
    if (count != 1)
        fprintf(out, ",%zu", count);
}

/* A hunk of runs that lie close to each other. grown: lines that the file has gained before it. */
static void put_hunk(FILE *out, const struct file *file, const struct run *runs, size_t count,
                     size_t *grown) {
    size_t first = runs[0].first > CONTEXT ? runs[0].first - CONTEXT : 0, now = 0, old;
    size_t end = runs[count - 1].end + CONTEXT;
    end = end < file->lines ? end : file->lines;
    old = end - first;
    now = old;
    for (size_t i = 0; i < count; i++)
        now += count_lines(&runs[i]) - (runs[i].end - runs[i].first);
    fputs("@@ ", out);
    put_place(out, '-', first, old);
    fputc(' ', out);
    put_place(out, '+', first + *grown, now);
    fputs(" @@\n", out);
    size_t line = first;
    for (size_t i = 0; i < count; i++) {
        for (; line < runs[i].first; line++)
            put_old(out, ' ', file, line);
        put_run(out, file, &runs[i]);
        line = runs[i].end;
    }
    for (; line < end; line++)
        put_old(out, ' ', file, line);
    *grown += now - old;
}

static void put_hunks(FILE *out, const struct file *file, const char *name, const struct run *runs,
                      size_t count) {
    /* A blank in a name would end it, were it not for the tabulator. */
    const char *end = strpbrk(name, " \t") != NULL ? "\t" : "";
    size_t grown = 0;
    fprintf(out, "--- a/%s%s\n+++ b/%s%s\n", name, end, name, end);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && runs[next].first <= runs[next - 1].end + 2 * CONTEXT;)
            next++;
        put_hunk(out, file, runs + i, next - i, &grown);
    }
}

bool unified_write(FILE *out, const struct file *file, const char *name, const struct edit *edits,
                   size_t count) {
    struct run *runs = calloc(count + 1, sizeof *runs);
    size_t made = 0, taken = 1;
    for (size_t i = 0; runs != NULL && i < count && taken > 0; i += taken) {
        taken = make_run(file, edits + i, count - i, &runs[made]);
        made++;
    }
    bool done = runs != NULL && taken > 0;
    if (done && made > 0)
        put_hunks(out, file, name, runs, made);
    for (size_t i = 0; i < made; i++)
        free(runs[i].text);
    free(runs);
    return done;
}
