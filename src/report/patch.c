/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/patch.h"

#include <stdlib.h>
#include <string.h>

#include "report/fix.h"
#include "report/unified.h"
#include "report/uri.h"

/* An edit of a file; those of one fix have the same place. */
struct change {
    char *path; /* absolute, without symbolic links */
    struct edit edit;
    size_t place, order;
};

struct changes {
    struct change *items;
    size_t count, room;
};

static bool is_mended(const struct changes *changes, const char *path, size_t place) {
    for (size_t i = changes->count; i-- > 0;) {
        if (changes->items[i].place == place && strcmp(changes->items[i].path, path) == 0)
            return true;
    }
    return false;
}

/* Takes the edits of a fix over. */
static bool add(struct changes *changes, const char *path, struct fix *fix) {
    while (changes->count + fix->count > changes->room) {
        changes->room = changes->room != 0 ? 2 * changes->room : 64;
        struct change *larger = realloc(changes->items, changes->room * sizeof *larger);
        if (larger == NULL)
            return false;
        changes->items = larger;
    }
    for (size_t i = 0; i < fix->count; i++) {
        char *copy = strdup(path);
        if (copy == NULL)
            return false;
        changes->items[changes->count] =
            (struct change){copy, fix->edits[i], fix->place, changes->count};
        changes->count++;
        fix->edits[i].text = NULL;
    }
    return true;
}

static bool add_finding(struct changes *changes, struct fixes *fixes, const struct report *report,
                        const struct finding *finding, const struct patch_style *style) {
    struct fix fix;
    bool done = fix_find(fixes, finding, report->directory, &fix);
    char *path = done && fix.why == NULL ? realpath(fix.file->path, NULL) : NULL;
    const char *why = fix.why;
    if (why == NULL && path != NULL && strchr(path, '\n') != NULL)
        why = "its path has more than one line";
    else if (why == NULL && path != NULL && uri_below(path, style->base) == NULL)
        why = "its source lies outside of the base directory";
    if (done && why != NULL)
        style->tell(style->context, finding, why);
    else if (done)
        done = path != NULL && (is_mended(changes, path, fix.place) || add(changes, path, &fix));
    free(path);
    fix_free(&fix);
    return done;
}

/* A flush that is put in drains too, so flushes go first: two findings of one call need one fix. */
static bool add_kind(struct changes *changes, struct fixes *fixes, const struct report *report,
                     enum kind kind, const struct patch_style *style) {
    bool done = true;
    for (size_t i = 0; i < report->finding_count && done; i++) {
        if (report->findings[i].kind == kind && fix_is_for(&report->findings[i]))
            done = add_finding(changes, fixes, report, &report->findings[i], style);
    }
    return done;
}

static int compare_changes(const void *left, const void *right) {
    const struct change *a = left, *b = right;
    int order = strcmp(a->path, b->path);
    if (order == 0)
        order = a->edit.at < b->edit.at ? -1 : a->edit.at > b->edit.at;
    return order != 0 ? order : a->order < b->order ? -1 : 1;
}

/* The changes of one file, which follow each other. */
static bool write_file(FILE *out, struct files *files, const struct change *changes, size_t count,
                       const char *base) {
    const struct file *file = file_read(files, changes->path);
    struct edit *edits = calloc(count, sizeof *edits);
    bool done = file != NULL && edits != NULL;
    for (size_t i = 0; i < count && done; i++)
        edits[i] = changes[i].edit;
    done = done && unified_write(out, file, uri_below(changes->path, base), edits, count);
    free(edits);
    return done;
}

static bool write_all(FILE *out, struct changes *changes, const struct patch_style *style) {
    struct files files = {0};
    bool done = true;
    if (changes->count > 0)
        qsort(changes->items, changes->count, sizeof *changes->items, compare_changes);
    for (size_t i = 0, next; i < changes->count && done; i = next) {
        for (next = i; next < changes->count &&
                       strcmp(changes->items[next].path, changes->items[i].path) == 0;)
            next++;
        done = write_file(out, &files, &changes->items[i], next - i, style->base);
    }
    file_forget(&files);
    return done && fflush(out) == 0 && ferror(out) == 0;
}

bool report_patch(FILE *out, const struct report *report, const struct patch_style *style) {
    struct changes changes = {0};
    struct fixes fixes = {0};
    bool done = add_kind(&changes, &fixes, report, KIND_UNFLUSHED_WRITE, style) &&
                add_kind(&changes, &fixes, report, KIND_UNDRAINED_FLUSH, style);
    fix_forget(&fixes);
    done = done && write_all(out, &changes, style);
    for (size_t i = 0; i < changes.count; i++) {
        free(changes.items[i].path);
        free(changes.items[i].edit.text);
    }
    free(changes.items);
    return done;
}
