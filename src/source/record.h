/* SPDX-License-Identifier: BSD-2-Clause */
/* The recording of a run, for `nvrtl cut`: what the routines tell goes to the arena's log. */
#ifndef SOURCE_RECORD_H
#define SOURCE_RECORD_H

#include "source/pages.h"
#include "source/sync.h"

/* Is this run recorded? Then it is not judged. */
bool record_wanted(void);

/* Is this event, which tells of something before it is made, one to record? A flush is where its
   lines can be read now: later, while they are written back, one would have to wait for that. pre:
   the run is recorded */
bool record_before(const struct event *event);

/* Works one event into the log. late: it happened a while ago. May not return, when the power is
   cut. */
void record_handle(struct self *me, const struct event *event, bool late);

/* A token was made, or a view of a watched file: its region is told. */
void record_got(struct self *me, const struct arena_token *token, arena_id stack);

/* What the program does by itself. A store is told before it is made, and recorded when its thread
   is heard of next. */
void record_raw(struct self *me, const struct event *event, arena_id stack);

/* Records the store that the thread has made by now; before anybody can be told of what follows. */
void record_settle(struct self *me);

/* The thread is about to unmap this memory, or to put something else in its place. */
void record_unmapping(struct self *me, uintptr_t address, size_t length);

/* An atomic store by attempt, which may come to nothing. */
bool record_attempt(struct self *me, uintptr_t address, size_t length, arena_id stack,
                    bool (*attempt)(void *context), void *context);

/* A wait of the program's own, by msync, fsync and the like, begins; or has ended well. */
void record_sync_begin(struct sync *sync);
void record_sync_end(const struct sync *sync);

/* The source `pages` has looked at a share of a page, which now holds other bytes than its shadow,
   maybe: adds what was found, with that stack, and brings the shadow up to it. settled: it came
   from elsewhere, and stays. pre: shadow is locked */
void record_found(const struct pages_share *share, struct shadow_page *shadow, const uint8_t *now,
                  arena_id stack, bool settled);

/* The file has got these bytes at offset by a descriptor, whatever views of it there are; NULL: so
   many zeros. pre: the run's source is `pages` */
void record_pwrite(struct self *me, arena_id stack, uint32_t file, uint64_t offset,
                   const uint8_t *bytes, uint64_t length);

/* An event of a signal handler waits, or waits no longer. */
void record_deferred(bool waits);

#endif
