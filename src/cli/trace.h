/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl trace`. */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include "trace/trace.h"

/* Prints what the trace has, in numbers. false: no memory. The reader is then at its end. */
bool trace_stat(struct trace_reader *reader);

/* Makes a trace of a log of pmemcheck, in a file without a name. NULL: that was said. */
FILE *trace_import(FILE *log, const char *name);

#endif
