/* SPDX-License-Identifier: BSD-2-Clause */
#include "api/call.h"

#include "drain/drain.h"
#include "flush/flush.h"
#include "os/guard.h"
#include "store/store.h"

NTSTATUS call_status(enum result result) {
    switch (result) {
    case RESULT_OK:
        return STATUS_SUCCESS;
    case RESULT_INVALID:
        return STATUS_INVALID_PARAMETER;
    case RESULT_NOT_MAPPED:
        return STATUS_INFO_LENGTH_MISMATCH;
    case RESULT_DENIED:
        return STATUS_ACCESS_DENIED;
    case RESULT_NO_SPACE:
        return STATUS_DISK_FULL;
    case RESULT_NO_MEMORY:
        return STATUS_INSUFFICIENT_RESOURCES;
    case RESULT_MEDIA_ERROR:
        return STATUS_DEVICE_DATA_ERROR;
    case RESULT_NOT_SUPPORTED:
        return STATUS_NOT_SUPPORTED;
    case RESULT_IO_ERROR:
        return STATUS_IO_DEVICE_ERROR;
    case RESULT_BUSY:
        return STATUS_DEVICE_BUSY;
    }
    return STATUS_IO_DEVICE_ERROR;
}

enum result call_fault(const struct token_view *token, enum fault fault) {
    if (fault == FAULT_POISON)
        return RESULT_MEDIA_ERROR;
    /* What is copied from may lack a page too, and has nothing to do with the token's file. */
    const size_t at = os_fault_address() - token->base;
    return at < token->length && os_is_full(token_path(token), at) ? RESULT_NO_SPACE
                                                                   : RESULT_IO_ERROR;
}

enum result call_drain_deferred(const struct token_view *token) {
    enum result deferred = flush_done_later();
    enum result result = drain_token(token);
    return result == RESULT_OK ? deferred : result;
}

enum result call_flush(const struct token_view *token, uintptr_t address, size_t length,
                       bool later) {
    enum fault fault =
        later ? flush_range_later(token, address, length) : flush_range(token, address, length);
    if (UNLIKELY(fault != FAULT_NONE))
        return call_fault(token, fault);
    /* Free looks at what is pending after the token has ended, and this looks after adding to it:
       one of the two sees the other. */
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE &&
        atomic_load(&token->slot->state) != token->state)
        return RESULT_INVALID;
    return drain_failure(token);
}

enum result call_make_token(struct event *event, uint32_t flags) {
    enum result result = token_make(event, flags);
    if (result == RESULT_OK)
        store_learn(&token_table.choice);
    return result;
}

/* An internal token is checked against the system at each use, because nobody tells us when its
   view is unmapped: the program never asked for the token. One that fails is ended and looked for
   again, at most once for every token there is. */
enum result call_resolve_default(uintptr_t address, size_t length, struct token_view *view) {
    if (length == 0) {
        *view = (struct token_view){.operations = {.flags = TOKEN_EVERY}};
        return RESULT_OK;
    }
    if (address == 0 || length > TOKEN_LENGTH_MAX || range_wraps(address, length))
        return RESULT_INVALID;
    while (token_covering(address, length, view)) {
        if ((view->operations.flags & TOKEN_INTERNAL) == 0) {
            view->operations.flags |= TOKEN_LENT;
            return RESULT_OK;
        }
        enum result mapped = token_still_mapped(view);
        if (mapped != RESULT_INVALID)
            return mapped;
    }
    observe_attach();
    struct event event = {.kind = EVENT_GET,
                          .call = CALL_GET,
                          .effect = EFFECT_INTERNAL,
                          .address = address,
                          .length = length};
    enum result result = call_make_token(&event, TOKEN_INTERNAL);
    if (result != RESULT_OK)
        return result;
    return token_find(event.token, view) && range_inside(address, length, view->base, view->length)
               ? RESULT_OK
               : RESULT_INVALID;
}

NTSTATUS call_refuse(const struct call_site *site, PVOID token, uintptr_t address, size_t length,
                     enum result why) {
    struct token_view view;
    if (observed() && (why == RESULT_INVALID || why == RESULT_NOT_MAPPED)) {
        bool is_default =
            call_is_default(token) && site->call != CALL_FREE && site->call != CALL_QUERY;
        bool lives = token_find((uintptr_t)token, &view);
        struct event event =
            call_event(site, lives || is_default ? EVENT_OUTSIDE : EVENT_BAD_TOKEN);
        event.token = (uintptr_t)token;
        event.address = address;
        event.length = length;
        observe_emit(&event);
    }
    return call_status(why);
}

void call_emit(struct event *event, const struct token_view *token, uintptr_t address,
               size_t length) {
    if (token->operations.flush != ISA_FLUSH_NONE && event->kind != EVENT_STORING &&
        event->kind != EVENT_FLUSHING)
        event->effect |= EFFECT_LOADED; /* a write-back faults where a load would */
    if (token->operations.flags & TOKEN_LENT)
        event->effect |= EFFECT_DEFAULT;
    event->token = (token->operations.flags & TOKEN_EVERY) ? 0 : token_handle(token);
    event->address = address;
    event->length = length;
    observe_emit(event);
}

void call_tell(const struct call_site *site, enum event_kind kind, uint32_t effect,
               const struct token_view *token, uintptr_t address, size_t length) {
    struct event event = call_event(site, kind);
    event.effect = effect;
    call_emit(&event, token, address, length);
}

/* Smaller pages than the system's do no harm. */
bool call_loads(uintptr_t address, size_t length) {
    const size_t page = 4096;
    for (size_t at = 0; at < length; at += page - (address + at) % page) {
        uint8_t byte;
        enum store_way way = STORE_CACHED;
        if (store_copy(&way, &token_table.choice, &byte, (const void *)(address + at), 1) !=
            FAULT_NONE)
            return false;
    }
    return true;
}
