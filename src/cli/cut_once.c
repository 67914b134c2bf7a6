/* SPDX-License-Identifier: BSD-2-Clause */
/* One cut: the program runs up to its moment, its files are made what the power cut could have left
   of them, and the recovery is judged. */
#include <errno.h>
#include <inttypes.h>
#include <nvrtl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cut.h"

/* One cut. */
struct attempt {
    uint64_t run;
    struct chance chance;
    struct cut_counts counts;
    bool ended; /* the program came to its end before the moment */
    bool late;  /* or would have gone on for longer than it may */
    struct cut_outcome outcome;
    char *begun, *acked;
};

static int interrupted(void) {
    return 128 + cut_interrupted();
}

static int describe(const struct cut_campaign *campaign, char *text, size_t size, const char *who,
                    enum cut_end end, int status) {
    if (end == CUT_LATE)
        return snprintf(text, size, "%s did not end within %" PRIu64 " seconds (--timeout).", who,
                        campaign->options->timeout);
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

static int reset(struct cut_campaign *campaign) {
    const char *command = campaign->reset;
    char what[160];
    int status = 0;
    if (command == NULL)
        return CUT_GO_ON;
    const struct cut_child child = {.output = STDERR_FILENO, .seconds = campaign->options->timeout};
    enum cut_end end = cut_run_shell(command, &child, &status);
    if (end == CUT_INTERRUPTED)
        return interrupted();
    if (end == CUT_ENDED && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CUT_GO_ON;
    if (end != CUT_NOT_STARTED) {
        describe(campaign, what, sizeof what, "It", end, status);
        cli_complain("the reset failed: %s\n%s", command, what);
    }
    return CLI_RUN_FAILED;
}

/* The program in the session. */
static int run_program(const struct cut_campaign *campaign, int output, enum cut_end *end,
                       int *status) {
    const struct cut_child child = {.arguments = campaign->program,
                                    .session = campaign->session,
                                    .watch = campaign->options->watch,
                                    .output = output,
                                    .seconds = campaign->options->timeout};
    *end = cut_run_child(&child, status);
    return *end == CUT_INTERRUPTED   ? interrupted()
           : *end == CUT_NOT_STARTED ? CLI_RUN_FAILED
                                     : CUT_GO_ON;
}

/* Is there anything to cut? */
static int judge_first_run(struct cut_campaign *campaign, enum cut_end end, int status,
                           int output) {
    char what[160];
    campaign->late = end == CUT_LATE;
    if (!campaign->late && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        say_output(output);
        describe(campaign, what, sizeof what, "the program", end, status);
        cli_complain("without any cut %s Only a program that works can be tested so", what);
        return CLI_RUN_FAILED;
    }
    if (campaign->counts.records == 0) {
        cli_complain("the program made no token: is it linked with libnvrtl, and does it map a "
                     "file? There is nothing to cut (--watch is for programs without)");
        return CLI_USAGE;
    }
    if (campaign->counts.full)
        cli_complain("the log has no room after record %" PRIu64
                     ": later moments are not tried, since memory is short",
                     campaign->counts.records);
    return CUT_GO_ON;
}

int cut_count_moments(struct cut_campaign *campaign) {
    const struct cut_moment never = {0};
    enum cut_end end;
    int status = 0, result = reset(campaign);
    if (result != CUT_GO_ON)
        return result;
    int output = memfd_create("nvrtl-output", MFD_CLOEXEC);
    if (output < 0 || !cut_begin(campaign->session, &never)) {
        cli_complain("no memory for the run: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    result = run_program(campaign, output, &end, &status);
    campaign->counts = cut_counts(campaign->session);
    if (result == CUT_GO_ON)
        result = judge_first_run(campaign, end, status, output);
    if (result == CUT_GO_ON && !cut_learn_files(&campaign->files, campaign->session))
        result = CLI_RUN_FAILED;
    close(output);
    return result;
}

/* Half of the moments are any record, or the end; a quarter each are just before a drain, where
   most is in flight, and just after an acknowledgement, where most is promised. */
static struct cut_moment draw(const struct cut_campaign *campaign, struct chance *chance) {
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

static bool learn(struct cut_campaign *campaign, struct attempt *attempt) {
    uint64_t *ids[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    bool learnt = cut_learn_files(&campaign->files, campaign->session) &&
                  cut_marks(campaign->session, NVRTL_OP_BEGIN, &ids[0], &counts[0]) &&
                  cut_marks(campaign->session, NVRTL_OP_ACK, &ids[1], &counts[1]);
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

/* Unless an earlier cut has failed too. */
static int report(struct cut_campaign *campaign, const struct attempt *attempt,
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
    if (cut_is_first_failure(campaign, attempt->run))
        cut_tell(&failure, campaign->told);
    return CUT_FOUND;
}

/* A variable of the environment may be 32 pages long, with its name. */
#define IDS_MOST ((size_t)(128 << 10) - 16)

static int recover(struct cut_campaign *campaign, struct attempt *attempt, int output,
                   enum cut_end *end, int *status) {
    struct cut_child child = {.arguments = campaign->program,
                              .begun = attempt->begun,
                              .acked = attempt->acked,
                              .output = output,
                              .seconds = campaign->options->timeout};
    char *command = NULL;
    if (campaign->check == NULL) {
        /* It knows nothing of them, most likely, and the system takes no longer ones. */
        if (strlen(attempt->begun) > IDS_MOST || strlen(attempt->acked) > IDS_MOST)
            child.begun = child.acked = NULL;
        *end = cut_run_child(&child, status);
    } else {
        command = cut_fill_in(campaign->check, &campaign->files);
        *end = command != NULL ? cut_run_shell(command, &child, status) : CUT_NOT_STARTED;
    }
    free(command);
    if (*end == CUT_INTERRUPTED)
        return interrupted();
    if (*end == CUT_NOT_STARTED)
        return CLI_RUN_FAILED;
    bool cannot = campaign->check != NULL && *end == CUT_ENDED && WIFEXITED(*status) &&
                  (WEXITSTATUS(*status) == 126 || WEXITSTATUS(*status) == 127);
    if (!cannot)
        return CUT_GO_ON;
    say_output(output);
    cli_complain("the check cannot be run: %s", campaign->check);
    return CLI_RUN_FAILED;
}

/* A program that goes on for ever may do so as its own recovery too. */
static bool has_failed(const struct cut_campaign *campaign, enum cut_end end, int status) {
    bool by_command = campaign->check != NULL;
    if (end == CUT_LATE)
        return by_command || !campaign->late;
    return by_command ? !WIFEXITED(status) || WEXITSTATUS(status) != 0 : WIFSIGNALED(status);
}

static int check(struct cut_campaign *campaign, struct attempt *attempt) {
    const char *who = campaign->check != NULL ? "The check" : "The program, run again,";
    struct cut_files images = {0}; /* copies, numbered as before: recovery changes the files */
    char what[160];
    enum cut_end end;
    int status = 0, output = memfd_create("nvrtl-output", MFD_CLOEXEC);
    if (output < 0 || !cut_learn_names(&images, &campaign->files) || !cut_save_files(&images)) {
        cli_complain("no memory for the check: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    int result = recover(campaign, attempt, output, &end, &status);
    if (result == CUT_GO_ON && has_failed(campaign, end, status)) {
        describe(campaign, what, sizeof what, who, end, status);
        result = report(campaign, attempt, &images, what, output);
    }
    cut_forget_files(&images);
    close(output);
    return result;
}

/* What follows when all processes are gone. */
static int judge(struct cut_campaign *campaign, struct attempt *attempt, int status) {
    const struct cut_files none = {0};
    char what[160];
    attempt->counts = cut_counts(campaign->session);
    if (!learn(campaign, attempt))
        return CLI_RUN_FAILED;
    /* With a reset all runs are alike, and every cut depends on its number alone. */
    if (attempt->ended && !attempt->counts.full && campaign->options->at == 0 &&
        campaign->reset == NULL)
        campaign->counts = attempt->counts;
    if (attempt->ended && WIFSIGNALED(status)) {
        describe(campaign, what, sizeof what, "Before any cut the program", CUT_ENDED, status);
        return report(campaign, attempt, &none, what, -1);
    }
    if (((attempt->ended || attempt->late) && attempt->counts.full) || attempt->counts.waiting ||
        attempt->counts.lost) {
        campaign->skipped++;
        return CUT_GO_ON;
    }
    if (!cut_write_image(campaign->session, campaign->options->model, &attempt->chance,
                         &attempt->outcome)) {
        const struct cut_outcome *outcome = &attempt->outcome;
        cli_complain("%s %s%s%s", outcome->problem, outcome->problem_path,
                     outcome->error != 0 ? ": " : "",
                     outcome->error != 0 ? strerror(outcome->error) : "");
        return CLI_RUN_FAILED;
    }
    if (attempt->ended && campaign->options->at > attempt->counts.records + 1)
        cli_complain("the program has come to its end with record %" PRIu64 ": it was cut there",
                     attempt->counts.records);
    campaign->gone += attempt->outcome.gone != 0;
    campaign->idle += attempt->outcome.lost + attempt->outcome.torn + attempt->outcome.kept == 0;
    return check(campaign, attempt);
}

int cut_once(struct cut_campaign *campaign, uint64_t run) {
    struct attempt attempt = {.run = run, .chance = chance_seeded(campaign->options->seed, run)};
    const struct cut_moment moment = draw(campaign, &attempt.chance);
    enum cut_end end;
    int status = 0, result = reset(campaign);
    if (result == CUT_GO_ON && !cut_save_files(&campaign->files))
        result = CLI_RUN_FAILED;
    if (result != CUT_GO_ON)
        return result;
    if (!cut_begin(campaign->session, &moment)) {
        cli_complain("no memory for the run: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    result = run_program(campaign, -1, &end, &status);
    attempt.ended = end == CUT_ENDED;
    attempt.late = end == CUT_LATE; /* then this is the moment */
    if (result == CUT_GO_ON)
        result = judge(campaign, &attempt, status);
    free(attempt.begun);
    free(attempt.acked);
    return result;
}
