/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run found, written for people and for programs. Every format says the same; the words that
   they share are here, once. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "verify/finding.h"

struct report_style {
    bool colour;      /* write escape sequences: out is a terminal that wants them */
    bool source;      /* show source lines */
    const char *base; /* directory that paths are told from, absolute; NULL: tell them whole */
};

/* Adds the source lines of the findings, where the files can be read and are not newer than what
   was made of them. Those that are there stay. false: out of memory. */
bool report_read_sources(struct report *report);

/* Adds the fixes of the findings, where one can be told. false: out of memory. */
bool report_find_fixes(struct report *report);

/* For people: the verdict, each finding with its source, and what the run was. Whatever strings and
   source files hold, nothing but printable UTF-8 is written. false: out could not be written. */
bool report_text(FILE *out, const struct report *report, const struct report_style *style);

/* For programs: nvrtl-report/1, see docs/nvrtl-report-1.schema.json. Bytes that are no UTF-8 become
   U+FFFD. false: out of memory, or out could not be written. */
bool report_json(FILE *out, const struct report *report);

/* For code scanners: SARIF 2.1.0. false as report_json. */
bool report_sarif(FILE *out, const struct report *report, const struct report_style *style);

/* For continuous integration: JUnit's XML. false as report_text. */
bool report_junit(FILE *out, const struct report *report, const struct report_style *style);

/* A page that needs nothing but itself. false as report_text. */
bool report_html(FILE *out, const struct report *report, const struct report_style *style);

/* The formats by name, and the file that each is in a directory of reports. */
struct report_format {
    const char *name, *file;
    bool (*write)(FILE *out, const struct report *report, const struct report_style *style);
};
enum { REPORT_FORMATS = 5 };
extern const struct report_format report_formats[REPORT_FORMATS];
/* NULL: there is none of that name. */
const struct report_format *report_format(const char *name);

/* "error", "warning", "performance", "note" */
const char *report_severity_name(enum severity severity);
#define REPORT_SEVERITIES (SEVERITY_NOTE + 1)

/* The stop code of a kind as the formats write it: "0x0B00". */
#define REPORT_CODE_SIZE 8
const char *report_code(enum kind kind, char buffer[REPORT_CODE_SIZE]);

/* What findings of a kind are, in a sentence. */
const char *report_kind_text(enum kind kind);

/* The number of words of the argument vector. */
size_t report_arguments(const struct report *report);

/* "ledger", or "the program". */
const char *report_program_name(const struct report *report);

/* NULL: there is no region of that number. */
const struct report_region *report_find_region(const struct report *report, uint32_t id);

/* What a related place is, for a reader: "token freed here". */
const char *report_role_text(const char *role);

/* What saved the data, for a reader. */
const char *report_rescue_text(const char *rescued_by);

/* Findings by severity; equal ones, which are one finding with a count, count once. */
struct report_tally {
    size_t of[REPORT_SEVERITIES];
};
struct report_tally report_count(const struct report *report);

#endif
