/* SPDX-License-Identifier: BSD-2-Clause */
/* Which stores would a power cut lose? The state of a file's pages, line by line, as stores,
   flushes and drains change it. MODEL.md says what the words mean and why. The structures hold no
   pointer: they live in memory that outlives the process that writes them. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_LINE_SIZE 64
#define MODEL_UNIT_SIZE 8
#define MODEL_PAGE_SIZE 4096
#define MODEL_PAGE_LINES (MODEL_PAGE_SIZE / MODEL_LINE_SIZE)
#define MODEL_LINE_UNITS (MODEL_LINE_SIZE / MODEL_UNIT_SIZE)

/* By what measure a run is judged. */
enum model_judge {
    MODEL_JUDGE_STRICT, /* by lines and each thread's drains of each token, whatever the file is */
    MODEL_JUDGE_MEMORY, /* by lines and each thread's drains, as a CPU does */
    MODEL_JUDGE_PAGES,  /* by pages, and drains of the file by any thread */
    MODEL_JUDGE_ACTUAL, /* each file by what its domain is */
};

#define MODEL_TOKENS 16

/* What a thread has drained. A flush notes its thread's number of drains; it is complete once that
   number has grown, so a drain costs the same whatever is outstanding. Others read while the thread
   itself writes. */
struct model_thread {
    _Alignas(64) _Atomic uint32_t drains; /* no line with another thread */
    _Atomic uint32_t every;               /* drains after its last drain of every token */
    _Atomic uint32_t evicted; /* the newest drain that no longer has a place in tokens */
    _Atomic uint32_t pending; /* something waits that was flushed for a token without a place */
    _Atomic uint32_t failed;  /* its last drain failed */
    _Atomic uint32_t holds;   /* arena's business: a page that it uses without a lock */
    _Atomic uint32_t locks;   /* likewise: whether it takes locks all the same */
    _Atomic uint32_t lost;    /* likewise: pages that others have taken away */
    struct {
        _Atomic uint32_t token;   /* 0: no place taken */
        _Atomic uint32_t drained; /* drains after its last drain of that token */
        _Atomic uint32_t pending; /* something flushed for it waits for a drain */
    } tokens[MODEL_TOKENS];
};

/* A flush of a line that nobody has seen drained yet: of all stores so far, or, when a streaming
   store was its own flush, of the last stores to some units. */
struct model_flush {
    uint32_t drains; /* of its thread, when it flushed */
    uint32_t token;
    uint32_t stack;
    uint16_t thread : 15;
    uint16_t races : 1; /* with other threads' stores: nobody knows whether it covers them */
    uint8_t n;          /* stores of the line so far; 0: no flush here */
    uint8_t units;      /* one bit each; 0: the whole line */
};

struct model_unit {
    uint32_t stack; /* of the last store */
    uint16_t thread : 15;
    uint16_t continues : 1; /* the last store began in the unit before */
    uint8_t n;              /* the line's number of stores, after the last store to this unit */
    uint8_t mask; /* bytes that wait: stored, and neither flushed before the last store nor told */
};

#define MODEL_THREADS 0x7FFFu /* fewer than a number of 15 bits can tell */

/* A line of which something may not be durable: it is open. Stores are counted from a base on; as
   only the order of the numbers matters, they begin anew before they come to their end. */
struct model_line {
    uint32_t base;
    uint32_t number; /* of the storer, in its clock, at its last store; 0: not known */
    struct model_flush flush[2];
    struct model_unit unit[MODEL_LINE_UNITS];
    uint16_t storers; /* index + 1 of the thread whose stores no flush of its own has covered yet */
    uint8_t n;        /* stores so far */
    uint8_t durable;  /* the first so many are known durable */
    uint8_t flushed;  /* the first so many were flushed by someone */
    uint8_t page_n;   /* so many when the page was last flushed */
    uint8_t page_durable;
    uint8_t placed; /* units whose last store was MODEL_PLACED, one bit each */
};

#define MODEL_SEVERAL UINT16_MAX /* storers: more than one */
#define MODEL_UNSEEN UINT32_MAX  /* a store's stack: of code that nobody sees */

/* Of the lines that are closed, which are most, a bit is enough: all that was stored to them is
   durable. */
struct model_page {
    _Atomic uint32_t lock;              /* its holder's business, see arena */
    _Atomic uint32_t owner;             /* likewise */
    uint32_t next;                      /* likewise */
    uint32_t file;                      /* likewise */
    uint32_t page_drains;               /* of the file, when the page was last flushed */
    uint32_t page_stack;                /* of that flush */
    uint32_t shadow;                    /* source's business: what the log explains of the page */
    uint32_t last;                      /* no line that was closed had more stores than this */
    uint64_t index;                     /* offset in the file / MODEL_PAGE_SIZE */
    uint64_t touched;                   /* one bit a line that was stored to */
    uint64_t based;                     /* likewise: one bit a line that the log has */
    uint64_t storing;                   /* likewise: one bit a line that a call is storing to */
    uint64_t commits;                   /* likewise: one bit a line that has a commit point */
    uint64_t asked;                     /* source's business: for what the page held before */
    uint64_t reserved[6];               /* what follows begins a line */
    uint32_t open[MODEL_PAGE_LINES];    /* ids of the lines that are open, or 0 */
    uint64_t content[MODEL_PAGE_LINES]; /* of each line's bytes; source's business */
};

/* Lines that were open and can be so again, the last one first. */
#define MODEL_SPARE 4096
struct model_spare {
    uint32_t count;
    uint32_t ids[MODEL_SPARE];
};

