/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl COMMAND: finds the command and calls it. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"

static const struct command {
    const char *name; /* as typed */
    char *full_name;  /* what messages call it */
    int usage_status; /* exit status of a usage error */
    int (*run)(int argc, char **argv);
    const char *does;
} commands[] = {
    {"info", "nvrtl info", CLI_USAGE, cli_info,
     "what this machine, a file or a process has, and why"},
    {"run", "nvrtl run", CLI_RUN_FAILED, cli_run, "run a program under the verifier"},
    {"record", "nvrtl record", CLI_RUN_FAILED, cli_record, "run a program, and keep what it does"},
    {"cut", "nvrtl cut", CLI_USAGE, cli_cut, "cut the power at random moments, and check"},
    {"crash", "nvrtl crash", CLI_USAGE, cli_crash, "tell what power cuts could leave of a trace"},
    {"trace", "nvrtl trace", CLI_USAGE, cli_trace, "print a trace, or make one"},
    {"report", "nvrtl report", CLI_USAGE, cli_report,
     "turn reports into other formats, merge or compare them"},
    {"bench", "nvrtl bench", CLI_USAGE, cli_bench,
     "what the routines take on this machine, and what others do"},
    {"copy", "nvrtl copy", CLI_USAGE, cli_copy,
     "copy a file durably: the old one or the new, never half"},
    {"flush", "nvrtl flush", CLI_USAGE, cli_flush, "make a part of a file durable"},
};

static void print_help(FILE *stream) {
    fputs("Usage: nvrtl COMMAND [OPTION...] [ARGUMENT...]\n"
          "Non-volatile memory: what this machine has, and whether programs use it right.\n\n",
          stream);
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].does);
    fputs("  help     help [COMMAND]: this text, or that of a command\n\n"
          "  --help     print this text\n"
          "  --version  print the version\n\n"
          "'nvrtl COMMAND --help' tells about a command; the manual is nvrtl(1).\n",
          stream);
}

static const struct command *find(const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    cli_complain("there is no command '%s'; the commands are:", name);
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        fprintf(stderr, "  %s\n", commands[i].name);
    return NULL;
}

/* An answer that could not be written must not look like one that was. */
static void check_output(void) {
    bool failed = ferror(stdout) != 0;
    bool answered = failed || __fpending(stdout) != 0;
    /* Whoever closed it did so knowing, and misses nothing when there was nothing to say. */
    if ((fclose(stdout) != 0 && (answered || errno != EBADF)) || failed) {
        cli_complain("cannot write to standard output: %s", strerror(errno));
        _exit(EXIT_FAILURE);
    }
}

static int run(const struct command *command, int argc, char **argv) {
    argp_err_exit_status = command->usage_status;
    argv[0] = command->full_name;
    return command->run(argc, argv);
}

static int help(const char *name) {
    const struct command *command = find(name);
    char *arguments[] = {NULL, "--help", NULL};
    return command == NULL ? CLI_USAGE : run(command, 2, arguments);
}

int main(int argc, char **argv) {
    atexit(check_output);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(name, "help") == 0 && argc > 2)
        return help(argv[2]);
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
        print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(name, "--version") == 0) {
        puts("nvrtl " NVRTL_VERSION);
        return EXIT_SUCCESS;
    }
    const struct command *command = find(name);
    return command == NULL ? CLI_USAGE : run(command, argc - 1, argv + 1);
}
