/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of files in a command for the shell. */
#ifndef BASE_SHELL_H
#define BASE_SHELL_H

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static inline int shell_is_plain(const char *name) {
    while (isalnum((unsigned char)*name) || (*name != '\0' && strchr("_-./+,@%:=", *name) != NULL))
        name++;
    return *name == '\0';
}

/* A name that says nothing to the shell stands bare, so that it is one within quotes of the
   command's own, "{}", too. */
static inline void shell_put_name(FILE *out, const char *name) {
    if (shell_is_plain(name)) {
        fputs(name, out);
        return;
    }
    putc('\'', out);
    for (; *name != '\0'; name++)
        fputs(*name == '\'' ? "'\\''" : (const char[]){*name, '\0'}, out);
    putc('\'', out);
}

#endif
