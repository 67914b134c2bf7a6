/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened before what, among the threads of a process: vector clocks. A thread's own number
   grows at each release; what it has synchronised with gives it others' numbers. All this knows of
   is what the hooks tell: that one thing happened before another may escape it, and is never
   invented. So threads beyond a number of places, and objects that another one has driven out, only
   mean that less is known. */
#ifndef SOURCE_CLOCK_H
#define SOURCE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"

#define CLOCK_PLACES 64

struct self;

struct clock {
    uint32_t at[CLOCK_PLACES]; /* by place: the number up to which that thread is known */
};

/* Of one thread. */
struct clock_self {
    struct clock known;
    uint32_t place;           /* + 1; 0: it has none */
    struct model_order order; /* the same for the model */
};

/* The thread has begun, or ends. */
void clock_begin(struct self *me);
void clock_end(struct self *me);

/* What the thread has done so far happens before what others do after they acquire the object at
   this address. */
void clock_release(struct self *me, uintptr_t address);
void clock_acquire(struct self *me, uintptr_t address);

/* What a barrier's threads have done before it happens before what they do after it. enter returns
   what leave is to be given. */
uint32_t clock_enter(struct self *me, uintptr_t barrier);
void clock_leave(struct self *me, uintptr_t barrier, uint32_t round);

/* A lock for readers and writers: readers do not wait for each other. */
void clock_lock_shared(struct self *me, uintptr_t address, bool writes);
void clock_unlock_shared(struct self *me, uintptr_t address);

/* Copies what a thread that is to begin will know. */
void clock_hand(struct self *me, struct clock *copy);
void clock_join(struct self *me, const struct clock *other);

/* May anything be known of the object? */
bool clock_knows(uintptr_t address);

/* An operation on an object that happens in one with others' on it: between these it can be done,
   acquired and released. NULL: nothing is known of the object, and nothing will be. */
struct clock_object;
struct clock_object *clock_lock(struct self *me, uintptr_t address);
void clock_unlock(struct clock_object *object);
void clock_take(struct self *me, const struct clock_object *object);
void clock_give(struct self *me, struct clock_object *object);
/* It was overwritten by a store that releases nothing. */
void clock_clear(struct clock_object *object);

/* A fork: the child's thread knows what its parent's knew, and not what that does from now on.
   clock_forked comes before all else in the child. */
void clock_fork(struct self *parent);
void clock_forked(void);
void clock_inherit(struct self *child, const struct clock_self *parent);

#endif
