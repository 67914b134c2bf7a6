/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of a view has this process stored to? Asked of the kernel: a view's pages are
   write-protected by an asynchronous userfaultfd (Linux 6.7), which lets every store through, the
   kernel's own too, and remembers the page. What reached the file otherwise (write(2), another
   process) is not taken for a store of the view. */
#ifndef TRACK_TRACK_H
#define TRACK_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tracks the view from now on. false: the kernel will not do it. */
bool track_begin(uintptr_t address, size_t length);

/* present: the process has it mapped, so that it has looked at what the page holds now. */
typedef void track_visit(void *context, uintptr_t from, uintptr_t to, bool present);

/* Does the kernel tell exactly which of the view's pages this process has stored to? */
bool track_is_exact(uintptr_t address, size_t length);

/* Visits those pages: that were stored to since track_begin, or since the last look with again; or,
   where the kernel does not tell, all that may be, since they are in memory. false: it has not
   told, for one because the view, or a part of it, is no longer the one that is tracked.
   pre: page-aligned; the view stands */
bool track_written(uintptr_t address, size_t length, bool again, track_visit *visit, void *context);

/* Visits the pages that were stored to since track_begin, but huge ones: of those it is not said
   what a part of them is. false: the kernel does not tell exactly; maybe not all were visited. */
bool track_exactly(uintptr_t address, size_t length, track_visit *visit, void *context);

/* Visits all pages of the view that are in memory, whoever has stored to them. */
void track_resident(uintptr_t address, size_t length, track_visit *visit, void *context);

/* Visits the pages of the view that the process has mapped, because it has touched them or somebody
   has done so for it. false: the kernel does not tell. */
bool track_present(uintptr_t address, size_t length, track_visit *visit, void *context);

/* In a forked child: what its parent tracks is not its own. */
void track_forked(void);

#endif
