/* SPDX-License-Identifier: BSD-2-Clause */
/* How a reader is told of files, functions and source lines. */
#ifndef REPORT_PLACE_H
#define REPORT_PLACE_H

#include "report/page.h"
#include "report/report.h"

#define PLACE_SIZE 4200 /* bytes: a path, a line number and what stands between */

/* path as short as it still leads there from base: below base, or at most two steps up. */
const char *place_path(const char *path, const char *base, char buffer[PLACE_SIZE]);

/* The last segment of path. */
const char *place_name(const char *path);

/* "ledger.c:38"; "libc.so.6+0x7f1a0" where no source is known; NULL when the frame says nothing. */
const char *place_frame(const struct source_frame *frame, const char *base,
                        char buffer[PLACE_SIZE]);

/* How many frames are worth showing: not those of libc that called main or the thread. */
size_t place_visible(const struct source_stack *stack);

/* Prints the lines of an excerpt, with a caret below line number; or a remark when the file was
   newer than the program. */
void place_source(struct page *page, const struct source_excerpt *excerpt, int number);

/* Columns that the line numbers take, up to the bar. */
#define PLACE_GUTTER 6

#endif
