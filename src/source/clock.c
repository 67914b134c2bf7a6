/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/clock.h"

#include <string.h>

#include "base/bits.h"
#include "source/record.h"
#include "source/self.h"

#define WAYS 8
#define SETS 2048

/* The clocks of what threads synchronise by. Which set an object is in its address's hash says; a
   newer one takes the place of that one there which nobody has used for the longest time. */
struct clock_object {
    uint32_t round; /* of a barrier; of a lock: a writer has it */
    uint32_t used;  /* when, in the set's uses */
    struct clock known;
};
static struct clock_object objects[SETS][WAYS];
static _Alignas(64) _Atomic uintptr_t addresses[SETS][WAYS]; /* 0: none; one set, one cache line */
static struct set {
    _Atomic uint32_t lock;
    uint32_t uses;
} sets[SETS];

/* Places are given to threads one after the other: the next thread's numbers begin where the last
   one's have ended, and everything that it did was over by then. */
static _Atomic uint32_t lock;
static uint64_t taken; /* one bit a place */
static uint32_t numbers[CLOCK_PLACES];
static uint8_t places[ARENA_THREADS]; /* + 1; 0: the thread has, or had, none here */

static void take(struct self *me, _Atomic uint32_t *word) {
    arena_lock(&source_process.arena, word, me->thread + 1);
}

/* The thread's number grows. pre: it has a place */
static void count(struct self *me) {
    me->clock.order.number = ++me->clock.known.at[me->clock.place - 1];
}

void clock_begin(struct self *me) {
    me->clock = (struct clock_self){.place = 0};
    me->clock.order = (struct model_order){.known = me->clock.known.at, .places = places};
    take(me, &lock);
    if (~taken != 0) {
        uint32_t place = (uint32_t)__builtin_ctzll(~taken);
        taken |= UINT64_C(1) << place;
        me->clock.place = place + 1;
        me->clock.known.at[place] = numbers[place];
        count(me);
        places[me->thread] = (uint8_t)(place + 1);
    }
    arena_unlock(&lock);
}

void clock_end(struct self *me) {
    if (me->clock.place == 0)
        return;
    uint32_t place = me->clock.place - 1;
    take(me, &lock);
    numbers[place] = me->clock.known.at[place];
    taken &= ~(UINT64_C(1) << place);
    arena_unlock(&lock);
    me->clock.place = 0;
}

static void join(struct clock *to, const struct clock *from) {
    for (size_t i = 0; i < CLOCK_PLACES; i++)
        to->at[i] = from->at[i] > to->at[i] ? from->at[i] : to->at[i];
}

static size_t set_of(uintptr_t address) {
    return address * UINT64_C(0x9E3779B97F4A7C15) >> 53;
}
_Static_assert(SETS == 1 << (64 - 53), "a hash for each set");

/* The object's place in its set; WAYS: it has none. */
static size_t way_of(size_t set, uintptr_t address) {
    size_t way = 0;
    while (way < WAYS &&
           atomic_load_explicit(&addresses[set][way], memory_order_relaxed) != address)
        way++;
    return way;
}

bool clock_knows(uintptr_t address) {
    return way_of(set_of(address), address) < WAYS;
}

/* pre: the set is locked */
static size_t drive_out(size_t set, uintptr_t address) {
    size_t oldest = 0;
    for (size_t way = 1; way < WAYS; way++) {
        if (sets[set].uses - objects[set][way].used > sets[set].uses - objects[set][oldest].used)
            oldest = way;
    }
    atomic_store_explicit(&addresses[set][oldest], address, memory_order_relaxed);
    objects[set][oldest].round = 0;
    clock_clear(&objects[set][oldest]);
    return oldest;
}

struct clock_object *clock_lock(struct self *me, uintptr_t address) {
    size_t set = set_of(address);
    if (me->clock.place == 0)
        return NULL;
    take(me, &sets[set].lock);
    size_t way = way_of(set, address);
    if (way == WAYS)
        way = drive_out(set, address);
    objects[set][way].used = ++sets[set].uses;
    return &objects[set][way];
}

void clock_unlock(struct clock_object *object) {
    arena_unlock(&sets[(size_t)(object - objects[0]) / WAYS].lock);
}

void clock_take(struct self *me, const struct clock_object *object) {
    join(&me->clock.known, &object->known);
}

void clock_give(struct self *me, struct clock_object *object) {
    record_settle(me);
    join(&object->known, &me->clock.known);
    count(me);
}

void clock_clear(struct clock_object *object) {
    memset(&object->known, 0, sizeof object->known);
}

void clock_release(struct self *me, uintptr_t address) {
    record_settle(me); /* though there be no place for what is known */
    struct clock_object *object = clock_lock(me, address);
    if (object == NULL)
        return;
    clock_give(me, object);
    clock_unlock(object);
}

void clock_acquire(struct self *me, uintptr_t address) {
    /* What nobody has released tells nothing, and is to drive nothing out. */
    if (!clock_knows(address))
        return;
    struct clock_object *object = clock_lock(me, address);
    if (object == NULL)
        return;
    clock_take(me, object);
    clock_unlock(object);
}

/* Who leaves a round begins the next one before it can enter that itself, so threads of one round
   all find its number. Two clocks are enough for all rounds: nobody is in a round and in the one
   after the next. */
uint32_t clock_enter(struct self *me, uintptr_t barrier) {
    struct clock_object *object = clock_lock(me, barrier);
    if (object == NULL)
        return 0;
    uint32_t round = object->round;
    clock_unlock(object);
    clock_release(me, barrier + 1 + round % 2);
    return round;
}

void clock_leave(struct self *me, uintptr_t barrier, uint32_t round) {
    struct clock_object *object = clock_lock(me, barrier);
    if (object == NULL)
        return;
    if (object->round == round)
        object->round++;
    clock_unlock(object);
    clock_acquire(me, barrier + 1 + round % 2);
}

void clock_lock_shared(struct self *me, uintptr_t address, bool writes) {
    struct clock_object *object = clock_lock(me, address);
    if (object == NULL)
        return;
    clock_take(me, object);
    object->round = writes;
    clock_unlock(object);
    if (writes)
        clock_acquire(me, address + 1);
}

void clock_unlock_shared(struct self *me, uintptr_t address) {
    struct clock_object *object = clock_lock(me, address);
    if (object == NULL)
        return;
    bool wrote = object->round != 0;
    if (wrote)
        clock_give(me, object);
    object->round = 0;
    clock_unlock(object);
    if (!wrote)
        clock_release(me, address + 1);
}

void clock_hand(struct self *me, struct clock *copy) {
    record_settle(me);
    *copy = me->clock.known;
    if (me->clock.place != 0)
        count(me);
}

void clock_join(struct self *me, const struct clock *other) {
    if (me->clock.place != 0)
        join(&me->clock.known, other);
}

void clock_fork(struct self *parent) {
    if (parent->clock.place != 0)
        count(parent);
}

/* The threads that are not there do not give their places back, which so are lost. */
void clock_forked(void) {
    atomic_store(&lock, 0);
    for (size_t i = 0; i < SETS; i++)
        atomic_store_explicit(&sets[i].lock, 0, memory_order_relaxed);
}

void clock_inherit(struct self *child, const struct clock_self *parent) {
    if (child->clock.place != 0)
        join(&child->clock.known, &parent->known);
}
