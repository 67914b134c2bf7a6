/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl crash`. */
#ifndef CLI_CRASH_H
#define CLI_CRASH_H

#include <argp.h>
#include <stdio.h>

#include "cli/record.h"
#include "cli/run.h"
#include "crash/replay.h"
#include "crash/scan.h"
#include "search/search.h"

/* What is to be tried on which images, and how it is told. */
struct crash_explore {
    struct search_options search;
    struct run_reports reports;
    const char *trace; /* path */
    char **recorded;   /* the program that made the trace just now; NULL: nobody knows */
    int exit;          /* its status; 128 + signal when it was killed */
    const char *keep;  /* directory of failing images, or NULL: made from the seed */
    const char *replay;
    const char *recover; /* the folder in which this process is to run recovery, or NULL */
    char **arguments;    /* of the command, for the replay */
    char folder[64];     /* where keep points to, if it is made from the seed */
    bool asked;          /* an option of the search was given */
    size_t unnamed;      /* regions that the program which recovers is not told of */
};

/* Its options, whose input is a struct crash_explore. */
extern const struct argp crash_explore_argp;

/* Records recovery; context: the struct crash_explore. As the search has it. */
int crash_record(void *context, const struct search_recovery *recovery, FILE *out);
/* Runs it, in the process that is recorded. Returns the exit status if it could not begin. */
int crash_recover(const struct crash_explore *explore);

/* What it returns where recovery does not survive an image. */
enum { CRASH_FOUND = 1 };

/* Settles where failing images go. */
void crash_choose_folder(struct crash_explore *explore);

/* Explores the trace. Returns the exit status. */
int crash_explore(FILE *trace, struct crash_explore *explore);

struct crash_arguments {
    const char *trace, *image, *explain;
    struct crash_wish wish;
    uint64_t memory; /* bytes */
    bool enumerate;
    bool imports;                 /* the trace is a log of pmemcheck */
    struct record_request record; /* of a program in place of the trace; without one: NULL */
    struct crash_explore explore;
};

/* NULL: that was said. */
FILE *crash_open(const char *path);

/* Prints why a cut could leave the image that is to be explained, or could not; the exit status. */
int crash_explain(FILE *trace, const struct crash_arguments *arguments,
                  const struct crash_scan *scan);

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
bool crash_tell_cause(struct crash_told *told, const struct search_failure *failure,
                      const struct search_cause *cause, unsigned number);
/* Says how much was looked at, and how. */
bool crash_tell_end(struct crash_told *told, const char *remark);
/* What became of recovery, a fresh text; NULL: no memory. */
char *crash_verdict_words(struct sandbox_verdict verdict);
void crash_tell_forget(struct crash_told *told);

#endif
