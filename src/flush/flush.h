/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a range's way to the persistence domain; only a drain waits for it. */
#ifndef FLUSH_FLUSH_H
#define FLUSH_FLUSH_H

#include "token/token.h"

/* memory, volatile: writes the lines back; page-cache: notes the pages; cpu-cache: nothing. A
   fault: there is no page behind a line (the file was truncated). pre: the range lies in the
   token's region */
enum fault flush_range(const struct token_view *token, uintptr_t address, size_t length);

#endif
