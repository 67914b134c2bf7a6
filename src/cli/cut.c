/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl cut: the pull-the-plug test. A program is killed at a random moment, its files are made
   what a power cut could have left of them, and its recovery has to cope. */
#include "cli/cut.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <nvrtl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/run.h"

enum { STATUS_FOUND = 1, STATUS_BUDGET = 3 };
enum { OPTION_FIRST = 256, OPTION_AT, OPTION_RESET, OPTION_MODEL, OPTION_KEEP, OPTION_TIME };

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
    case ARGP_KEY_ARGS:
        options->program = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program?");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* All that goes on from one cut to the next. */
struct campaign {
    const struct cut_options *options;
    struct cut_files files;
    struct cut_counts counts; /* of the last run that came to its end */
    struct cli_progress progress;
    uint64_t skipped; /* cuts that could not be judged */
};

/* One cut. */
struct attempt {
    uint64_t run;
    struct chance chance;
    struct cut_session *session;
    struct cut_counts counts;
    bool ended; /* the program came to its end before the moment */
    struct cut_outcome outcome;
    char *begun, *acked;
};

/* What a step comes to: go on, or leave with a status. */
enum { GO_ON = -1 };

static int interrupted(void) {
    return 128 + cut_interrupted();
}

static int describe(char *text, size_t size, const char *who, int status) {
    if (WIFSIGNALED(status))
        return snprintf(text, size, "%s was killed by signal %d (%s).", who, WTERMSIG(status),
                        strsignal(WTERMSIG(status)));
    return snprintf(text, size, "%s ended with status %d.", who, WEXITSTATUS(status));
}

static void say_output(int output) {
    char buffer[4096];
    ssize_t size = pread(output, buffer, sizeof buffer, 0);
    if (size > 0)
        fwrite(buffer, 1, (size_t)size, stderr);
}

static int reset(struct campaign *campaign) {
    const char *command = campaign->options->reset;
    int status = 0;
    if (command == NULL)
        return GO_ON;
    const struct cut_child child = {.output = STDERR_FILENO};
    enum cut_end end = cut_run_shell(command, &child, &status);
    if (end == CUT_INTERRUPTED)
        return interrupted();
    if (end == CUT_ENDED && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return GO_ON;
    cli_complain("the reset failed: %s", command);
    return CLI_RUN_FAILED;
}

/* The program in the session. */
static int run_program(const struct campaign *campaign, struct cut_session *session, int output,
                       enum cut_end *end, int *status) {
    const struct cut_child child = {
        .arguments = campaign->options->program, .session = session, .output = output};
    *end = cut_run_child(&child, status);
    return *end == CUT_INTERRUPTED   ? interrupted()
           : *end == CUT_NOT_STARTED ? CLI_RUN_FAILED
                                     : GO_ON;
}

/* Is there anything to cut? */
static int judge_first_run(struct campaign *campaign, int status, int output) {
    char what[128];
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        say_output(output);
        describe(what, sizeof what, "the program", status);
        cli_complain("without any cut %s Only a program that works can be tested so", what);
        return CLI_RUN_FAILED;
    }
    if (campaign->counts.records == 0) {
        cli_complain("the program made no token: is it linked with libnvrtl, and does it map a "
                     "file? There is nothing to cut");
        return CLI_USAGE;
    }
    if (campaign->counts.full)
        cli_complain("the log has no room after record %" PRIu64
                     ": later moments are not tried, since memory is short",
                     campaign->counts.records);
    return GO_ON;
}

