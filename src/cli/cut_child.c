/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts programs, waits for all that becomes of them, and ends it where the power is cut. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cut.h"
#include "cli/run.h"

/* All of them wait until this process asks for them. */
static sigset_t held, usual;
static int interrupted_by;
static char runtime[PATH_MAX];

bool cut_prepare_children(void) {
    if (!run_find_runtime(runtime))
        return false;
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    signal(SIGCHLD, SIG_DFL); /* a parent that ignores it would have the children's ends lost */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && sigprocmask(SIG_BLOCK, &held, &usual) == 0)
        return true;
    cli_complain("cannot watch processes: %s", strerror(errno));
    return false;
}

int cut_interrupted(void) {
    const struct timespec now = {0};
    sigset_t ends = held;
    sigdelset(&ends, SIGCHLD);
    int number = interrupted_by == 0 ? sigtimedwait(&ends, NULL, &now) : 0;
    if (number > 0)
        interrupted_by = number;
    return interrupted_by;
}

/* Kills every child there is. Their own children become this process's then, and come next. */
static void kill_children(void) {
    char path[64], *pid = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    FILE *list = fopen(path, "re");
    while (list != NULL && getdelim(&pid, &room, ' ', list) > 0) {
        long number = strtol(pid, NULL, 10);
        if (number > 0)
            kill((pid_t)number, SIGKILL);
    }
    free(pid);
    if (list != NULL)
        fclose(list);
}

static void set(const char *name, const char *value) {
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* In the child: becomes the program, or tells why not through the pipe. */
static void become(const struct cut_child *child, pid_t parent, int tell) {
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int output = child->output >= 0 ? child->output : nothing;
    bool ready = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
                 dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0;
    set("NVRTL_VERIFIER", NULL);
    set("NVRTL_ARENA", NULL);
    set("NVRTL_BEGUN", child->begun);
    set("NVRTL_ACKED", child->acked);
    if (ready && child->session != NULL) {
        int descriptor = cut_descriptor(child->session);
        ready = fcntl(descriptor, F_SETFD, 0) == 0 &&
                run_prepare_environment(runtime, descriptor, parent);
    }
    sigprocmask(SIG_SETMASK, &usual, NULL);
    if (ready)
        execvp(child->arguments[0], child->arguments);
    int error = errno;
    ssize_t written = write(tell, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

/* The process, or -1, told with a sentence. */
static pid_t start(const struct cut_child *child) {
    int tell[2], error = 0;
    pid_t parent = getpid();
    if (pipe2(tell, O_CLOEXEC) != 0) {
        cli_complain("cannot start a process: %s", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(child, parent, tell[1]);
    if (pid < 0)
        error = errno;
    close(tell[1]);
    if (pid < 0 || read(tell[0], &error, sizeof error) == (ssize_t)sizeof error) {
        cli_complain("cannot run %s: %s", child->arguments[0], strerror(error));
        if (pid > 0)
            waitpid(pid, NULL, 0);
        pid = -1;
    }
    close(tell[0]);
    return pid;
}

/* A process that reaches the moment ends itself; the others of the run are looked after from here.
   Hence the short waits, though the end of the program alone ends them too. */
enum cut_end cut_run_child(const struct cut_child *child, int *status) {
    const struct timespec pause = {.tv_nsec = 10000000};
    enum cut_end end = CUT_ENDED;
    bool main_ended = false;
    pid_t pid = start(child);
    if (pid < 0)
        return CUT_NOT_STARTED;
    for (;;) {
        int one;
        pid_t ended = waitpid(-1, &one, WNOHANG);
        if (ended < 0 && errno == ECHILD)
            return end;
        if (ended == pid) {
            *status = one;
            main_ended = true;
        }
        if (child->session != NULL && end == CUT_ENDED && cut_reached(child->session))
            end = CUT_CUT;
        if (cut_interrupted() != 0)
            end = CUT_INTERRUPTED;
        if (end != CUT_ENDED || (main_ended && child->session == NULL))
            kill_children();
        if (ended == 0) {
            int number = sigtimedwait(&held, NULL, &pause);
            if (number > 0 && number != SIGCHLD)
                interrupted_by = number;
        }
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
