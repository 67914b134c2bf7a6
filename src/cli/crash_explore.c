/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl crash with a checker: the images that recovery does not survive. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/crash.h"
#include "cli/number.h"

enum { STATUS_BUDGET = 3 };

#define FOREVER UINT64_C(1000000000) /* seconds */

enum {
    OPTION_EXHAUSTIVE = 512,
    OPTION_TIME,
    OPTION_IMAGES,
    OPTION_SEED,
    OPTION_TIMEOUT,
    OPTION_RESPAWN,
    OPTION_ISOLATE,
    OPTION_SHARD,
    OPTION_OUTPUT,
    OPTION_KEEP,
    OPTION_REPLAY,
    OPTION_RESUME,
    OPTION_ATOMIC,
    OPTION_NESTED,
    OPTION_RECOVER
};

static const struct argp_option option_table[] = {
    {NULL, 0, NULL, 0, "Does recovery survive the images?", 10},
    {"check", 'c', "CHECK", 0, "a checker: FILE.so, or a command; {} is all files", 10},
    {"atomic", OPTION_ATOMIC, "HOW", OPTION_ARG_OPTIONAL,
     "recovery's state is that after a prefix (default) or a set of the operations", 10},
    {"nested", OPTION_NESTED, NULL, 0, "cut the power in recovery too, once", 10},
    {"recover", OPTION_RECOVER, "DIR", OPTION_HIDDEN, NULL, 10}, /* nvrtl itself, when it records */
    {"exhaustive", OPTION_EXHAUSTIVE, "N", 0, "all images of a point, up to N (default 4096)", 10},
    {"time", OPTION_TIME, "SECONDS", 0, "no longer than this", 10},
    {"images", OPTION_IMAGES, "N", 0, "no more than these", 10},
    {"seed", OPTION_SEED, "S", 0, "of what is chosen by chance (default: printed)", 10},
    {"jobs", 'j', "N", 0, "checkers side by side (default: one a CPU)", 10},
    {"check-timeout", OPTION_TIMEOUT, "SECONDS", 0, "of one check (default 10)", 10},
    {"resume", OPTION_RESUME, "FILE", 0, "go on where a search has ended that had this too", 10},
    {"respawn", OPTION_RESPAWN, "N", 0, "a new process after N checks", 10},
    {"isolate", OPTION_ISOLATE, NULL, 0, "a new process for each", 10},
    {"shard", OPTION_SHARD, "I/N", 0, "only the I-th of N parts of the work", 10},
    {"report", 'r', "FORMATS", 0, "text (default), json, sarif, junit, html", 10},
    {"output", OPTION_OUTPUT, "DIR", 0, "where reports other than text go", 10},
    {"keep", OPTION_KEEP, "DIR", 0, "where failing images go", 10},
    {"replay", OPTION_REPLAY, "IMAGE", 0, "check one image of a report again", 10},
    {0}};

static uint64_t number(const char *text, uint64_t least, struct argp_state *state) {
    uint64_t value = 0;
    if (!number_parse(text, &value) || value < least)
        argp_error(state, "'%s' is no number, or too small", text);
    return value;
}

static void set_shard(struct search_options *options, const char *text, struct argp_state *state) {
    const char *slash = strchr(text, '/');
    char *part = slash != NULL ? strndup(text, (size_t)(slash - text)) : NULL;
    bool good = part != NULL && number_parse(part, &options->shard) &&
                number_parse(slash + 1, &options->shards);
    free(part);
    if (!good || options->shard < 1 || options->shard > options->shards)
        argp_error(state, "'%s' is no part of the work: I/N, I from 1 to N", text);
}

static void set_check(struct search_options *options, const char *check) {
    size_t length = strlen(check);
    options->check = check;
    options->judge =
        length > 3 && strcmp(check + length - 3, ".so") == 0 && access(check, R_OK) == 0
            ? SANDBOX_OBJECT
            : SANDBOX_COMMAND;
}

static void set_atomic(struct search_options *options, const char *how, struct argp_state *state) {
    if (how != NULL && strcmp(how, "set") != 0 && strcmp(how, "prefix") != 0)
        argp_error(state, "states are not those after a '%s' (prefix, set)", how);
    options->atomic = how != NULL && strcmp(how, "set") == 0 ? HISTORY_SET : HISTORY_PREFIX;
}

static void set_jobs(struct search_options *options, const char *text, struct argp_state *state) {
    options->workers = (uint32_t)number(text, 1, state);
    if (options->workers > SANDBOX_WORKERS)
        argp_error(state, "more than %d jobs", SANDBOX_WORKERS);
}

