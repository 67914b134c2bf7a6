/* SPDX-License-Identifier: BSD-2-Clause */
/* Deferred flushes. All that is known of them is the thread's own, so no lock is needed; a signal
   handler may come at any moment, finds busy set, and then writes back at once what it flushes, and
   at its drain what it finds, leaving all as it is. */
#include "flush/flush.h"

_Thread_local struct flush_later flush_later_lines;

static enum fault write_line(const struct token_view *token, uintptr_t line) {
    return isa_write_back((enum isa_flush)token->operations.flush, (const void *)line, 1,
                          1u << token->operations.line_shift);
}

/* Has the line its place already, or is that free? */
static bool has_place(const struct flush_later *later, uintptr_t line) {
    size_t place = line / 64 % FLUSH_LATER_LINES;
    return (later->used >> place & 1) == 0 || later->lines[place] == line;
}

static void take_place(struct flush_later *later, uintptr_t line) {
    size_t place = line / 64 % FLUSH_LATER_LINES;
    later->lines[place] = line;
    atomic_signal_fence(memory_order_seq_cst);
    later->used |= UINT32_C(1) << place;
}

/* Sets busy before anything changes, for this thread's handlers to see. */
static struct flush_later *enter(void) {
    struct flush_later *later = &flush_later_lines;
    later->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    return later;
}

static void leave(struct flush_later *later) {
    atomic_signal_fence(memory_order_seq_cst);
    later->busy = false;
}

/* The first failure, after all were tried. */
static enum result write_all(const struct flush_later *later) {
    struct token_view token;
    enum result first = RESULT_OK;
    if (later->used == 0)
        return RESULT_OK;
    if (!token_find(later->owner, &token))
        return RESULT_INVALID;
    for (uint32_t left = later->used; left != 0; left &= left - 1) {
        if (write_line(&token, later->lines[__builtin_ctz(left)]) != FAULT_NONE)
            first = RESULT_IO_ERROR;
    }
    return first;
}

/* Remembers one line; what had its place is written back. */
static enum fault remember(struct flush_later *later, const struct token_view *token,
                           uintptr_t line) {
    size_t place = (line >> token->operations.line_shift) % FLUSH_LATER_LINES;
    uint32_t bit = UINT32_C(1) << place;
    enum fault fault = FAULT_NONE;
    if ((later->used & bit) != 0 && later->lines[place] != line)
        fault = write_line(token, later->lines[place]);
    later->lines[place] = line;
    atomic_signal_fence(memory_order_seq_cst);
    later->used |= bit;
    return fault;
}

bool flush_note_later(uint64_t owner, uintptr_t address, uintptr_t last) {
    uintptr_t first = address & ~(uintptr_t)63, second = last & ~(uintptr_t)63;
    if (UNLIKELY(flush_later_lines.busy))
        return false;
    struct flush_later *later = enter();
    /* Whose they are is asked when no handler can change it any more. */
    bool fits = later->owner == owner && has_place(later, first) && has_place(later, second);
    if (LIKELY(fits)) {
        take_place(later, first);
        take_place(later, second);
    }
    leave(later);
    return fits;
}

enum fault flush_range_later(const struct token_view *token, uintptr_t address, size_t length) {
    uintptr_t size = (uintptr_t)1 << token->operations.line_shift;
    uint64_t owner = token->slot != NULL ? token_handle(token) : 0;
    if ((token->operations.flags & TOKEN_DEFERS) == 0 || length == 0 ||
        token->operations.flush == ISA_FLUSH_NONE || length > size * FLUSH_LATER_LINES / 2 ||
        owner == 0 || flush_later_lines.busy)
        return flush_range(token, address, length);
    struct flush_later *later = enter();
    if (later->used != 0 && later->owner != owner) {
        enum result result = write_all(later);
        if (result != RESULT_OK)
            later->failed = result;
        later->used = 0;
    }
    later->owner = owner;
    enum fault first = FAULT_NONE;
    for (uintptr_t line = address & ~(size - 1); line <= address + (length - 1); line += size) {
        enum fault fault = remember(later, token, line);
        first = first == FAULT_NONE ? fault : first;
    }
    leave(later);
    return first;
}

enum result flush_done_later(void) {
    if (flush_later_lines.busy)
        return write_all(&flush_later_lines);
    struct flush_later *later = enter();
    enum result result = write_all(later), failed = (enum result)later->failed;
    later->used = 0;
    later->failed = RESULT_OK;
    leave(later);
    return failed != RESULT_OK ? failed : result;
}

void flush_before_free(uint64_t handle) {
    if (flush_later_lines.used == 0 || flush_later_lines.owner != handle || flush_later_lines.busy)
        return;
    struct flush_later *later = enter();
    enum result result = write_all(later);
    later->used = 0;
    if (result != RESULT_OK)
        later->failed = result;
    leave(later);
}
