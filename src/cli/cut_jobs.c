/* SPDX-License-Identifier: BSD-2-Clause */
/* All cuts, by processes side by side. Which of them makes which cut is fixed, each cut depends on
   its number alone, and of the cuts that fail the first one is told: so what is found does not
   depend on how many there are, nor on their pace. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cut.h"

/* What the processes tell each other. */
struct cut_board {
    _Atomic uint64_t first; /* number of the first cut that ended it all; UINT64_MAX: none so far */
    _Atomic int stop;       /* a signal for all of them, or 0 */
    struct {
        _Atomic uint64_t at; /* number of the cut that it makes; UINT64_MAX: it makes no more */
        _Atomic uint64_t done, skipped, gone, idle;
    } jobs[CUT_JOBS];
};

/* The parent's view of them. */
struct team {
    const struct cut_options *options;
    struct cut_board *board;
    FILE *told; /* of a failure, by the process that found it */
    struct cut_counts counts;
    struct cut_files files; /* of the first run */
    bool late;
    pid_t pids[CUT_JOBS];
    uint64_t living;
    int failed; /* the status of one that could not go on, or CUT_GO_ON */
};

static void end_at(struct cut_board *board, uint64_t run) {
    uint64_t first = atomic_load(&board->first);
    while (run < first && !atomic_compare_exchange_weak(&board->first, &first, run)) {
    }
}

/* Does nobody work on an earlier cut any more? */
static bool is_next(const struct cut_board *board, uint64_t run) {
    for (size_t i = 0; i < CUT_JOBS; i++) {
        if (atomic_load(&board->jobs[i].at) < run)
            return false;
    }
    return true;
}

bool cut_is_first_failure(const struct cut_campaign *campaign, uint64_t run) {
    const struct timespec pause = {.tv_nsec = 10000000};
    struct cut_board *board = campaign->board;
    end_at(board, run);
    while (atomic_load(&board->first) == run && !is_next(board, run) && cut_interrupted() == 0)
        nanosleep(&pause, NULL);
    return atomic_load(&board->first) == run;
}

static uint64_t seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* TEXT with each {%} replaced by the number of the job; NULL: no memory, or no text. */
static char *fill_in(const char *text, size_t job) {
    char *filled = NULL;
    size_t size = 0;
    FILE *out = text != NULL ? open_memstream(&filled, &size) : NULL;
    if (out == NULL)
        return NULL;
    for (const char *at = text; *at != '\0'; at++) {
        if (strncmp(at, "{%}", 3) != 0) {
            putc(*at, out);
            continue;
        }
        fprintf(out, "%zu", job);
        at += 2;
    }
    return fclose(out) == 0 ? filled : NULL;
}

static void end_campaign(struct cut_campaign *campaign) {
    for (char **word = campaign->program; word != NULL && *word != NULL; word++)
        free(*word);
    free(campaign->program);
    free(campaign->check);
    free(campaign->reset);
    cut_forget_files(&campaign->files);
    cut_end(campaign->session);
}

/* false: told with a sentence. */
static bool begin_campaign(struct cut_campaign *campaign, const struct team *team, size_t job) {
    const struct cut_options *options = team->options;
    size_t count = 0;
    while (options->program[count] != NULL)
        count++;
    *campaign = (struct cut_campaign){.options = options,
                                      .board = team->board,
                                      .told = team->told,
                                      .session = cut_new(options->stores),
                                      .check = fill_in(options->check, job),
                                      .reset = fill_in(options->reset, job),
                                      .program = calloc(count + 1, sizeof(char *))};
    bool whole = campaign->session != NULL && campaign->program != NULL &&
                 (campaign->check != NULL) == (options->check != NULL) &&
                 (campaign->reset != NULL) == (options->reset != NULL);
    for (size_t i = 0; whole && i < count; i++) {
        campaign->program[i] = fill_in(options->program[i], job);
        whole = campaign->program[i] != NULL;
    }
    if (!whole)
        cli_complain("out of memory");
    return whole;
}

