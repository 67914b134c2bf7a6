/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/suppress.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "report/place.h"

/* Does the pattern fit the path, or what follows one of its slashes? */
static bool fits_path(const char *pattern, const char *path) {
    for (; path != NULL; path = strchr(path, '/')) {
        path += *path == '/';
        if (fnmatch(pattern, path, 0) == 0)
            return true;
    }
    return false;
}

static bool fits_file(const char *pattern, const struct source_frame *frame) {
    const char *path = frame->file != NULL ? frame->file : frame->module;
    return path != NULL && (fnmatch(pattern, path, 0) == 0 || fits_path(pattern, path));
}

static bool fits_function(const char *pattern, const struct source_frame *frame) {
    return frame->function != NULL && fnmatch(pattern, frame->function, 0) == 0;
}

static bool fits(const struct suppression *suppression, const struct finding *finding) {
    const struct source_stack *at = &finding->at;
    if (at->count == 0 || (suppression->kind != KIND_COUNT && suppression->kind != finding->kind) ||
        (suppression->function != NULL && !fits_function(suppression->function, &at->frames[0])) ||
        (suppression->file != NULL && !fits_file(suppression->file, &at->frames[0])))
        return false;
    bool called = suppression->caller == NULL;
    for (size_t i = 1; i < at->count && !called; i++)
        called = fits_function(suppression->caller, &at->frames[i]);
    return called;
}

static struct suppression *find(struct suppressions *suppressions, const struct finding *finding) {
    for (size_t i = 0; i < suppressions->count; i++) {
        if (fits(&suppressions->items[i], finding))
            return &suppressions->items[i];
    }
    return NULL;
}

bool suppress_remark(const struct suppressions *suppressions, struct report *report) {
    for (size_t i = 0; i < suppressions->count; i++) {
        const struct suppression *one = &suppressions->items[i];
        if (one->used != 0)
            continue;
        if (!verify_remark(report, "%s: the suppression of %s found nothing", one->place,
                           one->kind == KIND_COUNT ? "all" : kind_facts[one->kind].name))
            return false;
    }
    return true;
}

/* Moves a finding; the place for it is there. */
static bool move(struct report *report, struct finding *finding, const struct suppression *by) {
    finding->suppression = strdup(by->reason);
    finding->suppressor = strdup(by->place);
    report->suppressed[report->suppressed_count++] = *finding;
    return finding->suppression != NULL && finding->suppressor != NULL;
}

bool suppress_apply(struct suppressions *suppressions, struct report *report) {
    size_t count = report->finding_count, kept = 0;
    struct finding *larger = realloc(report->suppressed, (report->suppressed_count + count + 1) *
                                                             sizeof *report->suppressed);
    if (larger == NULL)
        return false;
    report->suppressed = larger;
    bool complete = true;
    for (size_t i = 0; i < count; i++) {
        struct suppression *by = find(suppressions, &report->findings[i]);
        if (by != NULL) {
            by->used++;
            complete = move(report, &report->findings[i], by) && complete;
        } else {
            report->findings[kept++] = report->findings[i];
        }
    }
    report->finding_count = kept;
    return complete;
}

/* A string as a pattern that fits it, on one line. In place of what a reader of lines takes away,
   blanks at the ends and control characters, any other fits too. */
static void put_pattern(FILE *out, const char *key, const char *string) {
    fprintf(out, "%s = ", key);
    for (const char *at = string; *at != '\0'; at++) {
        bool edge = at == string || at[1] == '\0';
        if (strchr("*?[]\\", *at) != NULL)
            fputc('\\', out);
        fputc((unsigned char)*at < ' ' || (edge && *at == ' ') ? '?' : *at, out);
    }
    fputc('\n', out);
}

static const char *or_nothing(const char *string) {
    return string != NULL && string[0] != '\0' ? string : NULL;
}

static bool same_string(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Would an entry for one be an entry for the other? */
static bool is_alike(const struct finding *a, const struct finding *b) {
    if (a->kind != b->kind || a->at.count == 0 || b->at.count == 0)
        return false;
    const struct source_frame *here = &a->at.frames[0], *there = &b->at.frames[0];
    return same_string(here->function, there->function) && same_string(here->file, there->file) &&
           (here->file != NULL || same_string(here->module, there->module));
}

static void put_entry(FILE *out, const struct finding *finding, const char *base) {
    static const struct source_frame nowhere = {0};
    const struct source_frame *frame = finding->at.count > 0 ? &finding->at.frames[0] : &nowhere;
    const char *path = or_nothing(frame->file != NULL ? frame->file : frame->module);
    const char *function = or_nothing(frame->function);
    char buffer[PLACE_SIZE];
    if (function == NULL && path == NULL) {
        fprintf(out, "# %s at an unknown place cannot be named\n\n",
                kind_facts[finding->kind].name);
        return;
    }
    fprintf(out, "[%s]\n", kind_facts[finding->kind].name);
    if (function != NULL)
        put_pattern(out, "function", function);
    if (path != NULL) {
        const char *near = place_path(path, base, buffer), *name = or_nothing(place_name(path));
        put_pattern(out, "file",
                    near[0] != '/' && near[0] != '.' ? near
                    : name != NULL                   ? name
                                                     : path);
    }
    fputs("reason = not looked at yet\n\n", out);
}

bool suppress_write(FILE *out, const struct report *report, const struct report_style *style) {
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        bool told = false;
        /* Equal ones follow each other closely: findings are sorted by kind and file. */
        for (size_t before = i; before-- > 0 && !told &&
                                report->findings[before].kind == finding->kind &&
                                report->findings[before].severity == finding->severity;)
            told = is_alike(&report->findings[before], finding);
        if (!told)
            put_entry(out, finding, style->base);
    }
    return fflush(out) == 0 && ferror(out) == 0;
}

void suppress_free(struct suppressions *suppressions) {
    for (size_t i = 0; i < suppressions->count; i++) {
        struct suppression *one = &suppressions->items[i];
        free(one->place);
        free(one->function);
        free(one->file);
        free(one->caller);
        free(one->reason);
    }
    free(suppressions->items);
    *suppressions = (struct suppressions){0};
}