/* Where open lines lie. */
#define MODEL_GRAIN 16
#define MODEL_LINE_GRAINS (sizeof(struct model_line) / MODEL_GRAIN)
struct model_lines {
    unsigned char *memory;
    uint64_t size; /* bytes; an id counts MODEL_GRAIN of them */
    const void *context;
    /* Makes new lines, one after the other: the id of the first; 0: there is no room. */
    uint32_t (*make)(const void *context, uint32_t count);
    struct model_spare *spare; /* or NULL */
};

/* What the acting thread knows of others: a store of a thread with a place, at its number n,
   happened before what the thread does now if known[place - 1] >= n. */
struct model_order {
    const uint32_t *known;
    const uint8_t *places; /* of all threads, + 1; 0: nothing is known of that one */
    uint32_t number;       /* the acting thread's own, or 0 */
};

/* Who does something, and on behalf of what. */
struct model_actor {
    struct model_thread *threads; /* all of them */
    const struct model_lines *lines;
    enum model_judge judge;
    uint32_t thread;                 /* index of the acting one */
    const struct model_order *order; /* NULL: what is told first happened before */
    uint32_t token;
    uint32_t stack;
};

/* Which bytes does the store itself flush? */
enum model_way {
    MODEL_CACHED,  /* none */
    MODEL_STREAM,  /* those it stores: its thread's next drain makes them durable */
    MODEL_PERSIST, /* likewise; and the caller need not flush the line after it */
    MODEL_PLACED /* as MODEL_STREAM, but it may have changed its line in the cache: what is drained
                      waits for a flush all the same */
};

/* Stores [start, start + length) of the page. continues: the store began on the page before.
   pre: start + length <= MODEL_PAGE_SIZE; length > 0 */
void model_store(struct model_page *page, const struct model_actor *actor, uint32_t start,
                 uint32_t length, bool continues, enum model_way way);

/* The same for a store through the cache of some bytes of one unit, which is most of them. false:
   nothing was done, this one is not so simple. */
bool model_store_word(struct model_page *page, const struct model_actor *actor, uint32_t start,
                      uint32_t length);

enum model_flushed {
    MODEL_FLUSH_UNKNOWN, /* no store to the line was ever seen */
    MODEL_FLUSH_NEEDED,  /* or nobody can tell */
    MODEL_FLUSH_AGAIN,   /* clean, or this thread has flushed it since its last store */
};

/* How many bytes of the line wait for a flush. */
uint32_t model_waiting(const struct model_page *page, const struct model_lines *lines,
                       uint32_t line);

/* Flushes one line. */
enum model_flushed model_flush(struct model_page *page, const struct model_actor *actor,
                               uint32_t line);

/* Notes a flush of a line, of all stores so far, that was made when its thread had drained so many
   times. */
void model_flush_at(struct model_page *page, const struct model_actor *actor, uint32_t line,
                    uint32_t drains);

/* The flush of a line is complete as soon as it is made (clflush). pre: model_flush was called */
void model_flush_done(struct model_page *page, const struct model_actor *actor, uint32_t line);

/* Flushes the page as a whole, in a file that was drained file_drains times. */
void model_flush_page(struct model_page *page, const struct model_lines *lines,
                      uint32_t file_drains, uint32_t stack);

/* Notes that the actor's thread has something to drain: it has flushed, or streamed. */
void model_note_pending(const struct model_actor *actor);

/* All that was stored so far to the lines of the page that lie in its bytes [from, to) is durable,
   or need not be. */
void model_make_durable(struct model_page *page, const struct model_lines *lines, uint32_t from,
                        uint32_t to);

/* Closes a line if all that was stored to it is durable; by_pages: by a flush of its page, too. */
void model_close(struct model_page *page, const struct model_actor *actor, uint32_t line,
                 bool by_pages);

/* How many stores to the line there were so far, or more, if it was closed since. */
uint32_t model_stores(const struct model_page *page, const struct model_lines *lines,
                      uint32_t line);

/* Drains what the actor's thread has flushed; token 0 stands for every token. */
void model_drain(const struct model_actor *actor);

/* The drain did not succeed: what was flushed waits, and may well be flushed again. */
void model_drain_failed(const struct model_actor *actor);

/* Has the thread flushed anything, for whatever token, that it did not drain? */
bool model_drain_needed(const struct model_thread *thread);

/* A run of bytes from one store that is not durable. */
struct model_hole {
    bool flushed;       /* and only the drain is missing */
    bool page_rescued;  /* durable all the same, because its page was flushed and drained */
    bool token_rescued; /* durable all the same, because its thread drained another token */
    bool placed;        /* its store was MODEL_PLACED and is drained; only the flush is missing */
    bool continues;     /* the store began before the run, maybe on the page before */
    uint32_t start, length; /* in the page */
    uint32_t store, flush;  /* stacks; flush is 0 unless flushed */
    uint32_t thread;        /* of the store */
    uint32_t n;             /* its number, among the line's */
};
typedef void model_tell(void *context, const struct model_page *page,
                        const struct model_hole *hole);

struct model_judging {
    const struct model_thread *threads;
    const struct model_lines *lines;
    enum model_judge judge;
    bool pages; /* the file's own domain is page-cache */
    uint32_t file_drains;
    bool keep; /* what is told now is told again */
    model_tell *tell;
    void *context;
};

/* Tells of every hole in [start, start + length) of the page, each byte once. */
void model_judge(struct model_page *page, const struct model_judging *judging, uint32_t start,
                 uint32_t length);

/* Is it known that the hole's store happened before what a thread does that knows this? */
bool model_came_before(const struct model_page *page, const struct model_lines *lines,
                       const struct model_hole *hole, const struct model_order *order);

/* Is the first n-th store of the line durable, whatever came after it? One that streamed never is
   for this; nor is one where the line has begun to count anew. */
bool model_lasts(struct model_page *page, const struct model_judging *judging, uint32_t line,
                 uint32_t n);

#endif
