/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a range's way to the persistence domain; only a drain waits for it. */
#ifndef FLUSH_FLUSH_H
#define FLUSH_FLUSH_H

#include "token/token.h"

/* memory, volatile: writes the lines back; page-cache: notes the pages; cpu-cache: nothing. A
   fault: there is no page behind a line (the file was truncated). pre: the range lies in the
   token's region */
enum fault flush_range(const struct token_view *token, uintptr_t address, size_t length);

/* Flushes of a token with TOKEN_DEFERS that nobody waits for yet, as the thread that made them
   remembers them. Lines are told by address, each in the place that its address gives it. */
#define FLUSH_LATER_LINES 32
struct flush_later {
    uint64_t owner;  /* the token; a flush of another one writes back what is here first */
    uint32_t used;   /* a bit for each place */
    uint32_t failed; /* enum result, for the next drain to tell */
    bool busy;       /* a signal handler that sees it changes nothing */
    uintptr_t lines[FLUSH_LATER_LINES];
};
extern _Thread_local struct flush_later flush_later_lines
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Does this thread remember lines, or a failure? */
static inline bool flush_has_later(void) {
    return (flush_later_lines.used | flush_later_lines.failed) != 0;
}

/* Does this thread remember all lines of [address, last] of that token already? Two at most, of 64
   bytes; asked after the stores that are to be flushed. Not in a handler that interrupts a drain:
   that forgets lines which it has written back before. */
static inline bool flush_is_later(uint64_t owner, uintptr_t address, uintptr_t last) {
    const struct flush_later *later = &flush_later_lines;
    uintptr_t first = address & ~(uintptr_t)63, second = last & ~(uintptr_t)63;
    size_t place = first / 64 % FLUSH_LATER_LINES, next = second / 64 % FLUSH_LATER_LINES;
    return !later->busy && later->owner == owner && (later->used >> place & 1) != 0 &&
           later->lines[place] == first &&
           (first == second || ((later->used >> next & 1) != 0 && later->lines[next] == second));
}

/* Remembers these lines, two at most, of 64 bytes, if that takes nothing but to note them. false:
   nothing is changed that flush_range_later would not do anew. pre: the token lives and defers its
   flushes; asked after the stores */
bool flush_note_later(uint64_t owner, uintptr_t address, uintptr_t last);

/* As flush_range; the lines are remembered instead, if the token defers its flushes and they are
   few. Each is written back once, by flush_done_later or when its place is needed. */
enum fault flush_range_later(const struct token_view *token, uintptr_t address, size_t length);

/* Writes back what this thread remembers, and forgets it; before each drain. RESULT_INVALID: the
   token was freed by another thread, so that the lines may be anybody's by now; RESULT_IO_ERROR:
   there is no page behind one of them. */
enum result flush_done_later(void);

/* The same before the thread frees that token; a failure is kept for its next drain. */
void flush_before_free(uint64_t handle);

#endif
