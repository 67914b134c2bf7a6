/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that one drain lets go tend to come back together, within the time that they take to wake
   up. The first of them would begin the next drain at once, and the others have to wait for one
   more: so it waits until they are there, and one drain does for all. */
#ifndef DRAIN_GATHER_H
#define DRAIN_GATHER_H

#include "token/token.h"

/* A thread has come to drain the file; and was turned away: it drains it already. */
void gather_arrive(struct token_crowd *crowd);
void gather_turn_away(struct token_crowd *crowd);

/* Waits for the threads that the last drain let go, as long as that one took at most; and seldom
   where it was in vain. pre: the file's lock is held, as for the others */
void gather_wait(struct token_crowd *crowd);

/* A drain begins, and ends. */
void gather_begin(struct token_crowd *crowd);
void gather_end(struct token_crowd *crowd);

#endif
