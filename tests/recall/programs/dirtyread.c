/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu --enable=unpersisted-read --enable=overwritten-unflushed */
/* Two threads with a shared index: what one has stored and not yet made durable the other reads,
   and makes something durable that rests on it. And versions that are stored over each other. */
#include "recall.h"

struct cell {
    volatile uint64_t value, version;
    char line[48];
};

struct index {
    struct cell newest, copies[4], moved, log;
};

static struct pool pool;
static struct index *index_;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int step;

static void wait_for(int wanted) {
    pthread_mutex_lock(&mutex);
    while (step < wanted)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void reach(int next) {
    pthread_mutex_lock(&mutex);
    step = next;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void persist(const void *at) {
    CLWB(at);
    SFENCE();
}

/* As P-CLHT's resize: the new place is visible before it is durable. */
static void *writer(void *unused) {
    index_->newest.value = 7;
    if (!BUG(1))
        persist(&index_->newest);
    reach(1);
    wait_for(2);
    if (BUG(1))
        persist(&index_->newest);
    index_->moved.value = 9;
    if (!BUG(2))
        persist(&index_->moved);
    reach(3);
    wait_for(4);
    if (BUG(2))
        persist(&index_->moved);
    return unused;
}

static void *reader(void *unused) {
    wait_for(1);
    uint64_t seen = index_->newest.value; /* bug 1 */
    index_->copies[0].value = seen + 1;
    persist(&index_->copies[0]);
    reach(2);
    wait_for(3);
    if (index_->moved.value == 9) { /* bug 2 */
        index_->copies[1].version = 1;
        persist(&index_->copies[1]);
    }
    reach(4);
    return unused;
}

int main(int count, char **arguments) {
    pthread_t threads[2];
    ok(count == 2);
    pool = pool_open(arguments[1], "index", sizeof(struct index));
    index_ = (struct index *)pool.base;
    pthread_create(&threads[0], NULL, writer, NULL);
    pthread_create(&threads[1], NULL, reader, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    index_->log.version = 1;
    if (!BUG(3))
        persist(&index_->log);
    index_->log.version = 2; /* bug 3 */
    persist(&index_->log);
    memset(&index_->copies[3], 1, 64);
    if (!BUG(4))
        persist(&index_->copies[3]);
    memset(&index_->copies[3], 2, 64); /* bug 4 */
    persist(&index_->copies[3]);
    pool_close(&pool);
    return 0;
}
