/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's own msync, fsync and fdatasync: what they cover is flushed when they begin and
   drained when they have succeeded, of whatever thread and by whatever measure. */
#ifndef SOURCE_SYNC_H
#define SOURCE_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include "source/self.h"
#include "source/tokens.h"

struct sync {
    struct self *me;
    arena_id stack;
    uintptr_t address;      /* of a range of memory; */
    size_t length;          /* 0: of a file, all of it */
    uint64_t device, inode; /* likewise; 0: of all files */
    uint64_t offset, size;  /* of the file; size 0: all of it */
    struct stretch begun;   /* what the recording has told of already; length 0: nothing */
};

/* Does msync wait, by what it is given? It refuses an address at which no page begins, and flags
   that exclude each other or that it does not know: then it has written nothing back, and programs
   that do not look at its result never hear of it. */
static inline bool sync_waits(uintptr_t address, size_t length, int flags) {
    enum { ASYNCHRONOUS = 1, INVALIDATING = 2, SYNCHRONOUS = 4 }; /* as sys/mman.h has them */
    return (flags & ~INVALIDATING) == SYNCHRONOUS && length != 0 && address % MODEL_PAGE_SIZE == 0;
}

/* Visits what is covered, file by file. */
void sync_each_stretch(const struct sync *sync, tokens_visit *visit, void *context);

/* Has a routine of libnvrtl asked the system for it, which tells of that itself? frame: of the
   call */
bool sync_is_own(const struct self *me, const void *frame);

void sync_begin(struct sync *sync);
void sync_end(const struct sync *sync);

#endif
