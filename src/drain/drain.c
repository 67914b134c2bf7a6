/* SPDX-License-Identifier: BSD-2-Clause */
#include "drain/drain.h"

enum result drain_failure(const struct token_view *token) {
    return (enum result)atomic_load_explicit(&token_file(token)->failure, memory_order_acquire);
}

/* Syncs one span of a view. Should the token have been freed and its slot reused, the span may lie
   outside of the new region: it is cut to it. */
static enum result sync_span(const struct token_view *token, span pages) {
    unsigned shift = span_shift(token->length, os_page_size());
    uintptr_t base = token->base >> shift;
    uint64_t count = ((token->base + (token->length - 1)) >> shift) - base + 1;
    uint64_t end = span_end(pages) < count ? span_end(pages) : count;
    uint64_t first = span_first(pages);
    if (first >= end)
        return RESULT_OK;
    uintptr_t address = (base + first) << shift;
    size_t length = (size_t)((end - first) << shift);
    if (shift != (unsigned)__builtin_ctzll(os_page_size())) {
        /* Units of several pages may reach beyond the view at both ends: sync only pages of it. */
        uintptr_t page = align_down(token->base, os_page_size());
        uintptr_t last = align_up(token->base + token->length, os_page_size());
        uintptr_t stop = address + length < last ? address + length : last;
        address = address > page ? address : page;
        length = stop - address;
    }
    return os_sync_view((void *)address, length);
}

/* Drains what is pending of one token. pre: the file's lock is held */
static enum result drain_view(struct token_file *file, const struct token_view *token) {
    struct token_slot *slot = token->slot;
    span pages = atomic_load_explicit(&slot->pending, memory_order_acquire);
    /* In flight before it stops being pending: a fork at any moment finds it in one of the two. */
    do
        atomic_store(&slot->in_flight, pages);
    while (!atomic_compare_exchange_weak(&slot->pending, &pages, 0));
    if (pages == 0)
        return RESULT_OK;
    enum result result = sync_span(token, pages);
    atomic_store(&slot->in_flight, 0);
    if (result == RESULT_IO_ERROR || result == RESULT_NO_SPACE)
        atomic_store_explicit(&file->failure, (uint32_t)result, memory_order_release);
    else if (result == RESULT_INVALID && !token_lives(token))
        return RESULT_OK; /* freed and unmapped meanwhile: its owner no longer waits for it */
    if (result != RESULT_OK)
        span_add(&slot->pending, pages);
    return result;
}

/* Drains all tokens of a file, the first failure last. pre: the file's lock is held */
static enum result drain_locked(struct token_file *file) {
    uint32_t index = (uint32_t)(file - token_table.files);
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_acquire);
    enum result first = RESULT_OK;
    for (uint32_t i = 0; i < used; i++) {
        struct token_view view;
        if (!token_at(i, &view) || view.operations.file != index ||
            view.operations.domain != MAP_DOMAIN_PAGE_CACHE)
            continue;
        enum result failure = drain_failure(&view);
        if (failure != RESULT_OK)
            return failure;
        enum result result = drain_view(file, &view);
        if (first == RESULT_OK)
            first = result;
    }
    return first;
}

/* Drains the file of a page-cache token. */
static enum result drain_file(const struct token_view *token) {
    struct token_file *file = token_file(token);
    if (!os_lock(&file->lock))
        return RESULT_BUSY;
    /* Looked at under the lock, a live token says that the record is still its file's. */
    enum result result = token_lives(token) ? drain_locked(file) : RESULT_INVALID;
    os_unlock(&file->lock);
    return result;
}

/* Drains every token; the first failure, after all were tried. */
static enum result drain_every(void) {
    enum result first = RESULT_OK;
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_acquire);
    isa_fence();
    for (uint32_t i = 0; i < used; i++) {
        struct token_view view;
        if (!token_at(i, &view) || view.operations.domain != MAP_DOMAIN_PAGE_CACHE)
            continue;
        enum result result = drain_file(&view);
        if (first == RESULT_OK && token_lives(&view))
            first = result;
    }
    return first;
}

enum result drain_token(const struct token_view *token) {
    if (token->operations.flags & TOKEN_EVERY)
        return drain_every();
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE)
        return drain_file(token);
    isa_fence();
    return RESULT_OK;
}
