/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program says to the verifier: bytes that do not matter, bytes that must be durable. */
#include "program.h"

/* Exact to the byte. */
CASE(ignored_but_for_one_byte) {
    OPEN();
    IGNORE(0, broken ? 99 : 100);
    WRITE(0, 100, 0); /* expect: unflushed-write */
    CLOSE();          /* role: freed */
}

CASE(ignored_around_a_hole) {
    OPEN();
    WRITE(0, 4096, 0); /* expect: unflushed-write 2x */
    IGNORE(0, 10);
    IGNORE(11, 4084);
    RIGHT IGNORE(10, 1);
    RIGHT IGNORE(4095, 1);
    CLOSE(); /* role: freed */
}

CASE(ignored_from_another_view) {
    NvRtlMapping part;
    OPEN();
    ok(NvRtlMapFile(path, 8192, 4096, 0, 0, &part));
    NvRtlVerifierIgnore(part.token, (char *)part.base + (broken ? 8 : 0), 8);
    ok(NvRtlUnmapFile(&part));
    WRITE(8192, 8, 0); /* expect: unflushed-write */
    CLOSE();           /* role: freed */
}

CASE(ignored_and_never_drained) {
    OPEN();
    WRITE(0, 8, FLUSHED | LATER); /* expect: undrained-flush */ /* role: store */
    RIGHT IGNORE(0, 8);
    CLOSE(); /* role: freed */
}

CASE(asserted_too_early) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    WRONG ASSERT(0, 8);
    FLUSH(0, 8, 0);
    RIGHT ASSERT(0, 8);
    CLOSE();
}

CASE(asserted_between_flush_and_drain) {
    OPEN();
    WRITE(0, 8, 0);        /* role: store */
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    WRONG NvRtlVerifierAssertDurable(EVERY, base, 8);
    DRAIN();
    ASSERT(0, SIZE);
    CLOSE();
}

/* No byte beside the assertion counts, and each byte is told once. */
CASE(asserted_to_the_byte) {
    OPEN();
    WRITE(0, 1, 0);
    WRITE(7, 1, 0);
    WRITE(9, 3, 0); /* expect: unflushed-write */
    ASSERT(1, 6);
    ASSERT(8, 1);
    ASSERT(12, 4);
    WRONG ASSERT(8, 2);
    WRONG ASSERT(8, 2);
    FLUSH(0, 64, 0);
    CLOSE();
}

CASE(ignored_and_asserted) {
    OPEN();
    WRITE(0, 16, 0); /* expect: unflushed-write */
    IGNORE(0, broken ? 8 : 16);
    ASSERT(0, 16);
    FLUSH(0, 16, 0);
    CLOSE();
}

/* The page and the token are known by then, so that nothing is unusual about the calls. */
CASE(committed_too_early) {
    OPEN();
    WRITE(4096, 8, 0);
    FLUSH(4096, 8, 0);
    NvRtlVerifierCommitPoint(map.token, base + 4096, 8);
    WRITE(4096 + 64, 8, 0); /* role: data */
    RIGHT FLUSH(4096 + 64, 8, 0);
    WRITE(4096, 8, 0); /* expect: unordered-commit */
    FLUSH(4096, 72, 0);
    CLOSE();
}

PROGRAM({"ignored_but_for_one_byte", ignored_but_for_one_byte},
        {"ignored_around_a_hole", ignored_around_a_hole},
        {"ignored_from_another_view", ignored_from_another_view},
        {"ignored_and_never_drained", ignored_and_never_drained},
        {"asserted_too_early", asserted_too_early},
        {"asserted_between_flush_and_drain", asserted_between_flush_and_drain},
        {"asserted_to_the_byte", asserted_to_the_byte},
        {"ignored_and_asserted", ignored_and_asserted},
        {"committed_too_early", committed_too_early})
