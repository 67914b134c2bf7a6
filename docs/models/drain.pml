/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared drain of a page-cache file (src/drain, src/token/pending.c). Two tokens of one file,
 * whose views hold the same page; three threads: one stores and flushes, then does any step (store
 * and flush, drain, free, get, retry), one does any step, one drains; a kernel that writes the page
 * back, or fails to and marks it clean all the same, may then drop it and read it again, and tells
 * an error once to each view. A drain that comes while another of the file waits has to begin
 * itself only if none that began after it has ended well (begun, settled). With -DSTEPS=2
 * -DFAULTS=2 the search takes hours.
 *
 * Searched as well, by themselves, as all at once would take hours too:
 * +LENT     no write-back fails, and there is one token at first; all flush with the default
 *           token, and most drain with it
 * +REFUSED  no write-back fails, but one may be refused for once
 *
 * Checked: a drain that returns success has on the medium whatever any thread had flushed before it
 * began, unless that was lost before a retry that had ended by then; one with the default token,
 * whatever was flushed with it, though the token that stood for it was freed; nobody waits for ever.
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
 * -DNO_REST         what the default token flushed ends with the token that stood for it
 * -DJOIN_RUNNING    a drain is content with one that had begun before it
 * -DBEGIN_LATE      a drain says that it began after it has taken what is pending
 * -DSETTLE_ANY      a drain that was refused counts as one that ended well
 * -DFORGIVEN        a drain does not look for failures that a retry made up for while it waited
 */
#ifdef NO_REST
#define LENT
#endif
#ifdef SETTLE_ANY
#define REFUSED
#endif
#ifndef STEPS
#define STEPS 1 /* of the second thread */
#endif
#ifndef FAULTS
#if defined(LENT) || defined(REFUSED)
#define FAULTS 0
#else
#define FAULTS 1 /* write-backs that may fail */
#endif
#endif
#ifdef REFUSED
#define REFUSALS 1 /* waits that are refused for once */
#else
#define REFUSALS 0
#endif
#define TOKENS 2
#define REST 64 /* in the state of a token that was freed, and keeps its place for what is left */

/* The page that both views hold: its contents as version numbers. */
byte newest = 0, memory = 0, medium = 0;
bool dirty = false;      /* the kernel knows to write it */
bool lost = false;       /* what was stored to it last is nowhere any more */
bool error_owed[TOKENS]; /* the view was not told of the last error */
bool unseen = false;     /* nor was any other */

byte state[TOKENS]; /* generation * 2 + live */
bool pending[TOKENS], in_flight[TOKENS];
bool lent[TOKENS], lent_in_flight[TOKENS]; /* by the default token */
byte failures = 0;      /* of write-backs, ever, as far as anybody was told */
byte made_up = 0;       /* of these by retries */
byte moves = 0;         /* of pages from a token that ended to the others */
bool unsettled = false; /* a token ended with the page flushed and not drained */
byte begun = 0, settled = 0; /* drains: how many began, and the last that ended well */
byte file_lock = 0, flight_lock = 0, table_lock = 0;

/* Newest version that some flush, and that one with the default token, has returned success for. */
byte flushed = 0, flushed_lent = 0;

#define FAILED (failures != made_up)
#define LIVE(token) (state[token] % 2 == 1) /* or a rest */
#define FOUND(token) (LIVE(token) && state[token] < REST)

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
                unseen = true;
                if
                :: memory = medium; lost = true /* dropped, and read again */
                :: true
                fi
            fi;
            dirty = false
        :: else
        fi
    }
}

/* good: msync of a token's view returned success */
inline msync(token) {
    if
    :: write_back();
        atomic {
            good = !error_owed[token];
            unseen = unseen && !error_owed[token];
            error_owed[token] = false;
            /* remembered before anybody else can look */
#ifndef FORGET_FAILURE
            failures = (good -> failures : failures + 1)
#endif
        }
    :: atomic { refusals > 0 -> refusals--; good = false; refused = true }
    fi
}

inline store() {
    atomic {
        newest++;
        memory = newest;
        dirty = true;
        lost = false
    }
}

