/* SPDX-License-Identifier: BSD-2-Clause */
/* Write and Fill on their short ways: a token with a key, and bytes that lie apart. Whatever does
   not fit goes the long way of store.c. */
#include "api/store_ways.h"
#include "flush/flush.h"
#include "isa/quick.h"

/* Neither NULL nor near the end of the address space, where no program has memory. */
CALL_TEXT bool is_plain(uintptr_t address) {
    return (intptr_t)address > 0;
}

/* Are few bytes, and not none, only stored? */
CALL_TEXT bool is_plain_store(size_t length, ULONG flags) {
    return ISA_QUICK && LIKELY((flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_NO_DRAIN) == 0) &&
           LIKELY(length - 1 < ISA_QUICK_MAX);
}

/* Can few bytes be stored and written back the short way? The token's lines have to be of that
   kind, and no other way faster. */
CALL_TEXT bool is_quick(PVOID token, uintptr_t address, size_t length, ULONG flags, bool copies) {
    const ULONG kind = flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_NO_DRAIN;
    const bool persist = kind == WRITE_NV_MEMORY_FLAG_PERSIST;
    return ISA_QUICK && (kind == WRITE_NV_MEMORY_FLAG_FLUSH || persist) &&
           (LIKELY(length <= STORE_LINE) || store_is_few(persist, copies, address, length)) &&
           token_quick(TOKEN_KEY_LINES, (uintptr_t)token, address, length);
}

/* The drain of a range that was stored and written back. Deferred flushes of this thread come
   before it, on the long way. */
CALL_TEXT NTSTATUS drain_quick(PVOID value, uintptr_t address, size_t length, const void *caller) {
    if (UNLIKELY(flush_has_later()))
        return call_flush_stored(value, address, length, true, caller);
    isa_quick_fence();
    return STATUS_SUCCESS;
}

/* What few bytes need after they were stored with such flags; why a page is missing is told on the
   long way, which does not store again. pre: is_quick */
CALL_TEXT NTSTATUS finish_quick(PVOID value, uintptr_t address, size_t length, ULONG flags,
                                const void *caller) {
    if (UNLIKELY(!isa_quick_back(address, address + length - 1)))
        return call_flush_stored(value, address, length, wants_drain(flags), caller);
    return wants_drain(flags) ? drain_quick(value, address, length, caller) : STATUS_SUCCESS;
}

/* The byte in each place of a word. */
#define PATTERN(byte) ((byte)*UINT64_C(0x0101010101010101))

/* Do two ranges of length bytes share none? So that a call which met a missing page on the short
   way can be made anew. */
CALL_TEXT bool lie_apart(uintptr_t a, uintptr_t b, size_t length) {
    return a - b + (length - 1) >= 2 * length - 1;
}

_Static_assert(ISA_QUICK_MAX < STORE_LINES_FROM, "few bytes have no wide vectors");

/* pre: source and destination lie apart */
CALL_TEXT enum fault store_wish(enum store_way way, const struct isa_choice *choice,
                                const struct wish *wish) {
    char *to = (char *)wish->destination;
    return wish->call == CALL_WRITE
               ? store_copy_apart(way, choice, to, (const char *)wish->source, wish->length)
               : store_fill_apart(way, choice, to, wish->value, wish->length);
}

/* More bytes, where kernels write the lines back: one call of store. Without a write-back every
   token will do. false: the long way is to do it. */
CALL_TEXT bool store_lines(PVOID token, const struct wish *wish) {
    const struct isa_choice *choice = &token_table.choice;
    uintptr_t to = (uintptr_t)wish->destination;
    bool copies = wish->call == CALL_WRITE, back = (wish->flags & 3) != 0;
    enum store_way way = STORE_CACHED;
    if (!token_quick(back ? TOKEN_KEY_LINES : TOKEN_KEY_STORES, (uintptr_t)token, to,
                     wish->length) ||
        is_wrong(wish) ||
        (copies && range_overlaps(to, wish->length, (uintptr_t)wish->source, wish->length)))
        return false;
    if (back) {
        way = choose_line_way(to, wish->length, wish->flags, choice->stream, copies);
        if (way == STORE_STREAM || flush_has_later())
            return false;
    }
    if (store_wish(way, choice, wish) != FAULT_NONE)
        return false;
    if (wants_drain(wish->flags))
        isa_quick_fence();
    return true;
}

