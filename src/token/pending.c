/* SPDX-License-Identifier: BSD-2-Clause */
#include "token/pending.h"

#include <string.h>

void pending_add_all(struct token_slot *slot) {
    const struct token_view view = {.base = atomic_load(&slot->base),
                                    .length = atomic_load(&slot->length)};
    span_add(&slot->pending[0], token_span(&view, view.base, view.length));
}

/* A token ended with pages that were flushed and not drained. A drain of its file promises them
   too, so the other tokens of the file, also those to come, drain all of their regions once:
   between them they hold whatever of those pages is still promised to anybody. true: one of them
   holds all that the ended one held, and what that owed to the default token it owes now. */
static bool unsettle(const struct token_view *ended) {
    struct token_view view;
    bool held = false, lent = atomic_load(&ended->slot->lent) != 0;
    atomic_fetch_add(&token_file(ended)->unsettled, 1);
    for (uint32_t i = 0; i < atomic_load(&token_table.slots_used); i++) {
        if (!token_at(i, &view) || view.slot == ended->slot ||
            view.operations.file != ended->operations.file || token_stands(&view) == RESULT_INVALID)
            continue;
        pending_add_all(view.slot);
        if (range_inside(ended->base, ended->length, view.base, view.length)) {
            held = true;
            if (lent)
                atomic_fetch_or(&view.slot->lent, TOKEN_LENT_PENDING);
        }
    }
    token_table.moves++;
    return held;
}

/* Who flushed with the default token knows nothing of the token that stood for it, and relies on a
   drain. No other token need hold the pages: what is left waits in the slot, which nobody finds but
   a drain. As with an internal token nobody tells when its view goes away. */
static void keep_rest(struct token_slot *slot, uint64_t state) {
    struct token_operations operations;
    uint64_t word = atomic_load(&slot->operations);
    memcpy(&operations, &word, sizeof word);
    operations.flags |= TOKEN_INTERNAL;
    memcpy(&word, &operations, sizeof word);
    atomic_store(&slot->operations, word);
    for (unsigned i = 0; i < TOKEN_SPANS; i++)
        span_add(&slot->pending[i], atomic_exchange(&slot->in_flight[i], 0));
    atomic_store(&slot->lent, TOKEN_LENT_PENDING);
    token_table.rests++;
    atomic_store(&slot->state, state | TOKEN_REST | 1);
}

bool pending_end(const struct token_view *view, uint64_t state) {
    struct token_slot *slot = view->slot;
    bool kept = false;
    /* Nothing is noted for it, and a handler that drains all tokens meets no lock of its own. */
    if (view->operations.domain != MAP_DOMAIN_PAGE_CACHE) {
        atomic_store(&slot->state, state);
        return true;
    }
    os_lock(&token_table.flight_lock);
    atomic_store(&slot->state, state);
    /* Still under the lock: a drain that finds the token dead finds its pages with the others. */
    bool waits = token_is_waiting(slot);
    bool internal = (view->operations.flags & TOKEN_INTERNAL) != 0;
    if (waits && !unsettle(view) && atomic_load(&slot->lent) != 0 && !internal) {
        kept = token_table.rests < TOKEN_RESTS_MAX;
        if (kept)
            keep_rest(slot, state);
        else
            atomic_store(&token_table.lost, true);
    }
    os_unlock(&token_table.flight_lock);
    return !kept;
}

bool token_abandon(const struct token_view *view) {
    os_lock(&token_table.flight_lock);
    unsettle(view);
    os_unlock(&token_table.flight_lock);
    return atomic_load(&view->slot->lent) != 0;
}

enum result token_take_pending(const struct token_view *view, span pages[TOKEN_SPANS]) {
    struct token_slot *slot = view->slot;
    memset(pages, 0, TOKEN_SPANS * sizeof *pages);
    /* Without the lock, as most tokens of a file have nothing: what comes to this one now, from a
       token that ends, counts as a move, and the drain looks again. */
    if (!token_is_pending(slot))
        return RESULT_OK;
    if (!os_lock(&token_table.flight_lock))
        return RESULT_BUSY;
    if (token_lives(view)) {
        for (unsigned i = 0; i < TOKEN_SPANS; i++) {
            pages[i] = atomic_load(&slot->pending[i]);
            /* In flight before it stops being pending: a fork, or a look without the lock, finds it
               in one of the two. */
            do
                atomic_store(&slot->in_flight[i], pages[i]);
            while (!atomic_compare_exchange_weak(&slot->pending[i], &pages[i], 0));
        }
        if (atomic_exchange(&slot->lent, 0) != 0)
            atomic_fetch_or(&slot->lent, TOKEN_LENT_IN_FLIGHT);
    }
    os_unlock(&token_table.flight_lock);
    return RESULT_OK;
}

void token_end_flight(const struct token_view *view, const span pages[TOKEN_SPANS], bool left) {
    os_lock(&token_table.flight_lock);
    /* Of a token that died its pages are with the others already, because they were in flight. */
    if (token_lives(view)) {
        uint8_t lent = atomic_fetch_and(&view->slot->lent, (uint8_t)~TOKEN_LENT_IN_FLIGHT);
        if (left) {
            if ((lent & TOKEN_LENT_IN_FLIGHT) != 0)
                atomic_fetch_or(&view->slot->lent, TOKEN_LENT_PENDING);
            for (unsigned i = 0; i < TOKEN_SPANS; i++)
                span_add(&view->slot->pending[i], pages[i]);
            token_table.moves++;
        }
        for (unsigned i = 0; i < TOKEN_SPANS; i++)
            atomic_store(&view->slot->in_flight[i], 0);
    }
    os_unlock(&token_table.flight_lock);
}

enum result token_moves(uint64_t *moves) {
    if (!os_lock(&token_table.flight_lock))
        return RESULT_BUSY;
    *moves = token_table.moves;
    os_unlock(&token_table.flight_lock);
    return RESULT_OK;
}
