/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a command for the shell. */
#ifndef BASE_SHELL_H
#define BASE_SHELL_H

#include <stdio.h>
#include <string.h>

/* As the shell reads it. A word that says nothing to it stands bare, so that a name is one within
   quotes of the command's own, "{}", too. */
static inline void shell_put_word(FILE *out, const char *word) {
    const char *plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    putc('\'', out);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (const char[]){*word, '\0'}, out);
    putc('\'', out);
}

#endif