/* by_default: with the default token, for which this one stands */
inline flush(token, by_default) {
    atomic { seen = state[token]; version = memory; heard = made_up };
    if
    :: seen % 2 == 1 && seen < REST ->
#ifdef LENT
        lent[token] = lent[token] || by_default;
#endif
        pending[token] = true; /* one compare-and-swap */
#ifdef LENT
        lent[token] = lent[token] || by_default;
#endif
        atomic {
            if
#ifndef FLUSH_BLIND
            :: state[token] != seen || FAILED /* told to the caller */
#endif
            :: else ->
                /* What a retry has made up for meanwhile may have been lost before the flush. */
                version = (made_up != heard && memory < version -> memory : version);
                flushed = (version > flushed -> version : flushed);
                flushed_lent =
                    (by_default && version > flushed_lent -> version : flushed_lent)
            fi;
            version = 0; seen = 0; heard = 0
        }
    :: else -> atomic { version = 0; seen = 0; heard = 0 }
    fi
}

inline drain_view(token) {
    atomic {
        seen = state[token];
        result = !FAILED;
        taken = result && seen % 2 == 1 && pending[token] /* without the lock: most have nothing */
    };
    if
    :: taken ->
        atomic {
            flight_lock == 0 ->
            taken = pending[token] && state[token] == seen;
            if
            :: taken ->
                in_flight[token] = true;
                pending[token] = false;
                lent_in_flight[token] = lent_in_flight[token] || lent[token];
                lent[token] = false
            :: else
            fi
        };
        /* A view that was freed may be gone: the wait then means nothing. That of a rest stands. */
        if
        :: taken && state[token] == seen -> msync(token)
        :: else -> good = true
        fi;
        atomic {
            flight_lock == 0 ->
            if
            :: taken && state[token] == seen ->
                pending[token] = pending[token] || !good;
                lent[token] = lent[token] || (lent_in_flight[token] && !good);
                moves = (good -> moves : moves + 1);
                in_flight[token] = false;
                lent_in_flight[token] = false
            :: else
            fi;
            result = good;
            taken = false; good = false; refused = false
        }
    :: else
    fi;
#ifdef LENT
    /* A rest ends when nothing of it waits any more. */
    atomic {
        if
        :: result && seen >= REST && table_lock == 0 && state[token] == seen &&
            !pending[token] && !in_flight[token] ->
            state[token] = seen - REST - 1
        :: else
        fi
    };
#endif
    seen = 0
}

/* Drains the file. pre: the file's lock is held */
inline drain_locked() {
#ifndef BEGIN_LATE
    atomic { begun++; number = begun };
#endif
    /* Waits for a Free under way, or its pages would be looked for too early. */
    atomic { flight_lock == 0 -> before = moves; again = true };
    do
    :: again ->
        drain_view(0);
        if
        :: result -> drain_view(1)
        :: else
        fi;
#ifdef BEGIN_LATE
        atomic { begun++; number = begun };
#endif
#ifdef ONE_PASS
        again = false
#else
        atomic { flight_lock == 0 -> again = result && moves != before; before = moves }
#endif
    :: else -> break
    od;
#ifndef SETTLE_ANY
    number = (result -> number : settled);
#endif
    atomic { settled = number; before = 0; number = 0 }
}

#ifdef JOIN_RUNNING
#define JOINS (settled >= ticket && ticket > 0)
#else
#define JOINS (settled > ticket)
#endif

/* What a retry has made up for by now is promised no longer. */
inline promised() {
    goal = (goal > flushed -> flushed : goal)
}

/* result: of a drain through a token that lived in the state mine */
inline drain_file(token) {
    atomic { heard = made_up; promised(); result = true };
    ticket = begun;
    if
    :: JOINS
#ifdef NO_LOCK
    :: true -> drain_locked()
#else
    :: atomic {
            file_lock == 0 ->
            file_lock = _pid + 1;
            again = !JOINS && state[token] == mine
        };
        if
        :: again -> drain_locked()
        :: else
        fi;
        give(file_lock)
#endif
    fi;
#ifdef FORGIVEN
    result = result && !FAILED;
#else
    result = result && failures == heard;
#endif
    atomic {
#ifndef TRUST_FREED
        result = result && state[token] == mine;
#endif
        heard = 0; ticket = 0; again = false
    }
}

inline drain(token) {
    atomic { goal = flushed; mine = state[token] };
    if
    :: mine % 2 == 1 && mine < REST ->
        drain_file(token);
        assert(!result || medium >= goal)
    :: else
    fi;
    atomic { result = false; mine = 0; goal = 0 }
}