/* Every jobs-th cut. */
static int make_cuts(struct cut_campaign *campaign, size_t job, uint64_t start) {
    const struct cut_options *options = campaign->options;
    struct cut_board *board = campaign->board;
    int result = CUT_GO_ON;
    for (uint64_t i = job; result == CUT_GO_ON && i < options->runs; i += options->jobs) {
        uint64_t run = options->first + i;
        atomic_store(&board->jobs[job].at, run);
        if (run > atomic_load(&board->first) ||
            (options->seconds != 0 && seconds_now() - start >= options->seconds))
            break;
        result = cut_once(campaign, run);
        if (result != CUT_GO_ON)
            end_at(board, run);
        else
            atomic_fetch_add(&board->jobs[job].done, 1);
        atomic_store(&board->jobs[job].skipped, campaign->skipped);
        atomic_store(&board->jobs[job].gone, campaign->gone);
        atomic_store(&board->jobs[job].idle, campaign->idle);
    }
    atomic_store(&board->jobs[job].at, UINT64_MAX);
    return result;
}

/* In the child: a job from its beginning to its end. It learns its files' names from its own first
   run, or, as the only one, from that of all. */
static int work(const struct team *team, size_t job, uint64_t start, pid_t parent) {
    struct cut_campaign campaign;
    if (!cut_prepare_job(&team->board->stop, parent))
        return CLI_RUN_FAILED;
    int result = begin_campaign(&campaign, team, job + 1) ? CUT_GO_ON : CLI_RUN_FAILED;
    if (result == CUT_GO_ON && team->options->at == 0 && team->options->jobs > 1)
        result = cut_count_moments(&campaign);
    else if (result == CUT_GO_ON && !cut_learn_names(&campaign.files, &team->files)) {
        cli_complain("out of memory");
        result = CLI_RUN_FAILED;
    }
    campaign.counts = team->counts;
    campaign.late = team->late;
    if (result == CUT_GO_ON)
        result = make_cuts(&campaign, job, start);
    end_campaign(&campaign);
    return result == CUT_GO_ON ? EXIT_SUCCESS : result;
}

static bool start_jobs(struct team *team, uint64_t start) {
    pid_t parent = getpid();
    fflush(NULL);
    for (size_t job = 0; job < team->options->jobs; job++) {
        team->pids[job] = fork();
        if (team->pids[job] == 0) {
            int status = work(team, job, start, parent);
            fflush(team->told);
            _exit(status);
        }
        if (team->pids[job] < 0) {
            cli_complain("cannot start a process: %s", strerror(errno));
            atomic_store(&team->board->stop, SIGTERM);
            return false;
        }
        team->living++;
    }
    return true;
}

static void note_end(struct team *team, pid_t pid, int status) {
    for (size_t job = 0; job < team->options->jobs; job++) {
        if (team->pids[job] != pid)
            continue;
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_RUN_FAILED;
        if (code != EXIT_SUCCESS && code != CUT_FOUND) {
            team->failed = code;
            if (code <= 128) /* it may have come to no cut, or have died in one */
                end_at(team->board, atomic_load(&team->board->jobs[job].at));
        }
        atomic_store(&team->board->jobs[job].at, UINT64_MAX); /* whatever ended it */
        team->living--;
    }
}

static uint64_t sum_done(const struct team *team) {
    uint64_t done = 0;
    for (size_t job = 0; job < team->options->jobs; job++)
        done += atomic_load(&team->board->jobs[job].done);
    return done;
}

static void wait_for_jobs(struct team *team) {
    struct cli_progress progress;
    cli_progress_start(&progress, team->options->runs);
    progress.things = "cuts";
    while (team->living != 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            note_end(team, pid, status);
            continue;
        }
        if (pid < 0 && errno == ECHILD)
            break;
        if (cut_interrupted() != 0)
            atomic_store(&team->board->stop, cut_interrupted());
        cli_progress_show(&progress, sum_done(team));
        cut_pause(100);
    }
    cli_progress_end(&progress);
}

