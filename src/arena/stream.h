/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes of a recorded run do, on its way to the parent, which reads while they run: a
   ring of records in the order of visibility. A writer takes its place in the order by one locked
   instruction, and is seen when its record is complete. Where the parent falls behind writers wait;
   where it reads no more they go on without.

   A writer that dies between the two leaves a gap, which is stepped over once nobody who lives can
   still be about to close it. */
#ifndef ARENA_STREAM_H
#define ARENA_STREAM_H

#include "arena/log.h"

#define STREAM_SIZE (UINT64_C(32) << 20)   /* bytes of the ring */
#define STREAM_RECORD (UINT64_C(16) << 10) /* of one record, at most */

/* Makes the ring. false: no memory. pre: nobody else has the arena yet */
bool stream_make(const struct arena *arena);

/* Adds a record like wish, whose previous and counts are nobody's; bytes: wish->size of them. */
void stream_append(const struct arena *arena, const struct log_record *wish, const void *bytes);

/* A record that was read; bytes: size of them, valid until stream_release. */
struct stream_event {
    uint32_t kind, thread, file, size, stack;
    uint64_t offset, length;
    const uint8_t *bytes;
};

/* The parent's place in the ring. */
struct stream_reader {
    const struct arena *arena;
    uint64_t at;   /* of the next record, from the beginning of time */
    uint64_t gaps; /* that were stepped over */
};

/* The next record; false: there is none yet. */
bool stream_next(struct stream_reader *reader, struct stream_event *event);

/* What was read so far may be written over. */
void stream_release(const struct stream_reader *reader);

/* Steps over a gap. all: nobody who writes lives any more; else only if those who were about to
   write live no more. false: there is none to step over. */
bool stream_skip(struct stream_reader *reader, bool all);

#endif
