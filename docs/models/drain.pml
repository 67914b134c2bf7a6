/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared drain of a page-cache file (src/drain, src/token/pending.c). Two tokens of one file,
 * whose views hold the same page; three threads: one stores and flushes, then does any step (store
 * and flush, drain, free, get, retry), one does any step, one drains; a kernel that writes the page
 * back, or fails to and marks it clean all the same, and tells an error once to each view. With
 * -DSTEPS=2 -DFAULTS=2 the search takes hours.
 *
 * Checked: a drain that returns success has on the medium whatever any thread had flushed before it
 * began; nobody waits for ever.
 *
 * Variants that must fail, or the model is too weak to check anything:
 * -DFORGET_FAILURE  a failed drain is not remembered
 * -DNO_LOCK         drains of one file do not wait for each other
 * -DNO_UNSETTLED    a freed token's pages are forgotten
 * -DLATE_UNSETTLE   they are handed on after the lock was given back
 * -DONE_PASS        a drain does not begin again when a token was freed undrained meanwhile
 * -DTRUST_FREED     a drain through a token that was freed meanwhile may return success
 * -DFLUSH_BLIND     a flush does not look whether its token was freed meanwhile
 * -DRETRY_CLEAN     a retry does not make pages dirty again
 */
#ifndef STEPS
#define STEPS 1 /* of the second thread */
#endif
#ifndef FAULTS
#define FAULTS 1 /* write-backs that may fail */
#endif
#define TOKENS 2

/* The page that both views hold: its contents as version numbers. */
byte memory = 0, medium = 0;
bool dirty = false;          /* the kernel knows to write it */
bool error_owed[TOKENS];     /* the view was not told of the last error */
bool unseen = false;         /* nor was any other */

byte state[TOKENS];          /* generation * 2 + live; both live at first */
bool pending[TOKENS], in_flight[TOKENS];
bool failed = false;
byte unsettled = 0; /* tokens that ended with the page flushed and not drained */
byte file_lock = 0, flight_lock = 0, table_lock = 0;

byte flushed = 0; /* newest version that some flush has returned success for */

inline take(which) { atomic { which == 0 -> which = _pid + 1 } }
inline give(which) { which = 0 }

/* The kernel writes the page back if it is dirty, or fails to: then it is clean with the old content
   on the medium, and each view is owed the error. */
inline write_back() {
    atomic {
        if
        :: dirty ->
            if
            :: medium = memory
            :: faults > 0 ->
                faults--;
                error_owed[0] = true;
                error_owed[1] = true;
                unseen = true
            fi;
            dirty = false
        :: else
        fi
    }
}

/* good: msync of a token's view returned success */
inline msync(token) {
    write_back();
    atomic {
        good = !error_owed[token];
        unseen = unseen && !error_owed[token];
        error_owed[token] = false
    };
#ifndef FORGET_FAILURE
    failed = failed || !good /* remembered before anybody else can look */
#endif
}

inline store() {
    atomic {
        memory++;
        dirty = true
    }
}

inline flush(token) {
    seen = state[token];
    if
    :: seen % 2 == 1 ->
        version = memory;
        pending[token] = true; /* one compare-and-swap */
        if
#ifdef FLUSH_BLIND
        :: true ->
#else
        :: state[token] == seen ->
#endif
            atomic {
                if
                :: version > flushed -> flushed = version
                :: else
                fi
            }
#ifndef FLUSH_BLIND
        :: else /* STATUS_INVALID_PARAMETER */
#endif
        fi
    :: else
    fi;
    version = 0; seen = 0
}

inline drain_view(token) {
    seen = state[token];
    taken = false;
    if
    :: pending[token] -> /* looked at without the lock: most tokens of a file have nothing */
        take(flight_lock);
        if
        :: state[token] == seen && seen % 2 == 1 ->
            atomic { taken = pending[token]; in_flight[token] = taken; pending[token] = false }
        :: else
        fi;
        give(flight_lock)
    :: else
    fi;
    if
    :: taken ->
        /* A view that was freed may be gone: the wait then means nothing. */
        if
        :: state[token] == seen -> msync(token)
        :: else -> good = true
        fi;
        if
        :: !good -> pending[token] = true
        :: else
        fi;
        take(flight_lock);
        if
        :: state[token] == seen -> in_flight[token] = false
        :: else
        fi;
        give(flight_lock)
    :: else -> good = true
    fi;
    result = result && good;
    taken = false; seen = 0; good = false
}

