/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts programs, waits for all that becomes of them, and ends it where the power is cut. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/cut.h"
#include "cli/run.h"
#include "sandbox/children.h"

/* All of them wait until this process asks for them. */
static sigset_t held, usual;
static int interrupted_by;
static const _Atomic int *stopped_by;
static char runtime[PATH_MAX];

/* Who ignores a signal, under nohup or in the background, is not interrupted by it. While it is
   held the system would keep it all the same. */
static void hold_unless_ignored(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_IGN)
        sigaddset(&held, number);
}

bool cut_prepare_children(void) {
    if (!run_find_runtime(runtime))
        return false;
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    hold_unless_ignored(SIGINT);
    hold_unless_ignored(SIGTERM);
    hold_unless_ignored(SIGHUP);
    signal(SIGCHLD, SIG_DFL); /* a parent that ignores it would have the children's ends lost */
    if (children_adopt() && sigprocmask(SIG_BLOCK, &held, &usual) == 0)
        return true;
    cli_complain("cannot watch processes: %s", strerror(errno));
    return false;
}

bool cut_prepare_job(const _Atomic int *stop, pid_t parent) {
    stopped_by = stop;
    if (!children_adopt() || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
        cli_complain("cannot watch processes: %s", strerror(errno));
        return false;
    }
    return getppid() == parent;
}

int cut_interrupted(void) {
    const struct timespec now = {0};
    sigset_t ends = held;
    sigdelset(&ends, SIGCHLD);
    int number = interrupted_by == 0 ? sigtimedwait(&ends, NULL, &now) : 0;
    if (number <= 0 && stopped_by != NULL)
        number = atomic_load(stopped_by);
    if (number > 0)
        interrupted_by = number;
    return interrupted_by;
}

void cut_pause(long milliseconds) {
    const struct timespec pause = {.tv_sec = milliseconds / 1000,
                                   .tv_nsec = milliseconds % 1000 * 1000000};
    int number = sigtimedwait(&held, NULL, &pause);
    if (number > 0 && number != SIGCHLD)
        interrupted_by = number;
}

/* The environment of a child: that of this process but for what belongs to a run. */
struct environment {
    char run[64], *verifier, *preload, *asan, *watch, *begun, *acked;
    char **list;
};

