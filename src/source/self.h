/* SPDX-License-Identifier: BSD-2-Clause */
/* Who this thread and process are in the arena. */
#ifndef SOURCE_SELF_H
#define SOURCE_SELF_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/batch.h"
#include "arena/shadow.h"
#include "base/bits.h"
#include "event/event.h"
#include "source/clock.h"
#include "source/stack.h"

#define SELF_QUEUE 1024 /* memory is used as far as it is needed only */
#define SELF_CHUNKS 1024
#define SELF_FLUSHED 4096
#define SELF_PAGES 256

/* What the source `pages` keeps of one thread. */
struct self_pages {
    struct {
        uint64_t key; /* 0: nothing here */
        struct shadow_chunk *chunk;
    } seen[SELF_CHUNKS]; /* chunks found before */
    /* The list: where the next flush goes. */
    struct shadow_block *block; /* NULL: there is no list yet */
    uint32_t used;              /* flushes in it */
    uint32_t token;             /* of all flushes in the list; only then is it one ... */
    bool several;               /* ... or more than one */
    arena_id last;              /* stack of the thread's last flush */
    /* The log, and the token whose flushes may go there, if its handle is not 0. */
    struct shadow_log *log;
    uint64_t handle;
    const struct arena_token *quick;
    uint32_t number;              /* of the last call */
    const void *volatile routine; /* frame of the routine of libnvrtl that is at work; or NULL */
    uintptr_t announced; /* the flush that is about to be made, and is in the log; 0: none */
    size_t length;
};

struct self_page {
    uint64_t key; /* 0: nothing here */
    struct model_page *page;
};

/* What the runtime keeps of one thread, in the process's own memory. */
struct self {
    uint32_t thread;   /* index in the arena */
    bool placed;       /* that index stays with this memory when the thread ends */
    unsigned ends;     /* how often the thread's end has asked */
    const char *usual; /* a frame that was not on the stack for signals */
    /* A signal handler may interrupt the runtime on the same thread, or have little stack: what it
       does then waits here, already with its site alone for a stack, until the runtime is done, or
       is called again. */
    volatile uint32_t busy;
    const char *volatile frame;        /* of the runtime's function that is busy */
    volatile uint32_t queued, handled; /* so far; the difference waits */
    struct event queue[SELF_QUEUE];
    struct stack_cache cache;
    struct self_pages pages;
    struct frames *frames; /* of code with hooks; NULL: none was met */
    struct {
        uintptr_t address;
        size_t length;
        const void *site;
    } announced;             /* a copy that the compiler told of, and that a function may make */
    struct recent *recent;   /* stores since commits; NULL: there are no commit points */
    struct reads *reads;     /* of what is not durable; NULL: there were none */
    struct clock_self clock; /* of threads in code with hooks */
    struct {
        uintptr_t address;
        size_t length; /* 0: none */
        uint32_t kind, stack;
    } storing; /* recorded when it has been made: a store that was told before it */
    struct {
        struct arena_batch *now; /* NULL: none was needed yet */
        uintptr_t there;         /* a page that the system was asked for in this event */
        uint32_t lost;           /* pages that others had taken away when it was empty */
        /* Which 8 bytes of a page have a store in it, on whatever page, one bit each. */
        uint64_t words[MODEL_PAGE_SIZE / 8 / 64];
    } batch;
    struct log_range ranges[1 + LOG_RANGES]; /* of the flush that is being recorded */
    bool flushing;                           /* a routine is, and its lines were looked at */
    uint64_t told_handle;                    /* of the token below; 0: none */
    const struct arena_token *told_token;    /* whose calls may be plain */
    bool waiting; /* something flushed or streamed waits for a drain of every token */
    bool emptied; /* by a locked instruction, since the last Drain */
    struct self_page found[SELF_PAGES]; /* pages found before, which stay where they are */
    struct model_actor actor;
    struct model_lines lines; /* of the arena; spare ones are this thread's */
    struct model_spare spare;
    struct {
        uint32_t count;
        struct self_line {
            struct model_page *page;
            uint32_t line;
        } at[SELF_FLUSHED];
    } flushed; /* lines that the next drain may close */
    struct self *next_idle;
};

struct source_process {
    struct arena arena;
    uint32_t process;        /* index in the arena */
    _Atomic uint32_t forks;  /* that this process has made */
    bool hooked;             /* code with hooks runs in it, and is listened to */
    _Atomic uint32_t before; /* events of these kinds are heard before what they tell of is made */
    /* It has forbidden itself system calls, who knows which: from now on the runtime makes none
       that a program would not make anyway. Forked children inherit both. */
    volatile bool confined;
    char executable[488]; /* the loader gives the program itself no name */
};
extern struct source_process source_process;

/* The process is about to do so. */
void self_confine(void);

/* Adds what the runtime takes of it to a limit of the address space, as far as the process may. */
struct rlimit;
void self_widen(struct rlimit *limit);

/* Takes a place in the run's arena. false: there is none, or it is full. */
bool self_attach(void);

/* Works off what waits in the queue of a thread that ends; runtime.c's. */
void runtime_finish(struct self *me);

/* A page that the kernel gives to a forked child as zeroes, however the fork was made. */
extern volatile uint32_t *self_not_forked;

/* Initial-exec (see the build): a signal handler must not meet the loader's lazy allocation. */
extern _Thread_local struct self *self_current;

struct self *self_find(void);

/* This thread's record; NULL when there is no place (counted as lost). Notices a fork. */
static inline struct self *self_get(void) {
    struct self *me = self_current;
    return LIKELY(me != NULL && *self_not_forked != 0) ? me : self_find();
}

/* The thread as the model is to know it, until this is asked again. It stays where it is: a copy of
   what was stored a moment ago would wait for that. */
static inline const struct model_actor *self_actor(struct self *me, uint32_t token,
                                                   uint32_t stack) {
    me->actor.order = source_process.hooked ? &me->clock.order : NULL;
    me->actor.token = token;
    me->actor.stack = stack;
    return &me->actor;
}

#endif
