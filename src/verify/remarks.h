/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VERIFY_REMARKS_H
#define VERIFY_REMARKS_H

#include "arena/arena.h"
#include "verify/finding.h"

/* Adds the sentences about the run itself: what was not seen, what could not be recorded.
   false: out of memory. */
bool remarks_add(const struct arena_head *head, struct report *report);

/* Adds which kinds of errors were not looked for, though they are by default. false: out of
   memory. */
bool remarks_unasked(const bool *wanted, struct report *report);

#endif
