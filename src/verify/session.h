/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a program under the verifier, as the parent sees it: the memory that the program's
   processes write to, and the report that is made of it when they have ended. */
#ifndef VERIFY_SESSION_H
#define VERIFY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "verify/finding.h"

struct verify_options {
    const char *judge;   /* strict, memory, page-cache, actual */
    const char *stacks;  /* cached, full, site */
    const char *stores;  /* auto, api, pages, pages=interval, hooks */
    const char *streams; /* drain, inplace */
    bool wanted[KIND_COUNT];
    bool record;  /* in place of all judging: what happens is kept, see verify_arena */
    bool profile; /* count what places cost */
};

struct verify_session;
struct arena;

/* What the options mean; false: one of the names is unknown (then *wrong is that name). */
bool verify_options_check(const struct verify_options *options, const char **wrong);

/* Why stores cannot be seen by the source of that name; NULL: they can. */
const char *verify_refuses_stores(const char *source);

/* The place of a kind's name, or KIND_COUNT. */
enum kind verify_kind(const char *name);

/* NULL, with errno: no memory for the run. pre: the options are good */
struct verify_session *verify_begin(const struct verify_options *options);

/* What the processes have left. pre: they have ended */
const struct arena *verify_arena(const struct verify_session *session);

/* The descriptor that the program's processes inherit. */
int verify_descriptor(const struct verify_session *session);

/* A process of the run, other than pid, that still lives; 0 when there is none. */
pid_t verify_still_running(const struct verify_session *session, pid_t pid);

/* Judges what the processes left and makes the report. program: argument vector, borrowed; status:
   of the process pid, as waitpid tells it. false: out of memory. */
bool verify_finish(struct verify_session *session, char **program, pid_t pid, int status,
                   struct report *report);

/* The first instruction of the program that may have flushed and that nobody tells of: "clwb at
   file.c:3 (PATH)", malloc'ed. NULL: there is none, or no memory to look. pre: as verify_arena */
char *verify_unheard(const struct verify_session *session);

void verify_end(struct verify_session *session);

#endif
