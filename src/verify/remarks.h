/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VERIFY_REMARKS_H
#define VERIFY_REMARKS_H

#include "arena/arena.h"
#include "verify/finding.h"

/* Adds the sentences about the run itself: what was not seen, what could not be recorded.
   false: out of memory. */
bool remarks_add(const struct arena_head *head, struct report *report);

#endif
