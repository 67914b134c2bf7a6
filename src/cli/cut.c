/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl cut: the pull-the-plug test. A program is killed at a random moment, its files are made
   what a power cut could have left of them, and its recovery has to cope. */
#include "cli/cut.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/run.h"

enum {
    OPTION_FIRST = 256,
    OPTION_AT,
    OPTION_RESET,
    OPTION_MODEL,
    OPTION_KEEP,
    OPTION_TIME,
    OPTION_TIMEOUT,
    OPTION_STORES,
    OPTION_WATCH
};

static const struct argp_option option_table[] = {
    {"runs", 'n', "N", 0, "so many cuts (default 100)", 0},
    {"seed", 's', "S", 0, "of all random choices (default: printed)", 0},
    {"first", OPTION_FIRST, "K", 0, "begin with cut number K (default 1)", 0},
    {"at", OPTION_AT, "RECORD", 0, "cut once, after this record (a replay)", 0},
    {"check", 'c', "CMD", 0, "recovery, for the shell; {} is the file", 0},
    {"reset", OPTION_RESET, "CMD", 0, "before each run, for the shell", 0},
    {"model", OPTION_MODEL, "MODEL", 0, "x86 (default), eadr, page", 0},
    {"keep", OPTION_KEEP, "DIR", 0, "where a failing image goes", 0},
    {"time", OPTION_TIME, "SECONDS", 0, "begin no cut after this", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "of a program or check (default 600)", 0},
    {"stores", OPTION_STORES, "SOURCE", 0, "auto (default), api, hooks, pages=interval", 0},
    {"watch", OPTION_WATCH, "PATH", 0, "views of these files are regions", 0},
    {"jobs", 'j', "N", 0, "so many at a time; {%} is 1 to N", 0},
    {0}};

static const char *const models[] = {
    [GENERATION_X86] = "x86", [GENERATION_EADR] = "eadr", [GENERATION_PAGE] = "page"};

static uint64_t number(const char *text, uint64_t least, struct argp_state *state) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || value < least)
        argp_error(state, "'%s' is no number, or too small", text);
    return value;
}

static void set_model(struct cut_options *options, const char *name, struct argp_state *state) {
    size_t model = 0;
    while (model < ARRAY_LENGTH(models) && strcmp(models[model], name) != 0)
        model++;
    if (model == ARRAY_LENGTH(models))
        argp_error(state, "there is no model '%s' (x86, eadr, page)", name);
    options->model = (enum generation_model)model;
    options->model_name = name;
}

/* A program that waits for its files does so page by page. */
static void choose_stores(struct cut_options *options, struct argp_state *state) {
    static const char *const names[] = {[CUT_STORES_AUTO] = "auto",
                                        [CUT_STORES_API] = "api",
                                        [CUT_STORES_HOOKS] = "hooks",
                                        [CUT_STORES_INTERVAL] = "pages=interval"};
    bool watched = options->watch != NULL;
    const char *name = run_recorded_stores(options->stores_name, watched);
    if (name == NULL) {
        argp_error(state, "stores%s are not seen by '%s'", watched ? " to watched files" : "",
                   options->stores_name != NULL ? options->stores_name : "auto");
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i], name) == 0)
            options->stores = (enum cut_stores)i;
    }
    if (watched && options->model_name == NULL)
        set_model(options, models[GENERATION_PAGE], state);
    else if (options->model_name == NULL)
        set_model(options, models[GENERATION_X86], state);
}

/* What runs side by side must not meet. */
static void judge_options(const struct cut_options *options, struct argp_state *state) {
    bool named = false;
    if (options->jobs > CUT_JOBS)
        argp_error(state, "more than %d jobs", CUT_JOBS);
    for (char **word = options->program; *word != NULL; word++)
        named = named || strstr(*word, "{%}") != NULL;
    if (options->jobs > 1 && (!named || options->reset == NULL))
        argp_error(state, "with --jobs give --reset, and the files of each job a name of their own "
                          "by {%%}, the job's number");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct cut_options *options = state->input;
    switch (key) {
    case 'n':
        options->runs = number(argument, 1, state);
        return 0;
    case 's':
        options->seed = number(argument, 0, state);
        return 0;
    case OPTION_FIRST:
        options->first = number(argument, 1, state);
        return 0;
    case OPTION_AT:
        options->at = number(argument, 1, state);
        options->runs = 1;
        return 0;
    case 'c':
        options->check = argument;
        return 0;
    case OPTION_RESET:
        options->reset = argument;
        return 0;
    case OPTION_MODEL:
        set_model(options, argument, state);
        return 0;
    case OPTION_KEEP:
        options->keep = argument;
        return 0;
    case OPTION_TIME:
        options->seconds = number(argument, 1, state);
        return 0;
    case OPTION_TIMEOUT:
        options->timeout = number(argument, 0, state);
        return 0;
    case 'j':
        options->jobs = number(argument, 1, state);
        return 0;
    case OPTION_STORES:
        options->stores_name = argument;
        return 0;
    case OPTION_WATCH:
        run_add_watch(&options->watch, argument);
        return 0;
    case ARGP_KEY_ARGS:
        options->program = state->argv + state->next;
        choose_stores(options, state);
        judge_options(options, state);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program?");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool is_folder(const char *path) {
    struct stat stat_;
    if (stat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode))
        return true;
    errno = ENOTDIR;
    return false;
}

/* Found out before hours are spent: can a failure be kept? */
static bool can_keep(const char *folder) {
    if (folder == NULL)
        return true;
    bool made = mkdir(folder, 0777) == 0;
    bool can = (made || errno == EEXIST) && access(folder, W_OK | X_OK) == 0 &&
               (made || is_folder(folder));
    if (!can)
        cli_complain("cannot write to the directory %s: %s", folder, strerror(errno));
    if (made)
        rmdir(folder);
    return can;
}

int cli_cut(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Cut the power of PROGRAM at random moments, and run its recovery or CMD.\v"
               "Exits with 0: nothing was found; 1: a cut that recovery does not survive;\n"
               "2: wrong usage; 3: the time is over; 125: nvrtl or PROGRAM failed."};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct cut_options options = {.runs = 100,
                                  .first = 1,
                                  .jobs = 1,
                                  .timeout = CUT_TIMEOUT,
                                  .seed = (uint64_t)now.tv_nsec / 1000 + 1};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
    if (!can_keep(options.keep))
        return CLI_USAGE;
    if (!run_target_fits(options.program[0]) || !cut_prepare_children())
        return CLI_RUN_FAILED;
    /* Memory that was dear to come by stays for the next cut. */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    return cut_run_jobs(&options);
}
