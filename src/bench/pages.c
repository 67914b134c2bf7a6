/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about ordinary files, whose pages the system writes to the medium. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/chance.h"
#include "bench/measure.h"
#include "bench/peers.h"

#define PAGE ((size_t)4096)
#define FILE_SIZE ((size_t)64 << 20)
#define RANGES_MAX 1024
#define RECORD ((size_t)64)
#define THREADS 8
#define ROUNDS 7

static NvRtlMapping file;

static void unmap(void) {
    NvRtlUnmapFile(&file);
}

/* A file with all its blocks and no name: nothing is left of it, whatever ends the command. */
static bool make_file(struct bench_ground *ground) {
    char path[PATH_MAX];
    if (file.base != NULL)
        return true;
    int length =
        snprintf(path, sizeof path, "%s/nvrtl-bench-%ld", ground->wish->folder, (long)getpid());
    if ((size_t)length >= sizeof path)
        errno = ENAMETOOLONG;
    if ((size_t)length >= sizeof path || access(ground->wish->folder, W_OK | X_OK) != 0) {
        measure_give_up(ground, "no file in %s: %s", ground->wish->folder, strerror(errno));
        return false;
    }
    NTSTATUS status =
        NvRtlMapFile(path, 0, FILE_SIZE, NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE, 0600, &file);
    unlink(path);
    if (status != STATUS_SUCCESS) {
        measure_give_up(ground, "no file in %s: %s", ground->wish->folder, NvRtlStatusText(status));
        return false;
    }
    atexit(unmap);
    memset(file.base, 1, file.size);
    return RtlFlushNonVolatileMemory(file.token, file.base, file.size, 0) == STATUS_SUCCESS;
}

/* Is that file one of the page cache? Others have no drain that is worth the question. */
static bool is_page_cache(struct bench_ground *ground) {
    if (!make_file(ground))
        return false;
    if (file.domain != NVRTL_DOMAIN_PAGE_CACHE)
        measure_give_up(ground, "files in %s are not of the page cache: choose another --directory",
                        ground->wish->folder);
    return file.domain == NVRTL_DOMAIN_PAGE_CACHE;
}

enum pattern { SAME_PAGE, SEQUENTIAL, RANDOM_PAGES, PATTERNS };
static const char *const pattern_names[] = {"same page", "sequential", "random"};

struct drain_contest {
    enum pattern pattern;
    size_t count;
    bool libpmem;
    struct chance chance;
    unsigned value;
};

/* Range number i of an operation. */
static char *place(struct drain_contest *contest, size_t i) {
    char *base = (char *)file.base;
    switch (contest->pattern) {
    case SAME_PAGE:
        return base + i % (PAGE / 8) * 8;
    case SEQUENTIAL:
        return base + i * 128;
    default:
        return base + chance_below(&contest->chance, FILE_SIZE / PAGE) * PAGE;
    }
}

enum drain_lane { LANE_OWN, LANE_EACH, LANE_RAW };

/* Nanoseconds of all ranges of an operation, made durable: by us, each by itself as libpmem does,
   or all at once by the bare call. */
static double sample_drain(void *context, size_t lane) {
    struct drain_contest *contest = (struct drain_contest *)context;
    double start = measure_now();
    for (size_t i = 0; i < contest->count; i++) {
        char *at = place(contest, i);
        *(volatile unsigned *)(void *)at = ++contest->value;
        if (lane == LANE_OWN)
            RtlFlushNonVolatileMemory(file.token, at, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
        else if (lane == LANE_EACH && contest->libpmem)
            peers_libpmem.msync(at, 8);
        else if (lane == LANE_EACH)
            msync(at - (uintptr_t)at % PAGE, PAGE, MS_SYNC);
    }
    if (lane == LANE_OWN)
        RtlDrainNonVolatileFlush(file.token);
    else if (lane == LANE_RAW)
        msync(file.base, FILE_SIZE, MS_SYNC);
    return measure_now() - start;
}

static void measure_drains(struct bench_ground *ground, const struct bench_asked *asked) {
    static const size_t counts[] = {16, 128, RANGES_MAX};
    static const double goals[PATTERNS][ARRAY_LENGTH(counts)] = {
        {5, 25, 60}, {5, 20, 25}, {4, 5, 12}};
    if (!is_page_cache(ground))
        return;
    bool libpmem = ground->wish->libpmem && peers_libpmem.msync != NULL;
    for (enum pattern pattern = SAME_PAGE; pattern < PATTERNS; pattern++) {
        for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
            if (ground->wish->quick && counts[i] > 16)
                break;
            struct drain_contest contest = {.pattern = pattern,
                                            .count = counts[i],
                                            .libpmem = libpmem,
                                            .chance = chance_seeded(1, i)};
            struct bench_row row = {.question = asked->name,
                                    .title = asked->title,
                                    .set = pattern_names[pattern],
                                    .alignment = "",
                                    .length = counts[i],
                                    .goal = goals[pattern][i],
                                    .lane_count = 3,
                                    .lanes = {{.name = "nvrtl"},
                                              {.name = libpmem ? "libpmem" : "msync each"},
                                              {.name = "raw"}}};
            row.goal_lane = row.lanes[1].name;
            measure_and_tell(ground, &row, counts[i] == RANGES_MAX ? 3 : ROUNDS, sample_drain,
                             &contest);
        }
    }
}

struct committer {
    pthread_t thread;
    size_t number, commits;
    pthread_barrier_t *start;
};

static void *commit(void *context) {
    struct committer *committer = (struct committer *)context;
    char *at = (char *)file.base + committer->number * PAGE;
    pthread_barrier_wait(committer->start);
    for (size_t i = 0; i < committer->commits; i++) {
        char *record = at + i % (PAGE / RECORD) * RECORD;
        memset(record, (int)i, RECORD);
        RtlFlushNonVolatileMemory(file.token, record, RECORD, 0);
    }
    return NULL;
}

/* Lane 0: all threads at once; lane 1: one. Nanoseconds of one commit. */
static double sample_commits(void *context, size_t lane) {
    struct committer committers[THREADS];
    pthread_barrier_t start;
    size_t commits = *(const size_t *)context, threads = lane == 0 ? THREADS : 1;
    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < threads; i++) {
        committers[i] = (struct committer){.number = i, .commits = commits, .start = &start};
        if (pthread_create(&committers[i].thread, NULL, commit, &committers[i]) != 0)
            abort(); /* a bench without threads has nothing to say */
    }
    double begin = measure_now();
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < threads; i++)
        pthread_join(committers[i].thread, NULL);
    double taken = measure_now() - begin;
    pthread_barrier_destroy(&start);
    return taken / (double)(threads * commits);
}

static void measure_commits(struct bench_ground *ground, const struct bench_asked *asked) {
    if (!is_page_cache(ground))
        return;
    size_t commits = ground->wish->quick ? 4 : 64;
    struct bench_row row = {.question = asked->name,
                            .title = asked->title,
                            .set = "one file",
                            .alignment = "",
                            .length = RECORD,
                            .goal = 3,
                            .goal_lane = "1 thread",
                            .lane_count = 2,
                            .lanes = {{.name = "8 threads"}, {.name = "1 thread"}}};
    measure_and_tell(ground, &row, ROUNDS, sample_commits, &commits);
}

const struct bench_asked page_questions[] = {
    {"pages", "so many ranges of a file, and one drain", measure_drains, NULL},
    {"commits", "a record of a file, flushed and drained", measure_commits, NULL},
};
const size_t page_question_count = ARRAY_LENGTH(page_questions);
