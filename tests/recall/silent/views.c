/* SPDX-License-Identifier: BSD-2-Clause */
/* One file by two views with a token each, of which one stores and the other flushes, and by two
   processes that hand each other what was stored. */
#include "recall.h"

#include <semaphore.h>
#include <sys/wait.h>

#define SIZE 65536
#define TURNS 50

static struct pool pool, other;
static sem_t *turns;

static void two_views(void) {
    for (size_t i = 0; i < TURNS; i++) {
        uint64_t *here = (uint64_t *)(pool.base + i * 128);
        uint64_t *there = (uint64_t *)(other.base + i * 128 + 64);
        *here = i + 1;
        *there = i + 1;
        OK(RtlFlushNonVolatileMemory(other.token, other.base + i * 128, 128, 0));
    }
}

/* The child stores, the parent flushes; then the other way round. */
static void two_processes(void) {
    uint64_t *words = (uint64_t *)(pool.base + SIZE / 2);
    pid_t child = fork();
    for (size_t i = 0; i < TURNS; i++) {
        bool stores = (child == 0) == (i % 2 == 0);
        sem_t *stored = &turns[i % 2 * 2], *flushed = stored + 1;
        if (stores) {
            words[i * 8] = i + 1;
            sem_post(stored);
            sem_wait(flushed);
        } else {
            sem_wait(stored);
            FLUSH(&words[i * 8], 64);
            sem_post(flushed);
        }
    }
    if (child == 0)
        _exit(0);
    ok(waitpid(child, NULL, 0) == child);
}

int main(int count, char **arguments) {
    ok(count == 2);
    turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ok(turns != MAP_FAILED);
    for (int i = 0; i < 4; i++)
        ok(sem_init(&turns[i], 1, 0) == 0);
    pool = pool_open(arguments[1], "pool", SIZE);
    other = pool_open(arguments[1], "pool", SIZE);
    two_views();
    pool_close(&other);
    two_processes();
    pool_close(&pool);
    return 0;
}
