/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions whose last act is a call: optimised, they jump there, and are on no stack when it is
   made. */
#include "program.h"

APART static NTSTATUS put(size_t at) {
    /* expect: unflushed-write of left_by_a_jump */
    return RtlWriteNonVolatileMemory(map.token, base + at, data, 8, 0);
}

CASE(left_by_a_jump) {
    OPEN();
    ok(put(0));
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

APART static NTSTATUS fill(size_t at) {
    /* expect: unflushed-write of left_by_two_jumps */
    return RtlFillNonVolatileMemory(map.token, base + at, 8, 1, 0);
}

APART static NTSTATUS fill_next(size_t at) {
    return fill(at + 64);
}

CASE(left_by_two_jumps) {
    OPEN();
    ok(fill_next(0));
    RIGHT FLUSH(64, 8, 0);
    CLOSE(); /* role: freed */
}

/* Known outside of this file, but for all that a function like others. */
NTSTATUS start_flush(size_t at);
APART NTSTATUS start_flush(size_t at) {
    /* expect: undrained-flush of flush_and_end */
    return RtlFlushNonVolatileMemory(map.token, base + at, 8, NO_DRAIN);
}

APART static NTSTATUS end(void) {
    return NvRtlUnmapFile(&map); /* role: freed of flush_and_end */
}

CASE(flush_and_end) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    ok(start_flush(0));
    RIGHT DRAIN();
    ok(end());
}

/* Inlined into one that jumps. */
static inline NTSTATUS put_inlined(size_t at) {
    /* expect: unflushed-write of inlined_and_jumped */
    return RtlWriteNonVolatileMemory(map.token, base + at, data, 16, 0);
}

APART static NTSTATUS put_outer(size_t at) {
    return put_inlined(at + 128);
}

CASE(inlined_and_jumped) {
    OPEN();
    ok(put_outer(0));
    RIGHT FLUSH(128, 16, 0);
    CLOSE(); /* role: freed */
}

PROGRAM({"left_by_a_jump", left_by_a_jump}, {"left_by_two_jumps", left_by_two_jumps},
        {"flush_and_end", flush_and_end}, {"inlined_and_jumped", inlined_and_jumped})
