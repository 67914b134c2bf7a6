/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores through pointers, seen by --stores=pages. Each CASE is a mistake: made with "wrong", not
   with "right". What is to be told of it stands in test_pages.py. */
#include "../verify/program.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define WORD(at) (*(volatile uint64_t *)(base + (at)))
#define SOME UINT64_C(0x1122334455667788)

CASE(forgotten) {
    OPEN();
    WORD(64) = SOME;
    WORD(4096) = SOME;
    FLUSH(4096, 8, 0);
    RIGHT FLUSH(64, 8, 0);
    CLOSE();
}

CASE(second_line) {
    OPEN();
    memset(base + 40, 'x', 64);
    FLUSH(40, broken ? 24 : 64, 0);
    CLOSE();
}

CASE(never_drained) {
    OPEN();
    WORD(128) = SOME;
    FLUSH(128, 8, NO_DRAIN);
    RIGHT DRAIN();
    CLOSE();
}

CASE(stored_again) {
    OPEN();
    WORD(128) = SOME;
    FLUSH(128, 8, NO_DRAIN);
    WRONG WORD(136) = SOME;
    DRAIN();
    CLOSE();
}

CASE(asserted) {
    OPEN();
    WORD(512) = SOME;
    RIGHT FLUSH(512, 8, 0);
    ASSERT(512, 8);
    WRONG FLUSH(512, 8, 0);
    CLOSE();
}

CASE(beside_write) {
    OPEN();
    WRITE(0, 8, FLUSHED);
    WORD(16) = SOME;
    RIGHT FLUSH(16, 8, 0);
    CLOSE();
}

CASE(ignored) {
    OPEN();
    RIGHT IGNORE(64, 8);
    WORD(64) = SOME;
    CLOSE();
}

CASE(flushed_twice) {
    OPEN();
    WORD(64) = SOME;
    FLUSH(64, 8, 0);
    WRONG FLUSH(64, 8, 0);
    CLOSE();
}

CASE(drained_twice) {
    OPEN();
    WORD(64) = SOME;
    FLUSH(64, 8, 0);
    WRONG DRAIN();
    CLOSE();
}

CASE(old_content) {
    int file = open(path, O_RDWR | O_CREAT, 0600);
    for (size_t at = 0; at < SIZE; at += sizeof data)
        ok(write(file, data, sizeof data) == (ssize_t)sizeof data ? STATUS_SUCCESS : 1);
    close(file);
    OPEN();
    base[5000] = 'x';
    RIGHT FLUSH(5000, 1, 0);
    CLOSE();
}

/* The kernel stores, on the program's behalf. */
CASE(read_into) {
    int file = open("/dev/zero", O_RDONLY);
    OPEN();
    memset(base + 192, 1, 100);
    FLUSH(192, 100, 0);
    ok(read(file, base + 200, 16) == 16 ? STATUS_SUCCESS : 1);
    RIGHT FLUSH(200, 16, 0);
    close(file);
    CLOSE();
}

/* Written to the file beside the view: nobody's store. */
CASE(written_beside) {
    OPEN();
    int file = open(path, O_RDWR);
    ok(pwrite(file, data, 4096, 8192) == 4096 ? STATUS_SUCCESS : 1);
    data[0] = base[8192];
    WORD(12288 - 8) = SOME;
    RIGHT ok(fdatasync(file) == 0 ? STATUS_SUCCESS : 1);
    close(file);
    CLOSE();
}

CASE(two_views) {
    void *other_token;
    OPEN();
    int file = open(path, O_RDWR);
    char *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ok(RtlGetNonVolatileToken(other, SIZE, &other_token));
    WORD(64) = SOME;
    RIGHT ok(RtlFlushNonVolatileMemory(other_token, other + 64, 8, 0));
    *(volatile uint64_t *)(other + 640) = SOME;
    FLUSH(640, 8, 0);
    FREE(other_token);
    munmap(other, SIZE);
    close(file);
    CLOSE();
}

CASE(two_tokens) {
    void *half;
    OPEN();
    GET(0, 4096, &half);
    WORD(64) = SOME;
    FREE(half); /* the other one still covers it */
    RIGHT FLUSH(64, 8, 0);
    CLOSE();
}

static void *store_and_end(void *unused) {
    WORD(64) = SOME;
    return unused;
}

