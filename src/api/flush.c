/* SPDX-License-Identifier: BSD-2-Clause */
/* Flush, FlushRanges and Drain. */
#include "flush/flush.h"

#include "api/call.h"
#include "drain/drain.h"
#include "isa/quick.h"

#define KNOWN_FLAGS FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN

static bool drains(ULONG flags) {
    return (flags & FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN) == 0;
}

static uint32_t effect_of(ULONG flags, enum result result) {
    if (!drains(flags))
        return 0;
    return result == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED;
}

/* Tells of a flush that is about to be made. Need it not be told of once more? */
APART static bool tell_flushing(const struct call_site *site, const struct token_view *token,
                                uintptr_t address, size_t length, bool drains) {
    bool told = false;
    struct event event = call_event(site, EVENT_FLUSHING);
    event.effect = call_loads(address, length) ? EFFECT_LOADED : 0;
    event.told = &told;
    event.ends = drains;
    call_emit(&event, token, address, length);
    return told;
}

/* A drain that asks the system for something is told of before. */
APART static void tell_draining(const struct call_site *site, const struct token_view *token) {
    if (token->operations.flush == ISA_FLUSH_NONE && observe_asks_before(EVENT_FLUSHING))
        call_tell(site, EVENT_FLUSHING, 0, token, 0, 0);
}

CALL_TEXT enum result flush_of(const struct token_view *token, uintptr_t address, size_t length,
                               ULONG flags, const struct call_site *site) {
    if (UNLIKELY((flags & ~(ULONG)KNOWN_FLAGS) != 0))
        return RESULT_INVALID;
    bool told = false;
    if (call_observed(site) && observe_asks_before(EVENT_FLUSHING))
        told = tell_flushing(site, token, address, length, drains(flags));
    enum result result = call_flush(token, address, length, !drains(flags));
    if (LIKELY(result == RESULT_OK) && drains(flags))
        result = call_drain(token);
    if (call_observed(site) && result != RESULT_INVALID &&
        !(told && result == RESULT_OK && !drains(flags)))
        call_tell(site, EVENT_FLUSH, effect_of(flags, result) | (told ? EFFECT_TOLD : 0), token,
                  address, length);
    return result;
}

static NTSTATUS flush_by(PVOID value, uintptr_t address, size_t length, ULONG flags,
                         const struct call_site *site) {
    struct token_view token;
    enum result result;
    do {
        result = call_resolve(value, address, length, &token);
        if (result != RESULT_OK)
            return call_refuse(site, value, address, length, result);
        result = flush_of(&token, address, length, flags, site);
    } while (call_again(value, &token, result));
    return call_status(result);
}

