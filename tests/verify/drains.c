/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes that nobody drained, or not who should have. */
#include "program.h"

CASE(plain_flush) {
    OPEN();
    WRITE(0, 8, 0);        /* role: store */
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(write_that_flushes) {
    OPEN();
    WRITE(0, 300, FLUSHED | LATER); /* expect: undrained-flush */ /* role: store */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(fill_that_flushes) {
    OPEN();
    FILL(0, 8, FLUSHED | LATER); /* expect: undrained-flush */ /* role: store */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(streaming_write) {
    OPEN();
    WRITE(0, 8192, STREAM); /* expect: undrained-flush */ /* role: store */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(streaming_fill) {
    OPEN();
    FILL(4, 100, STREAM | LATER); /* expect: undrained-flush */ /* role: store */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(ranges) {
    OPEN();
    NV_MEMORY_RANGE both[] = {{base, 8}, {base + 256, 8}};
    WRITE(0, 8, 0);            /* role: store */
    RANGES(both, 1, NO_DRAIN); /* expect: undrained-flush */
    RIGHT WRITE(256, 8, 0);
    RIGHT RANGES(both + 1, 1, 0);
    CLOSE(); /* role: freed */
}

CASE(drain_before_flush) {
    OPEN();
    WRITE(64, 8, FLUSHED | LATER);
    WRITE(0, 8, 0); /* role: store */
    WRONG DRAIN();
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

/* The drain makes the first store durable, not the second. */
CASE(store_between) {
    OPEN();
    WRITE(0, 8, 0);
    FLUSH(0, 8, NO_DRAIN);
    WRITE(0, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, NO_DRAIN);
    DRAIN();
    CLOSE(); /* role: freed */
}

/* A CPU's fence does not know tokens, but the contract does. */
CASE(drain_of_another_token) {
    void *second;
    OPEN();
    GET(0, 4096, &second);
    WRITE(0, 8, 0);        /* role: store */
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush as warning if strict actual/volatile */
    DRAIN_BY(broken ? second : map.token);
    FREE(second);
    CLOSE(); /* role: freed */
}

CASE(drain_of_every_token) {
    OPEN();
    WRITE(0, 8, 0);        /* role: store */
    FLUSH(0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT DRAIN_BY(EVERY);
    CLOSE(); /* role: freed */
}

#define LATER_BY(token) FLUSH_BY(token, 128, 8, NO_DRAIN)

CASE(two_tokens_two_drains) {
    void *second;
    OPEN();
    GET(0, 4096, &second);
    WRITE(0, 8, 0);
    FLUSH(0, 8, NO_DRAIN);
    WRITE_BY(second, 128, 8, 0); /* role: store */
    LATER_BY(second);            /* expect: undrained-flush as warning if strict actual/volatile */
    DRAIN();
    RIGHT DRAIN_BY(second); /* twin: redundant-drain if memory page-cache */
    FREE(second);
    CLOSE(); /* role: freed */
}

PROGRAM({"plain_flush", plain_flush}, {"write_that_flushes", write_that_flushes},
        {"fill_that_flushes", fill_that_flushes}, {"streaming_write", streaming_write},
        {"streaming_fill", streaming_fill}, {"ranges", ranges},
        {"drain_before_flush", drain_before_flush}, {"store_between", store_between},
        {"drain_of_another_token", drain_of_another_token},
        {"drain_of_every_token", drain_of_every_token},
        {"two_tokens_two_drains", two_tokens_two_drains})
