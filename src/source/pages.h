/* SPDX-License-Identifier: BSD-2-Clause */
/* The source `pages`: stores that the program makes through pointers, told by what lines hold. A
   flush compares its lines with their shadows (arena/shadow.h) and takes over what differs; what
   differs when a token ends, at the program's exit or at an assertion was never flushed. */
#ifndef SOURCE_PAGES_H
#define SOURCE_PAGES_H

#include "arena/shadow.h"
#include "source/self.h"
#include "source/tokens.h"

/* Does this run look for direct stores? */
static inline bool pages_wanted(void) {
    uint32_t stores = source_process.arena.head->stores;
    return stores == ARENA_STORES_PAGES || stores == ARENA_STORES_INTERVAL;
}

/* One page's share of what a thread does. */
struct pages_share {
    struct self *me;
    const struct model_actor *actor;
    uint32_t file;
    uint64_t index;    /* of the page */
    uint32_t from, to; /* bytes of the page, not empty */
    uintptr_t address; /* of the page's first byte */
};

/* A token was made: from now on its view is watched. */
void pages_got(struct self *me, const struct arena_token *token);

/* What a flush found: may be set, never cleared. */
struct pages_found {
    bool needed;  /* a line was not as it was at its last flush, or another thread flushed it */
    bool unknown; /* a line that nobody was seen to store to */
};

/* Does the thread's log take the event? Then it is done, and api_handle does not hear of it. */
bool pages_quick(struct self *me, const struct event *event);

/* Has the log the flush already, that the event tells of? */
bool pages_announced(struct self *me, const struct event *event);

/* Flushes of this token may go to the log, until it ends. */
void pages_admit(struct self *me, const struct arena_token *token);

/* Works off this thread's log. Before it does anything that is not quick. */
void pages_apply(struct self *me);

/* Works off what other threads' logs have of a stretch. */
void pages_apply_others(struct self *me, const struct arena_pages *pages);

/* Flushes the lines of a share that nobody but direct stores has changed. false: the model has the
   page too, and nothing was done. pre: the share may be read */
bool pages_flush(const struct pages_share *share, struct pages_found *found);

/* The page's shadow, locked; made if make is set. NULL: there is none. */
struct shadow_page *pages_lock(const struct pages_share *share, bool make);
void pages_unlock(struct shadow_page *shadow);

/* For who uses shadows. The chunk of a page, made if make is set; and a page of it: NULL where it
   is zeros, or nobody knows what it held. */
struct shadow_chunk *pages_chunk(struct self *me, uint32_t file, uint64_t index, bool make);
struct shadow_page *pages_page(uint32_t file, struct shadow_chunk *chunk, uint32_t place,
                               bool make);
void pages_lock_page(struct self *me, struct shadow_chunk *chunk, uint32_t place,
                     struct shadow_page *page);

/* Adds a flush to the thread's list. */
void pages_list(struct self *me, const struct shadow_flush *flush);

/* A call has stored the share: its bytes are explained. pre: the share may be read; locked */
void pages_explain(const struct pages_share *share, struct shadow_page *shadow);

/* Tells the model of direct stores to a line, if it has changed. false: it holds what this thread
   has flushed last. pre: the line may be read; shadow and page are locked */
bool pages_take(const struct pages_share *share, struct shadow_page *shadow,
                struct model_page *page, uint32_t line);

/* Tells the model of all direct stores to the stretch that were not flushed, and of what no drain
   has completed. token: whose view it is; stack: of the call at which that is asked, or 0. */
void pages_look(struct self *me, const struct arena_token *token, const struct stretch *stretch,
                arena_id stack);

/* All of the stretch is durable. stack: of the call that has waited for it, or 0 */
void pages_settle(struct self *me, const struct stretch *stretch, arena_id stack);

/* The thread drains, at that stack: with pages=interval that is when all tokens are looked at. */
void pages_interval(struct self *me, arena_id stack);

/* Does a part of a view still stand? Another file may lie there by now. */
bool pages_stand(const struct stretch *part);

/* May another process have stored to the regions? */
bool pages_shared(void);

/* In a run that is recorded: looks at what is stored to a part of the token's view. stack: of the
   call that is about to do something with it */
void pages_find(struct self *me, const struct arena_token *token, uintptr_t address, size_t length,
                arena_id stack);
/* The same of a stretch, with what other processes have stored there. */
void pages_find_all(struct self *me, const struct stretch *stretch, arena_id stack);

/* The thread has drained a token (id), or all (0): of the list; the log is its owner's affair. */
void pages_drained(struct self *me, uint32_t token);

/* Has the thread flushed something that it did not drain? */
bool pages_pending(const struct self *me);

/* A thread begins, with memory that may have been another one's. */
void pages_begin(struct self *me);

/* The process ends by exit(): looks at what its tokens leave. */
void pages_exit(struct self *me);

/* In a forked child. */
void pages_forked(void);

#endif
