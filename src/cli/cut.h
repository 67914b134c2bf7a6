/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl cut`: its jobs, their cuts and processes, copies of files, and what is said
   of a failure. */
#ifndef CLI_CUT_H
#define CLI_CUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "cut/cut.h"

/* What a step comes to: go on, or leave with a status. */
enum { CUT_GO_ON = -1, CUT_FOUND = 1, CUT_BUDGET = 3 };
#define CUT_JOBS 64
#define CUT_TIMEOUT 600 /* seconds, unless asked for otherwise */

struct cut_options {
    uint64_t runs, seed, first, jobs;
    uint64_t at;               /* the record after which the power is cut; 0: drawn */
    const char *check, *reset; /* shell commands, or NULL */
    const char *keep;          /* directory, or NULL: made from seed and run */
    const char *model_name;
    enum generation_model model;
    uint64_t seconds; /* 0: no limit */
    uint64_t timeout; /* seconds of one program or command, likewise */
    enum cut_stores stores;
    const char *stores_name;
    char *watch; /* patterns, one a line; NULL: none */
    char **program;
};

/* Makes all cuts and tells what came of them. Returns the exit status. */
int cut_run_jobs(const struct cut_options *options);

/* Processes. */

struct cut_child {
    char **arguments;                  /* as execvp wants them */
    const struct cut_session *session; /* recorded in it, or NULL */
    const char *watch;                 /* patterns of its regions, or NULL */
    const char *begun, *acked;         /* for the environment, or NULL */
    int output;                        /* where standard output and error go; -1: nowhere */
    uint64_t seconds;                  /* after which it is ended; 0: it has time */
};

enum cut_end {
    CUT_ENDED,       /* by itself; *status as waitpid tells it */
    CUT_CUT,         /* at its moment */
    CUT_LATE,        /* by this process, after its seconds */
    CUT_INTERRUPTED, /* somebody has signalled this process */
    CUT_NOT_STARTED  /* told with a sentence */
};

/* From here on signals that end a process are noticed between and while children run. false: told
   with a sentence. */
bool cut_prepare_children(void);
/* The same in a forked child of this process, which a signal number in *stop interrupts too, and
   the end of its parent. */
bool cut_prepare_job(const _Atomic int *stop, pid_t parent);
enum cut_end cut_run_child(const struct cut_child *child, int *status);
/* The same for a command of the shell. */
enum cut_end cut_run_shell(const char *command, const struct cut_child *child, int *status);
/* The signal that has interrupted, or 0. */
int cut_interrupted(void);
/* Waits for a child's end, a signal or so many milliseconds. */
void cut_pause(long milliseconds);

/* Files. */

/* A file as it was before a run. */
struct cut_before {
    char *path;
    int copy;   /* descriptor of a copy without a name; -1: there is none */
    bool known; /* what it was: without a copy there was no file */
};
struct cut_files {
    struct cut_before *list;
    size_t count;
};

/* Learns the files of a run. false: no memory. */
bool cut_learn_files(struct cut_files *files, const struct cut_session *session);
/* Takes over the names alone. false: no memory. */
bool cut_learn_names(struct cut_files *files, const struct cut_files *from);
/* Copies aside what they hold. false: told with a sentence. */
bool cut_save_files(struct cut_files *files);
void cut_forget_files(struct cut_files *files);
/* Puts the copies into a directory, as NAME-1, NAME-2, ... false: told with a sentence. */
bool cut_keep_files(const struct cut_files *files, const char *name, const char *folder);

/* The command for the shell, with each {} replaced by the quoted names of the files. NULL: no
   memory. */
char *cut_fill_in(const char *command, const struct cut_files *files);
/* Numbers with spaces between; NULL: no memory. */
char *cut_join(const uint64_t *numbers, size_t count);

/* Cuts. */

struct cut_board;

/* All that goes on from one cut to the next of a job. */
struct cut_campaign {
    const struct cut_options *options;
    char **program, *check, *reset; /* the job's own */
    struct cut_board *board;
    struct cut_session *session;
    struct cut_files files;
    struct cut_counts counts; /* of the first run, or without a reset of the last that ended */
    bool late;                /* the first run did not end by itself */
    uint64_t skipped;         /* cuts that could not be judged */
    uint64_t gone;            /* cuts that left a file as it was: nothing leads to it any more */
    uint64_t idle;            /* cuts when no store was in flight */
    FILE *told;               /* what there is to tell of a failure */
};

/* A run without a cut: it tells how many moments there are, and is told when there are none. */
int cut_count_moments(struct cut_campaign *campaign);
int cut_once(struct cut_campaign *campaign, uint64_t run);

/* A cut has failed: is it the first one? Waits for those before it. */
bool cut_is_first_failure(const struct cut_campaign *campaign, uint64_t run);

/* What is said of a failure. */

struct cut_failure {
    const struct cut_options *options;
    const struct cut_files *before, *image;
    uint64_t run, records;
    bool ended; /* the program had ended by itself: the power was cut after it */
    const struct cut_outcome *outcome;
    const char *begun, *acked;
    const char *what; /* what failed, a sentence */
    int output;       /* descriptor of what the check said */
};

/* Keeps the files and tells of it. */
void cut_tell(const struct cut_failure *failure, FILE *out);

#endif
