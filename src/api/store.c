/* SPDX-License-Identifier: BSD-2-Clause */
/* Write, Fill and Read: copy, then whatever of flush and drain the flags ask for. */
#include "api/store_ways.h"

_Static_assert(FILL_NV_MEMORY_FLAG_PERSIST == WRITE_NV_MEMORY_FLAG_PERSIST &&
                   FILL_NV_MEMORY_FLAG_NON_TEMPORAL == WRITE_NV_MEMORY_FLAG_NON_TEMPORAL &&
                   FILL_NV_MEMORY_FLAG_NO_DRAIN == WRITE_NV_MEMORY_FLAG_NO_DRAIN,
               "one reading of the flags serves both");

/* Does the token's flush do what kernels do that write lines back themselves? */
static bool has_lines(const struct token_view *token) {
    return token_table.choice.lines && token->operations.flush == ISA_FLUSH_CLWB;
}

/* The kind of store that the flags and the token allow. */
static enum store_way choose_way(const struct token_view *token, uintptr_t destination,
                                 size_t length, ULONG flags, bool copies) {
    bool past_cache = (flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) != 0;
    bool streams = (token->operations.flags & TOKEN_STREAM) != 0;
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == 0)
        return STORE_CACHED;
    if ((flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_FLUSH) == WRITE_NV_MEMORY_FLAG_NO_DRAIN &&
        (token->operations.flags & TOKEN_DEFERS) != 0)
        return STORE_CACHED;
    if (has_lines(token))
        return choose_line_way(destination, length, flags, streams, copies);
    bool persist = (flags & WRITE_NV_MEMORY_FLAG_PERSIST) == WRITE_NV_MEMORY_FLAG_PERSIST;
    return past_cache && streams && !persist ? STORE_STREAM : STORE_CACHED;
}

/* Flushes what was stored and was not written back already, and drains as the flags ask. Streaming
   stores are written back too, unless the vendor documents that a cached line is evicted first. */
static enum result finish(const struct token_view *token, enum store_way way, uintptr_t address,
                          size_t length, ULONG flags) {
    enum result result = RESULT_OK;
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == 0)
        return RESULT_OK;
    if (!store_goes_back(way))
        result = call_flush(token, address, length, way == STORE_CACHED && !wants_drain(flags));
    return LIKELY(result == RESULT_OK) && wants_drain(flags) ? call_drain(token) : result;
}

/* *fault: it ended in the middle of the stores. */
CALL_TEXT enum result perform(const struct token_view *token, const struct wish *wish,
                              enum fault *fault) {
    bool copies = wish->call == CALL_WRITE;
    const struct isa_choice *choice = &token_table.choice;
    enum store_way way =
        choose_way(token, (uintptr_t)wish->destination, wish->length, wish->flags, copies);
    *fault = copies ? store_copy(&way, choice, wish->destination, wish->source, wish->length)
                    : store_fill(&way, choice, wish->destination, wish->value, wish->length);
    if (UNLIKELY(*fault != FAULT_NONE))
        return call_fault(token, *fault);
    return finish(token, way, (uintptr_t)wish->destination, wish->length, wish->flags);
}

/* Of a token that another thread freed meanwhile nothing is flushed: what stands for the default
   token now is to do it, and is told of then. */
static uint32_t effect_of(const struct token_view *token, const struct wish *wish,
                          enum result drained) {
    uint32_t effect = 0;
    /* What stands for every token has no slot, and does not end. */
    bool flushed = drained != RESULT_INVALID || token->slot == NULL || token_lives(token);
    if (wish->flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL)
        effect |= EFFECT_STREAM;
    if (flushed && (wish->flags & WRITE_NV_MEMORY_FLAG_FLUSH))
        effect |= EFFECT_FLUSH;
    if (flushed && wants_drain(wish->flags))
        effect |= drained == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED;
    if (wish->call == CALL_WRITE && range_overlaps((uintptr_t)wish->destination, wish->length,
                                                   (uintptr_t)wish->source, wish->length))
        effect |= EFFECT_OVERLAP;
    return effect;
}

