/* SPDX-License-Identifier: BSD-2-Clause */
#include "drain/drain.h"

#include "drain/gather.h"

enum result drain_failure(const struct token_view *token) {
    if (token->operations.domain != MAP_DOMAIN_PAGE_CACHE)
        return RESULT_OK;
    const struct token_file *file = token_file(token);
    enum result own = (enum result)atomic_load_explicit(&file->failure, memory_order_acquire);
    return own != RESULT_OK ? own : kin_failure(file->kin, atomic_load(&file->heard));
}

/* The kernel tells how many pages at once; small enough for any stack. */
#define RESIDENT_BATCH 64

/* Makes every page of the range that is in memory dirty again. A page that is not in memory is
   read from the medium when it is used: there the two are equal. */
APART static enum result redirty(uintptr_t start, uintptr_t end) {
    size_t page = os_page_size();
    for (uintptr_t at = start; at < end; at += RESIDENT_BATCH * page) {
        unsigned char resident[RESIDENT_BATCH];
        size_t count = (end - at) / page < RESIDENT_BATCH ? (end - at) / page : RESIDENT_BATCH;
        enum result result = os_resident((void *)at, count * page, resident);
        if (result != RESULT_OK)
            return result;
        for (size_t i = 0; i < count; i++) {
            if ((resident[i] & 1) == 0)
                continue;
            /* The program may have protected its view since Get: a touch would end it. */
            if (!os_may_store((void *)(at + i * page)))
                return RESULT_DENIED;
            if (isa_touch((void *)(at + i * page)) != FAULT_NONE)
                return RESULT_IO_ERROR;
        }
    }
    return RESULT_OK;
}

/* The pages of one span of a view, cut to it: units of several pages reach beyond a view at both
   ends, and the span of a freed token may lie in a slot that is used again. */
static void span_range(const struct token_view *token, span pages, uintptr_t *start,
                       uintptr_t *end) {
    unsigned shift = span_shift(token->length, os_page_size());
    uintptr_t base = token->base >> shift;
    uintptr_t view_start = align_down(token->base, os_page_size());
    uintptr_t view_end = align_up(token->base + token->length, os_page_size());
    *start = (base + span_first(pages)) << shift;
    *end = (base + span_end(pages)) << shift;
    *start = *start > view_start ? *start : view_start;
    *end = *end < view_end ? *end : view_end;
}

/* Success is told only when nobody may have been told in our place that it was none. */
static inline enum result sync_span(const struct token_view *token, span pages) {
    struct kin_file *kin = token_file(token)->kin;
    uint64_t left_behind = atomic_load(&token_file(token)->left_behind);
    uintptr_t start, end;
    span_range(token, pages, &start, &end);
    if (start >= end)
        return RESULT_OK;
    if (UNLIKELY(left_behind != 0) && kin_is_writing(kin, left_behind))
        return RESULT_BUSY;
    _Atomic uint64_t *place = kin_enter(kin);
    enum result result = os_sync_view((void *)start, end - start);
    kin_leave(kin, place, result);
    if (result == RESULT_OK)
        kin_await(kin);
    return result;
}

/* In one wait, or in two where so much lies between that its pages, should the program have stored
   to them, would cost more than another wait does. */
static enum result sync_spans(const struct token_view *token, const span pages[TOKEN_SPANS]) {
    if (span_gap(pages[0], pages[1]) <= TOKEN_SPANS_NEAR)
        return sync_span(token, span_join(pages[0], pages[1]));
    enum result result = sync_span(token, pages[0]);
    return result == RESULT_OK ? sync_span(token, pages[1]) : result;
}

static span whole(const struct token_view *view) {
    return token_span(view, view->base, view->length);
}

APART static enum result sync_view(const struct token_view *view) {
    return sync_span(view, whole(view));
}

static enum result redirty_view(const struct token_view *view) {
    uintptr_t start, end;
    span_range(view, whole(view), &start, &end);
    return redirty(start, end);
}

/* The system tells a failed write-back once: from now on only this knows. The first one is kept. */
static void remember(struct token_file *file, enum result result) {
    uint32_t none = RESULT_OK;
    if (result == RESULT_IO_ERROR || result == RESULT_NO_SPACE)
        atomic_compare_exchange_strong(&file->failure, &none, (uint32_t)result);
}

