/* SPDX-License-Identifier: BSD-2-Clause */
/* What the runtime knows of files and tokens. */
#ifndef SOURCE_TOKENS_H
#define SOURCE_TOKENS_H

#include "source/self.h"

/* Records a new token and its file. NULL when the arena is full. */
struct arena_token *tokens_add(struct self *me, const struct event *event, arena_id stack);

/* Ends a token; stack: of its Free. deferred: what it leaves is still to be judged. */
void tokens_end(struct self *me, struct arena_token *token, arena_id stack, bool deferred);

/* The record of a handle: this process's, or the one it inherited at a fork; NULL if there is none
   that this run has seen. */
struct arena_token *tokens_find(struct self *me, uint64_t handle);

/* A stretch of a file. */
struct stretch {
    uint32_t file; /* index */
    uint64_t offset, length;
    uintptr_t address;
};
typedef void tokens_visit(void *context, const struct stretch *stretch);

/* Visits the parts of the token's file that [address, address + length) is. */
void tokens_stretches(const struct arena_token *token, uintptr_t address, uint64_t length,
                      tokens_visit *visit, void *context);

/* Visits the live tokens that this process has made. */
typedef void tokens_use(struct self *me, struct arena_token *token, void *context);
void tokens_each_live(struct self *me, tokens_use *use, void *context);

/* And those of the processes that it was forked from, whose views it has until it unmaps them. */
void tokens_each_kin(struct self *me, tokens_use *use, void *context);

/* Visits the parts of the stretch that no other live token covers. */
void tokens_uncovered(const struct arena_token *ending, const struct stretch *stretch,
                      tokens_visit *visit, void *context);

#endif
