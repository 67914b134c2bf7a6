/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming stores are their own flush, for the bytes that they store and no others. */
#include "program.h"

CASE(beside_a_cached_store) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(0, 8, 0);
    WRITE(8, 8, STREAM);
    RIGHT FLUSH(0, 8, NO_DRAIN);
    DRAIN();
    CLOSE(); /* role: freed */
}

/* Of the same word. */
CASE(beside_a_cached_byte) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(0, 3, 0);
    WRITE(3, 5, STREAM);
    RIGHT FLUSH(0, 8, NO_DRAIN);
    DRAIN();
    CLOSE(); /* role: freed */
}

CASE(persist_beside_a_cached_store) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(0, 8, 0);
    WRITE(8, 8, PERSIST);
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(stored_again_through_the_cache) {
    OPEN();
    WRITE(0, 64, STREAM);
    WRITE(16, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(0, 64, NO_DRAIN);
    DRAIN();
    CLOSE(); /* role: freed */
}

/* None of these is a mistake. */
CASE(all_that_is_right) {
    OPEN();
    WRITE(0, 4096, STREAM);
    DRAIN();
    WRITE(5, 1, STREAM | LATER);
    FILL(9000, 777, STREAM);
    DRAIN();
    WRITE(1, 5000, PERSIST);
    FILL(3, 3, PERSIST | LATER); /* which ignores LATER */
    /* A write-back after a streaming store is what careful programs do. */
    WRITE(16384, 128, STREAM);
    FLUSH(16384, 128, 0);
    WRITE(16384, 128, STREAM);
    DRAIN();
    FLUSH(16384, 128, 0);
    for (size_t i = 0; i < 64; i++)
        WRITE(20480 + i * 3, 3, STREAM);
    DRAIN();
    CLOSE();
}

PROGRAM({"beside_a_cached_store", beside_a_cached_store},
        {"beside_a_cached_byte", beside_a_cached_byte},
        {"persist_beside_a_cached_store", persist_beside_a_cached_store},
        {"stored_again_through_the_cache", stored_again_through_the_cache},
        {"all_that_is_right", all_that_is_right})