APART static NTSTATUS write_lines(PVOID value, void *destination, const void *source, size_t length,
                                  ULONG flags, const void *caller) {
    const struct wish wish = {CALL_WRITE, destination, source, length, flags, 0};
    return store_lines(value, &wish)
               ? STATUS_SUCCESS
               : store_write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_lines(PVOID value, void *destination, size_t length, UCHAR byte,
                                 ULONG flags, const void *caller) {
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_lines(value, &wish)
               ? STATUS_SUCCESS
               : store_fill_any(value, destination, length, byte, flags, caller);
}

/* So many bytes of any number and alignment. pre: length is in [1, ISA_QUICK_MAX] */
CALL_TEXT bool copy_quick(char *to, const char *from, size_t length) {
    return LIKELY(length >= 8) ? isa_quick_copy(to, from, length)
                               : isa_quick_copy_less(to, from, length);
}

CALL_TEXT bool fill_quick(char *to, uint64_t pattern, size_t length) {
    return LIKELY(length >= 8) ? isa_quick_fill(to, pattern, length)
                               : isa_quick_fill_less(to, pattern, length);
}

/* May these few bytes be flushed by lines that are remembered? */
CALL_TEXT bool is_deferred(PVOID token, uintptr_t address, size_t length, ULONG flags) {
    return ISA_QUICK && flags == (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN) &&
           token_quick(TOKEN_KEY_DEFERS, (uintptr_t)token, address, length);
}

#define GO_STORED(length) goto stored

/* The short way of a Write whose token defers its flushes. pre: length <= STORE_LINE */
APART static NTSTATUS write_deferred(PVOID value, void *destination, const void *source,
                                     size_t length, ULONG flags, const void *caller) {
    char *const to = (char *)destination;
    const char *const from = (const char *)source;
    const uintptr_t first = (uintptr_t)to, last = first + length - 1;
    if (!is_deferred(value, first, length, flags) || !is_plain((uintptr_t)from) ||
        !lie_apart(first, (uintptr_t)from, length))
        goto left;
    ISA_QUICK_WHOLE(ISA_WHOLE, GO_STORED);
    if (!copy_quick(to, from, length))
        goto left;
stored:
    return flush_is_later((uintptr_t)value, first, last) ||
                   flush_note_later((uintptr_t)value, first, last)
               ? STATUS_SUCCESS
               : call_flush_stored(value, first, length, false, caller);
left:
    return store_write_any(value, destination, source, length, flags, caller);
}

/* Are few bytes stored directly? */
CALL_TEXT bool goes_direct(uintptr_t address, size_t length, ULONG flags) {
    return ISA_QUICK && (flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) != 0 &&
           token_table.choice.direct && store_pays_direct(address, length);
}

CALL_TEXT void claim_quick(uintptr_t address, size_t length) {
    if (token_table.choice.claims)
        isa_quick_claim(address, address + length - 1);
}

/* Few bytes of any number and alignment, stored and written back. pre: is_quick, and of a copy
   is_plain and lie_apart */
APART static NTSTATUS write_few_back(PVOID value, void *destination, const void *source,
                                     size_t length, ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination;
    claim_quick(to, length);
    if (UNLIKELY(!copy_quick((char *)destination, (const char *)source, length)))
        return store_write_any(value, destination, source, length, flags, caller);
    return finish_quick(value, to, length, flags, caller);
}

APART static NTSTATUS fill_few_back(PVOID value, void *destination, size_t length, UCHAR byte,
                                    ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination;
    claim_quick(to, length);
    if (UNLIKELY(!fill_quick((char *)destination, PATTERN(byte), length)))
        return store_fill_any(value, destination, length, byte, flags, caller);
    return finish_quick(value, to, length, flags, caller);
}

/* What is no frequent case. */
APART static NTSTATUS write_rest(PVOID value, void *destination, const void *source, size_t length,
                                 ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination, from = (uintptr_t)source;
    if (goes_direct(to, length, flags))
        return write_lines(value, destination, source, length, flags, caller);
    if (is_quick(value, to, length, flags, true) && is_plain(from) && lie_apart(to, from, length))
        return write_few_back(value, destination, source, length, flags, caller);
    return length > STORE_LINE ? write_lines(value, destination, source, length, flags, caller)
                               : store_write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_rest(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination;
    if (goes_direct(to, length, flags))
        return fill_lines(value, destination, length, byte, flags, caller);
    if (is_quick(value, to, length, flags, false))
        return fill_few_back(value, destination, length, byte, flags, caller);
    return length > STORE_LINE ? fill_lines(value, destination, length, byte, flags, caller)
                               : store_fill_any(value, destination, length, byte, flags, caller);
}

/* Are few bytes, and not none, to be flushed? */
CALL_TEXT bool is_flush(size_t length, ULONG flags) {
    return LIKELY((flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_NO_DRAIN) == WRITE_NV_MEMORY_FLAG_FLUSH) &&
           LIKELY(length != 0);
}

/* The end of a case that is flushed, and its name. */
#define FINISH(is_back, name)                                                                      \
    do {                                                                                           \
        if (UNLIKELY(!(is_back)))                                                                  \
            goto stored;                                                                           \
        if (LIKELY((flags & WRITE_NV_MEMORY_FLAG_NO_DRAIN) != 0))                                  \
            ISA_RETURN_0(NTSTATUS, name);                                                          \
        goto backed;                                                                               \
    } while (0)
#define FINISH_WHOLE(length) FINISH(isa_quick_back_line(to), length)

APART static NTSTATUS write_back(PVOID value, void *destination, const void *source, size_t length,
                                 ULONG flags, const void *caller) {
    char *const to = (char *)destination;
    const char *const from = (const char *)source;
    if (ISA_QUICK && length > ISA_QUICK_MAX)
        return write_lines(value, destination, source, length, flags, caller);
    if (is_flush(length, flags) && LIKELY(is_quick(value, (uintptr_t)to, length, flags, true)) &&
        LIKELY(is_plain((uintptr_t)from) && lie_apart((uintptr_t)to, (uintptr_t)from, length))) {
        claim_quick((uintptr_t)to, length);
        ISA_QUICK_WHOLE(ISA_WHOLE, FINISH_WHOLE);
        if (UNLIKELY(length < 8))
            return write_few_back(value, destination, source, length, flags, caller);
        if (UNLIKELY(!isa_quick_copy(to, from, length)))
            return store_write_any(value, destination, source, length, flags, caller);
        FINISH(isa_quick_back((uintptr_t)to, (uintptr_t)to + length - 1), rest);
    stored:
        return call_flush_stored(value, (uintptr_t)to, length, wants_drain(flags), caller);
    backed:
        return drain_quick(value, (uintptr_t)to, length, caller);
    }
left:
    if (!is_flush(length, flags))
        return write_rest(value, destination, source, length, flags, caller);
    return length > STORE_LINE ? write_lines(value, destination, source, length, flags, caller)
                               : write_deferred(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_back(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    char *const to = (char *)destination;
    const uint64_t pattern = PATTERN(byte);
    if (ISA_QUICK && length > ISA_QUICK_MAX)
        return fill_lines(value, destination, length, byte, flags, caller);
    if (is_flush(length, flags) && LIKELY(is_quick(value, (uintptr_t)to, length, flags, false))) {
        claim_quick((uintptr_t)to, length);
        ISA_QUICK_WHOLE(ISA_EVEN, FINISH_WHOLE);
        if (UNLIKELY(length < 8))
            return fill_few_back(value, destination, length, byte, flags, caller);
        if (UNLIKELY(!isa_quick_fill(to, pattern, length)))
            return store_fill_any(value, destination, length, byte, flags, caller);
        FINISH(isa_quick_back((uintptr_t)to, (uintptr_t)to + length - 1), rest);
    stored:
        return call_flush_stored(value, (uintptr_t)to, length, wants_drain(flags), caller);
    backed:
        return drain_quick(value, (uintptr_t)to, length, caller);
    }
left:
    return fill_rest(value, destination, length, byte, flags, caller);
}

/* Less than a word. pre: token_quick, is_plain */
APART static NTSTATUS write_less(PVOID value, void *destination, const void *source, size_t length,
                                 ULONG flags, const void *caller) {
    if (LIKELY(lie_apart((uintptr_t)destination, (uintptr_t)source, length)) &&
        LIKELY(isa_quick_copy_less((char *)destination, (const char *)source, length)))
        return STATUS_SUCCESS;
    return store_write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_less(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    return LIKELY(isa_quick_fill_less((char *)destination, PATTERN(byte), length))
               ? STATUS_SUCCESS
               : store_fill_any(value, destination, length, byte, flags, caller);
}

#define RETURN_WHOLE(length) ISA_RETURN_0(NTSTATUS, length)

/* Few bytes, in most domains: nothing is called. */
NVRTL_API CALL_OFTEN NTSTATUS RtlWriteNonVolatileMemory(PVOID NvToken, void *NvDestination,
                                                        const void *Source, SIZE_T Size,
                                                        ULONG Flags) {
    char *const to = (char *)NvDestination;
    const char *const from = (const char *)Source;
    const size_t length = Size;
    if (is_plain_store(length, Flags) &&
        LIKELY(token_quick(TOKEN_KEY_STORES, (uintptr_t)NvToken, (uintptr_t)to, length)) &&
        LIKELY(is_plain((uintptr_t)from))) {
        ISA_QUICK_WHOLE(ISA_WHOLE, RETURN_WHOLE);
        if (UNLIKELY(length < 8))
            return write_less(NvToken, NvDestination, Source, Size, Flags,
                              __builtin_return_address(0));
        if (LIKELY(lie_apart((uintptr_t)to, (uintptr_t)from, length)) &&
            LIKELY(isa_quick_copy(to, from, length)))
            return STATUS_SUCCESS;
    }
left:
    if (UNLIKELY(observed()))
        return store_write_resolved(NvToken, NvDestination, Source, Size, Flags,
                                    __builtin_return_address(0));
    return write_back(NvToken, NvDestination, Source, Size, Flags, __builtin_return_address(0));
}

NVRTL_API CALL_OFTEN NTSTATUS RtlFillNonVolatileMemory(PVOID NvToken, void *NvDestination,
                                                       SIZE_T Size, UCHAR Value, ULONG Flags) {
    char *const to = (char *)NvDestination;
    const uint64_t pattern = PATTERN(Value);
    const size_t length = Size;
    if (is_plain_store(length, Flags) &&
        LIKELY(token_quick(TOKEN_KEY_STORES, (uintptr_t)NvToken, (uintptr_t)to, length))) {
        ISA_QUICK_WHOLE(ISA_EVEN, RETURN_WHOLE);
        if (UNLIKELY(length < 8))
            return fill_less(NvToken, NvDestination, Size, Value, Flags,
                             __builtin_return_address(0));
        if (LIKELY(isa_quick_fill(to, pattern, length)))
            return STATUS_SUCCESS;
    }
left:
    if (UNLIKELY(observed()))
        return store_fill_resolved(NvToken, NvDestination, Size, Value, Flags,
                                   __builtin_return_address(0));
    return fill_back(NvToken, NvDestination, Size, Value, Flags, __builtin_return_address(0));
}
