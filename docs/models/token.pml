/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The token table (src/token): a slot is looked up without a lock while other threads free its token
 * and make new ones in it. Three threads do any three steps each, in any order.
 *
 * Checked: a look-up that succeeds read the region and the operations of the very token that it was
 * asked for; of several Frees of one token exactly one succeeds; a token that was freed is never
 * found again; the program under test has no way to get stuck.
 *
 * Each line of the source between two accesses to shared memory is one step here. Steps interleave
 * in one order for all threads; that the source's release stores and acquire loads allow no more
 * than that is argued in token.h: who reads a field of a later token reads a later state after it.
 *
 * Variants that must fail, or the model is too weak to check anything:
 * -DONE_LOOK        a look-up does not look at the state again
 * -DFREE_UNLOCKED   a Free does not look at the state again under the lock
 */
#define THREADS 3
#ifndef STEPS
#define STEPS 3
#endif
#define GENERATIONS 3 /* tokens that are ever made in the slot */

/* The slot. state is generation * 2 + live. A token's fields are its generation plus one. */
byte state = 0;
byte base = 0;
byte operations = 0;

byte table_lock = 0; /* index of the thread that holds it, plus one */
byte made = 0;       /* how many tokens were made: their handles are 0 .. made - 1 */
byte freed[GENERATIONS];
bool over[GENERATIONS]; /* a Free of it has returned success */

inline lock() { atomic { table_lock == 0 -> table_lock = _pid + 1 } }
inline unlock() { table_lock = 0 }

inline get() {
    lock();
    if
    :: state % 2 == 0 && made < GENERATIONS ->
        base = made + 1;
        operations = made + 1;
        state = made * 2 + 1;
        made++
    :: else
    fi;
    unlock()
}

inline use(handle) {
    was_over = over[handle];
    seen = state;
    if
    :: seen == handle * 2 + 1 ->
        my_base = base;
        my_operations = operations;
        if
        #ifdef ONE_LOOK
        :: true ->
#else
        :: state == seen ->
#endif
            assert(my_base == handle + 1 && my_operations == handle + 1);
            assert(!was_over)
#ifndef ONE_LOOK
        :: else
#endif
        fi
    :: else
    fi;
    my_base = 0; my_operations = 0; seen = 0; was_over = false
}

inline end(handle) {
    if
    :: state == handle * 2 + 1 -> /* found, without the lock */
        lock();
        if
#ifdef FREE_UNLOCKED
        :: true ->
#else
        :: state == handle * 2 + 1 ->
#endif
            state = (handle + 1) * 2;
            freed[handle]++;
            assert(freed[handle] == 1);
            over[handle] = true
#ifndef FREE_UNLOCKED
        :: else
#endif
        fi;
        unlock()
    :: else
    fi
}

active [THREADS] proctype thread() {
    byte steps = 0, handle = 0, seen = 0, my_base = 0, my_operations = 0;
    bool was_over = false;
    do
    :: steps < STEPS ->
        steps++;
        /* Any handle that was, is, or will be: programs may keep and guess them. */
        select (handle : 0 .. GENERATIONS - 1);
        if
        :: get()
        :: use(handle)
        :: end(handle)
        fi;
        handle = 0
    :: steps == STEPS -> break
    od
}
