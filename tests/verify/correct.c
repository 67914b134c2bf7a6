/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that do all as they should, as programs do it: not one word is to be said about them.
   There is no "wrong" of these. */
#include "program.h"

#include <stdatomic.h>
#include <stdint.h>

static uint64_t seed = 1;

/* xorshift64* */
static uint32_t random_below(uint32_t limit) {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % limit;
}

/* A ring of records with its two ends in the first line: a record is durable before the end that
   names it. */
struct queue {
    uint64_t head, tail;
    char padding[48];
    char record[64][64];
};

static void put_number(struct queue *queue, uint64_t *field, uint64_t value) {
    (void)queue;
    ok(RtlWriteNonVolatileMemory(map.token, field, &value, sizeof value, FLUSHED));
}

static void queue_put(struct queue *queue, const char *text) {
    char *record = queue->record[queue->tail % 64];
    ok(RtlFillNonVolatileMemory(map.token, record, 64, 0, 0));
    ok(RtlWriteNonVolatileMemory(map.token, record, text, strlen(text) + 1, 0));
    ok(RtlFlushNonVolatileMemory(map.token, record, 64, 0));
    put_number(queue, &queue->tail, queue->tail + 1);
}

static void queue_take(struct queue *queue) {
    put_number(queue, &queue->head, queue->head + 1);
}

CASE(queue) {
    OPEN();
    struct queue *queue = map.base;
    FILL(0, sizeof *queue, PERSIST);
    for (int i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "record %d", i);
        if (queue->tail - queue->head == 64 || (i % 3 == 0 && queue->tail != queue->head))
            queue_take(queue);
        queue_put(queue, text);
    }
    CLOSE();
}

/* Threads append to one log; whoever commits flushes for all, the others wait for that. */
enum { WRITERS = 4, RECORDS = 150, RECORD = 24 };
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t log_durable = PTHREAD_COND_INITIALIZER;
static size_t log_end, log_committed;
static bool log_busy;

static size_t log_append(const char *record) {
    size_t at = log_end;
    WRITE(64 + at, RECORD, 0);
    (void)record;
    log_end = at + RECORD;
    return log_end;
}

static void log_commit(size_t end) {
    while (log_committed < end) {
        if (log_busy) {
            pthread_cond_wait(&log_durable, &log_lock);
            continue;
        }
        size_t from = log_committed, to = log_end;
        log_busy = true;
        pthread_mutex_unlock(&log_lock);
        FLUSH(64 + from, to - from, 0);
        uint64_t committed = to;
        ok(RtlWriteNonVolatileMemory(map.token, base, &committed, 8, FLUSHED));
        pthread_mutex_lock(&log_lock);
        log_busy = false;
        log_committed = to;
        pthread_cond_broadcast(&log_durable);
    }
}

static void *log_writer(void *unused) {
    for (int i = 0; i < RECORDS; i++) {
        pthread_mutex_lock(&log_lock);
        size_t end = log_append(data);
        log_commit(end);
        pthread_mutex_unlock(&log_lock);
    }
    return unused;
}

