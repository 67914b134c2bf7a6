/* SPDX-License-Identifier: BSD-2-Clause */
/* Call stacks of the program. Unwinding costs microseconds; the same call from the same place in
   the same stack is looked up instead. */
#ifndef SOURCE_STACK_H
#define SOURCE_STACK_H

#include <stdint.h>

#include "arena/arena.h"

#define STACK_CACHE_PLACES 256
#define STACK_CACHE_WAYS 4

/* A stack seen before: valid again if every return address still stands where it stood, checked
   from the inside out so that no address is read that does not belong to the stack. */
struct stack_seen {
    const void *caller, *frame;
    arena_id id;
    uint32_t depth;
    struct {
        const uintptr_t *place;
        uintptr_t value;
    } returns[ARENA_STACK_DEPTH];
};

struct stack_cache {
    struct stack_seen seen[STACK_CACHE_PLACES];
    unsigned turn; /* which of its ways has to make room */
};

/* The stack whose innermost frame is caller; frame is an address below that frame. */
arena_id stack_id(struct stack_cache *cache, const void *caller, const void *frame);

/* The same for calls that come by the million. Of a stack seen before only the inner frames are
   looked at: a way to the same place that differs further out, in frames of the same sizes, is
   taken for the other one. */
#define STACK_NEAR 3
arena_id stack_near(struct stack_cache *cache, const void *caller, const void *frame);

/* The stack of these return addresses, innermost first. pre: 0 < count <= ARENA_STACK_DEPTH */
arena_id stack_of_places(const uintptr_t *places, uint32_t count);

/* A stack of one frame, without unwinding. */
arena_id stack_of_site(const void *caller);

/* A file whose code runs in this process gets a number in the arena. false: there is no place. */
bool stack_note_module(const char *path);

#endif
