/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl run: a program under the verifier, and the report on what a power cut would lose. */
#include "cli/run.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "isa/isa.h"
#include "report/report.h"
#include "verify/session.h"

struct run_options {
    struct verify_options verify;
    struct run_reports reports;
    int error_status;
    char **program;
    char *watch; /* patterns, one a line; NULL: none */
};

enum {
    OPTION_ENABLE = 256,
    OPTION_DISABLE,
    OPTION_ERROR_EXITCODE,
    OPTION_OUTPUT,
    OPTION_PROFILE,
    OPTION_STACKS,
    OPTION_STREAMS,
    OPTION_SUPPRESSIONS,
    OPTION_ENTRIES,
    OPTION_WATCH
};

static const struct argp_option option_table[] = {
    {"stores", 's', "SOURCE", 0, "auto (default), api, hooks, pages, pages=interval", 0},
    {"watch", OPTION_WATCH, "PATH", 0, "views of these files are regions", 0},
    {"judge", 'j', "JUDGE", 0, "strict (default), memory, page-cache, actual", 0},
    {"profile", OPTION_PROFILE, NULL, 0, "tell what flushes and drains cost, and where", 0},
    {"report", 'r', "FORMATS", 0, "text (default), json, sarif, junit, html", 0},
    {"output", OPTION_OUTPUT, "DIR", 0, "write reports there (default: $VERIFIER_LOG_PATH)", 0},
    {"error-exitcode", OPTION_ERROR_EXITCODE, "N", 0, "exit status of errors (default 1)", 0},
    {"enable", OPTION_ENABLE, "KIND", 0, "report this kind of finding (or: all)", 0},
    {"disable", OPTION_DISABLE, "KIND", 0, "do not report it", 0},
    {"stacks", OPTION_STACKS, "HOW", 0, "cached (default), full, site", 0},
    {"streams", OPTION_STREAMS, "HOW", 0, "streaming stores: drain, inplace (by the CPU)", 0},
    {"suppressions", OPTION_SUPPRESSIONS, "FILE", 0,
     "what the file says is no mistake does not count", 0},
    {"gen-suppressions", OPTION_ENTRIES, NULL, 0, "print an entry of such a file for each finding",
     0},
    {0}};

static void set_kind(struct run_options *options, const char *name, bool wanted,
                     struct argp_state *state) {
    bool all = strcmp(name, "all") == 0;
    enum kind kind = verify_kind(name);
    if (!all && kind == KIND_COUNT)
        argp_error(state, "there is no kind '%s' of finding", name);
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        if (all || k == kind)
            options->verify.wanted[k] = wanted;
    }
}

static void set_stores(struct run_options *options, const char *source, struct argp_state *state) {
    const char *refusal = verify_refuses_stores(source);
    if (refusal != NULL)
        argp_error(state, "--stores=%s: %s", source, refusal);
    options->verify.stores = source;
}

/* A program that waits for its files does so page by page. */
static void choose_defaults(struct run_options *options, struct argp_state *state) {
    if (options->verify.judge == NULL)
        options->verify.judge = options->watch != NULL ? "actual" : "strict";
    if (options->verify.streams == NULL)
        options->verify.streams = isa_streams_are_durable() ? "drain" : "inplace";
    if (options->watch != NULL && strcmp(options->verify.stores, "auto") == 0)
        options->verify.stores = "pages";
    if (options->watch != NULL && strncmp(options->verify.stores, "pages", 5) != 0 &&
        strcmp(options->verify.stores, "hooks") != 0)
        argp_error(state, "--watch sees stores by --stores=pages or --stores=hooks");
}

static void check_names(const struct run_options *options, struct argp_state *state) {
    const char *wrong;
    if (verify_options_check(&options->verify, &wrong))
        return;
    if (wrong == options->verify.judge)
        argp_error(state, "there is no judge '%s' (strict, memory, page-cache, actual)", wrong);
    if (wrong == options->verify.streams)
        argp_error(state, "there is no way '%s' of streaming stores (drain, inplace)", wrong);
    argp_error(state, "stacks cannot be recorded by '%s' (cached, full, site)", wrong);
}

