/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "report/value.h"
#include "verify/finding.h"

/* A place; NULL: an unknown one. NULL: out of memory. */
json_t *json_frame(const struct source_frame *frame);

/* A finding as nvrtl-report/1 has it. NULL: out of memory. */
json_t *json_finding(const struct finding *finding);

#endif
