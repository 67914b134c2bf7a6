/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes an arena safe to read. The program under test can write anything into it before it dies,
   and its parent must not follow it into the grave. */
#ifndef VERIFY_SCREEN_H
#define VERIFY_SCREEN_H

#include <stdbool.h>

#include "arena/arena.h"

/* Cuts every chain before a record that leaves the arena, or that lies on one which another place
   of a chain has claimed before, so that chains end and records are apart; clears numbers that
   index beyond a table, and ends strings. What a well-behaved program wrote stays as it is. Stacks,
   which are only read, are checked at each use. false: out of memory.
   pre: no process of the run writes any more */
bool screen_arena(const struct arena *arena);

#endif
