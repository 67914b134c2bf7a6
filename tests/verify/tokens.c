/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens that nobody frees. One case a run. */
#include "program.h"

CASE(mapping) {
    OPEN(); /* expect: leaked-token */
    WRITE(0, 8, FLUSHED);
    RIGHT CLOSE();
}

CASE(one_of_two) {
    void *first, *second;
    OPEN();
    GET(0, 64, &first); /* expect: leaked-token */
    GET(64, 64, &second);
    FREE(second);
    RIGHT FREE(first);
    CLOSE();
}

CASE(one_a_round) {
    void *token;
    OPEN();
    for (size_t i = 0; i < 20; i++) {
        GET(i * 64, 64, &token); /* expect: leaked-token 10x */
        if (!broken || i % 2 == 0)
            FREE(token);
    }
    CLOSE();
}

/* Made by the library itself, and nobody's to free. */
CASE(internal) {
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    WRITE_BY(EVERY, 0, 8, FLUSHED);
    close(file);
}

PROGRAM({"mapping", mapping}, {"one_of_two", one_of_two}, {"one_a_round", one_a_round},
        {"internal", internal})
