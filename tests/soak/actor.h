/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that calls the routines at random, and knows of its own bytes what has to be true. */
#ifndef SOAK_ACTOR_H
#define SOAK_ACTOR_H

#include <nvrtl.h>

#include "soak/files.h"

/* Threads own pieces of a file in turn. A piece is no page: pages have several owners. */
enum { ACTORS = 4, PIECE = 1504, PIECES = FILE_SIZE / PIECE / ACTORS, EXTRA_TOKENS = 6 };

enum byte_state { BYTE_UNKNOWN, BYTE_FLUSHED };

struct extra_token {
    PVOID token;
    size_t file, view, offset, size;
};

struct actor {
    size_t number;
    uint64_t seed, calls, succeeded, failed, drains;
    PVOID tokens[FILES][VIEWS]; /* of whole views */
    struct extra_token extra[EXTRA_TOKENS];
    unsigned char state[FILES][PIECES * PIECE]; /* of its own bytes, piece after piece */
};

bool actor_start(struct actor *actor, size_t number, uint64_t seed);
/* Makes so many random calls; a call that breaks a promise ends the process. */
void actor_run(struct actor *actor, uint64_t calls);
/* The medium can be made equal to memory, and is. pre: nothing fails any more */
void actor_settle(struct actor *actor);
void actor_end(struct actor *actor);

#endif
