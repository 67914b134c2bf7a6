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

/* Out of the way of programs that expect low numbers, and below the usual limit. */
#define ARENA_DESCRIPTOR 900

static volatile sig_atomic_t child_pid;

/* Whoever ends the verifier means the program. */
static void pass_on(int signal_number) {
    if (child_pid > 0)
        kill(child_pid, signal_number);
}

/* The terminal sends its signals to the program as well: it decides, and we tell what came of it. */
static const int from_terminal[] = {SIGINT, SIGQUIT};
static const int to_pass_on[] = {SIGTERM, SIGHUP};

static void catch_signals(struct sigaction saved[4]) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, pass = {.sa_handler = pass_on};
    for (size_t i = 0; i < ARRAY_LENGTH(from_terminal); i++)
        sigaction(from_terminal[i], &ignore, &saved[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(to_pass_on); i++)
        sigaction(to_pass_on[i], &pass, &saved[2 + i]);
}

static void restore_signals(const struct sigaction saved[4]) {
    for (size_t i = 0; i < ARRAY_LENGTH(from_terminal); i++)
        sigaction(from_terminal[i], &saved[i], NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(to_pass_on); i++)
        sigaction(to_pass_on[i], &saved[2 + i], NULL);
}

/* The runtime lies where it was installed or built, seen from this executable. */
static bool find_runtime(char path[PATH_MAX]) {
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

/* Tells the program's libnvrtl where the verifier is and which run it belongs to. */
static bool prepare_environment(const char *runtime, int descriptor, pid_t parent) {
    char run[64];
    snprintf(run, sizeof run, "%d:%ld", descriptor, (long)parent);
    return setenv("NVRTL_VERIFIER", runtime, 1) == 0 && setenv("NVRTL_ARENA", run, 1) == 0;
}

/* In the child: becomes the program, or tells why not through the pipe. */
static void become(const struct verify_session *session, char **program, const char *runtime,
                   pid_t parent, int tell) {
    int descriptor = fcntl(verify_descriptor(session), F_DUPFD, ARENA_DESCRIPTOR);
    if (descriptor < 0)
        descriptor = fcntl(verify_descriptor(session), F_DUPFD, 3);
    if (descriptor >= 0 && prepare_environment(runtime, descriptor, parent))
        execvp(program[0], program);
    int error = errno;
    ssize_t written = write(tell, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

static int start_failed(const char *program, int error) {
    cli_complain("cannot run %s: %s", program, strerror(error));
    return error == ENOENT ? 127 : 126;
}

/* Children of the program that go on after it write to the run too. */
static void wait_for_the_rest(const struct verify_session *session, pid_t pid) {
    bool told = false;
    for (pid_t other; (other = verify_still_running(session, pid)) != 0;) {
        int descriptor = (int)syscall(SYS_pidfd_open, other, 0);
        struct pollfd ended = {.fd = descriptor, .events = POLLIN};
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (descriptor < 0)
            continue;
        if (!told && poll(&ended, 1, 1000) == 0) {
            cli_complain("the program has ended; waiting for its process %ld", (long)other);
            told = true;
        }
        int ready = poll(&ended, 1, -1);
        close(descriptor);
        if (ready < 0 && errno != EINTR)
            return;
    }
}

int run_child(const struct verify_session *session, char **program, pid_t *pid, int *status) {
    char runtime[PATH_MAX];
    int tell[2], error = 0;
    if (!find_runtime(runtime)) {
        cli_complain("libnvrtl-rt.so is not where it belongs beside this command: is the "
                     "installation complete?");
        return CLI_RUN_FAILED;
    }
    if (pipe2(tell, O_CLOEXEC) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        cli_complain("cannot start a process: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    pid_t self = getpid();
    *pid = fork();
    if (*pid == 0)
        become(session, program, runtime, self, tell[1]);
    struct sigaction saved[4];
    child_pid = *pid;
    catch_signals(saved);
    close(tell[1]);
    bool failed = *pid < 0;
    if (!failed)
        failed = read(tell[0], &error, sizeof error) == (ssize_t)sizeof error;
    close(tell[0]);
    while (*pid > 0 && waitpid(*pid, status, 0) < 0 && errno == EINTR) {
    }
    child_pid = 0;
    restore_signals(saved);
    if (*pid < 0) {
        cli_complain("cannot start a process: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    if (failed)
        return start_failed(program[0], error);
    wait_for_the_rest(session, *pid);
    return 0;
}
