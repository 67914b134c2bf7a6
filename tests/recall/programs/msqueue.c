/* SPDX-License-Identifier: BSD-2-Clause */
/* A lock-free queue as Michael and Scott have it, made durable as Friedman and others do: a node is
   durable before it is linked, a link before it is relied on. Threads take turns, so that each run
   tells the same. */
#include "recall.h"

#include <semaphore.h>
#include <stdatomic.h>

#define NODES 32

struct node {
    uint64_t value;
    _Atomic uint64_t next; /* number of the next one; 0: none */
    char line[48];
};

struct queue {
    _Atomic uint64_t head; /* number of the node before the first one */
    char line[56];
    struct node nodes[NODES];
};

static struct pool pool;
static struct queue *queue;
static _Atomic uint64_t tail; /* only a hint: recovery walks from the head */
static _Atomic uint64_t used = 1;
static sem_t turns[2];

static struct node *node(uint64_t number) {
    return &queue->nodes[number - 1];
}

static void enqueue(uint64_t value) {
    uint64_t number = atomic_fetch_add(&used, 1) + 1, last, next;
    ok(number <= NODES);
    node(number)->value = value;                                         /* bug 1 */
    atomic_store_explicit(&node(number)->next, 0, memory_order_relaxed); /* bug 1 */
    if (!BUG(1))
        FLUSH(node(number), sizeof(struct node));
    do {
        last = atomic_load(&tail);
        while ((next = atomic_load(&node(last)->next)) != 0)
            last = next;
    } while (!atomic_compare_exchange_weak(&node(last)->next, &next, number)); /* bug 2 */
    if (!BUG(2))
        START(&node(last)->next, sizeof node(last)->next); /* bug 4 */
    if (!BUG(4))
        DRAIN();
    atomic_store_explicit(&tail, number, memory_order_release);
}

static bool dequeue(uint64_t *value) {
    uint64_t head = atomic_load(&queue->head), next;
    do {
        next = atomic_load(&node(head)->next);
        if (next == 0)
            return false;
        *value = node(next)->value;
        if (BUG(5))
            START(node(next), sizeof(struct node));                     /* bug 5 */
    } while (!atomic_compare_exchange_weak(&queue->head, &head, next)); /* bug 3 */
    if (!BUG(3))
        FLUSH(&queue->head, sizeof queue->head);
    return true;
}

static void *work(void *argument) {
    size_t me = (size_t)argument;
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t value;
        sem_wait(&turns[me]);
        if (i > 3)
            ok(dequeue(&value));
        enqueue(i * 10 + me);
        sem_post(&turns[1 - me]);
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[2];
    ok(count == 2);
    pool = pool_open(arguments[1], "queue", sizeof(struct queue));
    queue = (struct queue *)pool.base;
    queue->head = 1;
    FLUSH(&queue->head, sizeof queue->head);
    tail = 1;
    for (unsigned i = 0; i < 2; i++)
        sem_init(&turns[i], 0, i == 0);
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pool_close(&pool);
    return 0;
}