CASE(by_a_thread) {
    OPEN();
    in_thread(store_and_end);
    RIGHT FLUSH(64, 8, 0);
    CLOSE();
}

#define THREADS 4
#define ROUNDS 3000

/* Each has words of its own on lines that they share, and flushes and drains what it stores. */
static void *share_lines(void *argument) {
    size_t me = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t at = i % 64 * 64 + me * 8;
        WORD(at) = i + 1;
        FLUSH(at, 8, i % 3 == 0 ? NO_DRAIN : 0);
        if (i % 3 == 0)
            DRAIN();
    }
    return NULL;
}

CASE(shared_lines) {
    pthread_t threads[THREADS];
    OPEN();
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, share_lines, (void *)(uintptr_t)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    WRONG WORD(8192) = SOME;
    CLOSE();
}

/* A page goes from hand to hand, its flushes with it: one waits for a drain as the other begins.
   Each sleeps until it has the page: one that asks again and again keeps the other from running
   where there are more programs than CPUs, and a thousand turns take minutes. */
static sem_t turn[2];

static void *hand_over(void *argument) {
    unsigned me = (unsigned)(uintptr_t)argument;
    for (unsigned i = 0; i < 500; i++) {
        while (sem_wait(&turn[me]) != 0) {
        }
        WORD(i % 100 * 8) = i + 1;
        FLUSH(i % 100 * 8, 8, NO_DRAIN);
        sem_post(&turn[1 - me]);
        WORD(4096 * (me + 1)) = i;
        FLUSH(4096 * (me + 1), 8, NO_DRAIN);
        DRAIN();
    }
    return NULL;
}

CASE(handed_over) {
    pthread_t other;
    OPEN();
    sem_init(&turn[0], 0, 1);
    sem_init(&turn[1], 0, 0);
    pthread_create(&other, NULL, hand_over, (void *)(uintptr_t)1);
    hand_over(0);
    pthread_join(other, NULL);
    WRONG WORD(8) = SOME;
    CLOSE();
}

static void *flush_another_line(void *unused) {
    WORD(2048) = SOME;
    FLUSH(2048, 8, 0);
    return unused;
}

/* A thread comes to a page that another one has used alone so far. */
CASE(taken_over) {
    OPEN();
    for (size_t at = 0; at < 1024; at += 64) {
        WORD(at) = SOME;
        FLUSH(at, 8, NO_DRAIN);
    }
    DRAIN();
    WORD(1024) = SOME;
    FLUSH(1024, 8, NO_DRAIN);
    in_thread(flush_another_line);
    RIGHT DRAIN();
    CLOSE();
}

static sem_t stored, ended;

static void *drain_all_the_time(void *done) {
    sem_post(&stored);
    while (!atomic_load((_Atomic bool *)done)) {
        WORD(SIZE - 64) += 1;
        FLUSH(SIZE - 64, 8, 0);
    }
    return NULL;
}

/* Each line is stored to and flushed once, while another thread drains: with pages=interval that
   looks at these pages at any moment. */
CASE(looked_at_meanwhile) {
    static _Atomic bool done;
    pthread_t other;
    OPEN();
    sem_init(&stored, 0, 0);
    pthread_create(&other, NULL, drain_all_the_time, &done);
    while (sem_wait(&stored) != 0) {
    }
    for (size_t at = 0; at < SIZE - 64; at += 64) {
        WORD(at) = SOME;
        if (!broken || at != 4096)
            FLUSH(at, 8, 0);
    }
    atomic_store(&done, true);
    pthread_join(other, NULL);
    CLOSE();
}

/* Stores before the runtime knows of it, and flushes when it has the place of the thread that has
   flushed that meanwhile. */
static void *come_late(void *unused) {
    WORD(64) = SOME;
    sem_post(&stored);
    while (sem_wait(&ended) != 0) {
    }
    FLUSH(64, 8, 0);
    WRONG FLUSH(64, 8, 0);
    return unused;
}

static void *flush_for_another(void *unused) {
    FLUSH(64, 8, 0);
    return unused;
}

CASE(place_of_another) {
    pthread_t late;
    OPEN();
    sem_init(&stored, 0, 0);
    sem_init(&ended, 0, 0);
    pthread_create(&late, NULL, come_late, NULL);
    while (sem_wait(&stored) != 0) {
    }
    in_thread(flush_for_another);
    sem_post(&ended);
    pthread_join(late, NULL);
    CLOSE();
}

