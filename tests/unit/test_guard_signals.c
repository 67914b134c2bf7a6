/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of other signals beside the guard: none comes in its way, and the program's own handler
   of SIGBUS is called with what it has asked to be blocked. Children, as in test_guard.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/time.h>

#include "seed.h"
#include "unit/cut_file.h"

#define HANDLERS 300

static struct cut_file file;
static volatile sig_atomic_t handled;

static bool writes_where_no_page_is(void) {
    return RtlWriteNonVolatileMemory(file.token, file.view + PAGE, "12345678", 8, 0) ==
           STATUS_IO_DEVICE_ERROR;
}

static void on_time(int number) {
    (void)number;
    CHILD_NEED(writes_where_no_page_is());
    handled++;
}

/* Time and again the signal comes while the guard is at work: its handler meets a fault too. */
static void child_faults_in_handlers(void) {
    const struct itimerval often = {{0, 100}, {0, 100}};
    file = make_cut_file();
    signal(SIGALRM, on_time);
    CHILD_NEED(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (handled < HANDLERS)
        CHILD_NEED(writes_where_no_page_is());
}

static void test_faults_in_handlers(void **state) {
    (void)state;
    if (UNDER_THREAD_SANITIZER) /* it calls handlers with all signals blocked */
        skip();
    check_child(child_faults_in_handlers, 0);
}

static sigset_t blocked;
static sigjmp_buf after;

static void on_bus(int number) {
    (void)number;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    siglongjmp(after, 1);
}

/* What the program's handler finds blocked: what it asked for, its own signal unless it said not
   so, and what was blocked where the fault came. */
static void check_mask(int flags) {
    struct sigaction mine = {.sa_handler = on_bus, .sa_flags = flags};
    sigset_t before;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigemptyset(&mine.sa_mask);
    sigaddset(&mine.sa_mask, SIGUSR2);
    CHILD_NEED(sigaction(SIGBUS, &mine, NULL) == 0);
    file = make_cut_file();
    CHILD_NEED(writes_where_no_page_is());
    if (sigsetjmp(after, 1) == 0)
        *(volatile char *)(file.view + PAGE) = 1;
    for (int number = 1; number < 32; number++) {
        bool expected = number == SIGUSR1 || number == SIGUSR2 ||
                        (number == SIGBUS && (flags & SA_NODEFER) == 0);
        CHILD_NEED(sigismember(&blocked, number) == expected);
    }
}

static void child_mask(void) {
    check_mask(0);
}

static void child_mask_without_its_own(void) {
    check_mask((int)SA_NODEFER);
}

static void test_masks(void **state) {
    (void)state;
    check_child(child_mask, 0);
    check_child(child_mask_without_its_own, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_in_handlers),
        cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