/* Drains what is pending of one token. pre: the file's lock is held */
static enum result drain_view(struct token_file *file, const struct token_view *token) {
    span pages[TOKEN_SPANS];
    /* Who died while it wrote the file back may have been told that any of its pages failed, so
       that it is clean, and lost. */
    bool doubtful = atomic_load(&file->kin->deaths) != atomic_load(&file->deaths);
    enum result result = token_take_pending(token, pages);
    if (result != RESULT_OK || ((pages[0] | pages[1]) == 0 && !doubtful)) {
        token_end_rest(token);
        return result;
    }
    result = token_stands(token);
    if (result == RESULT_INVALID) {
        /* What lies at these addresses now is something else. */
        bool lost = token_abandon(token);
        token_end_flight(token, pages, false);
        token_end_rest(token);
        if (!lost)
            return RESULT_OK;
        atomic_store(&token_table.lost, true);
        return RESULT_INVALID;
    }
    if (result == RESULT_OK && doubtful)
        result = redirty_view(token);
    if (result == RESULT_OK)
        result = doubtful ? sync_view(token) : sync_spans(token, pages);
    if (result == RESULT_INVALID && !token_lives(token))
        result = RESULT_OK; /* freed and unmapped meanwhile: its owner no longer waits for it */
    remember(file, result);
    /* Last: who finds nothing pending and nothing in flight finds the failure too. */
    token_end_flight(token, pages, result != RESULT_OK && (pages[0] | pages[1]) != 0);
    if (result == RESULT_OK)
        token_end_rest(token);
    return result;
}

/* The next live page-cache token of a file, from slot *index on; false: there is none. */
static bool next_view(const struct token_file *file, uint32_t *index, struct token_view *view) {
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_acquire);
    while (*index < used) {
        if (token_at((*index)++, view) && &token_table.files[view->operations.file] == file &&
            view->operations.domain == MAP_DOMAIN_PAGE_CACHE)
            return true;
    }
    return false;
}

/* Drains all tokens of a file once. pre: the file's lock is held */
static enum result drain_pass(struct token_file *file) {
    enum result first = RESULT_OK;
    struct token_view view;
    for (uint32_t i = 0; next_view(file, &i, &view);) {
        enum result failure = drain_failure(&view);
        if (failure != RESULT_OK)
            return first != RESULT_OK ? first : failure;
        enum result result = drain_view(file, &view);
        if (first == RESULT_OK)
            first = result;
    }
    return first != RESULT_OK ? first : kin_failure(file->kin, atomic_load(&file->heard));
}

/* How many died in the middle of writing back this file; of none in particular, none. */
static uint32_t deaths_of(const struct token_file *file) {
    return file != NULL ? atomic_load(&file->kin->deaths) : 0;
}

/* Looks at every token, and again when pages moved meanwhile: they may have come to a token that
   had had its turn; or when somebody died who may have been told what nobody else will be. */
static enum result until_settled(enum result (*pass)(struct token_file *file),
                                 struct token_file *file) {
    uint64_t before, after;
    enum result result = token_moves(&before);
    while (result == RESULT_OK) {
        uint32_t deaths = deaths_of(file);
        result = pass(file);
        if (token_moves(&after) != RESULT_OK)
            return RESULT_BUSY;
        if (after == before && deaths == deaths_of(file)) {
            if (file != NULL && result == RESULT_OK)
                atomic_store(&file->deaths, deaths);
            break;
        }
        before = after;
    }
    return result;
}

/* Drains all tokens of a file. pre: the file's lock is held */
static enum result drain_locked(struct token_file *file) {
    gather_wait(&file->crowd);
    /* Before anything is looked at: who flushed and then read a smaller number is drained too. */
    uint64_t number = atomic_fetch_add(&file->begun, 1) + 1;
    gather_begin(&file->crowd);
    enum result result = until_settled(drain_pass, file);
    gather_end(&file->crowd);
    uint64_t last = atomic_load(&file->settled);
    /* In the child of a fork out of a drain a later one may have ended before. */
    while (result == RESULT_OK && last < number &&
           !atomic_compare_exchange_weak(&file->settled, &last, number))
        ;
    return result;
}

/* Is this thread in a signal handler whose interrupted call holds what others may be waiting for
   while they drain a file? Who waits for such a file then does so for ever. */
static bool interrupts_holder(void) {
    if (token_holds_lock())
        return true;
    uint32_t used = atomic_load_explicit(&token_table.files_used, memory_order_acquire);
    for (uint32_t i = 0; i < used; i++) {
        if (os_lock_is_own(&token_table.files[i].lock))
            return true;
    }
    return false;
}

/* The lock of a file, unless a drain has ended well that began after number limit.
   OS_LOCKED_BY_SELF: also where this thread may not wait for it. */
static enum os_locked lock_file(struct token_file *file, uint64_t limit) {
    enum os_locked locked = os_try_lock(&file->lock);
    if (locked != OS_LOCK_SPARED)
        return locked;
    return interrupts_holder() ? OS_LOCKED_BY_SELF : os_lock_or(&file->lock, &file->settled, limit);
}

