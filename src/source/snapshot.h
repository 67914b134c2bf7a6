/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file holds before the program stores to it: copied into shadows, but for what is zeros. */
#ifndef SOURCE_SNAPSHOT_H
#define SOURCE_SNAPSHOT_H

#include <stdbool.h>

#include "source/tokens.h"

/* Makes the shadows of a stretch what the file holds now; holes are not read. Of no more than room
   pages, and a quarter of the machine's memory. From where on it could not be done is noted in
   *unread, of the file's record. Returns how many pages were kept. */
uint64_t snapshot_take(const struct stretch *stretch, uint64_t room, _Atomic uint64_t *unread);

/* What is known up to *unread is known up to this byte at most. */
void snapshot_note(_Atomic uint64_t *unread, uint64_t from);

/* Direct stores to the stretch will not be seen any more. */
void snapshot_give_up(const struct stretch *stretch);

#endif
