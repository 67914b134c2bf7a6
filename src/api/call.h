/* SPDX-License-Identifier: BSD-2-Clause */
/* What every routine does first and last: find the token, check the range, tell the observer, turn
   results into statuses. Inline where it is on the path of each call. */
#ifndef API_CALL_H
#define API_CALL_H

#include <nvrtl.h>

#include "drain/drain.h"
#include "event/event.h"
#include "flush/flush.h"
#include "observe/observe.h"
#include "token/token.h"

/* Where the program stands, for the observer: the routine, its return address, and an address in
   its stack frame. */
struct call_site {
    enum event_call call;
    const void *caller, *frame;
};

/* Only meaningful in a function that the program calls. */
#define CALL_SITE(call_, local_)                                                                   \
    ((const struct call_site){(call_), __builtin_return_address(0), (local_)})

/* Routines that are called often have two bodies made from one text. The short one is for a live
   token while nobody listens. The other is kept apart: it resolves the default token, which may let
   a verifier in, and tells of the call. The text takes the site of the call; NULL in the short
   body, where nothing is told. */
#define CALL_TEXT static inline __attribute__((always_inline))

/* An exported function that takes a few cycles more or less by where its code lies. */
#define CALL_OFTEN __attribute__((aligned(64)))

/* The event of a call, without what happened. */
static inline struct event call_event(const struct call_site *site, enum event_kind kind) {
    struct event event;
    CLEAR_SMALL(&event);
    event.kind = kind;
    event.call = site->call;
    event.caller = site->caller;
    event.frame = site->frame;
    return event;
}

/* Is there somebody to tell? */
static inline bool call_observed(const struct call_site *site) {
    return site != NULL && observed();
}

/* The token of a range that was given with the default token, made if there is none: results of its
   Get. An empty range stands for every token. */
enum result call_resolve_default(uintptr_t address, size_t length, struct token_view *view);

/* A refused call: tells the observer why, and gives the status. */
NTSTATUS call_refuse(const struct call_site *site, PVOID token, uintptr_t address, size_t length,
                     enum result why);

/* Tells the observer of a call that was done; call_emit of one that its event says more of.
   pre: observed() */
void call_tell(const struct call_site *site, enum event_kind kind, uint32_t effect,
               const struct token_view *token, uintptr_t address, size_t length);
void call_emit(struct event *event, const struct token_view *token, uintptr_t address,
               size_t length);

/* Can the observer read what is about to be stored to, or flushed? Asked in a way that can fail: a
   page may be had no longer. */
bool call_loads(uintptr_t address, size_t length);

NTSTATUS call_status(enum result result);

/* What a store that was made still needs: the flush of its range and perhaps a drain, on the long
   way. It must not be made again: another thread may have stored there since. */
NTSTATUS call_flush_stored(PVOID value, uintptr_t address, size_t length, bool drain,
                           const void *caller);

/* Why an access to the token's region failed: the page is damaged, the file system is full, or the
   device or the file has no page there. */
enum result call_fault(const struct token_view *token, enum fault fault);

/* Flushes a range; later: no drain follows in this call. RESULT_INVALID: the token was freed
   meanwhile, so that nobody will drain it; why the file has failed, if it has; why there is no
   page. pre: as flush_range */
enum result call_flush(const struct token_view *token, uintptr_t address, size_t length,
                       bool later);

/* Drains, after what this thread has deferred was flushed. */
enum result call_drain_deferred(const struct token_view *token);
static inline enum result call_drain(const struct token_view *token) {
    return UNLIKELY(flush_has_later()) ? call_drain_deferred(token) : drain_token(token);
}

/* token_make; and what the stores of any token go by is known from the first one on. */
enum result call_make_token(struct event *event, uint32_t flags);

static inline bool call_is_default(PVOID token) {
    return (uintptr_t)token == FLUSH_NV_MEMORY_DEFAULT_TOKEN;
}

/* Was a call with the default token refused because another thread freed the token that stood for
   it? The caller knows of no token: it is looked for again. */
static inline bool call_again(PVOID value, const struct token_view *view, enum result result) {
    return UNLIKELY(result == RESULT_INVALID) && call_is_default(value) && view->slot != NULL &&
           !token_lives(view);
}

/* Flushes a range by whatever token stands for the default token now, and drains if asked to. */
NTSTATUS call_flush_default(uintptr_t address, size_t length, bool drain,
                            const struct call_site *site);

/* Does the range lie in the token's region? An empty one lies in all. */
static inline bool call_inside(const struct token_view *view, uintptr_t address, size_t length) {
    return LIKELY(range_inside(address, length, view->base, view->length)) || length == 0;
}

/* Finds the token of a call and checks that the range lies in its region. RESULT_INVALID, or a
   result of call_resolve_default. */
static inline enum result call_resolve(PVOID token, uintptr_t address, size_t length,
                                       struct token_view *view) {
    if (UNLIKELY(!token_find((uintptr_t)token, view)))
        return call_is_default(token) ? call_resolve_default(address, length, view)
                                      : RESULT_INVALID;
    return call_inside(view, address, length) ? RESULT_OK : RESULT_INVALID;
}

#endif
