/* SPDX-License-Identifier: BSD-2-Clause */
/* The recording of a program, for `nvrtl record` and `nvrtl crash`. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <stdio.h>

#include "record/record.h"

struct argp_state;
struct run_preload;
struct verify_session;

struct record_request {
    const char *output; /* path of the trace */
    const char *stores; /* by what they are seen, or NULL: what is best */
    char *watch;        /* patterns of files, one a line, or NULL */
    char **program;
};

/* Settles by what stores are seen; what is not possible is a usage error. */
void record_choose_stores(struct record_request *request, struct argp_state *state);

/* Runs the program and writes its trace. Returns 0 with *status as waitpid tells it, or an exit
   status, told with a sentence. */
int record_program(const struct record_request *request, int *status);

/* Where a trace goes, and what became of the program. */
struct record_target {
    FILE *out;
    const char *name; /* of it, for a sentence */
    struct record_counts counts;
    int status; /* as waitpid tells it */
};

/* Runs a program in a session and writes its trace, while it runs. Returns 0, or an exit status,
   told with a sentence. */
int record_run(struct verify_session *session, char **program, const struct run_preload *preload,
               const struct record_facts *facts, struct record_target *target);

#endif
