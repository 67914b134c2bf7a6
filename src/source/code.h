/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose code runs in this process? The parent looks in those files for instructions that flush and
   that nobody tells of. */
#ifndef SOURCE_CODE_H
#define SOURCE_CODE_H

#include <stdbool.h>

/* The process has a region: its code matters from now on. */
void code_begin(void);
bool code_matters(void);

/* Gives every file whose code is mapped now a number in the arena, and counts a process that runs
   code of no file which may flush. To be called when code is about to go, or the process. Does
   nothing before there was a region, and in a process that has forbidden itself system calls; keeps
   errno. */
void code_note(void);

#endif
