/* SPDX-License-Identifier: BSD-2-Clause */
/* A durable lock-free queue, four threads at it at once: nothing here is wrong, whoever comes
   first. A thread that finds a link flushes it before it relies on it. */
#include "recall.h"

#include <stdatomic.h>

#define THREADS 4
#define TURNS 400
#define NODES (THREADS * TURNS + 1)

struct node {
    uint64_t value;
    _Atomic uint64_t next;
    char line[48];
};

struct queue {
    _Atomic uint64_t head;
    char line[56];
    struct node nodes[NODES];
};

static struct pool pool;
static struct queue *queue;
static _Atomic uint64_t tail = 1, used = 1;

static struct node *node(uint64_t number) {
    return &queue->nodes[number - 1];
}

static void enqueue(uint64_t value) {
    uint64_t number = atomic_fetch_add(&used, 1) + 1, last, next;
    node(number)->value = value;
    atomic_store_explicit(&node(number)->next, 0, memory_order_relaxed);
    FLUSH(node(number), sizeof(struct node));
    for (;;) {
        last = atomic_load(&tail);
        next = atomic_load(&node(last)->next);
        if (next == 0 && atomic_compare_exchange_strong(&node(last)->next, &next, number))
            break;
        FLUSH(&node(last)->next, sizeof next);
        atomic_compare_exchange_strong(&tail, &last, next);
    }
    FLUSH(&node(last)->next, sizeof next);
    atomic_compare_exchange_strong(&tail, &last, number);
}

static void dequeue(void) {
    for (;;) {
        uint64_t head = atomic_load(&queue->head), next = atomic_load(&node(head)->next);
        if (next == 0)
            return;
        FLUSH(&node(head)->next, sizeof next);
        uint64_t last = head;
        atomic_compare_exchange_strong(&tail, &last, next); /* the tail is never behind the head */
        if (atomic_compare_exchange_strong(&queue->head, &head, next))
            break;
    }
    FLUSH(&queue->head, sizeof queue->head);
}

static void *work(void *argument) {
    for (uint64_t i = 0; i < TURNS; i++) {
        enqueue((uint64_t)argument * TURNS + i);
        if (i % 3 == 2)
            dequeue();
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    ok(count == 2);
    pool = pool_open(arguments[1], "queue", sizeof(struct queue));
    queue = (struct queue *)pool.base;
    queue->head = 1;
    FLUSH(&queue->head, sizeof queue->head);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pool_close(&pool);
    return 0;
}