/* A run without a cut: it tells how many moments there are. */
static int count_moments(struct campaign *campaign) {
    const struct cut_moment never = {0};
    enum cut_end end;
    int status = 0, result = reset(campaign);
    if (result != GO_ON)
        return result;
    struct cut_session *session = cut_begin(&never);
    int output = memfd_create("nvrtl-output", MFD_CLOEXEC);
    if (session == NULL || output < 0) {
        cli_complain("no memory for the run: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    result = run_program(campaign, session, output, &end, &status);
    campaign->counts = cut_counts(session);
    if (result == GO_ON)
        result = judge_first_run(campaign, status, output);
    if (result == GO_ON && !cut_learn_files(&campaign->files, session))
        result = CLI_RUN_FAILED;
    close(output);
    cut_end(session);
    return result;
}

/* Half of the moments are any record, or the end; a quarter each are just before a drain, where
   most is in flight, and just after an acknowledgement, where most is promised. */
static struct cut_moment draw(const struct campaign *campaign, struct chance *chance) {
    const struct cut_counts *counts = &campaign->counts;
    uint64_t kind = chance_below(chance, 4), any = chance_next(chance);
    uint64_t records = counts->full ? counts->records : counts->records + 1;
    if (campaign->options->at != 0)
        return (struct cut_moment){.record = campaign->options->at};
    if (kind == 2 && counts->drains != 0)
        return (struct cut_moment){.drain = 1 + any % counts->drains};
    if (kind == 3 && counts->acks != 0)
        return (struct cut_moment){.ack = 1 + any % counts->acks};
    return (struct cut_moment){.record = 1 + any % records};
}

static bool learn(struct campaign *campaign, struct attempt *attempt) {
    uint64_t *ids[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    bool learnt = cut_learn_files(&campaign->files, attempt->session) &&
                  cut_marks(attempt->session, NVRTL_OP_BEGIN, &ids[0], &counts[0]) &&
                  cut_marks(attempt->session, NVRTL_OP_ACK, &ids[1], &counts[1]);
    if (learnt) {
        attempt->begun = cut_join(ids[0], counts[0]);
        attempt->acked = cut_join(ids[1], counts[1]);
    }
    free(ids[0]);
    free(ids[1]);
    if (attempt->begun != NULL && attempt->acked != NULL)
        return true;
    cli_complain("out of memory");
    return false;
}

static int report(struct campaign *campaign, const struct attempt *attempt,
                  const struct cut_files *image, const char *what, int output) {
    const struct cut_failure failure = {.options = campaign->options,
                                        .before = &campaign->files,
                                        .image = image,
                                        .run = attempt->run,
                                        .records = attempt->counts.records,
                                        .ended = attempt->ended,
                                        .outcome = &attempt->outcome,
                                        .begun = attempt->begun,
                                        .acked = attempt->acked,
                                        .what = what,
                                        .output = output};
    cli_progress_end(&campaign->progress);
    cut_tell(&failure);
    return STATUS_FOUND;
}

static int recover(struct campaign *campaign, struct attempt *attempt, int output, int *status) {
    const struct cut_options *options = campaign->options;
    struct cut_child child = {.arguments = options->program,
                              .begun = attempt->begun,
                              .acked = attempt->acked,
                              .output = output};
    char *command = NULL;
    enum cut_end end;
    if (options->check == NULL) {
        end = cut_run_child(&child, status);
    } else {
        command = cut_fill_in(options->check, &campaign->files);
        end = command != NULL ? cut_run_shell(command, &child, status) : CUT_NOT_STARTED;
    }
    free(command);
    if (end == CUT_INTERRUPTED)
        return interrupted();
    if (end == CUT_NOT_STARTED)
        return CLI_RUN_FAILED;
    bool cannot = options->check != NULL && WIFEXITED(*status) &&
                  (WEXITSTATUS(*status) == 126 || WEXITSTATUS(*status) == 127);
    if (!cannot)
        return GO_ON;
    say_output(output);
    cli_complain("the check cannot be run: %s", options->check);
    return CLI_RUN_FAILED;
}

static int check(struct campaign *campaign, struct attempt *attempt) {
    bool by_command = campaign->options->check != NULL;
    struct cut_files images = {0}; /* copies: recovery changes the files */
    char what[160];
    int status = 0, output = memfd_create("nvrtl-output", MFD_CLOEXEC);
    if (output < 0 || !cut_learn_files(&images, attempt->session) || !cut_save_files(&images)) {
        cli_complain("no memory for the check: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    int result = recover(campaign, attempt, output, &status);
    bool failed = by_command ? !WIFEXITED(status) || WEXITSTATUS(status) != 0 : WIFSIGNALED(status);
    if (result == GO_ON && failed) {
        describe(what, sizeof what, by_command ? "The check" : "The program, run again,", status);
        result = report(campaign, attempt, &images, what, output);
    }
    cut_forget_files(&images);
    close(output);
    return result;
}

/* What follows when all processes are gone. */
static int judge(struct campaign *campaign, struct attempt *attempt, int status) {
    const struct cut_files none = {0};
    char what[128];
    attempt->counts = cut_counts(attempt->session);
    if (!learn(campaign, attempt))
        return CLI_RUN_FAILED;
    if (attempt->ended && !attempt->counts.full && campaign->options->at == 0)
        campaign->counts = attempt->counts;
    if (attempt->ended && WIFSIGNALED(status)) {
        describe(what, sizeof what, "Before any cut the program", status);
        return report(campaign, attempt, &none, what, -1);
    }
    if ((attempt->ended && attempt->counts.full) || attempt->counts.waiting ||
        attempt->counts.lost) {
        campaign->skipped++;
        return GO_ON;
    }
    if (!cut_write_image(attempt->session, campaign->options->model, &attempt->chance,
                         &attempt->outcome)) {
        const struct cut_outcome *outcome = &attempt->outcome;
        cli_complain("%s %s%s%s", outcome->problem, outcome->problem_path,
                     outcome->error != 0 ? ": " : "",
                     outcome->error != 0 ? strerror(outcome->error) : "");
        return CLI_RUN_FAILED;
    }
    return check(campaign, attempt);
}

static int cut_once(struct campaign *campaign, uint64_t run) {
    struct attempt attempt = {.run = run, .chance = chance_seeded(campaign->options->seed, run)};
    const struct cut_moment moment = draw(campaign, &attempt.chance);
    enum cut_end end;
    int status = 0, result = reset(campaign);
    if (result == GO_ON && !cut_save_files(&campaign->files))
        result = CLI_RUN_FAILED;
    if (result != GO_ON)
        return result;
    attempt.session = cut_begin(&moment);
    if (attempt.session == NULL) {
        cli_complain("no memory for the run: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    result = run_program(campaign, attempt.session, -1, &end, &status);
    attempt.ended = end == CUT_ENDED;
    if (result == GO_ON)
        result = judge(campaign, &attempt, status);
    cut_end(attempt.session);
    free(attempt.begun);
    free(attempt.acked);
    return result;
}

static uint64_t seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static int run_all(struct campaign *campaign) {
    const struct cut_options *options = campaign->options;
    uint64_t start = seconds_now(), done = 0;
    int result = options->at != 0 ? GO_ON : count_moments(campaign);
    if (result == GO_ON) {
        cli_progress_start(&campaign->progress, options->runs);
        campaign->progress.things = "cuts";
    }
    for (; result == GO_ON && done < options->runs; done++) {
        if (options->seconds != 0 && seconds_now() - start >= options->seconds)
            break;
        cli_progress_show(&campaign->progress, done);
        result = cut_once(campaign, options->first + done);
    }
    cli_progress_end(&campaign->progress);
    bool stopped = result > 128;
    if (result != GO_ON && result != STATUS_FOUND && !stopped)
        return result;
    if (campaign->skipped != 0)
        printf("%" PRIu64 " cuts could not be judged: not all of what the program did was seen\n",
               campaign->skipped);
    if (result != STATUS_FOUND)
        printf("%" PRIu64 " cuts, seed %" PRIu64 ", %" PRIu64
               " records to cut at: nothing was found%s\n",
               stopped && done > 0 ? done - 1 : done, options->seed, campaign->counts.records,
               stopped ? "; interrupted" : "");
    return result != GO_ON ? result : done < options->runs ? STATUS_BUDGET : EXIT_SUCCESS;
}

int cli_cut(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Kill PROGRAM at random moments, leave its files as a power cut could have left\n"
               "them, and run its recovery: the check, or PROGRAM again.\v"
               "Exits with 0: nothing was found; 1: a cut that recovery does not survive;\n"
               "2: wrong usage; 3: the time is over; 125: nvrtl or PROGRAM failed."};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct cut_options options = {.runs = 100,
                                  .first = 1,
                                  .seed = (uint64_t)now.tv_nsec / 1000 + 1,
                                  .model_name = models[GENERATION_X86]};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
    if (!run_target_fits(options.program[0]) || !cut_prepare_children())
        return CLI_RUN_FAILED;
    struct campaign campaign = {.options = &options};
    int result = run_all(&campaign);
    cut_forget_files(&campaign.files);
    return result;
}
