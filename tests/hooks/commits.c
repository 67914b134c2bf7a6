/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores that say that earlier ones count. */
#include "program.h"

#include <stdatomic.h>
#include <stdint.h>

#define POINT(at) NvRtlVerifierCommitPoint(map.token, base + (at), 8)
#define POINT_FOR(at, data, size)                                                                  \
    NvRtlVerifierCommitPointFor(map.token, base + (at), 8, base + (data), size)

static uint64_t *word(size_t at) {
    return (uint64_t *)(base + at);
}

CASE(unflushed) {
    OPEN();
    POINT(0);
    *word(64) = 1; /* role: data */
    RIGHT FLUSH(64, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 72, 0);
    CLOSE();
}

CASE(undrained) {
    OPEN();
    POINT(0);
    *word(64) = 1; /* role: data */
    FLUSH(64, 8, NO_DRAIN);
    RIGHT DRAIN();
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 8, 0);
    CLOSE();
}

/* One of them was flushed, and waits for its drain. */
CASE(of_several_places) {
    OPEN();
    POINT(0);
    *word(64) = 1;
    *word(72) = 1;
    FLUSH(64, 16, NO_DRAIN);
    *word(128) = 1; /* role: data */
    RIGHT FLUSH(128, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 136, 0);
    CLOSE();
}

/* What was stored before the point's last store is another commit's. */
CASE(each_commit_its_own) {
    OPEN();
    POINT(0);
    for (uint64_t i = 1; i < 20; i++) {
        *word(64 * i) = i; /* role: data */
        if (!broken || i != 10)
            FLUSH(64 * i, 8, 0);
        *word(0) = i; /* expect: unordered-commit */
        FLUSH(0, 8, 0);
    }
    FLUSH(640, broken ? 8 : 0, 0);
    CLOSE();
}

CASE(by_the_routines) {
    OPEN();
    POINT(0);
    WRITE(64, 100, broken ? 0 : FLUSHED); /* role: data */
    WRITE(0, 8, FLUSHED);                 /* expect: unordered-commit */
    FLUSH(64, broken ? 100 : 0, 0);
    CLOSE();
}

CASE(by_compare_exchange) {
    uint64_t none = 0;
    OPEN();
    POINT(0);
    *word(64) = 1; /* role: data */
    /* The exchange waits for what was flushed. */
    RIGHT FLUSH(64, 8, NO_DRAIN);
    /* expect: unordered-commit */
    atomic_compare_exchange_strong((_Atomic uint64_t *)base, &none, 1);
    FLUSH(0, 72, 0);
    CLOSE();
}

/* Only the data that were named matter. */
CASE(named_data) {
    OPEN();
    POINT_FOR(0, 128, 64);
    *word(64) = 1;
    *word(128) = 1; /* role: data */
    RIGHT FLUSH(128, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 192, 0);
    CLOSE();
}

CASE(other_data) {
    OPEN();
    POINT_FOR(0, 128, 64);
    POINT_FOR(0, 256, 64);
    *word(128) = 1;
    *word(256) = 1; /* role: data */
    RIGHT FLUSH(256, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 320, 0);
    CLOSE();
}

/* The stores of a line keep their order on x86. */
CASE(same_line) {
    OPEN();
    POINT(0);
    *word(16) = 1; /* role: data */
    RIGHT FLUSH(16, 8, 0);
    *word(0) = 1; /* expect: unordered-commit as note */
    FLUSH(0, 24, 0);
    CLOSE();
}

struct wide {
    uint64_t first, second;
};

CASE(torn) {
    static struct wide value = {1, 2};
    OPEN();
    NvRtlVerifierCommitPoint(map.token, base, 16);
    if (broken) {
        memcpy(base, &value, sizeof value); /* expect: torn-commit */
    } else {
        *word(0) = 1;
        FLUSH(0, 8, 0);
        *word(8) = 2;
    }
    FLUSH(0, 16, 0);
    CLOSE();
}

struct __attribute__((packed)) odd {
    char before[4];
    uint64_t number;
};

CASE(across) {
    OPEN();
    NvRtlVerifierCommitPoint(map.token, base, 16);
    if (broken)
        ((struct odd *)base)->number = 1; /* expect: torn-commit */
    else
        *word(8) = 1;
    FLUSH(0, 16, 0);
    CLOSE();
}

/* Scratch space is not data. */
CASE(ignored) {
    OPEN();
    POINT(0);
    IGNORE(64, 64);
    *word(64) = 1;
    *word(128) = 1; /* role: data */
    RIGHT FLUSH(128, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 192, 0);
    CLOSE();
}

/* A thread publishes what it has stored itself. */
static void *store_beside(void *unused) {
    *word(512) = 1;
    return unused;
}

CASE(of_another_thread) {
    OPEN();
    POINT(0);
    in_thread(store_beside);
    *word(64) = 1; /* role: data */
    RIGHT FLUSH(64, 8, 0);
    *word(0) = 1; /* expect: unordered-commit */
    FLUSH(0, 520, 0);
    CLOSE();
}

PROGRAM({"unflushed", unflushed}, {"undrained", undrained},
        {"of_several_places", of_several_places}, {"each_commit_its_own", each_commit_its_own},
        {"by_the_routines", by_the_routines}, {"by_compare_exchange", by_compare_exchange},
        {"named_data", named_data}, {"other_data", other_data}, {"same_line", same_line},
        {"torn", torn}, {"across", across}, {"ignored", ignored},
        {"of_another_thread", of_another_thread})
