/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a SARIF log. */
#ifndef REPORT_SARIF_H
#define REPORT_SARIF_H

#include "report/report.h"
#include "report/value.h"

#define SARIF_ROOT "SRCROOT" /* the name of the style's base */

/* Writes a run's results, with commas between them: one for each finding, those that are suppressed
   behind the others. One is made at a time: a result takes far more room than its finding. false:
   out of memory. */
bool sarif_put_results(FILE *out, const struct report *report, const struct report_style *style);

/* "error", "warning" or "note": the levels that SARIF has. */
const char *sarif_level(enum severity severity);

/* {"text": text} */
json_t *sarif_message(const char *text);

#endif
