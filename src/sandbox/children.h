/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of processes that others have left behind. */
#ifndef SANDBOX_CHILDREN_H
#define SANDBOX_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

/* From here on who loses its parent among this process's descendants becomes a child of it. */
bool children_adopt(void);

/* Kills every child that a process of one thread has, and waits for their ends, not for ever. Who
   loses its parent so becomes a child of whoever adopts it, and comes next. false: none lives, as
   far as can be seen. pre: that process is this one, or stopped */
bool children_kill(pid_t parent);

/* Kills all that this process has started, and what became of it. */
void children_end(void);

#endif
