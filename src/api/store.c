/* SPDX-License-Identifier: BSD-2-Clause */
/* Write, Fill and Read: copy, then whatever of flush and drain the flags ask for. */
#include "store/store.h"

#include "api/call.h"
#include "flush/flush.h"
#include "isa/quick.h"

#define KNOWN_FLAGS (WRITE_NV_MEMORY_FLAG_PERSIST | WRITE_NV_MEMORY_FLAG_NO_DRAIN)

_Static_assert(FILL_NV_MEMORY_FLAG_PERSIST == WRITE_NV_MEMORY_FLAG_PERSIST &&
                   FILL_NV_MEMORY_FLAG_NON_TEMPORAL == WRITE_NV_MEMORY_FLAG_NON_TEMPORAL &&
                   FILL_NV_MEMORY_FLAG_NO_DRAIN == WRITE_NV_MEMORY_FLAG_NO_DRAIN,
               "one reading of the flags serves both");

/* Does the token's flush do what kernels do that write lines back themselves? */
static bool has_lines(const struct token_view *token) {
    return token_table.choice.lines && token->operations.flush == ISA_FLUSH_CLWB;
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
        if (length >=
            (persist ? store_streams_from(copies, choice->vector, destination) : STORE_LINES_FROM))
            return past;
        if (!persist && !choice->past)
            return STORE_STREAM;
    }
    return length >= store_lags_from(choice->vector) ? STORE_CACHED_BEHIND : STORE_CACHED_BACK;
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

/* Does the call end with a drain? PERSIST ignores NO_DRAIN. */
static bool wants_drain(ULONG flags) {
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == WRITE_NV_MEMORY_FLAG_PERSIST)
        return true;
    return (flags & WRITE_NV_MEMORY_FLAG_FLUSH) && (flags & WRITE_NV_MEMORY_FLAG_NO_DRAIN) == 0;
}

/* Flushes what was stored and was not written back already, and drains as the flags ask. Streaming
   stores are written back too, unless the vendor documents that a cached line is evicted first. */
static enum result finish(const struct token_view *token, enum store_way way, uintptr_t address,
                          size_t length, ULONG flags) {
    enum result result;
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) == 0)
        return RESULT_OK;
    if (store_goes_back(way)) {
        result = RESULT_OK;
    } else {
        result = call_flush(token, address, length, way == STORE_CACHED && !wants_drain(flags));
    }
    return LIKELY(result == RESULT_OK) && wants_drain(flags) ? call_drain(token) : result;
}

/* What is stored where: CALL_WRITE copies source, CALL_FILL stores value. */
struct wish {
    enum event_call call;
    void *destination;
    const void *source;
    size_t length;
    ULONG flags;
    uint8_t value;
};

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

