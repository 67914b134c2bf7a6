/* SPDX-License-Identifier: BSD-2-Clause */
/* A log with group commit: threads append records, and one of them, the leader, makes those of all
   durable at once and says up to where the log is valid. */
#include "recall.h"

#define THREADS 3
#define ROUNDS 4
#define RECORDS (THREADS * ROUNDS)

struct record {
    uint64_t number, thread;
    char text[48];
};

struct log {
    uint64_t durable; /* records */
    char line[56];
    struct record records[RECORDS];
};

static struct pool pool;
static struct log *log_;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t appended, committed, arrived;

/* With the lock held. */
static void commit_all(void) {
    NV_MEMORY_RANGE ranges[THREADS];
    size_t count = 0;
    uint64_t end = BUG(1) && appended == RECORDS ? appended - 1 : appended;
    for (uint64_t i = committed; i < end; i++)
        ranges[count++] = (NV_MEMORY_RANGE){&log_->records[i], sizeof(struct record)};
    /* bug 2, 4 */
    OK(RtlFlushNonVolatileMemoryRanges(pool.token, ranges, count,
                                       FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
    if (!BUG(2))
        DRAIN();
    NvRtlVerifierAssertDurable(pool.token, &log_->records[committed],
                               (appended - committed) * sizeof(struct record));
    committed = appended;
    log_->durable = committed; /* bug 5 */
    if (!(BUG(5) && committed == RECORDS))
        FLUSH(&log_->durable, 8);
}

static void append(uint64_t thread) {
    pthread_mutex_lock(&mutex);
    uint64_t round = appended / THREADS, number = appended++;
    struct record *record = &log_->records[number];
    record->number = number;                                               /* bug 1 */
    record->thread = thread;                                               /* bug 1 */
    memcpy(record->text, "a record of the log, in a line of its own", 42); /* bug 1 */
    if (BUG(4))
        FLUSH(record, sizeof *record);
    if (++arrived == THREADS) {
        arrived = 0;
        commit_all();
        if (BUG(3) && committed == RECORDS)
            record->thread = thread + 1; /* bug 3 */
        pthread_cond_broadcast(&changed);
    }
    while (committed / THREADS == round)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void *work(void *argument) {
    for (int i = 0; i < ROUNDS; i++)
        append((uint64_t)argument);
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    ok(count == 2);
    pool = pool_open(arguments[1], "log", sizeof(struct log));
    log_ = (struct log *)pool.base;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pool_close(&pool);
    return 0;
}
