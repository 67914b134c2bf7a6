/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl report`. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "report/load.h"
#include "report/suppress.h"

/* Reads the reports from files ("-": standard input), count of them, into an array to be given to
   report_close. NULL: one could not be read, told with a sentence. */
struct loaded *report_open(char *const *files, size_t count);
void report_close(struct loaded *loaded, size_t count);

/* Adds what a file of suppressions says. false: told with a sentence. */
bool cli_suppressions(struct suppressions *suppressions, const char *path);

#endif
