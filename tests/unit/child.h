/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests in a process of their own: what they do to signals, limits and mounts ends with it. */
#ifndef UNIT_CHILD_H
#define UNIT_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that hangs is ended by this. */
#define CHILD_LIMIT_SECONDS 100

enum { CHILD_FAILED = 76, CHILD_CANNOT = 77 /* this machine has no such thing */ };

/* In the child, where cmocka's assertions have nowhere to return to. */
#define CHILD_NEED(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(CHILD_FAILED);                                                                   \
        }                                                                                          \
    } while (0)

/* Runs a function in a child; the child's status. */
static inline int child_status(void (*function)(void)) {
    const struct rlimit no_core = {0, 0};
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(CHILD_LIMIT_SECONDS);
        signal(SIGBUS, SIG_DFL); /* cmocka has handlers of its own */
        signal(SIGSEGV, SIG_DFL);
        function();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Runs a function in a child: 0, CHILD_FAILED, CHILD_CANNOT, or the signal that ended it. */
static inline int child_result(void (*function)(void)) {
    int status = child_status(function);
    return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

/* Runs a function in a child. It must return (signal_number 0) or die of that signal. Skips the
   test when the child says CHILD_CANNOT. */
static inline void check_child(void (*function)(void), int signal_number) {
    int status = child_status(function);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_CANNOT)
        skip();
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, signal_number);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
}

#endif
