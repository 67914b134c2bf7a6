/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that cost time and change nothing, and their like that are needed after all. */
#include "program.h"

CASE(flush_twice) {
    OPEN();
    WRITE(0, 8, 0);
    FLUSH(0, 8, NO_DRAIN);
    WRONG FLUSH(0, 8, NO_DRAIN); /* expect: redundant-flush */
    DRAIN();
    CLOSE();
}

CASE(flush_of_what_is_durable) {
    OPEN();
    WRITE(0, 200, FLUSHED);
    WRONG FLUSH(0, 200, 0);      /* expect: redundant-flush */
    WRONG FLUSH(0, 1, NO_DRAIN); /* expect: redundant-flush */
    WRONG DRAIN();
    CLOSE();
}

CASE(flush_after_persist) {
    OPEN();
    WRITE(0, 200, PERSIST);
    WRONG FLUSH(0, 200, 0); /* expect: redundant-flush if strict memory actual */
    CLOSE();
}

CASE(ranges_that_are_clean) {
    OPEN();
    NV_MEMORY_RANGE ranges[] = {{base, 8}, {base + 64, 8}, {base, 0}};
    WRITE(0, 128, 0);
    RANGES(ranges, 3, 0);
    RIGHT WRITE(70, 1, 0);
    RANGES(ranges, 3, 0); /* expect: redundant-flush */
    CLOSE();
}

/* One dirty line is reason enough. */
CASE(partly_dirty) {
    OPEN();
    WRITE(0, 4096, FLUSHED);
    RIGHT FILL(2048, 1, 0);
    FLUSH(0, 4096, 0); /* expect: redundant-flush */
    CLOSE();
}

CASE(drain_of_nothing) {
    OPEN();
    WRONG DRAIN(); /* expect: redundant-drain */
    WRITE(0, 8, 0);
    FLUSH(0, 8, 0);
    WRONG DRAIN();         /* expect: redundant-drain */
    WRONG DRAIN_BY(EVERY); /* expect: redundant-drain */
    CLOSE();
}

CASE(drain_twice) {
    OPEN();
    WRITE(0, 8, STREAM);
    DRAIN();
    WRONG DRAIN(); /* expect: redundant-drain */
    CLOSE();
}

/* What was stored through pointers is not seen, but that something was. */
CASE(direct_stores) {
    OPEN();
    base[0] = 1;
    FLUSH(0, 64, 0);
    WRITE(1, 1, FLUSHED);
    RIGHT base[1] = 'x';
    FLUSH(0, 64, 0); /* expect: redundant-flush */
    WRITE(64, 8, 0);
    base[72] = 1;
    FLUSH(64, 64, 0);
    base[72] = 0; /* what it was when Write had stored */
    FLUSH(64, 64, 0);
    CLOSE();
}

CASE(none_of_these) {
    OPEN();
    FLUSH(0, 0, 0); /* size 0 is neither flush nor reason to drain */
    FLUSH(0, 0, NO_DRAIN);
    RANGES(NULL, 0, 0);
    FLUSH(4096, 4096, NO_DRAIN); /* nobody knows what was stored there */
    DRAIN();
    WRITE(0, 8, FLUSHED | LATER);
    WRITE(64, 8, FLUSHED | LATER);
    DRAIN();
    WRITE(0, 8, FLUSHED);
    WRITE(0, 8, FLUSHED);
    CLOSE();
}

/* The second token's flush waits for its own drain, whatever the first one's did. */
CASE(two_tokens) {
    void *second;
    OPEN();
    GET(0, SIZE, &second);
    WRITE(0, 8, FLUSHED | LATER);
    WRITE_BY(second, 64, 8, FLUSHED | LATER);
    DRAIN();
    DRAIN_BY(second); /* always: redundant-drain if memory page-cache */
    CLOSE();
    FREE(second);
}

PROGRAM({"flush_twice", flush_twice}, {"flush_of_what_is_durable", flush_of_what_is_durable},
        {"flush_after_persist", flush_after_persist},
        {"ranges_that_are_clean", ranges_that_are_clean}, {"partly_dirty", partly_dirty},
        {"drain_of_nothing", drain_of_nothing}, {"drain_twice", drain_twice},
        {"direct_stores", direct_stores}, {"none_of_these", none_of_these},
        {"two_tokens", two_tokens})
