/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu */
/* A ring of slots with sequence numbers. One thread fills them, another one empties them; a slot is
   handed over under a lock when it is durable. Flushed by the CPU's own instructions, which wait
   for what their own thread has flushed. */
#include "recall.h"

#define SLOTS 8
#define MESSAGES 20

struct slot {
    uint64_t sequence; /* of the message; odd while it is being filled */
    char text[120];
};

struct ring {
    uint64_t taken; /* messages that were taken out */
    char line[56];
    struct slot slots[SLOTS];
};

static struct pool pool;
static struct ring *ring;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t put, got;

static void write_back(const void *from, size_t size) {
    for (size_t at = 0; at < size; at += 64)
        CLWB((const char *)from + at); /* bug 4 */
}

static void fill(struct slot *slot, uint64_t number) {
    char text[sizeof slot->text];
    memset(text, '.', sizeof text);
    snprintf(text, sizeof text, "message %lu", (unsigned long)number);
    memcpy(slot->text, text, sizeof text); /* bug 1 */
    write_back(slot, BUG(1) ? 64 : sizeof *slot);
    SFENCE();
    slot->sequence = number * 2; /* bug 2 */
    if (!BUG(2))
        CLWB(slot); /* bug 3 */
    if (!(BUG(3) && number == MESSAGES))
        SFENCE();
}

static void *producer(void *unused) {
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        pthread_mutex_lock(&mutex);
        while (put - got == SLOTS)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        fill(&ring->slots[i % SLOTS], i);
        pthread_mutex_lock(&mutex);
        put = i;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void take(uint64_t number) {
    struct slot *slot = &ring->slots[number % SLOTS];
    ok(slot->sequence == number * 2);
    if (BUG(6) && number == MESSAGES)
        CLWB(slot);       /* bug 6 */
    ring->taken = number; /* bug 5 */
    if (!BUG(5))
        write_back(&ring->taken, 8);
    if (!(BUG(4) && number == MESSAGES))
        SFENCE();
}

static void *consumer(void *unused) {
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        pthread_mutex_lock(&mutex);
        while (put < i)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        take(i);
        pthread_mutex_lock(&mutex);
        got = i;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

int main(int count, char **arguments) {
    pthread_t threads[2];
    ok(count == 2);
    pool = pool_open(arguments[1], "ring", sizeof(struct ring));
    ring = (struct ring *)pool.base;
    pthread_create(&threads[0], NULL, producer, NULL);
    pthread_create(&threads[1], NULL, consumer, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pool_close(&pool);
    return 0;
}
