/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads at once, and tokens in a process with many mappings. */
#include <errno.h>
#include <fcntl.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench/measure.h"
#include "bench/peers.h"

#define PAGE ((size_t)4096)
#define LINE ((size_t)64)
#define ROUNDS 15
#define MAPPINGS 10000
#define QUICK_MAPPINGS 200
#define OPERATIONS 20000
#define QUICK_OPERATIONS 200

/* A view of a file in memory, or NULL. */
static char *make_view(size_t size, int *descriptor) {
    *descriptor = memfd_create("nvrtl-bench", MFD_CLOEXEC);
    if (*descriptor < 0 || ftruncate(*descriptor, (off_t)size) != 0)
        return NULL;
    void *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *descriptor, 0);
    return view == MAP_FAILED ? NULL : (char *)view;
}

struct flusher {
    pthread_t thread;
    char *area; /* lines of its own */
    PVOID token;
    size_t operations;
    bool raw;
    pthread_barrier_t *start;
};

static void *flush(void *context) {
    const struct flusher *flusher = (const struct flusher *)context;
    const size_t lines = 512;
    pthread_barrier_wait(flusher->start);
    for (size_t i = 0; i < flusher->operations; i++) {
        char *at = flusher->area + i % lines * LINE;
        *(volatile size_t *)(void *)at = i;
        if (!flusher->raw) {
            RtlFlushNonVolatileMemory(flusher->token, at, 8, 0);
        } else {
            peers_flush(at, 8);
            isa_fence();
        }
    }
    return NULL;
}

struct threads_contest {
    char *view;
    PVOID token;
    size_t operations;
};

/* Lane 0: two threads with the routine; 1: two with the bare instructions. Nanoseconds in which
   each of them does one. */
static double sample_threads(void *context, size_t lane) {
    const struct threads_contest *contest = (const struct threads_contest *)context;
    struct flusher flushers[2];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 3);
    for (size_t i = 0; i < 2; i++) {
        flushers[i] = (struct flusher){.area = contest->view + i * 64 * PAGE,
                                       .token = contest->token,
                                       .operations = contest->operations,
                                       .raw = lane != 0,
                                       .start = &start};
        if (pthread_create(&flushers[i].thread, NULL, flush, &flushers[i]) != 0)
            abort(); /* a bench without threads has nothing to say */
    }
    double begin = measure_now();
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < 2; i++)
        pthread_join(flushers[i].thread, NULL);
    double taken = measure_now() - begin;
    pthread_barrier_destroy(&start);
    return taken / (double)contest->operations;
}

static void measure_threads(struct bench_ground *ground, const struct bench_asked *asked) {
    int descriptor;
    struct threads_contest contest = {.view = make_view(128 * PAGE, &descriptor),
                                      .operations =
                                          ground->wish->quick ? QUICK_OPERATIONS : OPERATIONS};
    if (contest.view == NULL ||
        RtlGetNonVolatileToken(contest.view, 128 * PAGE, &contest.token) != STATUS_SUCCESS) {
        measure_give_up(ground, "no memory for two threads: %s", strerror(errno));
        return;
    }
    memset(contest.view, 1, 128 * PAGE);
    struct bench_row row = {.question = asked->name,
                            .title = asked->title,
                            .set = "hot",
                            .alignment = "",
                            .length = 8,
                            .goal = 0.95,
                            .goal_lane = "raw",
                            .lane_count = 2,
                            .lanes = {{.name = "nvrtl"}, {.name = "raw"}}};
    measure_and_tell(ground, &row, ROUNDS, sample_threads, &contest);
    RtlFreeNonVolatileToken(contest.token);
    munmap(contest.view, 128 * PAGE);
    close(descriptor);
}

/* What the system takes to tell of mounts, and to be asked about mappings. */
static void read_tables(void) {
    char text[8192];
    int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    while (read(mounts, text, sizeof text) > 0)
        ;
    close(mounts);
    close(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
}

/* Lane 0: the routines; 1: what the system alone takes of that. */
static double sample_token(void *context, size_t lane) {
    const unsigned times = 50;
    PVOID token;
    double start = measure_now();
    for (unsigned i = 0; i < times; i++) {
        if (lane != 0)
            read_tables();
        else if (RtlGetNonVolatileToken(context, PAGE, &token) == STATUS_SUCCESS)
            RtlFreeNonVolatileToken(token);
    }
    return (measure_now() - start) / times;
}

static void measure_tokens(struct bench_ground *ground, const struct bench_asked *asked) {
    int descriptor;
    size_t count = ground->wish->quick ? QUICK_MAPPINGS : MAPPINGS, made = 0;
    char *view = make_view(2 * count * PAGE, &descriptor);
    /* Every second page anew: neighbours that fit together would be one mapping. */
    for (; view != NULL && made < count; made++) {
        if (mmap(view + 2 * made * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                 descriptor, 0) == MAP_FAILED)
            break;
    }
    if (view == NULL || made < count) {
        measure_give_up(ground, "no %zu mappings: %s", count, strerror(errno));
    } else {
        struct bench_row row = {.question = asked->name,
                                .title = asked->title,
                                .set = "mappings",
                                .alignment = "",
                                .length = 2 * count,
                                .lane_count = 2,
                                .lanes = {{.name = "nvrtl"}, {.name = "tables"}}};
        measure_and_tell(ground, &row, ROUNDS, sample_token, view + count * PAGE);
    }
    if (view != NULL)
        munmap(view, 2 * count * PAGE);
    if (descriptor >= 0)
        close(descriptor);
}

const struct bench_asked other_questions[] = {
    {"threads", "store, Flush and drain on each of two threads", measure_threads, NULL},
    {"tokens", "Get and Free beside so many mappings", measure_tokens, NULL},
};
const size_t other_question_count = ARRAY_LENGTH(other_questions);
