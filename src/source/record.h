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

/* What the program does by itself. A store is told before it is made, and recorded when its thread
   is heard of next. */
void record_raw(struct self *me, const struct event *event, arena_id stack);

/* Records the store that the thread has made by now; before anybody can be told of what follows. */
void record_settle(struct self *me);

/* An atomic store by attempt, which may come to nothing. */
bool record_attempt(struct self *me, uintptr_t address, size_t length, arena_id stack,
                    bool (*attempt)(void *context), void *context);

/* A wait of the program's own, by msync, fsync and the like, begins; or has ended well. */
void record_sync_begin(struct sync *sync);
void record_sync_end(const struct sync *sync);

/* An event of a signal handler waits, or waits no longer. */
void record_deferred(bool waits);

#endif