/* A drain with the default token: of every token that has anything to wait for or to tell. */
inline drain_every() {
    atomic { goal = flushed_lent; every = true };
    atomic { flight_lock == 0 -> moved = moves };
    do
    :: at < TOKENS ->
        mine = state[at];
        if
        :: mine % 2 == 1 && (pending[at] || in_flight[at] || FAILED) ->
            drain_file(at);
            every = every && (result || state[at] != mine)
        :: else
        fi;
        atomic { at++; mine = 0; result = false }
    :: at == TOKENS ->
        atomic { flight_lock == 0 -> again = every && moves != moved; moved = moves };
        if
        :: again -> at = 0
        :: else -> break
        fi
    od;
    atomic { promised(); assert(!every || medium >= goal) };
    atomic { result = false; every = false; again = false; at = 0; moved = 0; mine = 0; goal = 0 }
}

inline retry(token) {
    if
    :: FOUND(token) ->
        take(file_lock);
        result = FOUND(token);
        /* Each live view tells its old error; then all is dirty again; then each must succeed. */
        if
        :: result && LIVE(0) -> msync(0); result = !refused
        :: else
        fi;
        if
        :: result && LIVE(1) -> msync(1); result = !refused
        :: else
        fi;
        heard = failures;
#ifndef RETRY_CLEAN
        if
        :: result -> dirty = true
        :: else
        fi;
#endif
        if
        :: result && LIVE(0) -> msync(0); result = good
        :: else
        fi;
        if
        :: result && LIVE(1) -> msync(1); result = good
        :: else
        fi;
        atomic {
            if
            :: result && failures == heard ->
                made_up = heard;
                /* What memory had lost before is promised to nobody who drains from now on. */
                if
                :: lost ->
                    flushed = (flushed > medium -> medium : flushed);
                    flushed_lent = (flushed_lent > medium -> medium : flushed_lent)
                :: else
                fi
            :: else
            fi
        };
        give(file_lock)
    :: else
    fi;
    atomic { result = false; good = false; refused = false; heard = 0 }
}

inline end(token) {
    atomic {
        table_lock == 0 && flight_lock == 0 ->
        if
        :: FOUND(token) ->
            table_lock = _pid + 1;
            flight_lock = _pid + 1;
            state[token]++;
            open = pending[token] || in_flight[token]
        :: else
        fi
    };
    if
    :: table_lock == _pid + 1 ->
#ifdef LATE_UNSETTLE
        give(flight_lock);
#endif
        atomic {
#ifndef NO_UNSETTLED
            if
            :: open ->
                unsettled = true;
                moves++;
                if
                :: LIVE(1 - token) ->
                    pending[1 - token] = true;
                    lent[1 - token] = lent[1 - token] || lent[token] || lent_in_flight[token]
#ifndef NO_REST
                :: !LIVE(1 - token) && (lent[token] || lent_in_flight[token]) ->
                    pending[token] = true;
                    in_flight[token] = false;
                    lent[token] = true;
                    lent_in_flight[token] = false;
                    state[token] = state[token] + REST + 1
#endif
                :: else
                fi
            :: else
            fi;
#endif
            flight_lock = 0;
            table_lock = 0;
            open = false
        }
    :: else
    fi
}

inline get(token) {
    atomic {
        table_lock == 0 ->
        if
        :: !LIVE(token) && state[token] < 4 ->
            pending[token] = unsettled;
            in_flight[token] = false;
            lent[token] = false;
            lent_in_flight[token] = false;
            error_owed[token] = unseen; /* a new open file: Linux owes it what nobody was told yet */
            state[token]++
        :: else
        fi
    }
}

byte faults = FAULTS; /* that may still come */
byte refusals = REFUSALS;

proctype thread(byte left; bool stores, drains) {
    byte version = 0, seen = 0, mine = 0, goal = 0, token = 0, at = 0;
    byte before = 0, moved = 0, ticket = 0, number = 0, heard = 0;
    bool good = false, refused = false, taken = false, result = false, open = false, again = false, every = false;
    do
    :: left > 0 ->
        left--;
        if
        :: token = 0
        :: token = 1
        fi;
        if
#ifdef LENT
        :: !drains -> store(); flush(token, true)
        :: !stores -> drain_every()
        :: !stores && !drains -> drain(token)
#else
        :: !drains -> store(); flush(token, false)
        :: !stores -> drain(token)
#endif
        :: !stores && !drains -> end(token)
        :: !stores && !drains -> get(token)
#if FAULTS > 0
        :: !stores && !drains -> retry(token)
#endif
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
        run kernel();
#ifdef LENT
        run thread(1, true, false);
        run thread(2, false, false);
#else
        state[1] = 1;
        run thread(2, true, false);
        run thread(STEPS, false, false);
#endif
        run thread(1, false, true)
    }
}
