/* SPDX-License-Identifier: BSD-2-Clause */
/* The recording of a run, for `nvrtl cut`: what the routines tell goes to the arena's log. */
#ifndef SOURCE_RECORD_H
#define SOURCE_RECORD_H

#include "source/sync.h"

/* Is this run recorded? Then it is not judged. */
bool record_wanted(void);

/* Works one event into the log. late: it happened a while ago. May not return, when the power is
   cut. */
void record_handle(struct self *me, const struct event *event, bool late);

/* A wait of the program's own, by msync or fsync, has ended well. */
void record_synced(const struct sync *sync);

/* An event of a signal handler waits, or waits no longer. */
void record_deferred(bool waits);

#endif
