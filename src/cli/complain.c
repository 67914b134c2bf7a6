/* SPDX-License-Identifier: BSD-2-Clause */
/* How the command says that something is wrong. */
#include <stdarg.h>
#include <stdio.h>

#include "cli/cli.h"

void cli_complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr);
    fputs("nvrtl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
}
