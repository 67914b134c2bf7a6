/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of one search of a trace, told as what the whole search would have told. */
#ifndef REPORT_MET_H
#define REPORT_MET_H

#include <stdbool.h>

#include "verify/finding.h"

/* Leaves out the failures that the whole search would have found too much like others, makes equal
   findings one, and puts them in the order of its report. false: out of memory. pre: the report
   holds the findings of all parts, and of no other search */
bool met_fold(struct report *report);

#endif
