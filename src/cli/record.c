/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl record: runs a program and keeps what it does to its regions, as a trace. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "cli/record.h"
#include "cli/run.h"
#include "record/record.h"
#include "verify/session.h"

enum { OPTION_WATCH = 256 };

static const struct argp_option option_table[] = {
    {"output", 'o', "FILE", 0, "where the trace goes", 0},
    {"stores", 's', "SOURCE", 0, "auto (default), api, hooks, pages=interval", 0},
    {"watch", OPTION_WATCH, "PATH", 0, "views of these files are regions", 0},
    {0}};

/* A program that waits for its files does so page by page. */
void record_choose_stores(struct record_request *request, struct argp_state *state) {
    bool watched = request->watch != NULL;
    const char *stores = run_recorded_stores(request->stores, watched);
    if (stores == NULL)
        argp_error(state, "%s by '%s' (%s)",
                   watched ? "stores to watched files are not recorded" : "stores are not recorded",
                   request->stores,
                   watched ? "pages=interval, hooks" : "auto, api, hooks, pages=interval");
    request->stores = stores;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct record_request *request = state->input;
    switch (key) {
    case 'o':
        request->output = text;
        return 0;
    case 's':
        request->stores = text;
        return 0;
    case OPTION_WATCH:
        run_add_watch(&request->watch, text);
        return 0;
    case ARGP_KEY_ARGS:
        request->program = state->argv + state->next;
        if (request->output == NULL)
            argp_error(state, "where to? --output FILE");
        record_choose_stores(request, state);
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
                const struct record_request *request) {
    const char *path = request->output;
    struct record_counts counts;
    struct record_facts facts = {.pages = request->watch != NULL, .names = true};
    name_cpu(facts.cpu, sizeof facts.cpu);
    bool kept = record_write(verify_arena(session), out, &facts, &counts);
    kept = fclose(out) == 0 && kept;
    if (!kept)
        cli_complain("cannot write %s: %s", path, strerror(errno));
    else
        warn(&counts);
    return kept ? 0 : CLI_RUN_FAILED;
}

int record_program(const struct record_request *request, int *status) {
    const struct verify_options options = {.judge = "strict",
                                           .stacks = "cached",
                                           .stores = request->stores,
                                           .streams = "drain",
                                           .record = true};
    const struct run_preload preload = {.wanted = true, .watch = request->watch};
    if (!run_target_fits(request->program[0]))
        return CLI_RUN_FAILED;
    FILE *out = fopen(request->output, "we");
    if (out == NULL) {
        cli_complain("cannot write %s: %s", request->output, strerror(errno));
        return CLI_RUN_FAILED;
    }
    struct verify_session *session = verify_begin(&options);
    pid_t pid;
    int result = CLI_RUN_FAILED;
    if (session == NULL)
        cli_complain("no memory for the run: %s", strerror(errno));
    else
        result = run_child(session, request->program, &preload, &pid, status);
    if (result != 0)
        fclose(out);
    else
        result = keep(session, out, request);
    if (session != NULL)
        verify_end(session);
    return result;
}

int cli_record(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Run PROGRAM and keep what it does to its regions: every store with its value,\n"
               "thread and stack, every flush, drain, wait and mark.\v"
               "Exits with PROGRAM's status; 125: nvrtl failed; 126, 127: PROGRAM did not run."};
    struct record_request request = {.output = NULL};
    int status = 0;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    int result = record_program(&request, &status);
    free(request.watch);
    return result != 0           ? result
           : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                 : WEXITSTATUS(status);
}
