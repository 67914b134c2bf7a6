/* SPDX-License-Identifier: BSD-2-Clause */
#include "sandbox/processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "sandbox/children.h"

/* So many processes in a row may end without having come to an image. */
#define BARREN_MOST 8

static pid_t spawn(const struct sandbox *sandbox, uint32_t seat, uint32_t only, int output) {
    struct worker worker = {sandbox, seat, only, output, getpid()};
    sandbox->batch->seats[seat].image = 0;
    sandbox->batch->seats[seat].ready = 0;
    pid_t pid = fork();
    if (pid == 0)
        worker_main(&worker);
    if (pid > 0)
        setpgid(pid, pid);
    return pid;
}

static void tell(struct sandbox *sandbox, uint32_t seat, enum sandbox_outcome outcome, int status) {
    struct batch *batch = sandbox->batch;
    uint32_t at = atomic_exchange(&batch->seats[seat].image, 0);
    if (at == BATCH_LOADING) { /* its constructors do not let it be loaded, the next time either */
        if (batch->problem[0] == '\0')
            snprintf(batch->problem, sizeof batch->problem, "%s",
                     outcome == SANDBOX_HUNG ? "the checker is not loaded in time"
                                             : "the checker's process ends while it is loaded");
        atomic_store(&batch->broken, 1);
    }
    if (at == 0 || at > batch->count || batch->images[at - 1].outcome != SANDBOX_PENDING)
        return;
    batch->images[at - 1].status = status;
    atomic_store(&batch->images[at - 1].outcome, outcome);
    sandbox->barren = 0;
}

static void tell_end(struct sandbox *sandbox, uint32_t seat, int status) {
    if (WIFSIGNALED(status))
        tell(sandbox, seat, SANDBOX_KILLED, WTERMSIG(status));
    else
        tell(sandbox, seat, SANDBOX_EXITED, WEXITSTATUS(status));
}

/* Descendants that have to be killed one after the other, as each becomes a child of the worker. */
#define GENERATIONS 16

/* With all that it has started, and what left its group. Stopped it waits for no child, so that
   their numbers are theirs. */
static void end(pid_t pid, int *status) {
    kill(pid, SIGSTOP);
    for (int i = 0; i < GENERATIONS && children_kill(pid); i++) {
    }
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
}

/* Milliseconds until the seat's image has had its time; 0: it has. */
static uint64_t left(const struct sandbox *sandbox, uint32_t seat) {
    const struct batch_seat *at = &sandbox->batch->seats[seat];
    uint64_t now = batch_now(), end = atomic_load(&at->since) + sandbox->options.timeout;
    if (atomic_load(&at->image) == 0)
        return sandbox->options.timeout;
    return now < end ? end - now : 0;
}

/* Has the process ended, or been ended since its time is over? Then its image has a verdict. */
static bool is_gone(struct sandbox *sandbox, uint32_t seat, pid_t pid) {
    int status;
    pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) {
        kill(-pid, SIGKILL);
        tell_end(sandbox, seat, status);
        return true;
    }
    if (ended == 0 && left(sandbox, seat) != 0)
        return false;
    end(pid, &status);
    tell(sandbox, seat, SANDBOX_HUNG, 0);
    return true;
}

static void give_up(struct sandbox *sandbox) {
    struct batch *batch = sandbox->batch;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->images[i].outcome == SANDBOX_PENDING)
            batch->images[i].outcome = SANDBOX_UNUSABLE;
    }
}

static bool is_broken(struct sandbox *sandbox) {
    struct batch *batch = sandbox->batch;
    if (atomic_load(&batch->broken) == 0 && sandbox->barren <= BARREN_MOST)
        return false;
    if (batch->problem[0] == '\0')
        snprintf(batch->problem, sizeof batch->problem,
                 "the checker's process ends before it has met an image");
    give_up(sandbox);
    return true;
}