inline drain(token) {
    goal = flushed;
    if
    :: state[token] % 2 == 1 ->
#ifndef NO_LOCK
        take(file_lock);
#endif
        mine = state[token];
        result = mine % 2 == 1;
        again = result;
        take(flight_lock); /* waits for a Free under way, or its pages would be looked for too early */
        before = unsettled;
        give(flight_lock);
        do
        :: result && again ->
            if
            :: failed -> result = false
            :: else -> drain_view(0)
            fi;
            if
            :: failed -> result = false
            :: else -> drain_view(1)
            fi;
#ifdef ONE_PASS
            again = false
#else
            take(flight_lock);
            again = unsettled != before;
            before = unsettled;
            give(flight_lock)
#endif
        :: else -> break
        od;
#ifndef TRUST_FREED
        result = result && state[token] == mine;
#endif
        if
        :: result -> assert(medium >= goal)
        :: else
        fi;
#ifndef NO_LOCK
        give(file_lock);
#endif
    :: else
    fi;
    result = false; again = false; before = 0; mine = 0; goal = 0
}

inline retry(token) {
    if
    :: state[token] % 2 == 1 ->
        take(file_lock);
        result = state[token] % 2 == 1;
        /* Each live view tells its old error; then all is dirty again; then each must succeed. */
        if
        :: result && state[0] % 2 == 1 -> msync(0)
        :: else
        fi;
        if
        :: result && state[1] % 2 == 1 -> msync(1)
        :: else
        fi;
#ifndef RETRY_CLEAN
        if
        :: result -> dirty = true
        :: else
        fi;
#endif
        if
        :: result && state[0] % 2 == 1 -> msync(0); result = good
        :: else
        fi;
        if
        :: result && state[1] % 2 == 1 -> msync(1); result = good
        :: else
        fi;
        if
        :: result -> failed = false
        :: else
        fi;
        give(file_lock)
    :: else
    fi;
    result = false; good = false
}

inline end(token) {
    take(table_lock);
    if
    :: state[token] % 2 == 1 ->
        take(flight_lock);
        state[token]++;
        open = pending[token] || in_flight[token];
#ifdef LATE_UNSETTLE
        give(flight_lock);
#endif
#ifndef NO_UNSETTLED
        if
        :: open ->
            unsettled++;
            if
            :: state[1 - token] % 2 == 1 -> pending[1 - token] = true
            :: else
            fi
        :: else
        fi;
#endif
#ifndef LATE_UNSETTLE
        give(flight_lock)
#endif
    :: else
    fi;
    give(table_lock);
    open = false
}

inline get(token) {
    take(table_lock);
    if
    :: state[token] % 2 == 0 && state[token] < 4 ->
        pending[token] = false;
        in_flight[token] = false;
        error_owed[token] = unseen; /* a new open file: Linux owes it what nobody was told yet */
        if
        :: unsettled != 0 -> pending[token] = true
        :: else
        fi;
        state[token]++
    :: else
    fi;
    give(table_lock)
}

byte faults = FAULTS; /* that may still come */

proctype thread(byte left; bool stores, drains) {
    byte before = 0, version = 0, seen = 0, mine = 0, goal = 0, token = 0;
    bool good = false, taken = false, result = false, open = false, again = false;
    do
    :: left > 0 ->
        left--;
        if
        :: token = 0
        :: token = 1
        fi;
        if
        :: !drains -> store(); flush(token)
        :: !stores -> drain(token)
        :: !stores && !drains -> end(token)
        :: !stores && !drains -> get(token)
        :: !stores && !drains && FAULTS > 0 -> retry(token)
        fi;
        stores = false;
        token = 0
    :: left == 0 -> break
    od
}

/* The kernel writes back on its own account as well. */
proctype kernel() {
    write_back()
}

init {
    atomic {
        state[0] = 1;
        state[1] = 1;
        run kernel();
        run thread(2, true, false);
        run thread(STEPS, false, false);
        run thread(1, false, true)
    }
}
