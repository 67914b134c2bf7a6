/* SPDX-License-Identifier: BSD-2-Clause */
/* observe/: a process attaches once, so each case is run in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/observe.h"
#include "observe_verifier.h"
#include "os/os.h"

#define THREADS 8

/* A case that hangs is ended by this. */
#define LIMIT_SECONDS 60

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Runs a case in a child with NVRTL_VERIFIER set to verifier, or unset. */
static void run(void (*body)(void), const char *verifier) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(LIMIT_SECONDS);
        if (verifier != NULL)
            setenv("NVRTL_VERIFIER", verifier, 1);
        else
            unsetenv("NVRTL_VERIFIER");
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The script inside the shared object, which is loaded before the library does it. */
static struct verifier_script *script(void) {
    const char *reason;
    void *address = os_load(NVRTL_TEST_VERIFIER, "verifier_script", &reason);
    CHECK(address != NULL);
    return (struct verifier_script *)address;
}

static void nobody_listens(void) {
    CHECK(!observed());
    errno = 77;
    observe_attach();
    observe_attach();
    CHECK(!observed());
    CHECK(errno == 77);
}

static void test_nobody(void **state) {
    (void)state;
    run(nobody_listens, NULL);
    run(nobody_listens, "");
    run(nobody_listens, "/nowhere/libnothing.so");
    run(nobody_listens, "libc.so.6");
}

/* What the run's file is said to be is whatever the program's caller has put there. */
static void no_run(void) {
    static const char *const numbers[] = {"", "0", "-7", "no number", "4095", "99999999999999999"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        pid_t child = fork();
        if (child == 0) {
            setenv("NVRTL_ARENA", numbers[i], 1);
            nobody_listens();
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void test_no_run(void **state) {
    (void)state;
    run(no_run, NULL);
    run(no_run, "/nowhere/libnothing.so");
}

static void refused(void) {
    script()->refuse = true;
    nobody_listens();
    CHECK(script()->asked == 1);
}

static void test_refused(void **state) {
    (void)state;
    run(refused, NVRTL_TEST_VERIFIER);
}

static void attached(void) {
    CHECK(!observed());
    errno = 77;
    observe_attach();
    observe_attach();
    CHECK(errno == 77);
    CHECK(observed());
    CHECK(script()->asked == 1);
    struct event event = {.kind = EVENT_DRAIN};
    observe_emit(&event);
    CHECK(script()->event == &event);
}

static void test_attached(void **state) {
    (void)state;
    run(attached, NVRTL_TEST_VERIFIER);
}

/* It may ask for more as it goes on; one that cannot say what it asks for is told it all. */
static void asks_before(void) {
    CHECK(observe_asks_before(EVENT_STORING) && observe_asks_before(EVENT_FLUSHING));
    observe_attach();
    CHECK(!observe_asks_before(EVENT_STORING) && !observe_asks_before(EVENT_FLUSHING));
    script()->before = 1u << EVENT_FLUSHING;
    CHECK(!observe_asks_before(EVENT_STORING) && observe_asks_before(EVENT_FLUSHING));
}

static void test_asks_before(void **state) {
    (void)state;
    run(asks_before, NVRTL_TEST_VERIFIER);
}

static void attach_is_once(void) {
    CHECK(setenv("NVRTL_VERIFIER", "/nowhere/libnothing.so", 1) == 0);
    observe_attach();
    CHECK(setenv("NVRTL_VERIFIER", NVRTL_TEST_VERIFIER, 1) == 0);
    observe_attach();
    CHECK(!observed());
    CHECK(script()->asked == 0);
}

static void test_once(void **state) {
    (void)state;
    run(attach_is_once, NULL);
}

/* A verifier whose start calls the library, which attaches. */
static void attach_again(void) {
    observe_attach();
    CHECK(!observed());
}

static void reentered(void) {
    script()->when_asked = attach_again;
    observe_attach();
    CHECK(observed());
    CHECK(script()->asked == 1);
}

static void test_reentered(void **state) {
    (void)state;
    run(reentered, NVRTL_TEST_VERIFIER);
}

static pthread_barrier_t start;

static void *attach_with_others(void *context) {
    (void)context;
    pthread_barrier_wait(&start);
    observe_attach();
    CHECK(observed());
    return NULL;
}

/* Gives the other threads time to come by while the verifier starts. */
static void linger(void) {
    for (int i = 0; i < 1000; i++)
        sched_yield();
}

static void attached_by_many(void) {
    pthread_t threads[THREADS];
    script()->when_asked = linger;
    CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, attach_with_others, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(script()->asked == 1);
}

static void test_many_threads(void **state) {
    (void)state;
    run(attached_by_many, NVRTL_TEST_VERIFIER);
}

static sem_t asked, answer;

static void wait_for_answer(void) {
    sem_post(&asked);
    while (sem_wait(&answer) != 0)
        continue;
}

static void *attach_alone(void *context) {
    (void)context;
    observe_attach();
    return NULL;
}

/* The child of a fork in the middle of it does not wait for a thread that it does not have. */
static void forked_meanwhile(void) {
    pthread_t thread;
    script()->when_asked = wait_for_answer;
    CHECK(sem_init(&asked, 0, 0) == 0 && sem_init(&answer, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, attach_alone, NULL) == 0);
    while (sem_wait(&asked) != 0)
        continue;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(LIMIT_SECONDS / 2);
        observe_attach();
        _exit(observed());
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    sem_post(&answer);
    pthread_join(thread, NULL);
    CHECK(observed());
}

static void test_forked_meanwhile(void **state) {
    (void)state;
    run(forked_meanwhile, NVRTL_TEST_VERIFIER);
}

/* A child of a fork that comes later goes on being observed. */
static void forked_later(void) {
    observe_attach();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        observe_attach();
        _exit(!observed() || script()->asked != 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_forked_later(void **state) {
    (void)state;
    run(forked_later, NVRTL_TEST_VERIFIER);
}

static const struct event *given;

static void careless_hook(const struct event *event) {
    given = event;
    errno = EIO;
}

static void test_emit_keeps_errno(void **state) {
    (void)state;
    struct event event = {.kind = EVENT_STORE};
    assert_false(observed());
    atomic_store(&observe_current, careless_hook);
    assert_true(observed());
    errno = 77;
    observe_emit(&event);
    assert_int_equal(errno, 77);
    assert_ptr_equal(given, &event);
    atomic_store(&observe_current, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody),       cmocka_unit_test(test_no_run),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_attached),
        cmocka_unit_test(test_once),         cmocka_unit_test(test_reentered),
        cmocka_unit_test(test_many_threads), cmocka_unit_test(test_forked_meanwhile),
        cmocka_unit_test(test_forked_later), cmocka_unit_test(test_emit_keeps_errno),
        cmocka_unit_test(test_asks_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