/* Waits until nobody drains the file of a page-cache token, or until a drain of it has ended well
   that began after number limit, and spares us our own; does something with the file otherwise. */
static enum result with_file(const struct token_view *token, uint64_t limit,
                             enum result (*act)(struct token_file *file)) {
    struct token_file *file = token_file(token);
    enum result result = RESULT_OK;
    gather_arrive(&file->crowd);
    enum os_locked locked = lock_file(file, limit);
    if (locked == OS_LOCKED_BY_SELF) {
        gather_turn_away(&file->crowd);
        return RESULT_BUSY;
    }
    if (locked == OS_LOCKED) {
        /* Looked at under the lock, a live token says that the record is still its file's. */
        if (token_lives(token) && atomic_load(&file->settled) <= limit)
            result = act(file);
        os_unlock_all(&file->lock);
    }
    /* Of a token that was freed meanwhile there may have been no view left to wait for. */
    return token_lives(token) ? result : RESULT_INVALID;
}

/* Drains the file of a page-cache token, or lets another do it that begins after now. */
static enum result drain_file(const struct token_view *token) {
    const struct token_file *file = token_file(token);
    uint32_t heard = atomic_load(&file->heard);
    enum result result = with_file(token, atomic_load(&file->begun), drain_locked);
    /* What failed while we waited may be lost, though a retry made up for it since. */
    if (result == RESULT_OK)
        result = kin_failure(file->kin, heard);
    if (result == RESULT_OK)
        result = drain_failure(token);
    return token_lives(token) ? result : RESULT_INVALID;
}

/* Is there anything that a drain of this token would wait for or tell? Asked in this order, because
   a drain by another thread moves from the first to the second. */
static bool is_waited_for(const struct token_view *view) {
    return token_is_waiting(view->slot) || drain_failure(view) != RESULT_OK;
}

/* Drains every token once; the first failure, after all were tried. */
static enum result every_pass(struct token_file *unused) {
    enum result first = RESULT_OK;
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_acquire);
    (void)unused;
    for (uint32_t i = 0; i < used; i++) {
        struct token_view view;
        if (!token_at(i, &view) || view.operations.domain != MAP_DOMAIN_PAGE_CACHE ||
            !is_waited_for(&view))
            continue;
        enum result result = drain_file(&view);
        if (first == RESULT_OK && token_lives(&view))
            first = result;
    }
    /* Told once, and not in the shadow of another failure. */
    if ((first == RESULT_OK || first == RESULT_INVALID) &&
        atomic_exchange(&token_table.lost, false))
        return RESULT_INVALID;
    return first;
}

APART static enum result drain_every(void) {
    return until_settled(every_pass, NULL);
}

enum result drain_token(const struct token_view *token) {
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE)
        return drain_file(token);
    isa_fence();
    return token->operations.flags & TOKEN_EVERY ? drain_every() : RESULT_OK;
}

typedef enum result view_step(const struct token_view *view);

/* An error is told once to each open file behind the views, so each view is asked until it has told
   its old ones; only then does success say that what was made dirty since is on the medium. */
static enum result retry_file(struct token_file *file) {
    static view_step *const steps[] = {sync_view, redirty_view, sync_view};
    struct token_view view;
    uint32_t heard = 0;
    for (size_t step = 0; step < ARRAY_LENGTH(steps); step++) {
        /* What failed up to here, here and elsewhere, is dirty again after the next step. */
        if (step == 1)
            heard = atomic_load(&file->kin->failures);
        for (uint32_t i = 0; next_view(file, &i, &view);) {
            enum result result = token_stands(&view);
            if (result == RESULT_INVALID)
                continue;
            if (result == RESULT_OK)
                result = steps[step](&view);
            remember(file, result);
            bool old_error = step == 0 && (result == RESULT_IO_ERROR || result == RESULT_NO_SPACE);
            if (result != RESULT_OK && !old_error && token_lives(&view))
                return result;
        }
    }
    enum result since = kin_failure(file->kin, heard);
    if (since != RESULT_OK)
        return since;
    atomic_store(&file->heard, heard);
    atomic_store_explicit(&file->failure, RESULT_OK, memory_order_release);
    return RESULT_OK;
}

static enum result retry_locked(struct token_file *file) {
    return until_settled(retry_file, file);
}

enum result drain_retry(const struct token_view *token) {
    return token->operations.domain == MAP_DOMAIN_PAGE_CACHE
               ? with_file(token, UINT64_MAX, retry_locked)
               : RESULT_OK;
}
