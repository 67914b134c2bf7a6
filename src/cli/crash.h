/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl crash`. */
#ifndef CLI_CRASH_H
#define CLI_CRASH_H

#include <argp.h>

#include "cli/run.h"
#include "search/search.h"

/* What is to be tried on which images, and how it is told. */
struct crash_explore {
    struct search_options search;
    struct run_reports reports;
    const char *trace; /* path */
    const char *keep;  /* directory of failing images, or NULL: made from the seed */
    const char *replay;
    char **arguments; /* of the command, for the replay */
    bool asked;       /* an option of the search was given */
};

/* Its options, whose input is a struct crash_explore. */
extern const struct argp crash_explore_argp;

/* Explores the trace. Returns the exit status. */
int crash_explore(FILE *trace, struct crash_explore *explore);

/* What a search found, with its words. */
struct crash_told {
    const struct crash_explore *explore;
    const struct walk_facts *facts;
    const struct search_outcome *outcome;
    struct report report;
    char folder[256]; /* of the images */
    char *program[2];
};
bool crash_tell_begin(struct crash_told *told, const struct crash_explore *explore,
                      const struct walk_facts *facts, const struct search_outcome *outcome);
/* Takes a cause in, or counts it with an equal one. number: of the image in the folder.
   false: no memory. */
bool crash_tell_cause(struct crash_told *told, const struct search_cause *cause, unsigned number);
/* Says how much was looked at, and how. */
bool crash_tell_end(struct crash_told *told, const char *remark);
/* What became of recovery, a fresh text; NULL: no memory. */
char *crash_verdict_words(struct sandbox_verdict verdict);
void crash_tell_forget(struct crash_told *told);

#endif
