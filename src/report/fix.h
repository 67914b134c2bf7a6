/* SPDX-License-Identifier: BSD-2-Clause */
/* What a finding's mend is in its source: the call that is missing, with the token and addresses of
   the code beside it. Where that cannot be told for sure there is no fix, and a reason. */
#ifndef REPORT_FIX_H
#define REPORT_FIX_H

#include <stdbool.h>
#include <stddef.h>

#include "report/code.h"
#include "report/file.h"
#include "verify/finding.h"

struct edit {
    size_t at, size; /* the bytes of the file that text replaces */
    char *text;
};

#define FIX_EDITS 3
struct fix {
    const struct file *file; /* until the next fix_find */
    struct edit edits[FIX_EDITS];
    size_t count;
    size_t place;    /* of the call or sign that is mended, in bytes */
    const char *why; /* there is no fix */
};

/* {0} is an empty one. */
struct fixes {
    struct files files;
    struct code code; /* of the file that was looked at last */
};

/* Is a call missing? Of what was in flight when a program was ended, which is a note, none is. */
bool fix_is_for(const struct finding *finding);

/* Finds the fix of a finding that fix_is_for; paths that are not absolute begin at directory (NULL:
   the working directory). false: out of memory. */
bool fix_find(struct fixes *fixes, const struct finding *finding, const char *directory,
              struct fix *fix);
void fix_free(struct fix *fix);
void fix_forget(struct fixes *fixes);

#endif