/* A run without a cut, under the names of the first job. */
static int look_first(struct team *team) {
    struct cut_campaign campaign;
    int result = CLI_RUN_FAILED;
    if (begin_campaign(&campaign, team, 1))
        result = cut_count_moments(&campaign);
    team->counts = campaign.counts;
    team->late = campaign.late;
    team->files = campaign.files;
    campaign.files = (struct cut_files){0};
    end_campaign(&campaign);
    return result;
}

static void copy_told(FILE *told) {
    rewind(told);
    for (int c; (c = getc(told)) != EOF;)
        putchar(c);
}

static const char *cuts(uint64_t count) {
    return count == 1 ? "cut" : "cuts";
}

/* What the answer does not cover. */
static void tell_limits(const struct team *team) {
    const struct cut_options *options = team->options;
    uint64_t skipped = 0, gone = 0, idle = 0;
    for (size_t job = 0; job < options->jobs; job++) {
        skipped += atomic_load(&team->board->jobs[job].skipped);
        gone += atomic_load(&team->board->jobs[job].gone);
        idle += atomic_load(&team->board->jobs[job].idle);
    }
    if (skipped != 0)
        printf("%" PRIu64 " %s could not be judged: not all of what the program did was seen\n",
               skipped, cuts(skipped));
    if (gone != 0)
        printf("%" PRIu64 " %s left a file as it was: it was deleted or moved away\n", gone,
               cuts(gone));
    /* A program that finds its work done stores nothing; a few such cuts are chance. */
    if (options->reset == NULL && idle >= 4 && idle >= sum_done(team))
        printf("%" PRIu64 " %s met no store in flight: without --reset a run begins with what the "
               "last one has left\n",
               idle, cuts(idle));
    if (team->late)
        printf("the program did not end within %" PRIu64
               " seconds (--timeout): later moments were not tried\n",
               options->timeout);
}

static int sum_up(struct team *team) {
    const struct cut_options *options = team->options;
    uint64_t done = sum_done(team);
    bool found = fseek(team->told, 0, SEEK_END) == 0 && ftell(team->told) > 0;
    bool stopped = !found && team->failed > 128;
    if (found)
        copy_told(team->told);
    else if (team->failed != CUT_GO_ON && !stopped)
        return team->failed;
    tell_limits(team);
    if (found)
        return CUT_FOUND;
    printf("%" PRIu64 " %s, seed %" PRIu64, done, cuts(done), options->seed);
    if (options->at == 0)
        printf(", %" PRIu64 " records to cut at", team->counts.records);
    printf(": nothing was found%s\n", stopped ? "; interrupted" : "");
    return stopped ? team->failed : done < options->runs ? CUT_BUDGET : EXIT_SUCCESS;
}

static int run_team(struct team *team) {
    uint64_t start = seconds_now();
    int result = team->options->at != 0 ? CUT_GO_ON : look_first(team);
    if (result > 128)
        team->failed = result;
    else if (result != CUT_GO_ON)
        return result;
    else if (!start_jobs(team, start))
        team->failed = CLI_RUN_FAILED;
    wait_for_jobs(team);
    return sum_up(team);
}

int cut_run_jobs(const struct cut_options *options) {
    struct team team = {.options = options, .failed = CUT_GO_ON};
    int result = CLI_RUN_FAILED;
    team.board =
        mmap(NULL, sizeof *team.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int descriptor = memfd_create("nvrtl-told", MFD_CLOEXEC);
    team.told = descriptor >= 0 ? fdopen(descriptor, "w+") : NULL;
    if (team.board == MAP_FAILED || team.told == NULL) {
        cli_complain("no memory for the run: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    atomic_store(&team.board->first, UINT64_MAX);
    for (size_t i = 0; i < CUT_JOBS; i++) {
        bool is = i < options->jobs && i < options->runs;
        atomic_store(&team.board->jobs[i].at, is ? options->first + i : UINT64_MAX);
    }
    result = run_team(&team);
    cut_forget_files(&team.files);
    fclose(team.told);
    munmap(team.board, sizeof *team.board);
    return result;
}
