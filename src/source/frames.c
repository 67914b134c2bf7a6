/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/frames.h"

#include <errno.h>
#include <sys/mman.h>

#include "source/stack.h"

_Atomic uint64_t frames_epoch;

struct frames *frames_new(void) {
    struct frames *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return made == MAP_FAILED ? NULL : made;
}

arena_id frames_find_id(struct frames *frames, const void *site, uint64_t hash) {
    uint64_t key = (uintptr_t)site ^ hash >> 40;
    struct frames_id *known = &frames->ids[(key ^ key >> 12) % FRAMES_IDS];
    uintptr_t values[ARENA_STACK_DEPTH] = {(uintptr_t)site};
    uint32_t count = 1, depth = frames->depth;
    for (; depth != 0 && count < ARENA_STACK_DEPTH; depth--)
        values[count++] = (uintptr_t)frames->at[depth].site;
    int error = errno;
    arena_id id = stack_of_places(values, count);
    errno = error;
    if (id == 0)
        return 0;
    /* Not valid before it is complete: a handler may leave this function for good. */
    known->site = NULL;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    known->hash = hash;
    known->id = id;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    known->site = site;
    return id;
}
