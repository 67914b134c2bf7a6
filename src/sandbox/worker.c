/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker: takes live, lets recovery meet them, and takes back what it did. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "sandbox/batch.h"

/* Now and then it is looked whether somebody has written unseen: a child of the checker, or a view
   of its own. */
#define LOOK_EVERY 4096u

static struct batch_seat *seat_of(const struct worker *worker) {
    return &worker->sandbox->batch->seats[worker->seat];
}

/* Does the worker itself call the checker, which may keep a child for all that is known? */
static bool calls_checker(const struct worker *worker) {
    const struct sandbox_options *options = &worker->sandbox->options;
    return options->judge == SANDBOX_OBJECT && !options->isolate;
}

/* false: there is none, or none that can be killed. */
static bool kill_children(void) {
    char path[64], *number = NULL;
    size_t room = 0;
    bool killed = false;
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    FILE *list = fopen(path, "re");
    while (list != NULL && getdelim(&number, &room, ' ', list) > 0) {
        pid_t child = (pid_t)strtol(number, NULL, 10);
        killed = (child > 0 && kill(child, SIGKILL) == 0) || killed;
    }
    free(number);
    if (list != NULL)
        fclose(list);
    return killed;
}

/* What a command or program has left behind, a server that it has started for one, would write to
   the next image, and outlive the search: in a session of its own it is in no group of the
   worker's. */
static void end_children(void) {
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) >= 0) {
        if (ended == 0 && (!kill_children() || waitpid(-1, NULL, 0) < 0))
            return;
    }
}

/* As a program finds its process when it starts. */
static void settle_in(const struct worker *worker) {
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!calls_checker(worker))
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    setpgid(0, 0);
    if (getppid() != worker->parent)
        _exit(0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int output = worker->output >= 0 ? worker->output : null;
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    for (size_t i = 0; i < worker->sandbox->options.region_count; i++)
        mprotect(worker->sandbox->regions[i].bytes, worker->sandbox->regions[i].room, PROT_READ);
}

static struct sandbox_verdict judge(const struct live *live, struct batch_image *image,
                                    const struct worker *worker) {
    if (worker->sandbox->options.judge == SANDBOX_OBJECT)
        return object_judge(live, image);
    return command_judge(live, image);
}

static struct sandbox_verdict of_status(int status) {
    if (WIFSIGNALED(status))
        return (struct sandbox_verdict){SANDBOX_KILLED, WTERMSIG(status)};
    return (struct sandbox_verdict){SANDBOX_EXITED, WEXITSTATUS(status)};
}

static void tell(struct batch_image *image, struct sandbox_verdict verdict) {
    image->status = verdict.status;
    atomic_store(&image->outcome, verdict.outcome);
}

/* In a process of its own. What that one did was done through its views, not through this one's. */
static void judge_apart(const struct live *live, struct batch_image *image,
                        const struct worker *worker) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        tell(image, judge(live, image, worker));
        _exit(0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child < 0)
        tell(image, (struct sandbox_verdict){SANDBOX_UNUSABLE, errno});
    else if (atomic_load(&image->outcome) == SANDBOX_PENDING)
        tell(image, of_status(status));
}

/* false: the images are lost. */
static bool serve(struct live *live, struct batch_image *image, const struct worker *worker) {
    const struct sandbox *sandbox = worker->sandbox;
    struct batch *batch = sandbox->batch;
    bool apart = sandbox->options.isolate && sandbox->options.judge == SANDBOX_OBJECT;
    bool traced = batch->traced != 0 && !apart && live_forget_touched(live);
    if (batch->traced != 0 && !traced)
        atomic_store(&batch->untraced, 1);
    live_apply(live, image);
    bool object = sandbox->options.judge == SANDBOX_OBJECT;
    if (batch->traced != 0 && !(object && object_trace(live, true)))
        atomic_store(&batch->blind, 1);
    if (apart)
        judge_apart(live, image, worker);
    else
        tell(image, judge(live, image, worker));
    if (!calls_checker(worker))
        end_children();
    if (batch->traced != 0 && object)
        object_trace(live, false);
    if (traced)
        live_tell_touched(live);
    return live_restore(live, image, apart || atomic_load(&batch->untracked) != 0);
}

/* false: this process is of no more use. */
static bool take_images(struct live *live, const struct worker *worker, uint64_t *count) {
    struct batch *batch = worker->sandbox->batch;
    struct batch_seat *seat = seat_of(worker);
    uint32_t index = 0;
    live_follow(live);
    while ((index = atomic_fetch_add(&batch->next, 1)) < batch->count) {
        if (atomic_load(&batch->images[index].outcome) != SANDBOX_PENDING)
            continue;
        atomic_store(&seat->since, batch_now());
        atomic_store(&seat->image, index + 1);
        bool served = serve(live, &batch->images[index], worker);
        atomic_store(&seat->image, 0);
        atomic_fetch_add(&batch->served, 1);
        if (!served)
            return false;
        if (++*count % LOOK_EVERY == 0 && !live_is_base(live)) {
            atomic_store(&batch->untracked, 1);
            if (!live_restore(live, NULL, true))
                return false;
        }
        if (worker->sandbox->options.respawn != 0 && *count >= worker->sandbox->options.respawn)
            return false;
    }
    return true;
}

/* The one image of a fresh process. */
static _Noreturn void serve_only(struct live *live, const struct worker *worker) {
    struct batch_image *image = &worker->sandbox->batch->images[worker->only - 1];
    live_follow(live);
    atomic_store(&seat_of(worker)->since, batch_now());
    atomic_store(&seat_of(worker)->image, worker->only);
    live_apply(live, image);
    tell(image, judge(live, image, worker));
    atomic_store(&seat_of(worker)->image, 0);
    if (!calls_checker(worker))
        end_children();
    _exit(0);
}

static void say_ready(const struct worker *worker, uint32_t number) {
    atomic_store(&seat_of(worker)->ready, number);
    if (write(worker->sandbox->news[1], "", 1) < 0)
        errno = 0; /* it is full: there is news all the same */
}

_Noreturn void worker_main(const struct worker *worker) {
    static struct live live;
    struct batch *batch = worker->sandbox->batch;
    uint32_t number;
    uint64_t count = 0;
    settle_in(worker);
    if (!live_open(&live, worker->sandbox, worker->seat)) {
        atomic_store(&batch->broken, 1);
        _exit(0);
    }
    setenv("TMPDIR", live.folder, 1);
    if (!limits_set(worker->sandbox))
        atomic_store(&batch->unlimited, 1);
    atomic_store(&seat_of(worker)->since, batch_now());
    atomic_store(&seat_of(worker)->image, BATCH_LOADING);
    if (worker->sandbox->options.judge == SANDBOX_OBJECT && !object_open(worker->sandbox)) {
        atomic_store(&batch->broken, 1);
        _exit(0);
    }
    atomic_store(&seat_of(worker)->image, 0);
    if (worker->only != 0)
        serve_only(&live, worker);
    for (;;) {
        number = atomic_load(&batch->number);
        if (!take_images(&live, worker, &count))
            _exit(0);
        say_ready(worker, number);
        batch_wait(&batch->number, number);
    }
}
