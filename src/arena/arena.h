/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that outlives the program under test. The parent makes it, every process of the run
   maps it and writes to it, the parent reads it at the end, however the processes ended. So nothing
   in it is a pointer, a record is complete before its id is published, and a reader trusts no id.

   It is one sparse file in memory: a head with the fixed tables, then records, each at a multiple
   of 64 bytes. A record's id is its offset / 64; 0 is none. */
#ifndef ARENA_ARENA_H
#define ARENA_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/kinds.h"
#include "base/bits.h"
#include "event/run.h"
#include "model/model.h"

#define ARENA_NAME "nvrtl-arena" /* of the file, as /proc tells it */
#define ARENA_GRAIN 64
#define ARENA_SIZE_MAX (UINT64_C(64) << 30)
#define ARENA_SIZE_MIN (UINT64_C(256) << 20)
#define ARENA_MAP_MIN (UINT64_C(32) << 20) /* a process with less is not watched */

#define ARENA_THREADS 16384
#define ARENA_PROCESSES 4096
#define ARENA_MODULES 1024
#define ARENA_FILES 4096
#define ARENA_STACK_BUCKETS 65536
#ifndef ARENA_PAGE_BUCKETS /* fewer for a fuzzer, which looks at all of them a thousand times */
#define ARENA_PAGE_BUCKETS 1048576
#endif
#define ARENA_SHADOW_BUCKETS 65536
#define ARENA_TOKEN_BUCKETS 4096
#define ARENA_FINDING_BUCKETS 4096
#define ARENA_SITE_BUCKETS 4096
#define ARENA_STACK_DEPTH 32
#define ARENA_RANGES 8
#define ARENA_RELATED 6

typedef uint32_t arena_id;

/* An executable or library that frames lie in. */
struct arena_module {
    char path[488];
    uint32_t build_id_size;
    uint8_t build_id[20];
};

/* Return addresses, innermost first: module number (0: none) in the top 16 bits, below it the
   address inside the module as its file has it. */
struct arena_stack {
    arena_id next;
    uint32_t hash;
    uint32_t depth;
    uint64_t frames[];
};
#define ARENA_FRAME(module, offset) ((uint64_t)(module) << 48 | (offset))
#define ARENA_FRAME_MODULE(frame) ((uint32_t)((frame) >> 48))
#define ARENA_FRAME_OFFSET(frame) ((frame) & ((UINT64_C(1) << 48) - 1))

/* Bytes of a file that no finding may be about; the next one does not begin before. */
struct arena_ignored {
    _Atomic arena_id next;
    _Atomic uint64_t length;
    uint64_t offset;
};

/* Bytes a store to which publishes earlier ones: those of the data, or all of its thread's. */
struct arena_commit {
    arena_id next;
    uint64_t offset, length;
    _Atomic uint64_t data_offset, data_length; /* 0: all */
};

struct arena_file {
    uint64_t device, inode;
    uint32_t domain;
    _Atomic uint32_t drains;
    _Atomic uint32_t flushes; /* calls that flushed something since the last drain */
    _Atomic uint64_t end;     /* of the furthest token region, bytes */
    uint32_t watched;         /* enum arena_watch */
    _Atomic uint32_t gone;    /* watched, and its last name was removed */
    _Atomic uint32_t synced;  /* somebody has waited for it */
    _Atomic uint64_t unread;  /* what it held is not known from this byte on, plus 1; 0: is known */
    _Atomic uint64_t blind;   /* likewise, of what tells of code without hooks */
    _Atomic arena_id tokens;
    _Atomic arena_id ignored;
    _Atomic arena_id commits;
    char reason[160];
    char path[1024];
};

enum arena_watch {
    ARENA_WATCH_NONE,
    ARENA_WATCH_FOUND, /* by a folder or a pattern: it may be meant to be lost */
    ARENA_WATCH_NAMED  /* itself */
};

struct arena_segment {
    uint64_t address, length, offset;
};

