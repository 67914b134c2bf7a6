/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that forked from one another and drain one file (src/token/kin.c, src/drain). They
 * share the open file behind their views, so the kernel tells a failed write-back to one of them,
 * and marks the page clean all the same. Two processes: each stores and flushes, drains, or
 * retries; one may be killed at any moment.
 *
 * Checked: a drain or a retry that returns success has on the medium whatever its process had
 * flushed before it began; nobody waits for ever.
 *
 * Variants that must fail, or the model is too weak to check anything:
 * -DNO_AWAIT     nobody waits for those who write back at the same time
 * -DLEAVE_FIRST  who was told leaves before it says so
 * -DNO_DEATHS    who died among the writers is not counted
 * -DTRUST_CLEAN  after a death the page is not made dirty again
 * -DRETRY_CLEAN  a retry does not make the page dirty again
 * -DHEARD_LATE   a retry makes up for failures that came after it had made the page dirty
 * -DRETRY_ONCE   a retry does not begin again when another died meanwhile
 */
#ifndef STEPS
#define STEPS 2 /* of each process */
#endif
#ifndef FAULTS
#define FAULTS 2 /* write-backs that may fail */
#endif
#define KIN 2

byte memory = 0, medium = 0; /* the page's contents as version numbers */
bool dirty = false;
bool owed = false;     /* the kernel has an error to tell */
byte faults = FAULTS;

/* What they share. */
byte failures = 0, deaths = 0;
bool writing[KIN], doomed[KIN], dead[KIN];

inline write_back() {
    atomic {
        if
        :: dirty -> medium = memory; dirty = false
        :: dirty && faults > 0 -> faults--; owed = true; dirty = false
        :: !dirty
        fi
    }
}

/* msync: the kernel writes the page back, and then looks whether it has an error to tell. */
inline sync() {
    writing[me] = true;
    write_back();
    atomic { told = owed; owed = false }
#ifdef LEAVE_FIRST
    writing[me] = false;
#endif
    if
    :: told -> failures++
    :: else
    fi;
    writing[me] = false;
#ifndef NO_AWAIT
    if
    :: told
    :: else ->
        other = 0;
        do
        :: other == KIN -> break
        :: other < KIN && (other == me || !writing[other]) -> other++
        :: atomic { other < KIN && other != me && writing[other] && dead[other] ->
            writing[other] = false;
#ifndef NO_DEATHS
            deaths++
#endif
            }
        od
    fi
#endif
}

inline drain() {
    wanted = flushed;
    if
    :: failures != heard -> goto drained
    :: else
    fi;
    do
    :: before = deaths;
        if
        :: before != mourned ->
#ifndef TRUST_CLEAN
            dirty = true
#else
            skip
#endif
        :: else
        fi;
        sync();
        if
        :: told || deaths == before -> break
        :: else
        fi
    od;
    if
    :: told || failures != heard
    :: else -> mourned = before; assert(medium >= wanted)
    fi;
drained:
    skip
}

inline retry() {
    wanted = flushed;
    do
    :: before = deaths;
        sync();
        made_up = failures;
#ifndef RETRY_CLEAN
        dirty = true;
#endif
        sync();
#ifdef HEARD_LATE
        made_up = failures;
#endif
#ifdef RETRY_ONCE
        break;
#endif
        if
        :: told || failures != made_up || deaths == before -> break
        :: else
        fi
    od;
    if
    :: told || failures != made_up
    :: else -> heard = made_up; mourned = before; assert(medium >= wanted)
    fi
}

active [KIN] proctype process() {
    byte me = _pid, steps = STEPS, other, before, made_up, wanted;
    byte flushed = 0, heard = 0, mourned = 0;
    bool told;
    {
        do
        :: steps == 0 -> break
        :: steps > 0 && memory < KIN ->
            steps--;
            atomic { memory++; dirty = true; flushed = memory }
        :: steps > 0 -> steps--; drain()
        :: steps > 0 -> steps--; retry()
        od
    } unless { doomed[me] -> dead[me] = true }
}

/* The kernel writes back whenever it likes. */
active proctype kernel() {
end:
    do
    :: dirty -> write_back()
    od
}

active proctype killer() {
    if
    :: doomed[0] = true
    :: skip
    fi
}