static int number(const char *text, struct argp_state *state) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > 255)
        argp_error(state, "'%s' is no exit status (0 to 255)", text);
    return (int)value;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct run_options *options = state->input;
    switch (key) {
    case 's':
        set_stores(options, argument, state);
        return 0;
    case 'j':
        options->verify.judge = argument;
        return 0;
    case 'r':
        run_set_formats(&options->reports, argument, state);
        return 0;
    case OPTION_OUTPUT:
        options->reports.output = argument;
        return 0;
    case OPTION_PROFILE:
        options->verify.profile = true;
        return 0;
    case OPTION_ERROR_EXITCODE:
        options->error_status = number(argument, state);
        return 0;
    case OPTION_ENABLE:
    case OPTION_DISABLE:
        set_kind(options, argument, key == OPTION_ENABLE, state);
        return 0;
    case OPTION_WATCH:
        run_add_watch(&options->watch, argument);
        return 0;
    case OPTION_STACKS:
        options->verify.stacks = argument;
        return 0;
    case OPTION_STREAMS:
        options->verify.streams = argument;
        return 0;
    case OPTION_SUPPRESSIONS:
        if (!cli_suppressions(&options->reports.suppressions, argument))
            exit(CLI_RUN_FAILED);
        return 0;
    case OPTION_ENTRIES:
        options->reports.entries = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->program = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program?");
        return EINVAL;
    case ARGP_KEY_SUCCESS:
        choose_defaults(options, state);
        check_names(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int finish(struct run_options *options, struct verify_session *session, pid_t pid,
                  int status) {
    struct report report;
    int result = CLI_RUN_FAILED;
    bool made = verify_finish(session, options->program, pid, status, &report);
    if (made)
        run_price(&report);
    if (!made)
        cli_complain("out of memory while the report was made");
    else if (run_tell(&options->reports, &report))
        result = report.exit != 0                                ? report.exit
                 : report_count(&report).of[SEVERITY_ERROR] != 0 ? options->error_status
                 : report.incomplete                             ? CLI_RUN_FAILED
                                                                 : 0;
    verify_free_report(&report);
    return result;
}

int cli_run(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Run PROGRAM under the verifier and report what a power cut would lose.\v"
               "Exits with PROGRAM's status if that is not 0, else 1 if there are errors, else 0; "
               "125: nvrtl failed, or could not see all; 126, 127: PROGRAM did not run."};
    struct run_options options = {.verify = {.judge = NULL, .stacks = "cached", .stores = "auto"},
                                  .reports = {.output = getenv("VERIFIER_LOG_PATH")},
                                  .error_status = 1};
    options.reports.wanted[report_format("text") - report_formats] = true;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        options.verify.wanted[kind] = kind_facts[kind].on;
    if (options.reports.output != NULL && options.reports.output[0] == '\0')
        options.reports.output = NULL; /* set to nothing is not set */
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
    if (!run_target_fits(options.program[0]) || !run_make_output(&options.reports))
        return CLI_RUN_FAILED;
    struct verify_session *session = verify_begin(&options.verify);
    if (session == NULL) {
        cli_complain("no memory for the run: %s%s", strerror(errno),
                     errno == EFBIG ? " (the limit of file sizes, ulimit -f, is too tight)" : "");
        return CLI_RUN_FAILED;
    }
    pid_t pid;
    int status;
    const struct run_preload preload = {.wanted = options.watch != NULL ||
                                                  strncmp(options.verify.stores, "pages", 5) == 0,
                                        .watch = options.watch};
    int result = run_child(session, options.program, &preload, &pid, &status);
    if (result == 0)
        result = finish(&options, session, pid, status);
    verify_end(session);
    suppress_free(&options.reports.suppressions);
    free(options.watch);
    return result;
}
