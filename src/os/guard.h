/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns a SIGBUS inside of code that can be left anywhere into a result of that code. What happens
   to every other SIGBUS of the process is exactly what happened before. */
#ifndef OS_GUARD_H
#define OS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* A few instructions [begin, end) that are left for landing, with all registers as they are. Each
   is told as its distance from where it stands. */
struct os_landing {
    int32_t begin, end, landing;
};

/* Code in [begin, end) that, left at any instruction and continued at pad with an enum fault in the
   register of a function's result, returns that to its caller. And what else may be left. */
struct os_guarded {
    uintptr_t begin, end, pad;
    const struct os_landing *landings, *landings_end;
};

/* Puts the guard before the program's disposition of SIGBUS, once in the life of the process. Not
   for signal handlers. */
void os_guard_start(const struct os_guarded *code);

/* Does the guard stand? Not if it was never started, or the program has put another handler in its
   place since. Changes nothing; works in signal handlers. */
bool os_guard_stands(void);

/* Where the last fault lay that ended guarded code of this thread; 0: there was none. A handler's
   is one too: it may come before the question. */
uintptr_t os_fault_address(void);

/* Has the file system that holds path no room left, as far as it tells, so that no page came there?
   Not if the file has been made to end at or before that byte of a view of it, counted from the
   view's first: of one that begins further behind in the file this is found out for fewer bytes.
   For signal handlers too. */
bool os_is_full(const char *path, size_t at);

#endif
