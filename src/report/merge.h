/* SPDX-License-Identifier: BSD-2-Clause */
/* Several reports as one, and what became of an old one's findings in a new one. */
#ifndef REPORT_MERGE_H
#define REPORT_MERGE_H

#include "report/key.h"
#include "report/load.h"
#include "report/report.h"

/* Findings of one kind with one stack of lines become one, the worst of them, with the sum of their
   counts, unless they are apart in what extent says. false: out of memory. */
bool report_fold(struct report *report, enum key_extent extent);

/* Moves what the parts have into one report, which the caller releases before the parts. The
   program is the first one's. false: they cannot be told as one; *wrong, to be freed, says why;
   NULL: out of memory. pre: count > 0 */
bool report_merge(struct loaded *parts, size_t count, struct report *into, char **wrong);

/* A finding of either report, or of both: the same by kind, file and functions, wherever its lines
   are now. */
struct difference {
    const struct finding *before, *now; /* one of them may be NULL */
};

enum diff_class {
    DIFF_NEW,
    DIFF_WORSE, /* it was there, but not so severe */
    DIFF_GONE,
    DIFF_SAME,
    DIFF_CLASSES
};

struct diff {
    const struct report *before, *now;
    struct difference *differences; /* in the order of now, then what is gone in that of before */
    size_t count;
    size_t of[DIFF_CLASSES];
};

/* Compares; folds both reports. false: out of memory. */
bool diff_make(struct report *before, struct report *now, struct diff *diff);
void diff_free(struct diff *diff);

enum diff_class diff_class(const struct difference *difference);

bool diff_text(FILE *out, const struct diff *diff, const struct report_style *style);
/* nvrtl-diff/1, see docs/nvrtl-diff-1.schema.json */
bool diff_json(FILE *out, const struct diff *diff);

#endif
