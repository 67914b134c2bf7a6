/* SPDX-License-Identifier: BSD-2-Clause */
/* The profile of a run, in each format. */
#ifndef REPORT_PROFILE_H
#define REPORT_PROFILE_H

#include "report/member.h"
#include "report/text.h"

/* NULL: out of memory. */
json_t *report_profile_json(const struct report_profile *profile);

/* Reads what report_profile_json has made. */
bool report_profile_load(struct members *members, const json_t *object,
                         struct report_profile *profile);

void report_profile_text(struct text *text);
void report_profile_html(FILE *out, const struct report *report, const struct report_style *style);

/* "line", "page", "cache": by what a place's files are written back. */
const char *report_profile_domain(enum profile_domain domain);

/* "1.25 ms"; "-" where nothing is known. */
#define PROFILE_TIME_SIZE 32
const char *report_profile_time(double time, char buffer[PROFILE_TIME_SIZE]);

#endif
