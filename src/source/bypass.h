/* SPDX-License-Identifier: BSD-2-Clause */
/* What reaches a file beside its views: it is no store to them, and changes what they hold. */
#ifndef SOURCE_BYPASS_H
#define SOURCE_BYPASS_H

#include <stddef.h>
#include <stdint.h>

#include "source/self.h"

/* A stretch of a file, and the call that has written there. */
struct bypass {
    arena_id stack;
    uint32_t file; /* index */
    uint64_t offset;
    size_t length; /* bytes; it may reach beyond the file's regions */
};

/* These bytes were written. */
void bypass_wrote(struct self *me, const struct bypass *bypass, const uint8_t *bytes);

/* They were cut off, or out of the file: the program wants nothing of them any more. What comes
   back in their place is zeros. */
void bypass_cut(struct self *me, const struct bypass *bypass);

#endif