struct arena_token {
    arena_id next;            /* in its bucket */
    _Atomic arena_id sibling; /* next token of the same file that lives, or is to be judged */
    uint64_t handle;
    uint32_t process;       /* index */
    uint32_t file;          /* index */
    uint32_t got;           /* stack */
    _Atomic uint32_t freed; /* stack; 0 while it lives */
    uint32_t internal;      /* made for the default token */
    uint32_t inherited;     /* the copy that a forked child has of its parent's */
    uint32_t forks;         /* of its process, when it was made */
    _Atomic uint32_t lent;  /* flushed with the default token, which did not drain */
    uint32_t deferred;      /* freed; what it leaves is judged at the end */
    uint32_t watched;       /* made for a view of a watched file */
    uint32_t segment_count;
    struct arena_segment segments[];
};

enum arena_role {
    ARENA_ROLE_NONE,
    ARENA_ROLE_STORE,
    ARENA_ROLE_FLUSH,
    ARENA_ROLE_FREED,
    ARENA_ROLE_ASSERTED,
    ARENA_ROLE_READ,
    ARENA_ROLE_DEPENDENT,
    ARENA_ROLE_COMMIT,
    ARENA_ROLE_DATA,
    ARENA_ROLE_GOT
};

/* A finding in ids; the parent knows the words. Equal ones, by kind, file, stack and rescue, are
   one with a count. */
struct arena_finding {
    arena_id next;
    uint32_t kind;   /* enum kind */
    uint32_t file;   /* index + 1; 0: about none */
    uint32_t call;   /* enum event_call */
    uint32_t rescue; /* enum arena_rescue */
    uint32_t at;     /* stack */
    uint32_t related[ARENA_RELATED];
    uint32_t roles[ARENA_RELATED]; /* enum arena_role */
    uint32_t abnormal;             /* found where data in flight is legitimate */
    _Atomic uint32_t range_count;
    _Atomic uint64_t count;
    uint64_t value; /* the token of bad-token, the address of outside-region */
    uint64_t bytes; /* length of the first one */
    struct {
        uint64_t offset, length;
    } ranges[ARENA_RANGES];
};
enum arena_rescue { ARENA_RESCUE_NONE, ARENA_RESCUE_PAGE, ARENA_RESCUE_TOKEN };

/* What is counted for a profile. */
enum arena_cost {
    ARENA_COST_STORES,
    ARENA_COST_BYTES, /* that they stored */
    ARENA_COST_FLUSHES,
    ARENA_COST_LINES, /* that were flushed, or streamed */
    ARENA_COST_PAGES, /* that those lie on, call by call */
    ARENA_COST_DIRTY, /* bytes in them that waited for it */
    ARENA_COST_DRAINS,
    ARENA_COSTS
};

/* A place of the program, and what it did to a file. */
struct arena_site {
    arena_id next;
    uint32_t stack;
    uint32_t file; /* index + 1; 0: none */
    _Atomic uint64_t counts[ARENA_COSTS];
};

enum arena_end {
    ARENA_RUNS,
    ARENA_EXITED,  /* by exit() or return from main */
    ARENA_REPLACED /* by exec */
};

struct arena_process {
    _Atomic uint32_t pid;
    uint32_t parent;      /* index + 1 of the process that forked it, 0: began by itself */
    _Atomic uint32_t end; /* enum arena_end */
    uint64_t program;     /* differs between programs that one process runs by exec */
};

/* What a thread has flushed of direct stores; see shadow.h. */
struct shadow_list {
    _Atomic arena_id first;  /* of the list's blocks, which stay */
    _Atomic uint32_t count;  /* flushes in them */
    _Atomic uint32_t epoch;  /* grows whenever flushes leave the list; odd while they are moved */
    _Atomic uint32_t inside; /* the thread is about to look at pages that it alone uses */
    _Atomic arena_id log;
    _Atomic uint32_t log_count;
    _Atomic uint32_t log_drained; /* the first so many are durable */
    _Atomic uint32_t log_epoch;   /* how often the log was emptied */
    _Atomic uint32_t turn;        /* changes with each thread that takes this place */
};