CASE(after_fork) {
    OPEN();
    WORD(64) = SOME;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    RIGHT FLUSH(64, 8, 0);
    CLOSE();
}

/* The child stores, the parent flushes. */
CASE(of_a_child) {
    OPEN();
    pid_t child = fork();
    if (child == 0) {
        WORD(64) = SOME;
        exit(0);
    }
    waitpid(child, NULL, 0);
    FLUSH(64, 8, 0);
    WRONG WORD(72) = SOME;
    CLOSE();
}

static void on_signal(int number) {
    (void)number;
    WORD(1024) = SOME;
    RIGHT FLUSH(1024, 8, 0);
}

CASE(in_a_handler) {
    OPEN();
    signal(SIGUSR1, on_signal);
    WORD(64) = SOME;
    FLUSH(64, 8, 0);
    raise(SIGUSR1);
    CLOSE();
}

CASE(many_lines) {
    OPEN();
    for (size_t at = 0; at < SIZE; at += 64)
        WORD(at) = at + 1;
    for (size_t at = 0; at < SIZE; at += 64) {
        if (!broken || at != 4096 + 64)
            FLUSH(at, 8, NO_DRAIN);
    }
    DRAIN();
    CLOSE();
}

/* More flushes than a thread's log and its list's blocks hold, before one drain. */
CASE(many_flushes) {
    OPEN();
    for (size_t i = 0; i < 5000; i++) {
        WORD(i * 64 % SIZE) = i + 1;
        FLUSH(i * 64 % SIZE, 8, NO_DRAIN);
    }
    RIGHT DRAIN();
    CLOSE();
}

CASE(two_tokens_pending) {
    void *first, *second;
    OPEN();
    GET(0, 4096, &first);
    GET(8192, 4096, &second);
    WORD(64) = SOME;
    FLUSH_BY(first, 64, 8, NO_DRAIN);
    WORD(8192) = SOME;
    FLUSH_BY(second, 8192, 8, NO_DRAIN);
    DRAIN_BY(second);
    RIGHT DRAIN_BY(first);
    FREE(first);
    FREE(second);
    CLOSE();
}

CASE(forgotten_pages) {
    OPEN();
    for (size_t at = 0; at < SIZE; at += 4096)
        WORD(at + 8) = SOME;
    madvise(base, SIZE, MADV_DONTNEED);
    RIGHT FLUSH(0, SIZE, 0);
    CLOSE();
}

/* Of the view of a token that lives the middle is unmapped; what is stored to the rest is seen. */
CASE(partly_unmapped) {
    void *token;
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    GET(0, SIZE, &token);
    munmap(base + 8192, 16384);
    WORD(64) = SOME;
    WORD(24576) = SOME;
    WORD(SIZE - 8) = SOME;
    FLUSH_BY(token, 64, 8, 0);
    RIGHT FLUSH_BY(token, 24576, SIZE - 24576, 0);
    FREE(token);
    munmap(base, 8192);
    munmap(base + 24576, SIZE - 24576);
    close(file);
}

PROGRAM({"forgotten", forgotten}, {"second_line", second_line}, {"never_drained", never_drained},
        {"stored_again", stored_again}, {"asserted", asserted}, {"beside_write", beside_write},
        {"ignored", ignored}, {"flushed_twice", flushed_twice}, {"drained_twice", drained_twice},
        {"old_content", old_content}, {"read_into", read_into}, {"written_beside", written_beside},
        {"two_views", two_views}, {"two_tokens", two_tokens}, {"by_a_thread", by_a_thread},
        {"shared_lines", shared_lines}, {"handed_over", handed_over}, {"taken_over", taken_over},
        {"looked_at_meanwhile", looked_at_meanwhile}, {"place_of_another", place_of_another},
        {"after_fork", after_fork}, {"of_a_child", of_a_child}, {"in_a_handler", in_a_handler},
        {"many_lines", many_lines}, {"many_flushes", many_flushes},
        {"two_tokens_pending", two_tokens_pending}, {"forgotten_pages", forgotten_pages},
        {"partly_unmapped", partly_unmapped})
