/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl cut`: its processes, copies of files, and what is said of a failure. */
#ifndef CLI_CUT_H
#define CLI_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "cut/cut.h"

struct cut_options {
    uint64_t runs, seed, first;
    uint64_t at;               /* the record after which the power is cut; 0: drawn */
    const char *check, *reset; /* shell commands, or NULL */
    const char *keep;          /* directory, or NULL: made from seed and run */
    const char *model_name;
    enum generation_model model;
    uint64_t seconds; /* 0: no limit */
    char **program;
};

/* Processes. */

struct cut_child {
    char **arguments;                  /* as execvp wants them */
    const struct cut_session *session; /* recorded in it, or NULL */
    const char *begun, *acked;         /* for the environment, or NULL */
    int output;                        /* where standard output and error go; -1: nowhere */
};

enum cut_end {
    CUT_ENDED,       /* by itself; *status as waitpid tells it */
    CUT_CUT,         /* at its moment */
    CUT_INTERRUPTED, /* somebody has signalled this process */
    CUT_NOT_STARTED  /* told with a sentence */
};

/* From here on signals that end a process are noticed between and while children run. false: told
   with a sentence. */
bool cut_prepare_children(void);
enum cut_end cut_run_child(const struct cut_child *child, int *status);
/* The same for a command of the shell. */
enum cut_end cut_run_shell(const char *command, const struct cut_child *child, int *status);
/* The signal that has interrupted, or 0. */
int cut_interrupted(void);

/* Files. */

/* A file as it was before a run. */
struct cut_before {
    char *path;
    int copy; /* descriptor of a copy without a name; -1: there was no file */
};
struct cut_files {
    struct cut_before *list;
    size_t count;
};

/* Learns the files of a run. false: no memory. */
bool cut_learn_files(struct cut_files *files, const struct cut_session *session);
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

/* Keeps the files and tells of it on standard output. */
void cut_tell(const struct cut_failure *failure);

#endif
