/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl record: runs a program and keeps what it does to its regions, as a trace. */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

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

/* What the program's own instructions make durable is in no image that needs it, and recovery would
   be blamed for that. */
static void warn_unheard(const struct verify_session *session) {
    char *where = verify_unheard(session);
    if (where != NULL)
        cli_complain("%s may have made something durable, which is not recorded: what recovery "
                     "misses for that is no mistake of the program. Build it with nvrtl-cc",
                     where);
    free(where);
}

static void warn(const struct record_counts *counts, const char *stores) {
    if (counts->regions == 0)
        cli_complain("the program has made no token: the trace is empty");
    else if (!counts->hooked && strcmp(stores, "hooks") == 0)
        cli_complain("no code with hooks has run, so only the routines were recorded: build the "
                     "program with nvrtl-cc or nvrtl-c++");
    if (counts->unseen != 0)
        cli_complain("something was stored by no routine and by no code with hooks. It was seen "
                     "where a flush or wait covers it, and counts as durable there; what "
                     "instructions of the program's own make durable was not. Build it with "
                     "nvrtl-cc to have all seen, or record with --stores=pages=interval");
    if (counts->full)
        cli_complain(
            "the trace could not be written as fast as the program went on: it is its beginning");
    if (counts->waiting || counts->lost)
        cli_complain("not all that the program did could be recorded");
}

/* The thread that writes the trace while the program runs. */
struct keeper {
    struct recording *recording;
    pthread_t thread;
    atomic_bool ends;
};

#define FLUSH_AFTER 100 /* milliseconds: what is older is in the file */
#define SKIP_AFTER 1000 /* without anything new */

static void *keep_up(void *context) {
    struct keeper *keeper = context;
    const struct timespec pause = {.tv_nsec = 1000000};
    for (unsigned since = 0, quiet = 0; !atomic_load(&keeper->ends); since++, quiet++) {
        if (record_take(keeper->recording))
            quiet = 0;
        nanosleep(&pause, NULL);
        if (since % FLUSH_AFTER == FLUSH_AFTER - 1)
            record_flush(keeper->recording);
        if (quiet % SKIP_AFTER == SKIP_AFTER - 1)
            record_skip(keeper->recording);
    }
    return NULL;
}

/* Signals are for the thread that waits for the program. */
static bool start_keeper(struct keeper *keeper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&keeper->thread, NULL, keep_up, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error == 0;
}

int record_run(struct verify_session *session, char **program, const struct run_preload *preload,
               const struct record_facts *facts, struct record_target *target) {
    struct keeper keeper = {.recording = record_begin(verify_arena(session), target->out, facts)};
    pid_t pid;
    if (keeper.recording == NULL || !start_keeper(&keeper)) {
        cli_complain("cannot record: %s", strerror(errno));
        if (keeper.recording != NULL)
            record_free(keeper.recording);
        return CLI_RUN_FAILED;
    }
    int result = run_child(session, program, preload, &pid, &target->status);
    atomic_store(&keeper.ends, true);
    pthread_join(keeper.thread, NULL);
    bool kept = record_end(keeper.recording, &target->counts) && fflush(target->out) == 0;
    if (result != 0 || kept)
        return result;
    cli_complain("cannot write %s: %s", target->name, strerror(errno));
    return CLI_RUN_FAILED;
}

static int run_request(struct verify_session *session, FILE *out,
                       const struct record_request *request, int *status) {
    const struct run_preload preload = {.wanted = true, .watch = request->watch};
    struct record_facts facts = {.pages = request->watch != NULL, .names = true};
    struct record_target target = {.out = out, .name = request->output};
    name_cpu(facts.cpu, sizeof facts.cpu);
    int result = record_run(session, request->program, &preload, &facts, &target);
    *status = target.status;
    if (result == 0)
        warn(&target.counts, request->stores);
    if (result == 0 && target.counts.regions != 0 && !facts.pages)
        warn_unheard(session);
    return result;
}

/* Somebody who forgets where the trace goes would lose the program, or its data, to it. */
static bool is_overwritten(const struct record_request *request) {
    struct stat output, word;
    if (stat(request->output, &output) != 0 || !S_ISREG(output.st_mode))
        return false;
    for (char **at = request->program; *at != NULL; at++) {
        if (stat(*at, &word) == 0 && word.st_dev == output.st_dev && word.st_ino == output.st_ino)
            return true;
    }
    return false;
}

int record_program(const struct record_request *request, int *status) {
    const struct verify_options options = {.judge = "strict",
                                           .stacks = "cached",
                                           .stores = request->stores,
                                           .streams = "drain",
                                           .record = true};
    if (!run_target_fits(request->program[0]))
        return CLI_RUN_FAILED;
    if (is_overwritten(request)) {
        cli_complain("the trace would write over %s, which the program is told of",
                     request->output);
        return CLI_RUN_FAILED;
    }
    FILE *out = fopen(request->output, "we");
    if (out == NULL) {
        cli_complain("cannot write %s: %s", request->output, strerror(errno));
        return CLI_RUN_FAILED;
    }
    struct verify_session *session = verify_begin(&options);
    int result = CLI_RUN_FAILED;
    if (session == NULL)
        cli_complain("no memory for the run: %s", strerror(errno));
    else
        result = run_request(session, out, request, status);
    fclose(out);
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