/* The call after its token was found. Of stores that ended in a fault nothing is told: the program
   knows from the status that it cannot count on them. */
CALL_TEXT enum result store_into(const struct token_view *token, const struct wish *wish,
                                 const struct call_site *site) {
    enum fault fault;
    uintptr_t address = (uintptr_t)wish->destination;
    if (call_observed(site) && observe_asks_before(EVENT_STORING))
        call_tell(site, EVENT_STORING, call_loads(address, wish->length) ? EFFECT_LOADED : 0, token,
                  address, wish->length);
    enum result result = perform(token, wish, &fault);
    if (call_observed(site) && fault == FAULT_NONE)
        call_tell(site, EVENT_STORE, effect_of(token, wish, result), token, address, wish->length);
    return result;
}

CALL_TEXT NTSTATUS store_unobserved(const struct token_view *token, const struct wish *wish) {
    return UNLIKELY(is_wrong(wish)) ? STATUS_INVALID_PARAMETER
                                    : call_status(store_into(token, wish, NULL));
}

static NTSTATUS store_resolved(PVOID value, const struct wish *wish, const void *caller) {
    struct token_view token;
    const struct call_site site = {wish->call, caller, &token};
    uintptr_t address = (uintptr_t)wish->destination;
    enum result result = call_resolve(value, address, wish->length, &token);
    if (result != RESULT_OK)
        return call_refuse(&site, value, address, wish->length, result);
    if (is_wrong(wish))
        return STATUS_INVALID_PARAMETER;
    result = store_into(&token, wish, &site);
    /* What was stored stays: a copy onto itself must not be made twice. */
    return call_again(value, &token, result)
               ? call_flush_default(address, wish->length, wants_drain(wish->flags), &site)
               : call_status(result);
}

/* Each takes its routine's arguments as they lie in registers. */
NTSTATUS store_write_resolved(PVOID value, void *destination, const void *source, size_t length,
                              ULONG flags, const void *caller) {
    const struct wish wish = {CALL_WRITE, destination, source, length, flags, 0};
    return store_resolved(value, &wish, caller);
}

NTSTATUS store_fill_resolved(PVOID value, void *destination, size_t length, UCHAR byte, ULONG flags,
                             const void *caller) {
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_resolved(value, &wish, caller);
}

/* The long way, for whatever the short one leaves open. */
NTSTATUS store_write_any(PVOID value, void *destination, const void *source, size_t length,
                         ULONG flags, const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return store_write_resolved(value, destination, source, length, flags, caller);
    if (UNLIKELY(!call_inside(&token, (uintptr_t)destination, length)))
        return STATUS_INVALID_PARAMETER;
    const struct wish wish = {CALL_WRITE, destination, source, length, flags, 0};
    return store_unobserved(&token, &wish);
}

NTSTATUS store_fill_any(PVOID value, void *destination, size_t length, UCHAR byte, ULONG flags,
                        const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return store_fill_resolved(value, destination, length, byte, flags, caller);
    if (UNLIKELY(!call_inside(&token, (uintptr_t)destination, length)))
        return STATUS_INVALID_PARAMETER;
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_unobserved(&token, &wish);
}

NVRTL_API NTSTATUS NvRtlReadNonVolatileMemory(void *token, void *destination, const void *source,
                                              size_t size) {
    struct token_view view;
    enum store_way way = STORE_CACHED;
    enum result result = call_resolve(token, (uintptr_t)source, size, &view);
    if (UNLIKELY(result != RESULT_OK))
        return call_refuse(&CALL_SITE(CALL_READ, &view), token, (uintptr_t)source, size, result);
    if (UNLIKELY(range_wraps((uintptr_t)destination, size) || (destination == NULL && size != 0)))
        return STATUS_INVALID_PARAMETER;
    enum fault fault = store_copy(&way, &token_table.choice, destination, source, size);
    return call_status(fault == FAULT_NONE ? RESULT_OK : call_fault(&view, fault));
}
