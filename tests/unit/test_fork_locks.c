/* SPDX-License-Identifier: BSD-2-Clause */
/* A fork in a signal handler that interrupted a drain, which holds what the owner of the tokens'
   lock is waiting for: neither waits for the other, and the child's calls go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "child.h"
#include "os/os.h"
#include "view.h"

#define WAITER (UINT32_C(1) << 31)

static PVOID token;

static void *free_it(void *unused) {
    CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
    return unused;
}

/* The handler's thread is in a drain, and another one ends a token meanwhile. */
static void child_forks(void) {
    pthread_t other;
    struct view view;
    PVOID kept;
    library_set_domain("page-cache!");
    CHILD_NEED(view_open(&view, MEMORY_FOLDER, 4 * PAGE));
    CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &kept) == STATUS_SUCCESS);
    CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &token) == STATUS_SUCCESS);
    CHILD_NEED(os_lock(&token_table.flight_lock));
    CHILD_NEED(pthread_create(&other, NULL, free_it, NULL) == 0);
    while ((atomic_load(&token_table.flight_lock.owner) & WAITER) == 0)
        sched_yield();
    CHILD_NEED(atomic_load(&token_table.lock.owner) != 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_LIMIT_SECONDS);
        CHILD_NEED(os_lock_is_own(&token_table.flight_lock));
        os_unlock(&token_table.flight_lock); /* the interrupted call goes on */
        CHILD_NEED(RtlFillNonVolatileMemory(kept, view.bytes, 8, 1, 1) == STATUS_SUCCESS);
        CHILD_NEED(RtlDrainNonVolatileFlush(EACH) == STATUS_SUCCESS);
        CHILD_NEED(RtlFreeNonVolatileToken(kept) == STATUS_SUCCESS);
        _exit(0);
    }
    int status;
    CHILD_NEED(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    os_unlock(&token_table.flight_lock);
    CHILD_NEED(pthread_join(other, NULL) == 0);
    CHILD_NEED(RtlFreeNonVolatileToken(kept) == STATUS_SUCCESS);
}

/* Where pages are not waited for, a Free has no use for that lock: a handler that interrupts it may
   drain all tokens. */
static void child_frees(void) {
    struct view view;
    CHILD_NEED(view_open(&view, MEMORY_FOLDER, PAGE));
    CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &token) == STATUS_SUCCESS);
    CHILD_NEED(os_lock(&token_table.flight_lock));
    CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
    CHILD_NEED(os_lock_is_own(&token_table.flight_lock)); /* as it was: nobody gave it back */
}

static void test_free_elsewhere(void **state) {
    (void)state;
    check_child(child_frees, 0);
}

static void test_fork_locks(void **state) {
    (void)state;
    check_child(child_forks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_locks),
        cmocka_unit_test(test_free_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
