/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that code with hooks is in, kept as it tells them: so the stack of a store costs a look
   into a small table, where unwinding would cost a thousand times as much. */
#ifndef SOURCE_FRAMES_H
#define SOURCE_FRAMES_H

#include <stdint.h>

#include "arena/arena.h"
#include "base/bits.h"

#define FRAMES_DEPTH 8192 /* calls deeper than this are not in the stacks */
#define FRAMES_IDS 4096
/* Bytes. An address further up than this is on another stack: a signal handler's own, or that of
   another coroutine. */
#define FRAMES_STACK ((uintptr_t)8 << 20)

/* A function that was entered. */
struct frame {
    uintptr_t address; /* stack pointer in it when it was entered */
    const void *site;  /* where it was called from */
    uint64_t hash;     /* of it and all that called it */
};

/* The id of a stack, by its innermost place and the hash of its calls. */
struct frames_id {
    const void *site;
    uint64_t hash;
    arena_id id;
};

struct frames {
    uint32_t depth;
    /* at[0] is what called the first one: nobody. */
    struct frame at[FRAMES_DEPTH + 1];
    struct frames_id ids[FRAMES_IDS];
};

/* NULL: there is no memory. */
struct frames *frames_new(void);

/* Another thread has it from now on. */
static inline void frames_clear(struct frames *frames) {
    frames->depth = 0;
}

/* Did its frame end without telling so, by longjmp or an exception, when the stack pointer of who
   calls now is this? */
static inline bool frames_stale(const struct frame *frame, uintptr_t address) {
    return address - frame->address - 1 < FRAMES_STACK;
}

/* A function was entered from site. */
static inline void frames_enter(struct frames *frames, const void *site, uintptr_t address) {
    uint32_t depth = frames->depth;
    while (depth != 0 && UNLIKELY(frames_stale(&frames->at[depth], address + 1)))
        depth--;
    uint64_t hash = frames->at[depth].hash;
    if (LIKELY(depth < FRAMES_DEPTH))
        depth++;
    /* First the place is taken, so that a signal handler that comes now uses the next one. */
    frames->depth = depth;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    frames->at[depth].address = address;
    frames->at[depth].site = site;
    frames->at[depth].hash = (hash ^ (uintptr_t)site) * UINT64_C(0x9E3779B97F4A7C15) ^ hash >> 29;
}

/* The function that calls this ends. Where it has jumped here, the stack pointer is its caller's
   already. */
static inline void frames_leave(struct frames *frames, uintptr_t address) {
    uint32_t depth = frames->depth;
    while (depth != 0 && frames_stale(&frames->at[depth], address))
        depth--;
    if (depth == frames->depth && depth != 0)
        depth--;
    frames->depth = depth;
}

arena_id frames_find_id(struct frames *frames, const void *site, uint64_t hash);

extern _Atomic uint64_t frames_epoch; /* grows when code may have given its place to other code */

/* The id of the stack whose innermost place is site, in a function with this stack pointer. */
static inline arena_id frames_id(struct frames *frames, const void *site, uintptr_t address) {
    while (frames->depth != 0 && UNLIKELY(frames_stale(&frames->at[frames->depth], address)))
        frames->depth--;
    uint64_t hash =
        frames->at[frames->depth].hash + atomic_load_explicit(&frames_epoch, memory_order_relaxed);
    uint64_t key = (uintptr_t)site ^ hash >> 40;
    const struct frames_id *known = &frames->ids[(key ^ key >> 12) % FRAMES_IDS];
    return LIKELY(known->site == site && known->hash == hash) ? known->id
                                                              : frames_find_id(frames, site, hash);
}

#endif