NTSTATUS call_flush_default(uintptr_t address, size_t length, bool drain,
                            const struct call_site *site) {
    return flush_by((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN, address, length,
                    drain ? 0 : FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN, site);
}

APART static NTSTATUS flush_resolved(PVOID value, uintptr_t address, size_t length, ULONG flags,
                                     const void *caller) {
    const struct call_site site = {CALL_FLUSH, caller, &value};
    return flush_by(value, address, length, flags, &site);
}

/* The long way, for whatever the short one leaves open. */
APART static NTSTATUS flush_any(PVOID value, uintptr_t address, size_t length, ULONG flags,
                                const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return flush_resolved(value, address, length, flags, caller);
    if (UNLIKELY(!call_inside(&token, address, length)))
        return STATUS_INVALID_PARAMETER;
    return call_status(flush_of(&token, address, length, flags, NULL));
}

NTSTATUS call_flush_stored(PVOID value, uintptr_t address, size_t length, bool drain,
                           const void *caller) {
    return flush_any(value, address, length, drain ? 0 : FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN, caller);
}

/* Lines that the CPU writes back: nothing is called. */
NVRTL_API CALL_OFTEN NTSTATUS RtlFlushNonVolatileMemory(PVOID NvToken, PVOID NvBuffer, SIZE_T Size,
                                                        ULONG Flags) {
    uintptr_t address = (uintptr_t)NvBuffer;
    if (LIKELY(ISA_QUICK && (Flags & ~(ULONG)KNOWN_FLAGS) == 0) &&
        LIKELY(token_quick(TOKEN_KEY_LINES, (uintptr_t)NvToken, address, Size)) &&
        LIKELY(isa_quick_back(address, address + Size - 1))) {
        if (LIKELY(!drains(Flags))) /* beside a drain a branch is nothing */
            return STATUS_SUCCESS;
        if (LIKELY(!flush_has_later())) {
            isa_quick_fence();
            return STATUS_SUCCESS;
        }
    }
    if (UNLIKELY(observed()))
        return flush_resolved(NvToken, address, Size, Flags, __builtin_return_address(0));
    return flush_any(NvToken, address, Size, Flags, __builtin_return_address(0));
}

/* Checks every range before the first is flushed; the default token's are resolved one by one. */
APART static enum result check_ranges(PVOID token, const NV_MEMORY_RANGE *ranges, size_t count,
                                      size_t *bad) {
    struct token_view view;
    for (*bad = 0; *bad < count; ++*bad) {
        enum result result =
            call_resolve(token, (uintptr_t)ranges[*bad].BaseAddress, ranges[*bad].Length, &view);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

/* Flushes all of them, and tells the first failure. The array is the program's and may change under
   us, so each range is checked at its use too. */
APART static enum result flush_ranges(PVOID token, const NV_MEMORY_RANGE *ranges, size_t count,
                                      bool later) {
    enum result first = RESULT_OK;
    struct token_view view;
    for (size_t i = 0; i < count; i++) {
        const NV_MEMORY_RANGE range = ranges[i];
        uintptr_t address = (uintptr_t)range.BaseAddress;
        enum result result;
        do {
            view.slot = NULL;
            result = call_resolve(token, address, range.Length, &view);
            if (result == RESULT_OK)
                result = call_flush(&view, address, range.Length, later);
        } while (call_again(token, &view, result));
        if (first == RESULT_OK)
            first = result;
    }
    return first;
}

_Static_assert(sizeof(struct event_range) == sizeof(NV_MEMORY_RANGE) &&
                   offsetof(struct event_range, length) == offsetof(NV_MEMORY_RANGE, Length),
               "the observer reads the program's array");

/* The ranges of the default token belong to several tokens: each is told of as a flush of its own,
   and the end as a drain of every token. */
APART static void tell_ranges(const struct call_site *site, const struct token_view *token,
                              const NV_MEMORY_RANGE *ranges, size_t count, uint32_t effect) {
    bool every = (token->operations.flags & TOKEN_EVERY) != 0;
    struct token_view owner;
    for (size_t i = 0; every && i < count; i++) {
        if (token_covering((uintptr_t)ranges[i].BaseAddress, ranges[i].Length, &owner))
            call_tell(site, EVENT_FLUSH, EFFECT_DEFAULT, &owner, (uintptr_t)ranges[i].BaseAddress,
                      ranges[i].Length);
    }
    call_tell(site, EVENT_FLUSH_RANGES, effect, token, (uintptr_t)ranges, every ? 0 : count);
}

CALL_TEXT NTSTATUS flush_ranges_of(const struct token_view *token, PVOID value,
                                   const NV_MEMORY_RANGE *ranges, size_t count, ULONG flags,
                                   const struct call_site *site) {
    size_t bad = 0;
    if ((flags & ~(ULONG)KNOWN_FLAGS) != 0 || count > SIZE_MAX / sizeof *ranges ||
        (count != 0 && (ranges == NULL || range_wraps((uintptr_t)ranges, count * sizeof *ranges))))
        return STATUS_INVALID_PARAMETER;
    enum result result = check_ranges(value, ranges, count, &bad);
    if (result != RESULT_OK)
        return site == NULL ? call_status(result)
                            : call_refuse(site, value, (uintptr_t)ranges[bad].BaseAddress,
                                          ranges[bad].Length, result);
    if (call_observed(site))
        tell_draining(site, token);
    result = flush_ranges(value, ranges, count, !drains(flags));
    enum result drained = drains(flags) ? call_drain(token) : drain_failure(token);
    if (result == RESULT_OK)
        result = drained;
    if (call_observed(site) && result != RESULT_INVALID)
        tell_ranges(site, token, ranges, count, effect_of(flags, result));
    return call_status(result);
}

APART static NTSTATUS flush_ranges_resolved(PVOID value, const NV_MEMORY_RANGE *ranges,
                                            size_t count, ULONG flags, const void *caller) {
    struct token_view token;
    const struct call_site site = {CALL_FLUSH_RANGES, caller, &token};
    enum result result = call_resolve(value, 0, 0, &token);
    return result == RESULT_OK ? flush_ranges_of(&token, value, ranges, count, flags, &site)
                               : call_refuse(&site, value, 0, 0, result);
}

/* Does [address, address + length), which is not empty, lie in [base, last]? */
CALL_TEXT bool lies_in(uintptr_t address, size_t length, uintptr_t base, uintptr_t last) {
    uintptr_t latest;
    return LIKELY(!__builtin_sub_overflow(last, length - 1, &latest)) &&
           LIKELY(address <= latest) && LIKELY(address >= base);
}

/* Checks all ranges, then writes their lines back. false: the long way is to find out why not. */
CALL_TEXT bool flush_ranges_quick(PVOID token, const NV_MEMORY_RANGE *ranges, size_t count) {
    uintptr_t base, last;
    if (!ISA_QUICK || ranges == NULL || count > SIZE_MAX / 2 / sizeof *ranges ||
        !token_quick_region(TOKEN_KEY_LINES, (uintptr_t)token, &base, &last))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].Length != 0 &&
            UNLIKELY(!lies_in((uintptr_t)ranges[i].BaseAddress, ranges[i].Length, base, last)))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        /* The array is the program's and may change under us. */
        uintptr_t address = (uintptr_t)__atomic_load_n(&ranges[i].BaseAddress, __ATOMIC_RELAXED);
        size_t length = __atomic_load_n(&ranges[i].Length, __ATOMIC_RELAXED);
        if (length != 0 && UNLIKELY(!lies_in(address, length, base, last) ||
                                    !isa_quick_back(address, address + length - 1)))
            return false;
    }
    return true;
}

