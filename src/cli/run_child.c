/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the program under the verifier and waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/run.h"
#include "verify/session.h"

static volatile sig_atomic_t child_pid;

/* Whoever ends the verifier means the program; when only processes that it left behind are waited
   for, the wait. */
static volatile sig_atomic_t interrupted;

static void pass_on(int signal_number) {
    if (child_pid > 0)
        kill(child_pid, signal_number);
    else
        interrupted = 1;
}

/* The terminal sends its signals to the program as well: what comes of them is its affair. */
static void note(int signal_number) {
    (void)signal_number;
    if (child_pid == 0)
        interrupted = 1;
}

static const struct {
    int number;
    void (*handler)(int);
} caught[] = {{SIGINT, note}, {SIGQUIT, note}, {SIGTERM, pass_on}, {SIGHUP, pass_on}};
#define CAUGHT ARRAY_LENGTH(caught)

struct signals {
    sigset_t mask;
    struct sigaction actions[CAUGHT];
};

/* From here on none of them ends this process: they wait until allow_signals, or a call of ppoll.
   */
static void hold_signals(struct signals *saved) {
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < CAUGHT; i++)
        sigaddset(&held, caught[i].number);
    sigprocmask(SIG_BLOCK, &held, &saved->mask);
    for (size_t i = 0; i < CAUGHT; i++) {
        const struct sigaction action = {.sa_handler = caught[i].handler};
        sigaction(caught[i].number, &action, &saved->actions[i]);
        if (saved->actions[i].sa_handler == SIG_IGN) /* nohup, or a job in the background */
            sigaction(caught[i].number, &saved->actions[i], NULL);
    }
}

static void restore_signals(const struct signals *saved) {
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i].number, &saved->actions[i], NULL);
    sigprocmask(SIG_SETMASK, &saved->mask, NULL);
}

static bool look_for_runtime(char path[PATH_MAX]) {
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length <= 0)
        return false;
    own[length] = '\0';
    char *slash = strrchr(own, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return snprintf(path, PATH_MAX, "%s/" NVRTL_RT_INSTALL_DIR "/libnvrtl-rt.so", own) < PATH_MAX &&
           access(path, R_OK) == 0;
}

bool run_find_runtime(char path[PATH_MAX]) {
    if (look_for_runtime(path))
        return true;
    cli_complain("libnvrtl-rt.so is not where it belongs beside this command: is the installation "
                 "complete?");
    return false;
}

bool run_prepare_environment(const char *runtime, int descriptor, pid_t parent) {
    char run[64];
    snprintf(run, sizeof run, "%d:%ld", descriptor, (long)parent);
    return setenv("NVRTL_VERIFIER", runtime, 1) == 0 && setenv("NVRTL_ARENA", run, 1) == 0;
}

/* Puts text before what a variable holds. */
static bool prepend(const char *name, const char *text, const char *separator) {
    const char *before = getenv(name);
    char *all;
    bool empty = before == NULL || before[0] == '\0';
    if (asprintf(&all, "%s%s%s", text, empty ? "" : separator, empty ? "" : before) < 0)
        return false;
    bool set = setenv(name, all, 1) == 0;
    free(all);
    return set;
}

/* libnvrtl-watch.so lies beside the runtime, which it brings along behind the program's own
   libraries. It comes before what the program itself wants to have loaded first, which it passes
   every call on to; AddressSanitizer would not start so. */
static bool prepare_preload(const struct run_preload *preload, const char *runtime) {
    char library[PATH_MAX + 32];
    int folder = (int)(strrchr(runtime, '/') - runtime);
    snprintf(library, sizeof library, "%.*s/libnvrtl-watch.so", folder, runtime);
    return !preload->wanted ||
           (prepend("LD_PRELOAD", library, ":") &&
            prepend("ASAN_OPTIONS", "verify_asan_link_order=0", ":") &&
            (preload->watch == NULL || setenv("NVRTL_WATCH", preload->watch, 1) == 0));
}

/* In the child: becomes the program, or tells why not through the pipe. */
static void become(const struct verify_session *session, char **program,
                   const struct run_preload *preload, const char *runtime,
                   const struct signals *signals, pid_t parent, int tell) {
    int descriptor = verify_descriptor(session);
    restore_signals(signals);
    if (fcntl(descriptor, F_SETFD, 0) == 0 &&
        run_prepare_environment(runtime, descriptor, parent) && prepare_preload(preload, runtime))
        execvp(program[0], program);
    int error = errno;
    ssize_t written = write(tell, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

static int start_failed(const char *program, int error) {
    cli_complain("cannot run %s: %s", program, strerror(error));
    return error == ENOENT ? 127 : 126;
}

/* Waits for the end of a process that need not be a child; false: a signal or an error came. */
static bool wait_for(pid_t pid, const struct timespec *time, const sigset_t *mask, bool *ended) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd wait = {.fd = descriptor, .events = POLLIN};
    *ended = descriptor < 0; /* it has ended, unless descriptors ran out */
    if (descriptor < 0)
        return errno == ESRCH;
    int ready = ppoll(&wait, 1, time, mask);
    close(descriptor);
    *ended = ready > 0;
    return ready >= 0;
}

/* Children of the program that go on after it write to the run too. */
static void wait_for_the_rest(const struct verify_session *session, pid_t pid,
                              const struct signals *signals) {
    const struct timespec second = {.tv_sec = 1};
    bool told = false, ended;
    for (pid_t other; (other = verify_still_running(session, pid)) != 0;) {
        if (!wait_for(other, told ? NULL : &second, &signals->mask, &ended)) {
            if (interrupted)
                cli_complain(
                    "process %ld still runs: what it does from now on is not in the report",
                    (long)other);
            return;
        }
        if (!ended && !told) {
            cli_complain("the program has ended; waiting for its process %ld (a signal ends the "
                         "wait)",
                         (long)other);
            told = true;
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}

/* Waits for the program. Here signals are let through. */
static void wait_for_program(pid_t pid, int *status, const struct signals *signals) {
    sigset_t held;
    child_pid = pid;
    sigprocmask(SIG_SETMASK, &signals->mask, &held);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
    sigprocmask(SIG_SETMASK, &held, NULL);
    child_pid = 0;
}

int run_child(const struct verify_session *session, char **program,
              const struct run_preload *preload, pid_t *pid, int *status) {
    char runtime[PATH_MAX];
    int tell[2], error = 0;
    if (!run_find_runtime(runtime))
        return CLI_RUN_FAILED;
    if (pipe2(tell, O_CLOEXEC) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        cli_complain("cannot start a process: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    pid_t self = getpid();
    struct signals signals;
    hold_signals(&signals);
    *pid = fork();
    if (*pid == 0)
        become(session, program, preload, runtime, &signals, self, tell[1]);
    bool started = *pid > 0;
    if (!started)
        cli_complain("cannot start a process: %s", strerror(errno));
    close(tell[1]);
    bool failed = started && read(tell[0], &error, sizeof error) == (ssize_t)sizeof error;
    close(tell[0]);
    if (started)
        wait_for_program(*pid, status, &signals);
    if (started && !failed)
        wait_for_the_rest(session, *pid, &signals);
    restore_signals(&signals);
    return !started ? CLI_RUN_FAILED : failed ? start_failed(program[0], error) : 0;
}
