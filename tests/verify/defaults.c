/* SPDX-License-Identifier: BSD-2-Clause */
/* The default token, and views that the program unmaps by itself. */
#include "program.h"

static int file;

static void map_it(void) {
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(file, SIZE) != 0)
        exit(96);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
}

static void unmap_it(void) {
    munmap(base, SIZE);
    close(file);
}

CASE(without_any_token) {
    map_it();
    WRITE_BY(EVERY, 0, 8, 0);
    FLUSH_BY(EVERY, 0, 8, NO_DRAIN);
    DRAIN_BY(EVERY);
    WRITE_BY(EVERY, 64, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH_BY(EVERY, 64, 8, 0);
    unmap_it(); /* nobody notices; it is told at the end */
}

/* The address has another file behind it now: that ends the first one's internal token. */
CASE(mapped_anew) {
    map_it();
    char *first = base;
    WRITE_BY(EVERY, 0, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH_BY(EVERY, 0, 8, 0);
    strcat(path, ".second");
    int second = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(second, SIZE) != 0)
        exit(96);
    base = mmap(base, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, second, 0);
    WRITE_BY(EVERY, 0, 8, FLUSHED);
    RIGHT if (base != first) exit(95);
    close(second);
    unmap_it();
}

CASE(ranges_of_two_tokens) {
    void *token;
    map_it();
    GET(0, 4096, &token);
    NV_MEMORY_RANGE ranges[] = {{base, 8}, {base + 8192, 8}};
    WRITE_BY(token, 0, 8, 0);
    WRITE_BY(EVERY, 8192, 8, 0); /* expect: unflushed-write */
    ok(RtlFlushNonVolatileMemoryRanges(EVERY, ranges, broken ? 1 : 2, 0));
    FREE(token);
    unmap_it();
}

/* An internal token is nobody's, and no reason to wait with what is to be told. */
CASE(freed_beside_an_internal_one) {
    void *token;
    map_it();
    GET(0, 4096, &token);
    WRITE_BY(EVERY, 8192, 8, FLUSHED);
    WRITE_BY(token, 64, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH_BY(token, 64, 8, 0);
    FREE(token); /* role: freed */
    unmap_it();
}

/* Flushed by the default token, drained by the token that it stands for. */
CASE(mixed) {
    OPEN();
    WRITE(0, 8, 0);
    FLUSH_BY(EVERY, 0, 8, NO_DRAIN);
    DRAIN();
    WRITE_BY(EVERY, 0, 8, STREAM);
    DRAIN();
    CLOSE();
}

/* A drain with the default token waits for what was flushed with it, whatever token that went
   through and whether that still lives. */
CASE(freed_before_the_drain) {
    void *token;
    map_it();
    GET(0, 4096, &token);
    WRITE_BY(EVERY, 0, 8, 0);        /* role: store */
    FLUSH_BY(EVERY, 0, 8, NO_DRAIN); /* expect: undrained-flush */
    FREE(token);                     /* role: freed */
    RIGHT DRAIN_BY(EVERY);
    unmap_it();
}

/* The last: what was unmapped undrained makes the next drain of everything fail. */
CASE(not_drained) {
    map_it();
    WRITE_BY(EVERY, 0, 8, 0);        /* role: store */
    FLUSH_BY(EVERY, 0, 8, NO_DRAIN); /* expect: undrained-flush */
    RIGHT DRAIN_BY(EVERY);
    unmap_it();
}

PROGRAM({"without_any_token", without_any_token}, {"mapped_anew", mapped_anew},
        {"ranges_of_two_tokens", ranges_of_two_tokens},
        {"freed_beside_an_internal_one", freed_beside_an_internal_one}, {"mixed", mixed},
        {"freed_before_the_drain", freed_before_the_drain}, {"not_drained", not_drained})