/* What is checked, and how. false: it is something else. */
static bool parse_check(int key, char *text, struct argp_state *state) {
    struct crash_explore *explore = state->input;
    struct search_options *options = &explore->search;
    switch (key) {
    case 'c':
        set_check(options, text);
        return true;
    case OPTION_NESTED:
        options->nested = true;
        return true;
    case OPTION_RECOVER:
        explore->recover = text;
        return true;
    case OPTION_ATOMIC:
        set_atomic(options, text, state);
        return true;
    case OPTION_TIMEOUT:
        options->timeout = number(text, 1, state);
        options->timeout = options->timeout < FOREVER ? options->timeout * 1000 : FOREVER * 1000;
        return true;
    case OPTION_RESPAWN:
        options->respawn = number(text, 1, state);
        return true;
    case OPTION_ISOLATE:
        options->isolate = true;
        return true;
    default:
        return false;
    }
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct crash_explore *explore = state->input;
    struct search_options *options = &explore->search;
    switch (key) {
    case OPTION_EXHAUSTIVE:
        options->exhaustive = number(text, 1, state);
        break;
    case OPTION_TIME:
        options->seconds = number(text, 1, state);
        break;
    case OPTION_IMAGES:
        options->images = number(text, 1, state);
        break;
    case OPTION_SEED:
        options->seed = number(text, 0, state);
        break;
    case 'j':
        set_jobs(options, text, state);
        break;
    case OPTION_SHARD:
        set_shard(options, text, state);
        break;
    case 'r':
        run_set_formats(&explore->reports, text, state);
        break;
    case OPTION_OUTPUT:
        explore->reports.output = text;
        break;
    case OPTION_KEEP:
        explore->keep = text;
        break;
    case OPTION_RESUME:
        options->resume = text;
        break;
    case OPTION_REPLAY:
        explore->replay = text;
        break;
    default:
        if (parse_check(key, text, state))
            break;
        return ARGP_ERR_UNKNOWN;
    }
    explore->asked = true;
    return 0;
}

const struct argp crash_explore_argp = {.options = option_table, .parser = parse};

static volatile int stopped;

static void stop(int signal_number) {
    stopped = signal_number;
}

/* The report so far is what somebody who ends the search wants. */
static void catch_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before;
        const struct sigaction action = {.sa_handler = stop};
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

static void show(void *context, const struct search_outcome *outcome, double part) {
    struct cli_progress *progress = context;
    /* In images, of which nobody knows how many there will be: as many as the trace's part says. */
    progress->total = part > 0 ? (uint64_t)((double)outcome->images / part) + 1 : 1;
    cli_progress_show(progress, outcome->images);
}

/* A failing image, for people to look at. */
struct keeping {
    const char *folder;
    unsigned number;
    const struct walk_facts *facts;
};

static void keep_region(void *context, size_t region, const uint8_t *bytes, uint64_t size) {
    const struct keeping *keeping = context;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%u-%zu", keeping->folder, keeping->number, region + 1);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool kept = file >= 0 && ftruncate(file, (off_t)size) == 0;
    for (uint64_t at = 0; kept && at < size; at += SANDBOX_PAGE) {
        static const uint8_t zeros[SANDBOX_PAGE];
        uint64_t part = size - at < SANDBOX_PAGE ? size - at : SANDBOX_PAGE;
        if (memcmp(bytes + at, zeros, part) != 0)
            kept = pwrite(file, bytes + at, part, (off_t)at) == (ssize_t)part;
    }
    if (!kept)
        cli_complain("cannot keep an image in %s: %s", path, strerror(errno));
    if (file >= 0)
        close(file);
}

static bool explain(struct search *search, struct crash_told *told,
                    const struct search_outcome *outcome) {
    if (outcome->failure_count != 0)
        mkdir(told->folder, 0777);
    for (size_t i = 0; i < outcome->failure_count; i++) {
        struct search_cause cause;
        struct keeping keeping = {told->folder, (unsigned)i + 1, told->facts};
        bool known = search_shrink(search, &outcome->failures[i], &cause, keep_region, &keeping);
        bool good = !known || crash_tell_cause(told, &outcome->failures[i], &cause, keeping.number);
        search_forget_cause(&cause);
        if (!good)
            return false;
    }
    return true;
}

static int status_of(const struct search_outcome *outcome) {
    return outcome->failing > outcome->unconfirmed || outcome->failure_count != 0 ? CRASH_FOUND
           : outcome->interrupted                                                 ? 128 + stopped
           : outcome->over                                                        ? STATUS_BUDGET
                                                                                  : 0;
}

