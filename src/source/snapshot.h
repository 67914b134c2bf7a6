/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file holds before the program stores to it: copied into shadows, but for what is zeros. */
#ifndef SOURCE_SNAPSHOT_H
#define SOURCE_SNAPSHOT_H

#include <stdbool.h>

#include "source/tokens.h"

/* Makes the shadows of a stretch what the file holds now. Holes are not read. What cannot be read
   is noted in the file's record: from there on its direct stores are not judged. */
void snapshot_take(const struct stretch *stretch);

/* Direct stores to the stretch will not be seen any more. */
void snapshot_give_up(const struct stretch *stretch);

#endif
