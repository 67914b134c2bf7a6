/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_UNIFIED_H
#define REPORT_UNIFIED_H

#include <stdbool.h>
#include <stdio.h>

#include "report/file.h"
#include "report/fix.h"

/* Writes what edits make of a file, called name, as a unified diff. false: out of memory.
   pre: the edits are sorted by their places, and apart */
bool unified_write(FILE *out, const struct file *file, const char *name, const struct edit *edits,
                   size_t count);

#endif
