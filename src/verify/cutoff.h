/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program has cut off its file: it wants nothing of it any more, flushed or not. */
#ifndef VERIFY_CUTOFF_H
#define VERIFY_CUTOFF_H

#include <stdbool.h>

#include "arena/arena.h"

/* Is the finding about stores alone, all of them to pages that the file no longer has? Asked when
   the run is over: the processes of the run are spared the call, which they may have forbidden
   themselves. What was cut off only later, for another reason, is taken for given up too, so that
   such a finding is to be a note and not to be left out. */
bool cutoff_has_all(const struct arena *arena, const struct arena_finding *record);

#endif