/* The last two only in a run that is recorded. */
static bool is_ours(const char *variable, bool recorded) {
    static const char *const names[] = {
        "NVRTL_VERIFIER=", "NVRTL_ARENA=", "NVRTL_BEGUN=", "NVRTL_ACKED=",
        "NVRTL_WATCH=",    "LD_PRELOAD=",  "ASAN_OPTIONS="};
    for (size_t i = 0; i < ARRAY_LENGTH(names) - (recorded ? 0 : 2); i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* Adds NAME=VALUE. false: no memory. */
static bool add(struct environment *made, size_t *count, char **text, const char *name,
                const char *value) {
    if (value == NULL)
        return true;
    if (asprintf(text, "%s=%s", name, value) < 0) {
        *text = NULL;
        return false;
    }
    made->list[(*count)++] = *text;
    return true;
}

/* Adds NAME=VALUE:, and behind it what NAME is here. */
static bool add_before(struct environment *made, size_t *count, char **text, const char *name,
                       const char *value) {
    const char *before = getenv(name);
    char *all;
    if (asprintf(&all, "%s%s%s", value, before != NULL && *before != '\0' ? ":" : "",
                 before != NULL ? before : "") < 0)
        return false;
    bool added = add(made, count, text, name, all);
    free(all);
    return added;
}

/* What tells the runtime of the program's own waits, by msync and fsync. AddressSanitizer wants to
   be the first. */
static bool add_preload(struct environment *made, size_t *count) {
    char library[sizeof runtime + 32];
    int folder = (int)(strrchr(runtime, '/') - runtime);
    snprintf(library, sizeof library, "%.*s/libnvrtl-watch.so", folder, runtime);
    return add_before(made, count, &made->preload, "LD_PRELOAD", library) &&
           add_before(made, count, &made->asan, "ASAN_OPTIONS", "verify_asan_link_order=0");
}

static void forget_environment(const struct environment *made) {
    free(made->verifier);
    free(made->preload);
    free(made->asan);
    free(made->watch);
    free(made->begun);
    free(made->acked);
    free(made->list);
}

/* false: no memory. */
static bool make_environment(struct environment *made, const struct cut_child *child) {
    size_t count = 0, kept = 0;
    *made = (struct environment){0};
    while (environ[count] != NULL)
        count++;
    made->list = calloc(count + 8, sizeof *made->list);
    for (size_t i = 0; made->list != NULL && i < count; i++) {
        if (!is_ours(environ[i], child->session != NULL))
            made->list[kept++] = environ[i];
    }
    if (made->list != NULL && child->session != NULL) {
        snprintf(made->run, sizeof made->run, "NVRTL_ARENA=%d:%ld", cut_descriptor(child->session),
                 (long)getpid());
        made->list[kept++] = made->run;
    }
    return made->list != NULL &&
           add(made, &kept, &made->verifier, "NVRTL_VERIFIER",
               child->session != NULL ? runtime : NULL) &&
           (child->session == NULL || add_preload(made, &kept)) &&
           add(made, &kept, &made->watch, "NVRTL_WATCH", child->watch) &&
           add(made, &kept, &made->begun, "NVRTL_BEGUN", child->begun) &&
           add(made, &kept, &made->acked, "NVRTL_ACKED", child->acked);
}

/* 0, or errno. To fork would be slow: this process has touched much memory, which a fork makes both
   touch anew. */
static int spawn(const struct cut_child *child, char **variables, pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&files);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    error = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0 && child->output >= 0)
        error = posix_spawn_file_actions_adddup2(&files, child->output, STDOUT_FILENO);
    else if (error == 0)
        error = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    if (error == 0 && child->session != NULL) /* onto itself: inherited */
        error = posix_spawn_file_actions_adddup2(&files, cut_descriptor(child->session),
                                                 cut_descriptor(child->session));
    if (error == 0)
        error = posix_spawnattr_setsigmask(&attributes, &usual);
    if (error == 0)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = posix_spawnp(pid, child->arguments[0], &files, &attributes, child->arguments,
                             variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* The process, or -1, told with a sentence. */
static pid_t start(const struct cut_child *child) {
    struct environment made;
    pid_t pid = -1;
    int error = ENOMEM;
    if (make_environment(&made, child))
        error = spawn(child, made.list, &pid);
    forget_environment(&made);
    if (error == 0)
        return pid;
    cli_complain("cannot run %s: %s%s", child->arguments[0], strerror(error),
                 error == E2BIG && child->acked != NULL
                     ? " (NVRTL_BEGUN and NVRTL_ACKED have room for 128 KiB of ids each)"
                     : "");
    return -1;
}

static bool is_over(const struct timespec *start, uint64_t seconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t whole = (uint64_t)(now.tv_sec - start->tv_sec) - (now.tv_nsec < start->tv_nsec);
    return seconds != 0 && whole >= seconds;
}

/* What has become of a child that still had processes just now? */
static enum cut_end look(const struct cut_child *child, const struct timespec *start) {
    return cut_interrupted() != 0                                  ? CUT_INTERRUPTED
           : child->session != NULL && cut_reached(child->session) ? CUT_CUT
           : is_over(start, child->seconds)                        ? CUT_LATE
                                                                   : CUT_ENDED;
}

/* A process that reaches the moment ends itself; the others of the run are looked after from here.
   Hence the short waits, though the end of the program alone ends them too. */
enum cut_end cut_run_child(const struct cut_child *child, int *status) {
    enum cut_end end = CUT_ENDED;
    struct timespec began;
    bool main_ended = false;
    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t pid = start(child);
    if (pid < 0)
        return CUT_NOT_STARTED;
    for (;;) {
        int one;
        pid_t ended = waitpid(-1, &one, WNOHANG);
        if (ended < 0 && errno == ECHILD)
            /* Ctrl-C goes to the child too, which may have died of it: no end of its own. */
            return end != CUT_ENDED                                        ? end
                   : cut_interrupted() != 0                                ? CUT_INTERRUPTED
                   : child->session != NULL && cut_reached(child->session) ? CUT_CUT
                                                                           : CUT_ENDED;
        if (ended == pid) {
            *status = one;
            main_ended = true;
        }
        if (end == CUT_ENDED && !(main_ended && child->session == NULL))
            end = look(child, &began);
        if (end != CUT_ENDED || (main_ended && child->session == NULL))
            children_kill(getpid());
        if (ended == 0)
            cut_pause(10);
    }
}

enum cut_end cut_run_shell(const char *command, const struct cut_child *child, int *status) {
    char shell[] = "/bin/sh", option[] = "-c", *copy = strdup(command);
    char *arguments[] = {shell, option, copy, NULL};
    struct cut_child with = *child;
    with.arguments = arguments;
    if (copy == NULL) {
        cli_complain("out of memory");
        return CUT_NOT_STARTED;
    }
    enum cut_end end = cut_run_child(&with, status);
    free(copy);
    return end;
}
