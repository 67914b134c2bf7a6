/* SPDX-License-Identifier: BSD-2-Clause */
/* Code with hooks that nvrtl-cc could not follow. */
#ifndef VERIFY_OPAQUE_H
#define VERIFY_OPAQUE_H

#include <stdbool.h>

#include "arena/arena.h"
#include "verify/finding.h"

/* A remark for each file of the run's processes that says so of itself, where hooks are what sees
   stores. false: out of memory. */
bool opaque_remarks(const struct arena_head *head, struct report *report);

#endif
