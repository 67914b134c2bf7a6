/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixes of any source: brackets are paired and nested; what a fix puts in leaves the rest as it
   was; the diff, applied, makes of the file what its edits make of it. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "report/fix.h"
#include "report/unified.h"

static void check_tokens(const struct code *code) {
    size_t end = 0;
    for (size_t i = 0; i < code->count; i++) {
        const struct code_token *token = &code->tokens[i];
        FUZZ_CHECK(token->size > 0 && token->at >= end);
        end = token->at + token->size;
        FUZZ_CHECK(end <= code->file->size);
        FUZZ_CHECK(token->partner == CODE_NONE || code->tokens[token->partner].partner == i);
        FUZZ_CHECK(token->around == CODE_NONE || token->around < i);
    }
}

/* What the edits make of the file. */
static char *apply(const struct file *file, const struct fix *fix, size_t *size) {
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    size_t at = 0;
    FUZZ_CHECK(out != NULL);
    for (size_t i = 0; i < fix->count; i++) {
        FUZZ_CHECK(fix->edits[i].at >= at && fix->edits[i].at + fix->edits[i].size <= file->size);
        fwrite(file->bytes + at, 1, fix->edits[i].at - at, out);
        fputs(fix->edits[i].text, out);
        at = fix->edits[i].at + fix->edits[i].size;
    }
    fwrite(file->bytes + at, 1, file->size - at, out);
    FUZZ_CHECK(fclose(out) == 0);
    return text;
}

static size_t line_size(const char *text, size_t size) {
    const char *end = (const char *)memchr(text, '\n', size);
    return end != NULL ? (size_t)(end - text) + 1 : size;
}

/* Copies the lines of the file from *line up to the one at which the hunk's old lines begin. */
static void skip_to_hunk(const struct file *file, const char *hunk, size_t *line, FILE *out) {
    size_t first = strtoul(hunk + strlen("@@ -"), NULL, 10), to = first > 0 ? first - 1 : 0;
    FUZZ_CHECK(to >= *line && to <= file->lines);
    fwrite(file->bytes + file->starts[*line], 1, file->starts[to] - file->starts[*line], out);
    *line = to;
}

/* A patch(1), which fails where the old lines are not the file's. */
static char *patch(const struct file *file, const char *diff, size_t diff_size, size_t *size) {
    static const char mark[] = "\\ No newline at end of file\n";
    const char *at = strstr(diff, "@@ -"), *end = diff + diff_size;
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    FUZZ_CHECK(out != NULL && at != NULL);
    size_t line = 0;
    while (at < end) {
        size_t length = line_size(at, (size_t)(end - at));
        const char *next = at + length;
        if (*at == '@') {
            skip_to_hunk(file, at, &line, out);
            at = next;
            continue;
        }
        bool bare = next < end && strncmp(next, mark, sizeof mark - 1) == 0;
        const char *body = at + 1;
        size_t body_size = length - 1 - bare;
        if (*at != '+') {
            size_t start = file->starts[line], old = file->starts[line + 1] - start;
            FUZZ_CHECK(line < file->lines && old == body_size &&
                       memcmp(file->bytes + start, body, old) == 0);
            line++;
        }
        if (*at != '-')
            fwrite(body, 1, body_size, out);
        at = next + (bare ? sizeof mark - 1 : 0);
    }
    fwrite(file->bytes + file->starts[line], 1, file->size - file->starts[line], out);
    FUZZ_CHECK(fclose(out) == 0);
    return text;
}

static void check_fix(const struct fix *fix) {
    size_t wanted_size, diff_size, size;
    char *wanted = apply(fix->file, fix, &wanted_size), *diff = NULL;
    FILE *out = open_memstream(&diff, &diff_size);
    FUZZ_CHECK(out != NULL && unified_write(out, fix->file, "a.c", fix->edits, fix->count));
    FUZZ_CHECK(fclose(out) == 0);
    char *patched = patch(fix->file, diff, diff_size, &size);
    FUZZ_CHECK(size == wanted_size && memcmp(patched, wanted, size) == 0);
    free(patched);
    free(diff);
    free(wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fixes fixes = {0};
    char path[64];
    int descriptor = memfd_create("source", MFD_CLOEXEC);
    FUZZ_CHECK(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    int lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    for (int line = 1; line <= lines && line <= 40; line++) {
        struct source_frame frame = {.file = path, .line = line};
        for (int drain = 0; drain < 2; drain++) {
            struct finding finding = {.kind = drain ? KIND_UNDRAINED_FLUSH : KIND_UNFLUSHED_WRITE,
                                      .at = {&frame, 1}};
            struct fix fix;
            FUZZ_CHECK(fix_find(&fixes, &finding, NULL, &fix));
            FUZZ_CHECK((fix.why != NULL) == (fix.count == 0));
            if (fix.count > 0)
                check_fix(&fix);
            fix_free(&fix);
        }
    }
    if (fixes.code.file != NULL)
        check_tokens(&fixes.code);
    fix_forget(&fixes);
    close(descriptor);
    return 0;
}
