/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of words, and texts. Nothing is freed: the program becomes the compiler. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cc/cc.h"

void words_add(struct words *words, const char *word) {
    if (words->count + 1 >= words->capacity) {
        words->capacity = words->capacity * 2 + 64;
        words->items = realloc(words->items, words->capacity * sizeof *words->items);
        if (words->items == NULL)
            cc_refuse("out of memory");
    }
    words->items[words->count++] = (char *)word;
    words->items[words->count] = NULL;
}

char *cc_text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        cc_refuse("out of memory");
    va_end(arguments);
    return text;
}

/* Moves one word to its front, without quotes; what follows it. */
static char *unquote(char *text) {
    char *to = text;
    char quote = '\0';
    for (; *text != '\0' && (quote != '\0' || !isspace((unsigned char)*text)); text++) {
        if (*text == '\\' && text[1] != '\0' && quote != '\'')
            *to++ = *++text;
        else if (quote != '\0' && *text == quote)
            quote = '\0';
        else if (quote == '\0' && (*text == '"' || *text == '\''))
            quote = *text;
        else
            *to++ = *text;
    }
    char *rest = *text == '\0' ? text : text + 1;
    *to = '\0';
    return rest;
}

void words_split(struct words *words, char *text) {
    for (;;) {
        while (isspace((unsigned char)*text))
            text++;
        if (*text == '\0')
            return;
        char *word = text;
        text = unquote(text);
        words_add(words, word);
    }
}
