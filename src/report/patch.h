/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixes of a report as one unified diff. */
#ifndef REPORT_PATCH_H
#define REPORT_PATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "verify/finding.h"

struct patch_style {
    const char *base; /* directory, absolute: files are named from there, and must lie below it */
    /* Told of each finding that has no fix, and why. */
    void (*tell)(void *context, const struct finding *finding, const char *why);
    void *context;
};

/* Writes the diff that mends what can be mended. false: out of memory, or out could not be
   written. */
bool report_patch(FILE *out, const struct report *report, const struct patch_style *style);

#endif
