/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports read back. They come from files, and files from anywhere: what is no report is told with
   the place where it is none. */
#ifndef REPORT_LOAD_H
#define REPORT_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "report/member.h"
#include "verify/finding.h"

struct loaded {
    struct report report;
    json_t *root; /* what the report's const strings lie in */
};

/* Reads nvrtl-report/1; members that it does not know are passed over. false: loaded is empty, and
   *wrong, to be freed, says why ("findings[3].kind: ..."); NULL: out of memory. */
bool report_load(const char *bytes, size_t size, struct loaded *loaded, char **wrong);

/* Reads a place that is no finding's. */
bool load_place(struct members *members, const json_t *object, struct source_stack *stack);

void report_unload(struct loaded *loaded);

#endif
