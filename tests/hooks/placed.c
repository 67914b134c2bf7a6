/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming stores where a CPU may change the line in the cache: run with --streams=inplace. */
#include "program.h"

#include <stdatomic.h>
#include <stdint.h>

#define SFENCE() __asm__ volatile("sfence" ::: "memory")
#define STREAMED(at, value)                                                                        \
    __asm__ volatile("movnti %1, %0" : "=m"(*(long *)(base + (at))) : "r"((long)(value)))

CASE(drained) {
    OPEN();
    STREAMED(0, 7); /* expect: unflushed-stream */
    RIGHT FLUSH(0, 8, 0);
    SFENCE();
    CLOSE(); /* role: freed */
}

/* Written back before the drain, or after it: never for nothing. */
CASE(written_back) {
    OPEN();
    STREAMED(0, 7);
    SFENCE();
    FLUSH(0, 8, 0);
    STREAMED(64, 7);
    FLUSH(64, 8, 0);
    STREAMED(128, 7); /* expect: unflushed-stream */
    SFENCE();
    RIGHT FLUSH(128, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(undrained) {
    OPEN();
    STREAMED(0, 7); /* expect: undrained-flush */ /* role: store */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(flushed_undrained) {
    OPEN();
    STREAMED(0, 7); /* role: store */
    SFENCE();
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT SFENCE();
    CLOSE(); /* role: freed */
}

/* The routine's contract names its bytes. */
CASE(by_the_routine) {
    OPEN();
    WRITE(0, 64, STREAM | LATER);
    DRAIN();
    WRITE(64, 64, PERSIST);
    STREAMED(128, 1); /* expect: unflushed-stream */
    SFENCE();
    RIGHT FLUSH(128, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(stored_again) {
    OPEN();
    STREAMED(0, 7);
    SFENCE();
    *(uint64_t *)base = 8; /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

/* A doubt about the CPU makes no commit wrong. */
CASE(before_a_commit) {
    OPEN();
    NvRtlVerifierCommitPoint(map.token, base + 4096, 8);
    STREAMED(0, 7); /* expect: unflushed-stream */
    RIGHT FLUSH(0, 8, 0);
    SFENCE();
    *(uint64_t *)(base + 4096) = 1;
    FLUSH(4096, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(asserted) {
    OPEN();
    STREAMED(0, 7); /* expect: unflushed-stream */
    SFENCE();
    RIGHT FLUSH(0, 8, 0);
    ASSERT(0, 8);
    CLOSE();
}

/* A direct store writes the line back first. */
CASE(direct) {
    uint32_t a = 7, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    OPEN();
    if (c >> 27 & 1)
        __asm__ volatile("movdiri %1, %0" : "=m"(*(long *)base) : "r"(7L));
    SFENCE();
    STREAMED(128, 7); /* expect: unflushed-stream */
    RIGHT FLUSH(128, 8, 0);
    SFENCE();
    CLOSE(); /* role: freed */
}

PROGRAM({"drained", drained}, {"written_back", written_back}, {"undrained", undrained},
        {"flushed_undrained", flushed_undrained}, {"by_the_routine", by_the_routine},
        {"stored_again", stored_again}, {"before_a_commit", before_a_commit},
        {"asserted", asserted}, {"direct", direct})