static int tell(struct search *search, struct crash_explore *explore, struct walk_facts *facts,
                struct search_outcome *outcome) {
    static const int go_on;
    struct crash_told told;
    int status = status_of(outcome);
    search_go_on(search, &go_on); /* somebody who has ended the search wants to know the causes */
    bool good = crash_tell_begin(&told, explore, facts, outcome) &&
                explain(search, &told, outcome) && crash_tell_end(&told, search_remark(search)) &&
                run_tell(&explore->reports, &told.report);
    if (!good) {
        cli_complain("the report cannot be made");
        status = CLI_RUN_FAILED;
    }
    crash_tell_forget(&told);
    return status;
}

static int replay(struct search *search, const struct crash_explore *explore) {
    struct sandbox_verdict verdict;
    if (!search_replay(search, explore->replay, STDOUT_FILENO, &verdict))
        return CLI_USAGE;
    char *words = crash_verdict_words(verdict);
    printf("%s\n", words != NULL ? words : "");
    free(words);
    return verdict.outcome == SANDBOX_FINE ? 0 : CRASH_FOUND;
}

static void choose_defaults(struct search_options *options) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (options->seed == UINT64_MAX)
        options->seed = (uint64_t)now.tv_nsec / 1000 + 1;
    if (options->workers == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        options->workers = cpus < 1 ? 1 : cpus > SANDBOX_WORKERS ? SANDBOX_WORKERS : (uint32_t)cpus;
    }
}

void crash_choose_folder(struct crash_explore *explore) {
    choose_defaults(&explore->search);
    if (explore->keep != NULL)
        return;
    snprintf(explore->folder, sizeof explore->folder, "nvrtl-crash-%" PRIu64, explore->search.seed);
    explore->keep = explore->folder;
}

/* Of how many regions does the program that recovers get the image? What it opens without being
   told is not the image, and would be found in order. */
static size_t count_named(const struct walk_facts *facts, const struct search_options *options) {
    size_t named = 0;
    for (size_t i = 0; i < facts->region_count; i++)
        named += options->judge != SANDBOX_PROGRAM ||
                 sandbox_names(options->program, facts->regions[i].path);
    return named;
}

static bool look_at_trace(FILE *trace, struct crash_explore *explore, struct walk_facts *facts) {
    if (!walk_look(trace, facts)) {
        cli_complain("%s: %s", explore->trace, facts->problem);
        return false;
    }
    explore->unnamed = facts->region_count - count_named(facts, &explore->search);
    if (explore->unnamed != facts->region_count)
        return true;
    cli_complain("no word of the program names a file of the run, as %s: it would not meet the "
                 "image; judge by --check='COMMAND {}'",
                 facts->regions[0].path);
    return false;
}

/* Can it be written at the end, after hours? */
static bool may_resume(const char *path) {
    struct stat stat_of;
    char *fresh = NULL;
    bool there = path != NULL && stat(path, &stat_of) == 0;
    if (path == NULL)
        return true;
    errno = EISDIR;
    bool good = (!there || S_ISREG(stat_of.st_mode)) && asprintf(&fresh, "%s.new", path) > 0;
    int file = good ? open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file >= 0) {
        close(file);
        unlink(fresh);
    } else {
        cli_complain("cannot write %s: %s", path,
                     good || !there ? strerror(errno) : "it is no ordinary file");
    }
    free(fresh);
    return file >= 0;
}

int crash_explore(FILE *trace, struct crash_explore *explore) {
    struct search_outcome outcome;
    struct walk_facts facts;
    struct cli_progress progress;
    int status = CLI_USAGE;
    crash_choose_folder(explore);
    explore->search.began = search_now(); /* a long trace takes its time to be read */
    if (!look_at_trace(trace, explore, &facts) || !may_resume(explore->search.resume)) {
        walk_forget(&facts);
        return CLI_USAGE;
    }
    explore->search.record = crash_record;
    explore->search.record_context = explore;
    catch_signals();
    struct search *search = search_new(trace, &facts, &explore->search, &outcome, &stopped);
    cli_progress_start(&progress, 1);
    progress.things = "images";
    if (search != NULL && explore->replay != NULL)
        status = replay(search, explore);
    else if (search != NULL && search_run(search, show, &progress)) {
        cli_progress_end(&progress);
        status = tell(search, explore, &facts, &outcome);
    } else {
        status = CLI_RUN_FAILED;
    }
    cli_progress_end(&progress);
    if (outcome.problem[0] != '\0')
        cli_complain("%s: %s", explore->trace, outcome.problem);
    search_forget(&outcome);
    search_end(search);
    walk_forget(&facts);
    return status;
}