APART static NTSTATUS flush_ranges_any(PVOID value, const NV_MEMORY_RANGE *ranges, size_t count,
                                       ULONG flags, const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return flush_ranges_resolved(value, ranges, count, flags, caller);
    return flush_ranges_of(&token, value, ranges, count, flags, NULL);
}

NVRTL_API NTSTATUS RtlFlushNonVolatileMemoryRanges(PVOID NvToken, PNV_MEMORY_RANGE NvRanges,
                                                   SIZE_T NumRanges, ULONG Flags) {
    if (LIKELY((Flags & ~(ULONG)KNOWN_FLAGS) == 0 && !flush_has_later()) &&
        LIKELY(flush_ranges_quick(NvToken, NvRanges, NumRanges))) {
        if (drains(Flags))
            isa_quick_fence();
        return STATUS_SUCCESS;
    }
    if (UNLIKELY(observed()))
        return flush_ranges_resolved(NvToken, NvRanges, NumRanges, Flags,
                                     __builtin_return_address(0));
    return flush_ranges_any(NvToken, NvRanges, NumRanges, Flags, __builtin_return_address(0));
}

APART static NTSTATUS drain_resolved(PVOID value, const void *caller) {
    struct token_view token;
    const struct call_site site = {CALL_DRAIN, caller, &token};
    enum result result = call_resolve(value, 0, 0, &token);
    if (result != RESULT_OK)
        return call_refuse(&site, value, 0, 0, result);
    if (observed())
        tell_draining(&site, &token);
    result = call_drain(&token);
    if (observed())
        call_tell(&site, EVENT_DRAIN, result == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED, &token, 0,
                  0);
    return call_status(result);
}

NVRTL_API NTSTATUS RtlDrainNonVolatileFlush(PVOID NvToken) {
    struct token_view token;
    if (UNLIKELY(observed() || !token_find((uintptr_t)NvToken, &token)))
        return drain_resolved(NvToken, __builtin_return_address(0));
    return call_status(call_drain(&token));
}
