/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl record: runs a program and keeps what it does to its regions, as a trace. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "record/record.h"
#include "verify/session.h"

enum { OPTION_WATCH = 256 };

static const struct argp_option option_table[] = {
    {"output", 'o', "FILE", 0, "where the trace goes", 0},
    {"stores", 's', "SOURCE", 0, "auto (default), api, hooks, pages=interval", 0},
    {"watch", OPTION_WATCH, "PATH", 0, "views of these files are regions", 0},
    {0}};

struct arguments {
    const char *output, *stores;
    char *watch; /* patterns, one a line; NULL: none */
    struct verify_options verify;
    char **program;
};

/* A program that waits for its files does so page by page. */
static void choose_stores(struct arguments *arguments, struct argp_state *state) {
    bool watched = arguments->watch != NULL;
    arguments->verify.stores = run_recorded_stores(arguments->stores, watched);
    if (arguments->verify.stores == NULL)
        argp_error(state, "%s by '%s' (%s)",
                   watched ? "stores to watched files are not recorded" : "stores are not recorded",
                   arguments->stores,
                   watched ? "pages=interval, hooks" : "auto, api, hooks, pages=interval");
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case 's':
        arguments->stores = text;
        return 0;
    case OPTION_WATCH:
        run_add_watch(&arguments->watch, text);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->program = state->argv + state->next;
        if (arguments->output == NULL)
            argp_error(state, "where to? --output FILE");
        choose_stores(arguments, state);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program?");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "AuthenticAMD family 26 model 2": what a trace has to know of streaming stores. */
static void name_cpu(char *cpu, size_t size) {
    char line[256], vendor[32] = "", family[8] = "", model[8] = "";
    FILE *file = fopen("/proc/cpuinfo", "re");
    cpu[0] = '\0';
    while (file != NULL && fgets(line, sizeof line, file) != NULL && line[0] != '\n') {
        sscanf(line, "vendor_id : %31s", vendor);
        sscanf(line, "cpu family : %7s", family);
        sscanf(line, "model : %7s", model);
    }
    if (file != NULL)
        fclose(file);
    if (vendor[0] != '\0')
        snprintf(cpu, size, "%s family %s model %s", vendor, family, model);
}

static void warn(const struct record_counts *counts) {
    if (counts->regions == 0)
        cli_complain("the program has made no token: the trace is empty");
    if (counts->full)
        cli_complain(
            "there was no memory for all that the program did: the trace is its beginning");
    if (counts->waiting || counts->lost)
        cli_complain("not all that the program did could be recorded");
}

static int keep(const struct verify_session *session, FILE *out,
                const struct arguments *arguments) {
    const char *path = arguments->output;
    struct record_counts counts;
    struct record_facts facts = {.pages = arguments->watch != NULL, .names = true};
    name_cpu(facts.cpu, sizeof facts.cpu);
    bool kept = record_write(verify_arena(session), out, &facts, &counts);
    kept = fclose(out) == 0 && kept;
    if (!kept)
        cli_complain("cannot write %s: %s", path, strerror(errno));
    else
        warn(&counts);
    return kept ? 0 : CLI_RUN_FAILED;
}

int cli_record(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Run PROGRAM and keep what it does to its regions: every store with its value,\n"
               "thread and stack, every flush, drain, wait and mark.\v"
               "Exits with PROGRAM's status; 125: nvrtl failed; 126, 127: PROGRAM did not run."};
    struct arguments arguments = {.verify = {.judge = "strict",
                                             .stacks = "cached",
                                             .stores = "auto",
                                             .streams = "drain",
                                             .record = true}};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
    if (!run_target_fits(arguments.program[0]))
        return CLI_RUN_FAILED;
    FILE *out = fopen(arguments.output, "we");
    if (out == NULL) {
        cli_complain("cannot write %s: %s", arguments.output, strerror(errno));
        return CLI_RUN_FAILED;
    }
    struct verify_session *session = verify_begin(&arguments.verify);
    const struct run_preload preload = {.wanted = true, .watch = arguments.watch};
    pid_t pid;
    int status, result = CLI_RUN_FAILED;
    if (session == NULL)
        cli_complain("no memory for the run: %s", strerror(errno));
    else
        result = run_child(session, arguments.program, &preload, &pid, &status);
    if (result != 0) {
        fclose(out);
    } else {
        int kept = keep(session, out, &arguments);
        result = kept != 0             ? kept
                 : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                       : WEXITSTATUS(status);
    }
    verify_end(session);
    free(arguments.watch);
    return result;
}
