/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu --streams=drain */
/* A skip list in C++: the lowest level is the list that recovery believes, the upper ones are
   shortcuts. Links are std::atomic; two threads take turns. */
#include "recall.h"

#include <atomic>
#include <cstdint>
#include <semaphore.h>

static struct pool pool;

namespace {

constexpr unsigned height = 4, capacity = 40;

struct alignas(64) Node {
    uint64_t key;
    uint64_t value;
    std::atomic<uint64_t> next[height]; /* number of the next node; bit 63: this one is erased */
    uint64_t levels;
};

constexpr uint64_t erased = UINT64_C(1) << 63;

struct List {
    alignas(64) Node head;
    Node nodes[capacity];
};

List *list;
std::atomic<uint64_t> used{0};

Node &node(uint64_t number) {
    return number == 0 ? list->head : list->nodes[number - 1];
}

/* The last node before the key, at a level. */
Node &before(uint64_t key, unsigned level) {
    Node *at = &list->head;
    for (unsigned l = height; l-- > level;) {
        for (;;) {
            uint64_t next = at->next[l].load(std::memory_order_acquire) & ~erased;
            if (next == 0 || node(next).key >= key)
                break;
            at = &node(next);
        }
    }
    return *at;
}

void insert(uint64_t key, uint64_t value, unsigned levels) {
    uint64_t number = used.fetch_add(1) + 1;
    Node &made = node(number);
    made.key = key;       /* bug 1 */
    made.value = value;   /* bug 1 */
    made.levels = levels; /* bug 1 */
    for (unsigned l = 0; l < levels; l++)
        /* bug 1 */
        made.next[l].store(before(key, l).next[l].load(), std::memory_order_relaxed);
    if (!BUG(1))
        CLWB(&made);
    if (!BUG(2))
        SFENCE();
    if (BUG(5))
        made.value = value + 1; /* bug 5 */
    Node &last = before(key, 0);
    uint64_t expected = made.next[0].load(std::memory_order_relaxed);
    if (BUG(2))
        last.next[0].store(number, std::memory_order_release); /* bug 2 */
    else
        /* bug 1: unordered-commit, 3, 5: unordered-commit */
        ok(last.next[0].compare_exchange_strong(expected, number));
    if (!BUG(3))
        CLWB(&last.next[0]);
    SFENCE();
    for (unsigned l = 1; l < levels; l++) {
        Node &upper = before(key, l);
        upper.next[l].store(number, std::memory_order_release); /* bug 4 */
        if (!(BUG(4) && l == levels - 1))
            CLWB(&upper.next[l]);
        SFENCE();
    }
}

void erase(uint64_t key) {
    Node &found = node(before(key, 0).next[0].load() & ~erased);
    ok(found.key == key);
    found.next[0].fetch_or(erased); /* bug 6 */
    if (!BUG(6))
        CLWB(&found.next[0]);
    SFENCE();
}

sem_t turns[2];

void *work(void *argument) {
    size_t me = reinterpret_cast<size_t>(argument);
    for (uint64_t i = 0; i < 10; i++) {
        sem_wait(&turns[me]);
        insert(i * 20 + me * 7 + 1, i, static_cast<unsigned>(1 + i % height));
        sem_post(&turns[1 - me]);
    }
    return nullptr;
}

} // namespace

int main(int count, char **arguments) {
    pthread_t threads[2];
    ok(count == 2);
    pool = pool_open(arguments[1], "list", sizeof(List));
    list = reinterpret_cast<List *>(pool.base);
    COMMIT_POINT(&list->head.next[0]);
    for (unsigned i = 0; i < 2; i++)
        sem_init(&turns[i], 0, i == 0);
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], nullptr, work, reinterpret_cast<void *>(i));
    for (auto thread : threads)
        pthread_join(thread, nullptr);
    erase(21);
    pool_close(&pool);
    return 0;
}
