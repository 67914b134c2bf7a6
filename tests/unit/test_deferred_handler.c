/* SPDX-License-Identifier: BSD-2-Clause */
/* A handler that defers flushes of another token, at each instruction of a call that defers its
   own. Each line stays its token's: after that was freed, and its view unmapped, nothing of it is
   left to be written back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "child.h"
#include "seed.h"
#include "trap_flag.h"
#include "view.h"

/* A sanitizer's own code is not stepped through. */
#if UNDER_THREAD_SANITIZER || defined(__SANITIZE_ADDRESS__)
#define CAN_STEP 0
#else
#define CAN_STEP 1
#endif

#define LATER (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN)

static struct view views[2];
static PVOID tokens[2];
static unsigned char source[256];
static volatile sig_atomic_t steps;
static int stop;
static bool flushes;

static void on_step(int number) {
    (void)number;
    if (steps++ != stop)
        return;
    NTSTATUS status =
        flushes ? RtlFlushNonVolatileMemory(tokens[1], views[1].bytes + 640, 100, 1)
                : RtlWriteNonVolatileMemory(tokens[1], views[1].bytes + 192, source, 8, LATER);
    CHILD_NEED(status == STATUS_SUCCESS);
}

static NTSTATUS write_one(void) {
    return RtlWriteNonVolatileMemory(tokens[0], views[0].bytes + 64, source, 16, LATER);
}
static NTSTATUS fill_many(void) {
    return RtlFillNonVolatileMemory(tokens[0], views[0].bytes + 64, 130, 1, LATER);
}
static NTSTATUS flush_one(void) {
    return RtlFlushNonVolatileMemory(tokens[0], views[0].bytes + 64, 24, 1);
}

static NTSTATUS (*const calls[])(void) = {write_one, fill_many, flush_one};
static NTSTATUS (*call)(void);

static void child_interrupts(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(views); i++) {
        CHILD_NEED(view_open(&views[i], MEMORY_FOLDER, PAGE));
        CHILD_NEED(RtlGetNonVolatileToken(views[i].bytes, PAGE, &tokens[i]) == STATUS_SUCCESS);
        CHILD_NEED(NvRtlSetTokenOption(tokens[i], NVRTL_OPTION_DEFER_FLUSH, 1) == STATUS_SUCCESS);
    }
    CHILD_NEED(RtlWriteNonVolatileMemory(tokens[0], views[0].bytes + 1024, source, 8, LATER) ==
               STATUS_SUCCESS);
    signal(SIGTRAP, on_step);
    steps_begin();
    NTSTATUS status = call();
    steps_end();
    CHILD_NEED(status == STATUS_SUCCESS);
    if (steps <= stop)
        _exit(CHILD_CANNOT);
    CHILD_NEED(RtlFreeNonVolatileToken(tokens[0]) == STATUS_SUCCESS);
    view_close(&views[0]);
    CHILD_NEED(RtlDrainNonVolatileFlush(tokens[1]) == STATUS_SUCCESS);
}

static void test_handler_at_each_step(void **state) {
    (void)state;
    int taken = 0;
    if (!CAN_STEP)
        skip();
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(calls); i++) {
        call = calls[i / 2];
        flushes = i % 2 != 0;
        int result = 0;
        for (stop = 0; result == 0; stop++) {
            result = child_result(child_interrupts);
            taken += result == 0;
        }
        if (result != CHILD_CANNOT)
            fail_msg("call %zu, handler %zu, step %d: ended by %d", i / 2, i % 2, stop - 1, result);
    }
    print_message("%d steps\n", taken);
    if (taken == 0)
        skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handler_at_each_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
