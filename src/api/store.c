/* SPDX-License-Identifier: BSD-2-Clause */
/* Write and Fill: store, then whatever of flush and drain the flags ask for. */
#include "store/store.h"
#include "api/call.h"
#include "drain/drain.h"
#include "flush/flush.h"

#define KNOWN_FLAGS (WRITE_NV_MEMORY_FLAG_PERSIST | WRITE_NV_MEMORY_FLAG_NO_DRAIN)

_Static_assert(FILL_NV_MEMORY_FLAG_PERSIST == WRITE_NV_MEMORY_FLAG_PERSIST &&
                   FILL_NV_MEMORY_FLAG_NON_TEMPORAL == WRITE_NV_MEMORY_FLAG_NON_TEMPORAL &&
                   FILL_NV_MEMORY_FLAG_NO_DRAIN == WRITE_NV_MEMORY_FLAG_NO_DRAIN,
               "one reading of the flags serves both");

/* The kind of store that the flags and the token allow. Direct stores, where the CPU has them, are
   both ways past the cache at once: documented as durable at the next fence. */
static enum store_way choose_way(const struct token_view *token, ULONG flags) {
    if ((flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) == 0)
        return STORE_CACHED;
    if (token->operations.flags & TOKEN_DIRECT)
        return STORE_DIRECT;
    bool persist = (flags & WRITE_NV_MEMORY_FLAG_FLUSH) != 0;
    return (token->operations.flags & TOKEN_STREAM) && !persist ? STORE_STREAM : STORE_CACHED;
}

/* Does the call end with a drain? PERSIST ignores NO_DRAIN. */
static bool wants_drain(ULONG flags) {
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == WRITE_NV_MEMORY_FLAG_PERSIST)
        return true;
    return (flags & WRITE_NV_MEMORY_FLAG_FLUSH) && (flags & WRITE_NV_MEMORY_FLAG_NO_DRAIN) == 0;
}

/* Flushes what was stored and drains as the flags ask. Streaming stores are written back too: no
   vendor documents that one which hits a cached line leaves the cache. Of direct stores only the
   ends that are no whole word went through the cache. */
static enum result finish(const struct token_view *token, enum store_way way, uintptr_t address,
                          size_t length, ULONG flags) {
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == 0)
        return RESULT_OK;
    if (way != STORE_DIRECT) {
        flush_range(token, address, length);
    } else {
        uintptr_t end = address + length;
        flush_range(token, address, address % 8 != 0);
        flush_range(token, end - 1, end % 8 != 0);
    }
    return wants_drain(flags) ? drain_token(token) : RESULT_OK;
}

static void tell(struct event site, const struct token_view *token, const void *destination,
                 const void *source, size_t length, ULONG flags, enum result drained) {
    uint32_t effect = 0;
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == WRITE_NV_MEMORY_FLAG_NON_TEMPORAL)
        effect |= EFFECT_STREAM;
    else if (flags & WRITE_NV_MEMORY_FLAG_FLUSH)
        effect |= EFFECT_FLUSH;
    if (wants_drain(flags))
        effect |= drained == RESULT_OK ? EFFECT_DRAIN : EFFECT_FAILED;
    if (source != NULL && range_overlaps((uintptr_t)destination, length, (uintptr_t)source, length))
        effect |= EFFECT_OVERLAP;
    call_tell(site, EVENT_STORE, effect, token, (uintptr_t)destination, length);
}

NVRTL_API NTSTATUS RtlWriteNonVolatileMemory(PVOID NvToken, void *NvDestination, const void *Source,
                                             SIZE_T Size, ULONG Flags) {
    struct token_view token;
    uintptr_t address = (uintptr_t)NvDestination;
    enum result result = call_resolve(NvToken, address, Size, &token);
    if (UNLIKELY(result != RESULT_OK))
        return call_refuse(CALL_SITE(CALL_WRITE, &token), NvToken, address, Size, result);
    if (UNLIKELY((Flags & ~(ULONG)KNOWN_FLAGS) != 0 || range_wraps((uintptr_t)Source, Size) ||
                 (Source == NULL && Size != 0)))
        return STATUS_INVALID_PARAMETER;
    enum store_way way = store_copy(choose_way(&token, Flags), NvDestination, Source, Size);
    result = finish(&token, way, address, Size, Flags);
    if (observed())
        tell(CALL_SITE(CALL_WRITE, &token), &token, NvDestination, Source, Size, Flags, result);
    return call_status(result);
}

NVRTL_API NTSTATUS RtlFillNonVolatileMemory(PVOID NvToken, void *NvDestination, SIZE_T Size,
                                            UCHAR Value, ULONG Flags) {
    struct token_view token;
    uintptr_t address = (uintptr_t)NvDestination;
    enum result result = call_resolve(NvToken, address, Size, &token);
    if (UNLIKELY(result != RESULT_OK))
        return call_refuse(CALL_SITE(CALL_FILL, &token), NvToken, address, Size, result);
    if (UNLIKELY((Flags & ~(ULONG)KNOWN_FLAGS) != 0))
        return STATUS_INVALID_PARAMETER;
    enum store_way way = store_fill(choose_way(&token, Flags), NvDestination, Value, Size);
    result = finish(&token, way, address, Size, Flags);
    if (observed())
        tell(CALL_SITE(CALL_FILL, &token), &token, NvDestination, NULL, Size, Flags, result);
    return call_status(result);
}