/* What could not be recorded. Not zero: findings that lean on completeness are no errors. */
struct arena_lost {
    _Atomic uint64_t events; /* signal handlers that interrupted the runtime too often */
    _Atomic uint64_t memory; /* records that found no place */
    _Atomic uint64_t threads;
    _Atomic uint64_t processes; /* without room for the arena */
    _Atomic uint64_t locks;     /* taken from who did not give them back */
};

/* The log of a run that is recorded; see log.h. */
struct arena_log {
    uint32_t on;           /* enum log_on, set by the parent before the run: judge nothing */
    uint64_t room;         /* bytes that the arena may have used when a record is added */
    _Atomic uint32_t full; /* recording has stopped: no room */
    _Atomic uint32_t stopped;
    _Atomic uint32_t deferred; /* events of signal handlers that are still to be recorded */
    _Atomic arena_id last;     /* the newest record */
    /* When the power is cut: after this record, after this acknowledgement, or just before this
       drain; 0: not by that. */
    uint64_t stop_record, stop_ack, stop_drain;
};

/* The ring of a run whose trace is written meanwhile; see stream.h. */
struct arena_stream {
    _Atomic uint64_t taken;    /* bytes since the beginning that writers have taken */
    uint64_t apart[7];         /* all writers store to that, and only read what follows */
    _Atomic uint64_t released; /* likewise, that the parent has done with */
    arena_id ring;
    _Atomic uint32_t moved;  /* counts releases, for those who wait for one */
    _Atomic uint32_t closed; /* the parent reads no more */
    uint32_t unused;
    _Atomic uint32_t writing[ARENA_THREADS]; /* who is about to write, by index */
    _Atomic arena_id batches[ARENA_THREADS]; /* likewise: what is still to be written; batch.h */
};

struct arena_head {
    struct run_head run;
    uint64_t size;         /* bytes of the file; a process may map less, never more */
    uint32_t judge;        /* enum model_judge */
    uint32_t stacks_mode;  /* enum arena_stacks */
    uint32_t stores;       /* enum arena_stores: what was asked for */
    uint32_t placed;       /* a streaming store may change its line in the cache */
    _Atomic uint64_t used; /* bytes */
    struct arena_lost lost;
    struct arena_log log;
    struct arena_stream stream;
    _Atomic uint32_t process_count, thread_count, module_count, file_count;
    _Atomic uint32_t lock;         /* modules, files, tokens */
    _Atomic uint32_t commits;      /* commit points of all files */
    uint32_t extras;               /* enum arena_extra, set by the parent before the run */
    _Atomic uint32_t hooked;       /* processes in which code with hooks has run */
    _Atomic uint32_t confined;     /* processes that have forbidden themselves system calls */
    _Atomic uint32_t made_code;    /* processes whose code of no module may flush */
    _Atomic uint32_t two_runtimes; /* processes that have two, which know nothing of each other */
    _Atomic uint32_t failed;       /* waits that failed, of what was taken for durable */
    _Atomic uint32_t keeping;      /* threads about to keep what the regions of a new token hold */
    struct arena_process processes[ARENA_PROCESSES];
    struct arena_module modules[ARENA_MODULES]; /* module number 1 is the first */
    struct arena_file files[ARENA_FILES];
    struct model_thread threads[ARENA_THREADS];
    struct shadow_list lists[ARENA_THREADS];
    uint32_t thread_ids[ARENA_THREADS];       /* of the system, to see who died with a lock */
    uint32_t thread_processes[ARENA_THREADS]; /* index */
    _Atomic arena_id stacks[ARENA_STACK_BUCKETS];
    _Atomic arena_id pages[ARENA_PAGE_BUCKETS];
    _Atomic arena_id shadows[ARENA_SHADOW_BUCKETS];
    _Atomic arena_id tokens[ARENA_TOKEN_BUCKETS];
    _Atomic arena_id findings[ARENA_FINDING_BUCKETS];
    _Atomic arena_id sites[ARENA_SITE_BUCKETS];
};
/* Where stores are seen. */
enum arena_stores {
    ARENA_STORES_API,
    ARENA_STORES_AUTO, /* the best that the program allows */
    ARENA_STORES_PAGES,
    ARENA_STORES_INTERVAL, /* pages, looked at at each drain */
    ARENA_STORES_HOOKS
};

