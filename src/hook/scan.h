/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of scan.c, by the names that libc has for them. */
#ifndef HOOK_SCAN_H
#define HOOK_SCAN_H

#include <stdarg.h>
#include <stdio.h>

#include "hook/hook.h"

/* SCAN(input, name, name with a list of arguments): some names are what headers make of the first
   ones, by the standard that the program keeps to. */
#define SCANS(SCAN)                                                                                \
    SCAN(const char *, sscanf, vsscanf)                                                            \
    SCAN(FILE *, fscanf, vfscanf)                                                                  \
    SCAN(const char *, __isoc99_sscanf, __isoc99_vsscanf)                                          \
    SCAN(FILE *, __isoc99_fscanf, __isoc99_vfscanf)                                                \
    SCAN(const char *, __isoc23_sscanf, __isoc23_vsscanf)                                          \
    SCAN(FILE *, __isoc23_fscanf, __isoc23_vfscanf)

#define SCAN_NAMED(input, name, by_list)                                                           \
    HOOK_EXPORT int hook_##name(input, const char *format, ...) HOOK_AS(#name);                    \
    HOOK_EXPORT int hook_##by_list(input, const char *format, va_list arguments) HOOK_AS(#by_list);
SCANS(SCAN_NAMED)

#endif
