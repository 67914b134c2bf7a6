/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads call the routines at random on page-cache files whose medium is modelled and fails now
 * and then. After each drain that succeeded every byte that the thread had flushed is on the
 * medium, or the process ends with a complaint. At the end everything can be made good, and the
 * process has neither more memory nor more descriptors than after the first tenth.
 *
 * soak ROUNDS [SECONDS]   rounds of some thousand calls a thread; then on until the time is over
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "soak/actor.h"
#include "token/table.h"
#include "unit/descriptors.h"
#include "unit/seed.h"

#define CALLS_A_ROUND 5000

static struct actor actors[ACTORS];

static void *round_of(void *context) {
    actor_run(context, CALLS_A_ROUND);
    return NULL;
}

static void run_round(void) {
    pthread_t threads[ACTORS];
    for (size_t i = 0; i < ACTORS; i++) {
        if (pthread_create(&threads[i], NULL, round_of, &actors[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < ACTORS; i++)
        pthread_join(threads[i], NULL);
}

/* Pages of memory that are the process's own. Code is mapped when it first runs, by 16 pages. */
static long resident(void) {
    long total = 0, pages = 0, of_files = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fscanf(statm, "%ld %ld %ld", &total, &pages, &of_files) != 3)
        abort();
    fclose(statm);
    return pages - of_files;
}

/* Whatever the environment says, the files are made durable by msync. */
static bool set_domain(void) {
    if (!os_lock(&token_table.lock))
        return false;
    bool started = table_start() == RESULT_OK;
    os_unlock(&token_table.lock);
    token_table.settings = token_settings_parse("page-cache!");
    return started;
}

static bool start(uint64_t seed) {
    if (!files_start(seed) || !set_domain())
        return false;
    for (size_t i = 0; i < ACTORS; i++) {
        if (!actor_start(&actors[i], i, random_next(&seed)))
            return false;
    }
    files_set_faults(true);
    return true;
}

static void finish(void) {
    uint64_t calls = 0, succeeded = 0, failed = 0, drains = 0;
    files_set_faults(false);
    for (size_t i = 0; i < ACTORS; i++)
        actor_settle(&actors[i]);
    for (size_t i = 0; i < ACTORS; i++) {
        actor_end(&actors[i]);
        calls += actors[i].calls;
        succeeded += actors[i].succeeded;
        failed += actors[i].failed;
        drains += actors[i].drains;
    }
    files_end();
    printf("%llu calls: %llu succeeded, %llu failed; %llu successful drains checked\n",
           (unsigned long long)calls, (unsigned long long)succeeded, (unsigned long long)failed,
           (unsigned long long)drains);
    printf("injected: %llu waits told of lost pages; %llu waits and %llu other calls failed for "
           "now\n",
           (unsigned long long)soak_faults.waits, (unsigned long long)soak_faults.transient,
           (unsigned long long)soak_faults.calls);
}

/* What the process has may not grow between the first tenth and the end. */
static int judge(long first, long last, unsigned first_open, unsigned last_open) {
    printf("memory: %ld pages after the first tenth, %ld at the end; descriptors: %u, %u\n", first,
           last, first_open, last_open);
    /* Sanitizers keep what was freed for a while, and notes of what was done. */
    bool watched = UNDER_ADDRESS_SANITIZER || UNDER_THREAD_SANITIZER;
    if (last_open != first_open || (!watched && (last - first) * 100 > first)) {
        puts("soak: the process has grown");
        return 1;
    }
    return 0;
}

int main(int count, char **arguments) {
    long rounds = count > 1 ? atol(arguments[1]) : 10;
    time_t seconds = count > 2 ? (time_t)atol(arguments[2]) : 0;
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    now = begun;
    if (!start(seed_of_test())) {
        fputs("soak: cannot make the files, or their tokens\n", stderr);
        return 1;
    }
    long first = 0;
    unsigned first_open = 0;
    for (long i = 0; i < rounds || now.tv_sec - begun.tv_sec < seconds; i++) {
        run_round();
        clock_gettime(CLOCK_MONOTONIC, &now);
        bool tenth = (i + 1) * 10 >= rounds && (now.tv_sec - begun.tv_sec) * 10 >= seconds;
        if (first == 0 && tenth) {
            first = resident();
            first_open = count_descriptors();
        }
    }
    long last = resident();
    unsigned last_open = count_descriptors();
    finish();
    return judge(first, last, first_open, last_open);
}
