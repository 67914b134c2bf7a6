/* SPDX-License-Identifier: BSD-2-Clause */
/* Write and Fill: what the short ways of store_quick.c and the long ones of store.c share, and the
   long ones themselves, for whatever the short ones leave open. */
#ifndef API_STORE_WAYS_H
#define API_STORE_WAYS_H

#include "api/call.h"
#include "store/store.h"

#define KNOWN_FLAGS (WRITE_NV_MEMORY_FLAG_PERSIST | WRITE_NV_MEMORY_FLAG_NO_DRAIN)

/* What is stored where: CALL_WRITE copies source, CALL_FILL stores value. */
struct wish {
    enum event_call call;
    void *destination;
    const void *source;
    size_t length;
    ULONG flags;
    uint8_t value;
};

/* May no store be asked for so? */
CALL_TEXT bool is_wrong(const struct wish *wish) {
    bool source = wish->call == CALL_WRITE;
    return (wish->flags & ~(ULONG)KNOWN_FLAGS) != 0 ||
           (source && range_wraps((uintptr_t)wish->source, wish->length)) ||
           (source && wish->source == NULL && wish->length != 0);
}

/* Does the call end with a drain? PERSIST ignores NO_DRAIN. */
static inline bool wants_drain(ULONG flags) {
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == WRITE_NV_MEMORY_FLAG_PERSIST)
        return true;
    return (flags & WRITE_NV_MEMORY_FLAG_FLUSH) && (flags & WRITE_NV_MEMORY_FLAG_NO_DRAIN) == 0;
}

/* The kind of store where lines are written back by kernels, for flags that have a write-back. */
CALL_TEXT enum store_way choose_line_way(uintptr_t destination, size_t length, ULONG flags,
                                         bool streams, bool copies) {
    const struct isa_choice *choice = &token_table.choice;
    const enum store_way past = choice->past ? STORE_PAST : STORE_STREAM_BACK;
    if (choice->direct && (flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) != 0)
        return store_pays_direct(destination, length) ? STORE_DIRECT : STORE_CACHED_BACK;
    if (streams && (flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) != 0) {
        bool persist = (flags & WRITE_NV_MEMORY_FLAG_FLUSH) != 0;
        const bool whole = store_is_whole(destination, length);
        if (length >= (persist ? store_streams_from(copies, whole) : STORE_PAST_FROM))
            return past;
        if (!persist && !choice->past)
            return STORE_STREAM;
    }
    return length >= store_lags_from() ? STORE_CACHED_BEHIND : STORE_CACHED_BACK;
}

/* The long ways. Each takes its routine's arguments as they lie in registers. ..._resolved: for any
   token, and they tell a listener; ..._any: for those that are alive while nobody listens, and else
   they go on as ..._resolved. */
APART NTSTATUS store_write_resolved(PVOID value, void *destination, const void *source,
                                    size_t length, ULONG flags, const void *caller);
APART NTSTATUS store_fill_resolved(PVOID value, void *destination, size_t length, UCHAR byte,
                                   ULONG flags, const void *caller);
APART NTSTATUS store_write_any(PVOID value, void *destination, const void *source, size_t length,
                               ULONG flags, const void *caller);
APART NTSTATUS store_fill_any(PVOID value, void *destination, size_t length, UCHAR byte,
                              ULONG flags, const void *caller);

#endif
