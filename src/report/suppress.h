/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings that somebody has looked at and taken for no mistake. A file of suppressions names them
   by kind, function and file, and says why:

       # A line that begins with # is a comment.
       [unflushed-write]
       function = index_put
       file = src/index.c
       reason = the index is made anew at each start

   The kind may be "all". Of function, file and caller (a function further out) at least one stands
   in each entry; they are patterns of the shell, and a file may be told by its last names. */
#ifndef REPORT_SUPPRESS_H
#define REPORT_SUPPRESS_H

#include "report/report.h"

struct suppression {
    char *place;    /* "FILE:LINE", of its kind */
    enum kind kind; /* KIND_COUNT: all */
    char *function, *file, *caller, *reason;
    uint64_t used; /* findings */
};

/* {0} is none. */
struct suppressions {
    struct suppression *items;
    size_t count;
};

/* Adds what a file called name says. false: *wrong, to be freed, says what is wrong, after
   "NAME:LINE: "; NULL: out of memory. */
bool suppress_read(struct suppressions *suppressions, const char *name, const char *bytes,
                   size_t size, char **wrong);
void suppress_free(struct suppressions *suppressions);

/* Moves what is suppressed out of the findings. false: out of memory. */
bool suppress_apply(struct suppressions *suppressions, struct report *report);

/* Adds a remark for each entry that found nothing so far. false: out of memory. */
bool suppress_remark(const struct suppressions *suppressions, struct report *report);

/* Writes an entry for each finding. */
bool suppress_write(FILE *out, const struct report *report, const struct report_style *style);

#endif
