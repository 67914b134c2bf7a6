/* SPDX-License-Identifier: BSD-2-Clause */
/* The pieces of the text report. */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "report/page.h"
#include "report/report.h"

struct text {
    struct page page;
    const struct report *report; /* what the findings are of */
    const struct report_style *style;
};

/* The verdict, to be freed; NULL: out of memory. */
char *text_verdict_line(const struct report *report);

/* An empty line, and a title. */
void text_section(struct text *text, const char *title);

/* All of a finding, behind an empty line. */
void text_finding(struct text *text, const struct finding *finding);

/* Its first line: place, severity, message and kind. */
void text_heading(struct text *text, const struct finding *finding);

/* "= name: value" below it. */
void text_field(struct text *text, const char *name, const char *value);

#endif