/* What is looked at only where it was asked for, one bit each. */
enum arena_extra { ARENA_EXTRA_OVERWRITES = 1, ARENA_EXTRA_READS = 2, ARENA_EXTRA_COSTS = 4 };

enum arena_stacks { ARENA_STACKS_CACHED, ARENA_STACKS_FULL, ARENA_STACKS_SITE };

/* The arena as this process has it mapped. */
struct arena {
    struct arena_head *head;
    uint64_t size;
};

/* Makes one: a descriptor of memory to be inherited, mapped. -1 and errno on failure. */
int arena_create(struct arena *arena);

void arena_unmap(struct arena *arena);

/* Makes it as it was created. What it occupied it keeps, since its pages are dear to come by; hence
   false, and nothing done, where they are too many. pre: only this process has it mapped */
bool arena_reset(const struct arena *arena, int descriptor);

enum arena_mapped {
    ARENA_NOT_FOUND,
    ARENA_LEFT_OUT, /* the process's limits are too tight; counted as lost */
    ARENA_MAPPED
};

/* Maps the one behind descriptor; as much of it as the process's limits allow. */
enum arena_mapped arena_map(struct arena *arena, int descriptor);

/* May anything that the run's processes did have escaped its record? A lock that was lost is none
   of that: what it guarded may be judged wrongly, but was seen. */
bool arena_escaped(const struct arena_head *head);

/* A new record of size bytes, zeroed; NULL when the arena is full (counted as lost). */
void *arena_new(const struct arena *arena, size_t size);
static inline arena_id arena_id_of(const struct arena *arena, const void *record) {
    return record == NULL
               ? 0
               : (arena_id)((uint64_t)((const char *)record - (const char *)arena->head) /
                            ARENA_GRAIN);
}

/* The record of an id, or NULL: 0, or one that with size bytes would leave the arena. */
void *arena_at(const struct arena *arena, arena_id id, size_t size);

/* Takes and gives a lock word on behalf of a thread (index + 1). A holder that no longer lives
   loses it, and so does, after a second, one that stands still or has left the runtime by a
   longjmp (counted as lost): what it guarded is then whatever it had become. */
void arena_lock(const struct arena *arena, _Atomic uint32_t *lock, uint32_t thread);
void arena_unlock(_Atomic uint32_t *lock);

/* Does the thread (index + 1), of whatever process of the run, live? */
bool arena_thread_lives(const struct arena *arena, uint32_t thread);

/* Waits until a word that another thread (index + 1) stores to without a barrier holds something
   else than value; counts a lock as lost where that thread is no more. */
void arena_await(const struct arena *arena, uint32_t thread, const _Atomic uint32_t *word,
                 uint32_t value);

/* Takes and gives a page on behalf of a thread (index + 1). Its first user owns it, and tells by
   `holds` alone that it uses it: an instruction with a lock would wait for all that the program has
   under way, write-backs too. When another one comes, all take the page's lock from there on; that
   one gets the former owner (else 0), which may have something under way. A thread has one page at
   a time. */
#define ARENA_SEVERAL UINT32_MAX
/* Of a thread that has lost many pages so: soon it takes locks for those that it still owns; and by
   now it does. */
enum arena_locks { ARENA_LOCKS_NOT, ARENA_LOCKS_SOON, ARENA_LOCKS_ALWAYS };
uint32_t arena_take_page(const struct arena *arena, struct model_page *page, uint32_t thread);

