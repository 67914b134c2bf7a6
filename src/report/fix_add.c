/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixes for reports that are read elsewhere: by lines and columns. */
#include <limits.h>
#include <stdlib.h>

#include "report/fix.h"
#include "report/report.h"
#include "report/utf8.h"

/* The line and column of a byte, both from 1; columns count UTF-16 code units, as editors do. */
static bool find_place(const struct file *file, size_t at, int *line, int *column) {
    size_t number = file_line_of(file, at);
    if (number >= INT_MAX || at - file->starts[number] >= INT_MAX / 2)
        return false;
    *line = (int)number + 1;
    *column = 1;
    for (size_t byte = file->starts[number]; byte < at;) {
        uint32_t point;
        byte += utf8_decode(file->bytes + byte, file->size - byte, &point);
        *column += point > 0xFFFF ? 2 : 1;
    }
    return true;
}

static bool take_edits(struct finding *finding, struct fix *fix) {
    finding->fix = calloc(fix->count, sizeof *finding->fix);
    if (finding->fix == NULL)
        return false;
    for (size_t i = 0; i < fix->count; i++) {
        const struct edit *from = &fix->edits[i];
        struct source_edit *to = &finding->fix[i];
        if (!find_place(fix->file, from->at, &to->line, &to->column) ||
            !find_place(fix->file, from->at + from->size, &to->end_line, &to->end_column))
            return true; /* far beyond any source */
        to->text = from->text;
        fix->edits[i].text = NULL;
        finding->fix_count++;
    }
    return true;
}

bool report_find_fixes(struct report *report) {
    struct fixes fixes = {0};
    bool done = true;
    for (size_t i = 0; i < report->finding_count && done; i++) {
        struct finding *finding = &report->findings[i];
        struct fix fix;
        if (!fix_is_for(finding) || finding->fix_count != 0)
            continue;
        done = fix_find(&fixes, finding, report->directory, &fix);
        if (done && fix.count > 0)
            done = take_edits(finding, &fix);
        fix_free(&fix);
    }
    fix_forget(&fixes);
    return done;
}
