/* SPDX-License-Identifier: BSD-2-Clause */
/* What the routines have to answer, by the header that is their manual, and what a success
   promises. */
#ifndef FUZZ_API_MODEL_H
#define FUZZ_API_MODEL_H

#include "world.h"

#define MODEL_TOKENS_MAX 8

struct model_token {
    PVOID handle;
    bool live;
    uintptr_t start;
    size_t length;
    moment pending[WORLD_UNITS]; /* units of its file that were flushed and are not promised */
};

struct model {
    uint32_t domain; /* what a Get gives: every token of a run has the same */
    bool overridden;
    bool supported;    /* false: there is no way to write a line back */
    bool writes_back;  /* lines, in this domain, on this CPU */
    bool used_default; /* so that there may be tokens of the library's own */
    struct model_token tokens[MODEL_TOKENS_MAX];
    /* Flushed with the default token, which only its own drain completes. */
    moment pending[WORLD_FILES][WORLD_UNITS];
};
extern struct model model;

/* The token of a call and its range, as the call has to see them. */
struct model_target {
    NTSTATUS status;           /* what the call has to return if this is not STATUS_SUCCESS */
    bool every;                /* the default token with an empty range */
    struct model_token *token; /* NULL: the default token */
    struct world_file *file;   /* NULL: every file */
    uintptr_t address;
    size_t length;
};

/* domain: the setting NVRTL_DOMAIN, or NULL. can_flush: the CPU can write a line back. */
void model_begin(const char *domain, bool can_flush);

/* What Get has to return. */
NTSTATUS model_get(uintptr_t address, size_t length);

struct model_target model_resolve(PVOID token, uintptr_t address, size_t length);

/* The live token of that value, or NULL. */
struct model_token *model_find(PVOID token);

/* The call has flushed the target's range. */
void model_flushed(const struct model_target *target);

/* The call ended with a drain: is that the status it has to give? If it is a success, is what was
   flushed where it shall be? */
void model_drained(const struct model_target *target, NTSTATUS status);

/* The call flushed and did not drain. */
void model_not_drained(const struct model_target *target, NTSTATUS status);

/* The call was a retry of a live token. */
void model_retried(const struct model_target *target, NTSTATUS status);

#endif