/* Waits until something may have happened. */
static void wait_for_news(const struct sandbox *sandbox, const uint32_t *seats, const pid_t *pids,
                          uint32_t count) {
    struct pollfd polls[SANDBOX_WORKERS + 1] = {{.fd = sandbox->news[0], .events = POLLIN}};
    uint64_t most = 1000;
    char buffer[64];
    for (uint32_t i = 0; i < count; i++) {
        int descriptor = (int)syscall(SYS_pidfd_open, pids[i], 0);
        uint64_t time = left(sandbox, seats[i]);
        polls[i + 1] = (struct pollfd){.fd = descriptor, .events = POLLIN};
        most = time < most ? time : most;
    }
    poll(polls, count + 1, (int)most);
    if ((polls[0].revents & POLLIN) != 0 && read(sandbox->news[0], buffer, sizeof buffer) < 0)
        errno = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (polls[i + 1].fd >= 0)
            close(polls[i + 1].fd);
    }
}

static bool is_pending(const struct batch *batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        if (atomic_load(&batch->images[i].outcome) == SANDBOX_PENDING)
            return true;
    }
    return false;
}

/* Replaces who is gone; are all that there are ready? */
static bool look_after(struct sandbox *sandbox, uint32_t *seats, pid_t *pids, uint32_t *count) {
    struct batch *batch = sandbox->batch;
    uint64_t served = atomic_load(&batch->served);
    bool ready = true;
    *count = 0;
    if (served != sandbox->served)
        sandbox->barren = 0;
    sandbox->served = served;
    for (uint32_t i = 0; i < sandbox->options.workers; i++) {
        pid_t *worker = &sandbox->workers[i];
        if (*worker > 0 && is_gone(sandbox, i, *worker)) {
            *worker = 0;
            sandbox->barren++;
        }
        if (*worker <= 0 && atomic_load(&batch->broken) == 0 && is_pending(batch))
            *worker = spawn(sandbox, i, 0, -1);
        if (*worker <= 0)
            continue;
        bool done = atomic_load(&batch->seats[i].ready) == atomic_load(&batch->number);
        ready = ready && done;
        if (done)
            continue;
        seats[*count] = i;
        pids[(*count)++] = *worker;
    }
    return ready;
}

static void announce(struct batch *batch) {
    atomic_store(&batch->next, 0);
    atomic_fetch_add(&batch->number, 1);
    batch_wake(&batch->number);
}

bool processes_run(struct sandbox *sandbox, const volatile int *stop) {
    struct batch *batch = sandbox->batch;
    uint32_t seats[SANDBOX_WORKERS], count;
    pid_t pids[SANDBOX_WORKERS];
    sandbox->barren = 0;
    announce(batch);
    for (;;) {
        bool ready = look_after(sandbox, seats, pids, &count);
        if (is_broken(sandbox))
            return true;
        if (*stop != 0) {
            processes_end(sandbox); /* who has an image still would speak for one of the next */
            return false;
        }
        if (ready && !is_pending(batch))
            return true;
        if (ready) /* somebody has died between taking an image and saying so */
            announce(batch);
        else
            wait_for_news(sandbox, seats, pids, count);
    }
}

bool processes_run_fresh(struct sandbox *sandbox, uint32_t image, int output,
                         const volatile int *stop) {
    const uint32_t seat = SANDBOX_WORKERS;
    struct batch *batch = sandbox->batch;
    pid_t pid = spawn(sandbox, seat, image + 1, output);
    int status;
    while (pid > 0 && !is_gone(sandbox, seat, pid)) {
        if (*stop != 0) {
            end(pid, &status);
            return false;
        }
        wait_for_news(sandbox, &seat, &pid, 1);
    }
    if (batch->images[image].outcome == SANDBOX_PENDING) {
        if (batch->problem[0] == '\0')
            snprintf(batch->problem, sizeof batch->problem, "no process for the checker");
        batch->images[image].outcome = SANDBOX_UNUSABLE;
    }
    return true;
}

void processes_end(struct sandbox *sandbox) {
    int status;
    for (uint32_t i = 0; i < sandbox->options.workers; i++) {
        if (sandbox->workers[i] > 0)
            end(sandbox->workers[i], &status);
        sandbox->workers[i] = 0;
    }
}
