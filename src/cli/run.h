/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl run`: looking at the program, and running it. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "report/report.h"
#include "report/suppress.h"

struct verify_session;

/* What is to be told of a run, and where. */
struct run_reports {
    bool wanted[REPORT_FORMATS];
    const char *output; /* directory, or NULL */
    struct suppressions suppressions;
    bool entries; /* print entries for them, of what was found */
};

struct argp_state;
/* The formats that are named, with commas between; another name is a usage error. */
void run_set_formats(struct run_reports *reports, char *formats, struct argp_state *state);

/* Can reports be written there? Asked before the program runs, which may take hours. false: told
   with a sentence. */
bool run_make_output(const struct run_reports *reports);

/* Measures what this machine takes for what a profile counts, and fills in its times. */
void run_price(struct report *report);

/* Writes the reports; what is suppressed is none of the findings afterwards. false: one could not
   be written. */
bool run_tell(struct run_reports *reports, struct report *report);

/* Can the verifier get into this program? The name is looked up as execvp does. false: it cannot,
   and a sentence has said why. A program that is not found is no reason: running it tells. */
bool run_target_fits(const char *program);

/* Finds the runtime: it lies where it was installed or built, seen from this executable. false: it
   is not there, told with a sentence. */
bool run_find_runtime(char path[PATH_MAX]);

/* Tells the program's libnvrtl, through the environment, where the verifier is and which run it
   belongs to: the descriptor of the run's memory, and the process that has it open. */
bool run_prepare_environment(const char *runtime, int descriptor, pid_t parent);

/* Adds a file, a folder or a pattern to the patterns, one a line, a fresh text or NULL before. Ends
   the process, told with a sentence, if there is no memory. */
void run_add_watch(char **patterns, const char *path);

/* The source by which a run is recorded: the one of that name (NULL: what is best), or NULL where
   there is none, or none that sees the stores to files that are watched. */
const char *run_recorded_stores(const char *name, bool watched);

/* What is loaded before the program. */
struct run_preload {
    bool wanted;
    const char *watch; /* patterns of paths, one a line, or NULL */
};

/* Runs the program in the session and waits for it and for every process of the run that goes on
   after it. Returns 0 with *pid and *status (as waitpid tells it), or 125, 126 or 127, told with a
   sentence. */
int run_child(const struct verify_session *session, char **program,
              const struct run_preload *preload, pid_t *pid, int *status);

#endif