static inline uint32_t arena_lock_page(const struct arena *arena, struct model_page *page,
                                       uint32_t thread) {
    if (LIKELY(atomic_load_explicit(&page->owner, memory_order_relaxed) == thread)) {
        struct model_thread *me = &arena->head->threads[thread - 1];
        atomic_store_explicit(&me->holds, arena_id_of(arena, page), memory_order_relaxed);
        /* Whoever takes the page away makes sure that one of the two sees the other. */
        atomic_signal_fence(memory_order_seq_cst);
        if (LIKELY(atomic_load_explicit(&page->owner, memory_order_acquire) == thread) &&
            LIKELY(atomic_load_explicit(&me->locks, memory_order_acquire) == ARENA_LOCKS_NOT))
            return 0;
        atomic_store_explicit(&me->holds, 0, memory_order_release);
    }
    return arena_take_page(arena, page, thread);
}

static inline void arena_unlock_page(const struct arena *arena, struct model_page *page,
                                     uint32_t thread) {
    if (UNLIKELY(atomic_load_explicit(&page->lock, memory_order_relaxed) == thread))
        arena_unlock(&page->lock);
    else
        atomic_store_explicit(&arena->head->threads[thread - 1].holds, 0, memory_order_release);
}

/* Counts a link of a chain that is followed; false: more than there are records, so that the chain
   was damaged and has become a ring. */
bool arena_follow(const struct arena *arena, uint64_t *links);

/* The id of a stack, found or made; 0 when the arena is full. */
arena_id arena_stack(const struct arena *arena, const uint64_t *frames, uint32_t depth);

/* How much of a page's record there is. In a run that is recorded it ends before its lines; where
   shadows have what lines hold, before `content`. */
size_t arena_page_size(const struct arena *arena);

/* The page of a file, made if make is set; NULL if there is none. */
struct model_page *arena_page(const struct arena *arena, uint32_t file, uint64_t index, bool make);

/* A stretch of a file, and the thread (index + 1) that looks at it. */
struct arena_pages {
    uint32_t file;
    uint64_t offset, length; /* bytes; may end beyond any file */
    uint32_t thread;
};
/* [from, to): the part of the page that lies in the stretch. The page is locked. */
typedef void arena_visit(struct model_page *page, void *context, uint64_t from, uint64_t to);

/* Where the arena's lines lie, for the model; without any that are spare. */
struct model_lines arena_lines(const struct arena *arena);

/* Visits the pages of the stretch that the arena has, in the file's order unless they lie very far
   apart. */
void arena_each_page(const struct arena *arena, const struct arena_pages *pages, arena_visit *visit,
                     void *context);

/* Counts a finding like wish; ranges beyond the first are not kept. */
void arena_report(const struct arena *arena, const struct arena_finding *wish);

/* Adds to what a place has done to a file (index + 1, or 0). */
void arena_count(const struct arena *arena, uint32_t stack, uint32_t file, enum arena_cost cost,
                 uint64_t amount);

/* From now on no finding is about [offset, offset + length) of a file. pre: head's lock */
void arena_ignore(const struct arena *arena, struct arena_file *file, uint64_t offset,
                  uint64_t length);

/* Is no finding about [offset, offset + length) of a file? */
bool arena_ignores(const struct arena *arena, uint32_t file, uint64_t offset, uint64_t length);

/* How the run judges a file's pages. lines: to be kept as long as the answer is used */
struct model_judging arena_judging(const struct arena *arena, const struct model_lines *lines,
                                   uint32_t file, model_tell *tell, void *context);

/* Judges [offset, offset + length) of a file and reports what is not durable. wish: what all these
   findings share (file, related, roles, call, abnormal). */
void arena_judge(const struct arena *arena, uint32_t file, uint64_t offset, uint64_t length,
                 const struct arena_finding *wish, uint32_t thread);

#endif
