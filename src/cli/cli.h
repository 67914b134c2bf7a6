/* SPDX-License-Identifier: BSD-2-Clause */
/* The command: one function and one file for each of its commands, and what they share. Standard
   output is the answer, standard error is talk. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { CLI_USAGE = 2, CLI_RUN_FAILED = 125 };

/* argv[0] is "nvrtl COMMAND", so that argp's messages name the command. The result is the exit
   status. argp leaves the process itself after --help and after a usage error, with the status that
   main.c chose for the command. */
int cli_info(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_copy(int argc, char **argv);
int cli_flush(int argc, char **argv);
int cli_crash(int argc, char **argv);
int cli_record(int argc, char **argv);
int cli_cut(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_bench(int argc, char **argv);

/* Prints "nvrtl: ", the sentence and a newline on standard error. */
__attribute__((format(printf, 1, 2))) void cli_complain(const char *format, ...);

/* Does what is written to the descriptor go to a terminal that wants colours? */
bool cli_colour(int descriptor);

/* A progress bar on standard error, when that is a terminal which can show one. Colour is left out
   when NO_COLOR is set. */
struct cli_progress {
    uint64_t total;     /* bytes, or things */
    const char *things; /* what is counted, set after the start; NULL: bytes */
    struct timespec start, drawn;
    bool shown, colour;
};
void cli_progress_start(struct cli_progress *progress, uint64_t total);
void cli_progress_show(struct cli_progress *progress, uint64_t done);
/* Replaces the bar by a few words, for a part of the work whose length nobody knows. */
void cli_progress_say(struct cli_progress *progress, const char *words);
/* Leaves an empty line where the bar was. */
void cli_progress_end(struct cli_progress *progress);

#endif
