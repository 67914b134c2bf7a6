/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that are refused, and one that is legal here alone. */
#include "program.h"

#define STORE(at, size) RtlWriteNonVolatileMemory(map.token, base + (at), data, size, FLUSHED)

CASE(beyond_the_end) {
    OPEN();
    WRONG refused(STORE(SIZE - 4, 8)); /* expect: outside-region */
    RIGHT ok(STORE(SIZE - 8, 8));
    CLOSE();
}

CASE(before_the_start) {
    void *inner;
    OPEN();
    GET(64, 64, &inner);
    /* expect: outside-region */
    WRONG refused(RtlFillNonVolatileMemory(inner, base + 60, 8, 0, 0));
    RIGHT ok(RtlFillNonVolatileMemory(inner, base + 64, 8, 0, FLUSHED));
    FREE(inner);
    CLOSE();
}

CASE(wraps) {
    OPEN();
    WRONG refused(STORE(8, (size_t)-4)); /* expect: outside-region */
    CLOSE();
}

CASE(far_away) {
    char local[8];
    OPEN();
    /* expect: outside-region */
    WRONG refused(RtlFlushNonVolatileMemory(map.token, local, 8, 0));
    CLOSE();
}

/* All of them are checked before the first is flushed. */
CASE(one_of_the_ranges) {
    OPEN();
    NV_MEMORY_RANGE ranges[] = {{base, 8}, {base + 64, broken ? SIZE : 8}};
    WRITE(0, 8, 0); /* expect: unflushed-write */
    /* expect: outside-region */
    NTSTATUS status = RtlFlushNonVolatileMemoryRanges(map.token, ranges, 2, 0);
    WRONG refused(status);
    CLOSE(); /* role: freed */
}

CASE(annotations) {
    OPEN();
    WRONG NvRtlVerifierAssertDurable(map.token, base + SIZE, 1); /* expect: outside-region */
    WRONG NvRtlVerifierIgnore(map.token, base - 1, 1);           /* expect: outside-region */
    RIGHT ASSERT(0, SIZE);
    CLOSE();
}

CASE(default_token_off_the_map) {
    static char plain[64];
    OPEN();
    /* expect: outside-region */
    WRONG refused(RtlWriteNonVolatileMemory(EVERY, plain, data, 8, 0));
    /* expect: outside-region */
    WRONG refused(RtlFlushNonVolatileMemory(EVERY, (void *)64, 8, 0));
    /* expect: outside-region */
    WRONG refused(RtlFlushNonVolatileMemory(EVERY, base, SIZE + 1, 0));
    CLOSE();
}

CASE(no_token) {
    OPEN();
    WRONG refused(RtlDrainNonVolatileFlush(NULL));                    /* expect: bad-token */
    WRONG refused(RtlFlushNonVolatileMemory(&map, base, 8, 0));       /* expect: bad-token */
    WRONG refused(RtlFreeNonVolatileToken((void *)0x1234));           /* expect: bad-token */
    WRONG refused(RtlFreeNonVolatileToken(EVERY));                    /* expect: bad-token */
    WRONG refused(RtlFillNonVolatileMemory(base, base, 8, 0, 0));     /* expect: bad-token */
    WRONG refused(RtlFlushNonVolatileMemoryRanges(NULL, NULL, 0, 0)); /* expect: bad-token */
    WRONG NvRtlVerifierIgnore(base, base, 8);                         /* expect: bad-token */
    CLOSE();
}

CASE(query_of_no_token) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    OPEN();
    WRONG refused(NvRtlQueryToken(NULL, &info)); /* expect: bad-token */
    RIGHT ok(NvRtlQueryToken(map.token, &info));
    CLOSE();
}

CASE(freed_before) {
    void *token;
    OPEN();
    GET(0, 64, &token);
    RIGHT ok(RtlWriteNonVolatileMemory(token, base, data, 8, FLUSHED));
    FREE(token); /* role: freed */
    /* expect: bad-token */
    WRONG refused(RtlWriteNonVolatileMemory(token, base, data, 8, FLUSHED));
    CLOSE();
}

CASE(freed_twice) {
    void *token;
    OPEN();
    GET(0, 64, &token);
    FREE(token);                                   /* role: freed */
    WRONG refused(RtlFreeNonVolatileToken(token)); /* expect: bad-token */
    CLOSE();
}

#define COPY(to, from, size) ok(RtlWriteNonVolatileMemory(map.token, to, from, size, FLUSHED))

CASE(overlaps) {
    OPEN();
    COPY(base + (broken ? 4 : 8), base, 8);           /* expect: overlapping-write */
    COPY(base + 100, base + (broken ? 103 : 104), 4); /* expect: overlapping-write */
    COPY(base + 200, base + (broken ? 200 : 201), 1); /* expect: overlapping-write */
    COPY(base + 300, base + 300, 0);
    CLOSE();
}

/* Refused, or without effect, and no mistake that loses data: a program may ask. */
CASE(what_is_not_told) {
    void *token;
    char local[64];
    OPEN();
    refused(RtlGetNonVolatileToken(local, 64, &token));
    refused(RtlGetNonVolatileToken((void *)64, 64, &token));
    refused(RtlGetNonVolatileToken(base, SIZE + 1, &token));
    refused(RtlWriteNonVolatileMemory(map.token, base, data, 8, 0x40));
    refused(RtlFlushNonVolatileMemory(map.token, base, 8, 0x80));
    refused(RtlWriteNonVolatileMemory(map.token, base, NULL, 8, 0));
    refused(NvRtlMapFile("/nowhere/at/all", 0, 0, 0, 0, &(NvRtlMapping){0}));
    WRITE(SIZE, 0, 0);
    ok(RtlWriteNonVolatileMemory(map.token, NULL, NULL, 0, FLUSHED | LATER));
    FLUSH(-1, 0, NO_DRAIN);
    RANGES(NULL, 0, NO_DRAIN);
    CLOSE();
    refused(NvRtlUnmapFile(&map));
}

PROGRAM({"beyond_the_end", beyond_the_end}, {"before_the_start", before_the_start},
        {"wraps", wraps}, {"far_away", far_away}, {"one_of_the_ranges", one_of_the_ranges},
        {"annotations", annotations}, {"default_token_off_the_map", default_token_off_the_map},
        {"no_token", no_token}, {"query_of_no_token", query_of_no_token},
        {"freed_before", freed_before}, {"freed_twice", freed_twice}, {"overlaps", overlaps},
        {"what_is_not_told", what_is_not_told})