CASE(group_commit) {
    pthread_t threads[WRITERS];
    OPEN();
    for (size_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, log_writer, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    ASSERT(0, 64 + WRITERS * RECORDS * RECORD);
    CLOSE();
}

/* Each thread appends to its own words of lines that all share, and flushes its own. */
static atomic_size_t shared_end;

static void *shared_writer(void *unused) {
    for (int i = 0; i < 400; i++) {
        size_t at = atomic_fetch_add(&shared_end, 8);
        WRITE(at, 8, 0);
        FLUSH(at, 8, 0);
        ASSERT(at, 8);
    }
    return unused;
}

CASE(lines_of_many_threads) {
    pthread_t threads[WRITERS];
    OPEN();
    for (size_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, shared_writer, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CLOSE();
}

/* No token anywhere. */
CASE(default_token) {
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(file, SIZE) != 0)
        exit(96);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (size_t i = 0; i < 500; i++) {
        size_t at = i * 72 % (SIZE - 72);
        WRITE_BY(EVERY, at, 72, i % 2 ? FLUSHED : 0);
        if (i % 2 == 0) {
            FLUSH_BY(EVERY, at, 72, NO_DRAIN);
            DRAIN_BY(EVERY);
        }
    }
    munmap(base, SIZE);
    close(file);
}

/* Stores through pointers, flushed by the routines. */
CASE(pointers) {
    OPEN();
    for (int i = 0; i < 1000; i++) {
        base[i * 64 % SIZE] = (char)i;
        FLUSH((size_t)i * 64 % SIZE, 1, NO_DRAIN);
        DRAIN();
    }
    WRITE(0, 64, FLUSHED);
    for (int i = 0; i < 100; i++) { /* a flag that goes up and down */
        base[8] = (char)(i & 1);
        FLUSH(8, 1, 0);
    }
    CLOSE();
}

/* Random calls, each of them needed: a line is flushed when it is dirty, a drain is called when
   something waits. */
enum { LINES = SIZE / 64, TOKENS = 3 };
static bool dirty[LINES], waits[TOKENS];
static void *tokens[TOKENS];

static void store_somewhere(void) {
    static const ULONG flags[] = {0,      LATER,          FLUSHED, FLUSHED | LATER,
                                  STREAM, STREAM | LATER, PERSIST};
    ULONG flag = flags[random_below(7)];
    size_t token = random_below(TOKENS), at = random_below(SIZE - 300), size = random_below(300);
    bool fill = random_below(3) == 0;
    if (fill)
        ok(RtlFillNonVolatileMemory(tokens[token], base + at, size, (UCHAR)flag, flag));
    else
        WRITE_BY(tokens[token], at, size, flag);
    for (size_t l = at / 64; size != 0 && l <= (at + size - 1) / 64; l++) {
        dirty[l] = (flag & PERSIST) == 0                ? true
                   : flag & FLUSHED && !(flag & STREAM) ? false
                                                        : dirty[l];
    }
    if ((flag & PERSIST) != 0 && size != 0)
        waits[token] = true;
    if (flag == FLUSHED || flag == PERSIST)
        waits[token] = false;
}

static void flush_somewhere(size_t line, size_t lines) {
    size_t token = random_below(TOKENS);
    bool any = false;
    for (size_t l = line; l < line + lines; l++)
        any = any || dirty[l];
    if (!any)
        return;
    ULONG flag = random_below(2) ? NO_DRAIN : 0;
    FLUSH_BY(tokens[token], line * 64, lines * 64, flag);
    memset(dirty + line, 0, lines);
    waits[token] = flag == NO_DRAIN;
}

static void drain_all(void) {
    for (size_t i = 0; i < TOKENS; i++) {
        if (waits[i])
            DRAIN_BY(tokens[i]);
        waits[i] = false;
    }
}

CASE(random_calls) {
    const char *wish = getenv("NVRTL_TEST_SEED");
    seed = wish != NULL ? strtoull(wish, NULL, 0) | 1 : 4711;
    printf("NVRTL_TEST_SEED=%#llx\n", (unsigned long long)seed);
    OPEN();
    tokens[0] = map.token;
    for (size_t i = 1; i < TOKENS; i++)
        GET(0, SIZE, &tokens[i]);
    for (int i = 0; i < 20000; i++) {
        uint32_t what = random_below(10);
        if (what < 5) {
            store_somewhere();
        } else if (what < 9) {
            size_t lines = 1 + random_below(20);
            flush_somewhere(random_below((uint32_t)(LINES - lines)), lines);
        } else {
            drain_all();
        }
    }
    flush_somewhere(0, LINES);
    drain_all();
    for (size_t i = 0; i < TOKENS; i++)
        FREE(tokens[i]);
    CLOSE();
}

PROGRAM({"queue", queue}, {"group_commit", group_commit},
        {"lines_of_many_threads", lines_of_many_threads}, {"default_token", default_token},
        {"pointers", pointers}, {"random_calls", random_calls})