CALL_TEXT bool is_wrong(const struct wish *wish) {
    bool source = wish->call == CALL_WRITE;
    return (wish->flags & ~(ULONG)KNOWN_FLAGS) != 0 ||
           (source && range_wraps((uintptr_t)wish->source, wish->length)) ||
           (source && wish->source == NULL && wish->length != 0);
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
APART static NTSTATUS write_resolved(PVOID value, void *destination, const void *source,
                                     size_t length, ULONG flags, const void *caller) {
    const struct wish wish = {CALL_WRITE, destination, source, length, flags, 0};
    return store_resolved(value, &wish, caller);
}

APART static NTSTATUS fill_resolved(PVOID value, void *destination, size_t length, UCHAR byte,
                                    ULONG flags, const void *caller) {
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_resolved(value, &wish, caller);
}

/* The long way, for whatever the short one leaves open. */
APART static NTSTATUS write_any(PVOID value, void *destination, const void *source, size_t length,
                                ULONG flags, const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return write_resolved(value, destination, source, length, flags, caller);
    if (UNLIKELY(!call_inside(&token, (uintptr_t)destination, length)))
        return STATUS_INVALID_PARAMETER;
    const struct wish wish = {CALL_WRITE, destination, source, length, flags, 0};
    return store_unobserved(&token, &wish);
}

APART static NTSTATUS fill_any(PVOID value, void *destination, size_t length, UCHAR byte,
                               ULONG flags, const void *caller) {
    struct token_view token;
    if (UNLIKELY(!token_find((uintptr_t)value, &token)))
        return fill_resolved(value, destination, length, byte, flags, caller);
    if (UNLIKELY(!call_inside(&token, (uintptr_t)destination, length)))
        return STATUS_INVALID_PARAMETER;
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_unobserved(&token, &wish);
}

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
   kind. */
CALL_TEXT bool is_quick(PVOID token, uintptr_t address, size_t length, ULONG flags) {
    ULONG kind = flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_NO_DRAIN;
    return ISA_QUICK &&
           (kind == WRITE_NV_MEMORY_FLAG_FLUSH || kind == WRITE_NV_MEMORY_FLAG_PERSIST) &&
           token_quick(TOKEN_KEY_LINES, (uintptr_t)token, address, length);
}

/* What they need after they were stored with such flags. false: there is no page, and the long way
   tells why; or there are deferred flushes to be done before the drain. */
CALL_TEXT bool finish_quick(uintptr_t address, uintptr_t last, ULONG flags) {
    if (UNLIKELY(!isa_quick_back(address, last)))
        return false;
    if (flags == (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN))
        return true;
    if (UNLIKELY(flush_has_later()))
        return false;
    isa_quick_fence();
    return true;
}

/* The byte in each place of a word. */
#define PATTERN(byte) ((byte)*UINT64_C(0x0101010101010101))

/* Do two ranges of length bytes share none? So that a call which met a missing page on the short
   way can be made anew. */
CALL_TEXT bool lie_apart(uintptr_t a, uintptr_t b, size_t length) {
    return a - b + (length - 1) >= 2 * length - 1;
}

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
    return store_lines(value, &wish) ? STATUS_SUCCESS
                                     : write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_lines(PVOID value, void *destination, size_t length, UCHAR byte,
                                 ULONG flags, const void *caller) {
    const struct wish wish = {CALL_FILL, destination, NULL, length, flags, byte};
    return store_lines(value, &wish) ? STATUS_SUCCESS
                                     : fill_any(value, destination, length, byte, flags, caller);
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

/* The short way of a Write whose token defers its flushes. */
APART static NTSTATUS write_deferred(PVOID value, void *destination, const void *source,
                                     size_t length, ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination, from = (uintptr_t)source;
    if (is_deferred(value, to, length, flags) && is_plain(from) && lie_apart(to, from, length) &&
        copy_quick((char *)destination, (const char *)source, length) &&
        (flush_is_later((uintptr_t)value, to, to + length - 1) ||
         flush_note_later((uintptr_t)value, to, to + length - 1)))
        return STATUS_SUCCESS;
    return write_any(value, destination, source, length, flags, caller);
}

/* Are so many bytes stored by a kernel, rather than here? */
CALL_TEXT bool has_kernel(uintptr_t address, size_t length, ULONG flags) {
    return ISA_QUICK && (length > ISA_QUICK_MAX ||
                         (UNLIKELY((flags & WRITE_NV_MEMORY_FLAG_NON_TEMPORAL) != 0) &&
                          token_table.choice.direct && store_pays_direct(address, length)));
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
    if (LIKELY(copy_quick((char *)destination, (const char *)source, length) &&
               finish_quick(to, to + length - 1, flags)))
        return STATUS_SUCCESS;
    return write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_few_back(PVOID value, void *destination, size_t length, UCHAR byte,
                                    ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination;
    claim_quick(to, length);
    if (LIKELY(fill_quick((char *)destination, PATTERN(byte), length) &&
               finish_quick(to, to + length - 1, flags)))
        return STATUS_SUCCESS;
    return fill_any(value, destination, length, byte, flags, caller);
}

/* What is no frequent case. */
APART static NTSTATUS write_rest(PVOID value, void *destination, const void *source, size_t length,
                                 ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination, from = (uintptr_t)source;
    if (has_kernel(to, length, flags))
        return write_lines(value, destination, source, length, flags, caller);
    if (is_quick(value, to, length, flags) && is_plain(from) && lie_apart(to, from, length))
        return write_few_back(value, destination, source, length, flags, caller);
    return write_deferred(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_rest(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    uintptr_t to = (uintptr_t)destination;
    if (has_kernel(to, length, flags))
        return fill_lines(value, destination, length, byte, flags, caller);
    if (is_quick(value, to, length, flags))
        return fill_few_back(value, destination, length, byte, flags, caller);
    return fill_any(value, destination, length, byte, flags, caller);
}

/* Are few bytes, and not none, to be flushed? */
CALL_TEXT bool is_flush(size_t length, ULONG flags) {
    return LIKELY((flags & ~(ULONG)WRITE_NV_MEMORY_FLAG_NO_DRAIN) == WRITE_NV_MEMORY_FLAG_FLUSH) &&
           LIKELY(length - 1 < ISA_QUICK_MAX);
}

/* The end of a frequent case that is flushed. */
#define FINISH_WHOLE(length)                                                                       \
    do {                                                                                           \
        ISA_BACK_LINE;                                                                             \
        if (LIKELY((flags & WRITE_NV_MEMORY_FLAG_NO_DRAIN) != 0))                                  \
            ISA_RETURN_0(NTSTATUS, length);                                                        \
        goto stored;                                                                               \
    } while (0)

APART static NTSTATUS write_back(PVOID value, void *destination, const void *source, size_t length,
                                 ULONG flags, const void *caller) {
    char *const to = (char *)destination;
    const char *const from = (const char *)source;
    if (is_flush(length, flags) && LIKELY(is_quick(value, (uintptr_t)to, length, flags)) &&
        LIKELY(is_plain((uintptr_t)from) && lie_apart((uintptr_t)to, (uintptr_t)from, length))) {
        claim_quick((uintptr_t)to, length);
        ISA_QUICK_WHOLE(ISA_WHOLE, FINISH_WHOLE);
        return write_few_back(value, destination, source, length, flags, caller);
    stored:
        if (LIKELY(!flush_has_later())) {
            isa_quick_fence();
            return STATUS_SUCCESS;
        }
    }
left:
    return write_rest(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_back(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    char *const to = (char *)destination;
    const uint64_t pattern = PATTERN(byte);
    if (is_flush(length, flags) && LIKELY(is_quick(value, (uintptr_t)to, length, flags))) {
        claim_quick((uintptr_t)to, length);
        ISA_QUICK_WHOLE(ISA_EVEN, FINISH_WHOLE);
        return fill_few_back(value, destination, length, byte, flags, caller);
    stored:
        if (LIKELY(!flush_has_later())) {
            isa_quick_fence();
            return STATUS_SUCCESS;
        }
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
    return write_any(value, destination, source, length, flags, caller);
}

APART static NTSTATUS fill_less(PVOID value, void *destination, size_t length, UCHAR byte,
                                ULONG flags, const void *caller) {
    return LIKELY(isa_quick_fill_less((char *)destination, PATTERN(byte), length))
               ? STATUS_SUCCESS
               : fill_any(value, destination, length, byte, flags, caller);
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
        return write_resolved(NvToken, NvDestination, Source, Size, Flags,
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
        return fill_resolved(NvToken, NvDestination, Size, Value, Flags,
                             __builtin_return_address(0));
    return fill_back(NvToken, NvDestination, Size, Value, Flags, __builtin_return_address(0));
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
