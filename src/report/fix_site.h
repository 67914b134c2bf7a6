/* SPDX-License-Identifier: BSD-2-Clause */
/* The place in the code that a fix is made at, and what is to stand there. */
#ifndef REPORT_FIX_SITE_H
#define REPORT_FIX_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "report/code.h"

/* A statement to be put behind another one. */
struct fix_words {
    char *condition; /* of an if that it needs, or NULL */
    char *statement; /* with its semicolon */
};

struct fix_site {
    struct call call; /* of it only name is set where there is no call, but an assignment */
    struct statement statement;
    struct fix_words words;
    /* Where no statement can be put in: the flags of the call, as they should be. */
    size_t flags_first, flags_last;
    char *flags;
    const char *why; /* there is nothing of this */
};

/* Looks at the store, or the flush, that is on a line. drain: only the drain is missing. false: out
   of memory. */
bool fix_look(const struct code *code, int line, bool drain, struct fix_site *site);
void fix_site_free(struct fix_site *site);

#endif
