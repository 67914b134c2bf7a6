/* SPDX-License-Identifier: BSD-2-Clause */
/* The vocabulary in which the library tells an observer what a program does. Plain structs; nothing
   here acts. An event is valid only during the call that carries it. */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_GET,      /* a token was made: region is set */
    EVENT_FREE,     /* a token is about to end */
    EVENT_STORING,  /* Write or Fill is about to store [address, length) */
    EVENT_STORE,    /* Write or Fill stored [address, length); EFFECT_... say what else it did */
    EVENT_FLUSHING, /* Flush is about to write back [address, length): then a line can be read, and
                       for a while after it not without waiting; or, without a range, a routine
                       is about to flush or to wait: what it asks of the system is its own */
    EVENT_FLUSH,    /* Flush; with EFFECT_DRAIN it also drained */
    EVENT_FLUSH_RANGES,   /* FlushRanges: address: of length ranges (struct event_range) */
    EVENT_DRAIN,          /* Drain */
    EVENT_RETRY,          /* Retry: where a token covers the file, medium and memory are equal */
    EVENT_BAD_TOKEN,      /* a call was refused: token is not a live token */
    EVENT_OUTSIDE,        /* a call was refused: [address, length) leaves the region, or wraps */
    EVENT_IGNORE,         /* annotation */
    EVENT_ASSERT_DURABLE, /* annotation */
    EVENT_COMMIT_POINT,   /* annotation; data is set, its length 0: all stores of the thread */
    EVENT_MARK,           /* annotation: mark, id and text are set */
    /* What the program does by itself, without a routine and without a token: */
    EVENT_RAW_STORE, /* it is about to store [address, length), or has done so; EFFECT_STREAM */
    EVENT_RAW_FLUSH, /* it writes back the line of address; EFFECT_DRAIN: and waits for that */
    EVENT_RAW_DRAIN  /* a fence of the CPU; EFFECT_LOCKED: part of a locked instruction */
};

/* What a call did besides what its kind says. */
enum event_effect {
    EFFECT_FLUSH = 1,     /* a store that was flushed by the same call */
    EFFECT_STREAM = 2,    /* what it stored, and that alone, is durable at its thread's next drain;
                             with EFFECT_FLUSH it need not be flushed on any platform */
    EFFECT_DRAIN = 4,     /* ends with a drain */
    EFFECT_OVERLAP = 8,   /* source and destination overlap */
    EFFECT_INTERNAL = 16, /* the token was made for the default token, not by a Get */
    EFFECT_DEFAULT = 32,  /* the caller gave the default token, and this one stands for it */
    EFFECT_FAILED = 64,   /* the call's drain failed: its flush counts, its drain does not */
    EFFECT_LOADED = 128,  /* a flush has loaded from every line that it names, or what is about to
                             store or to flush from every page */
    EFFECT_LOCKED = 256,
    EFFECT_TOLD = 512 /* a flush whose EVENT_FLUSHING has set `told`: this is its end */
};

/* What outlives a power cut, as the public header numbers it. */
enum event_domain { DOMAIN_VOLATILE, DOMAIN_PAGE_CACHE, DOMAIN_MEMORY, DOMAIN_CPU_CACHE };

enum event_call {
    CALL_GET,
    CALL_FREE,
    CALL_WRITE,
    CALL_FILL,
    CALL_FLUSH,
    CALL_FLUSH_RANGES,
    CALL_DRAIN,
    CALL_QUERY,
    CALL_MAP_FILE,
    CALL_UNMAP_FILE,
    CALL_READ,
    CALL_RETRY,
    CALL_IGNORE,
    CALL_ASSERT_DURABLE,
    CALL_MARK,
    CALL_COMMIT_POINT,
    CALL_COMMIT_POINT_FOR,
    CALL_INSTRUCTION /* none: the program's own flush instruction */
};

/* What a mark is: the numbers of the public header. */
enum event_mark { EVENT_MARK_NOTE, EVENT_OP_BEGIN, EVENT_OP_ACK };

/* A run of a region that is contiguous in memory and in its file. */
struct event_segment {
    uintptr_t address;
    size_t length;
    uint64_t offset; /* in the file, bytes */
};

/* Laid out as the public NV_MEMORY_RANGE. */
struct event_range {
    void *address;
    size_t length;
};

/* What a new token covers: one file, told by device and inode, in one or more segments. */
struct event_region {
    uint64_t device, inode;
    uint32_t domain;    /* enum event_domain */
    uint32_t line_size; /* bytes */
    const char *path;
    const char *reason;
    const struct event_segment *segments;
    size_t segment_count;
};

struct event {
    uint32_t kind;   /* enum event_kind */
    uint32_t call;   /* enum event_call: which routine the program called */
    uint32_t effect; /* EFFECT_... */
    uint64_t token;  /* handle value; 0 with a drain of every token */
    uintptr_t address;
    size_t length;                     /* bytes */
    const void *caller;                /* return address of the routine */
    const void *frame;                 /* stack address inside the routine's frame */
    const struct event_region *region; /* EVENT_GET only */
    uint32_t mark;                     /* EVENT_MARK only: enum event_mark, or unknown */
    uint64_t id;                       /* EVENT_MARK only */
    const char *text;                  /* EVENT_MARK only; may be NULL */
    bool *told;                        /* EVENT_FLUSHING only, or NULL: set by who need not hear of
                                          the flush once more if it succeeds */
    bool ends;                         /* EVENT_FLUSHING only: the end of the call is told in any
                                          case, for it drains */
    struct event_range data;           /* EVENT_COMMIT_POINT only */
};

#endif
