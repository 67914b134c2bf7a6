/* SPDX-License-Identifier: BSD-2-Clause */
/* Flush, FlushRanges and Drain. */
#include "flush/flush.h"

#include "api/call.h"
#include "drain/drain.h"

#define KNOWN_FLAGS FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN

static bool drains(ULONG flags) {
    return (flags & FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN) == 0;
}

static uint32_t effect_of(ULONG flags, enum result result) {
    if (!drains(flags))
        return 0;
    return result == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED;
}

NVRTL_API NTSTATUS RtlFlushNonVolatileMemory(PVOID NvToken, PVOID NvBuffer, SIZE_T Size,
                                             ULONG Flags) {
    struct token_view token;
    uintptr_t address = (uintptr_t)NvBuffer;
    enum result result = call_resolve(NvToken, address, Size, &token);
    if (UNLIKELY(result != RESULT_OK))
        return call_refuse(CALL_SITE(CALL_FLUSH, &token), NvToken, address, Size, result);
    if (UNLIKELY((Flags & ~(ULONG)KNOWN_FLAGS) != 0))
        return STATUS_INVALID_PARAMETER;
    result = call_flush(&token, address, Size);
    if (LIKELY(result == RESULT_OK) && drains(Flags))
        result = drain_token(&token);
    if (observed() && result != RESULT_INVALID)
        call_tell(CALL_SITE(CALL_FLUSH, &token), EVENT_FLUSH, effect_of(Flags, result), &token,
                  address, Size);
    return call_status(result);
}

/* Checks every range before the first is flushed; the default token's are resolved one by one. */
static enum result check_ranges(PVOID token, const NV_MEMORY_RANGE *ranges, size_t count,
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
static enum result flush_ranges(PVOID token, const NV_MEMORY_RANGE *ranges, size_t count) {
    enum result first = RESULT_OK;
    struct token_view view;
    for (size_t i = 0; i < count; i++) {
        const NV_MEMORY_RANGE range = ranges[i];
        enum result result = call_resolve(token, (uintptr_t)range.BaseAddress, range.Length, &view);
        if (result == RESULT_OK)
            result = call_flush(&view, (uintptr_t)range.BaseAddress, range.Length);
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
static void tell_ranges(struct event site, const struct token_view *token,
                        const NV_MEMORY_RANGE *ranges, size_t count, uint32_t effect) {
    bool every = (token->operations.flags & TOKEN_EVERY) != 0;
    struct token_view owner;
    for (size_t i = 0; every && i < count; i++) {
        if (token_covering((uintptr_t)ranges[i].BaseAddress, ranges[i].Length, &owner))
            call_tell(site, EVENT_FLUSH, 0, &owner, (uintptr_t)ranges[i].BaseAddress,
                      ranges[i].Length);
    }
    call_tell(site, EVENT_FLUSH_RANGES, effect, token, (uintptr_t)ranges, every ? 0 : count);
}

NVRTL_API NTSTATUS RtlFlushNonVolatileMemoryRanges(PVOID NvToken, PNV_MEMORY_RANGE NvRanges,
                                                   SIZE_T NumRanges, ULONG Flags) {
    struct token_view token;
    size_t bad = 0;
    enum result result = call_resolve(NvToken, 0, 0, &token);
    if (result != RESULT_OK)
        return call_refuse(CALL_SITE(CALL_FLUSH_RANGES, &token), NvToken, 0, 0, result);
    if ((Flags & ~(ULONG)KNOWN_FLAGS) != 0 || NumRanges > SIZE_MAX / sizeof *NvRanges ||
        (NumRanges != 0 &&
         (NvRanges == NULL || range_wraps((uintptr_t)NvRanges, NumRanges * sizeof *NvRanges))))
        return STATUS_INVALID_PARAMETER;
    result = check_ranges(NvToken, NvRanges, NumRanges, &bad);
    if (result != RESULT_OK)
        return call_refuse(CALL_SITE(CALL_FLUSH_RANGES, &token), NvToken,
                           (uintptr_t)NvRanges[bad].BaseAddress, NvRanges[bad].Length, result);
    result = flush_ranges(NvToken, NvRanges, NumRanges);
    enum result drained = drains(Flags) ? drain_token(&token) : drain_failure(&token);
    if (result == RESULT_OK)
        result = drained;
    if (observed() && result != RESULT_INVALID)
        tell_ranges(CALL_SITE(CALL_FLUSH_RANGES, &token), &token, NvRanges, NumRanges,
                    effect_of(Flags, result));
    return call_status(result);
}

NVRTL_API NTSTATUS RtlDrainNonVolatileFlush(PVOID NvToken) {
    struct token_view token;
    enum result result = call_resolve(NvToken, 0, 0, &token);
    if (UNLIKELY(result != RESULT_OK))
        return call_refuse(CALL_SITE(CALL_DRAIN, &token), NvToken, 0, 0, result);
    result = drain_token(&token);
    if (observed())
        call_tell(CALL_SITE(CALL_DRAIN, &token), EVENT_DRAIN,
                  result == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED, &token, 0, 0);
    return call_status(result);
}
