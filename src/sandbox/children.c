/* SPDX-License-Identifier: BSD-2-Clause */
#include "sandbox/children.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool children_adopt(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

/* For who cannot be interrupted now. */
#define END_WAIT 1000 /* milliseconds */

/* Waits until it has ended, so that its own children have another parent. false: it had before. */
static bool kill_one(pid_t pid) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = descriptor, .events = POLLIN};
    bool lives = descriptor < 0 || poll(&ended, 1, 0) == 0;
    lives = lives && kill(pid, SIGKILL) == 0;
    if (lives && descriptor >= 0)
        poll(&ended, 1, END_WAIT);
    if (descriptor >= 0)
        close(descriptor);
    return lives;
}

bool children_kill(pid_t parent) {
    char path[64], *pid = NULL;
    size_t room = 0;
    bool any = false;
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)parent, (long)parent);
    FILE *list = fopen(path, "re");
    while (list != NULL && getdelim(&pid, &room, ' ', list) > 0) {
        long number = strtol(pid, NULL, 10);
        any |= number > 0 && kill_one((pid_t)number);
    }
    free(pid);
    if (list != NULL)
        fclose(list);
    return any;
}

void children_end(void) {
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) >= 0 || errno == EINTR) {
        if (ended == 0 && !children_kill(getpid()))
            return;
    }
}
