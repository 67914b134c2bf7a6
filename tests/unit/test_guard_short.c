/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGBUS in the short ways: each instruction meets a page that is not there, and the long way tells
   of it. In a child, because dispositions belong to the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/cut_file.h"

static void child_few_bytes(void) {
    static const ULONG flags[] = {0, 1, 0x101, 3};
    static char buffer[64];
    struct cut_file file = make_cut_file();
    for (size_t length = 1; length <= sizeof buffer; length++) {
        for (size_t before = 0; before < length; before++) {
            char *over = file.view + PAGE - before;
            ULONG flag = flags[(length + before) % 4];
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, over, buffer, length, flag) ==
                       STATUS_IO_DEVICE_ERROR);
            CHILD_NEED(RtlFillNonVolatileMemory(file.token, over, length, 7, flag) ==
                       STATUS_IO_DEVICE_ERROR);
            for (size_t odd = 0; odd < 9; odd += 8)
                CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view + 64 + before % 8 + odd,
                                                     over, length, flag) == STATUS_IO_DEVICE_ERROR);
        }
    }
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view, "good", 4, 1) == STATUS_SUCCESS);
}

/* The same where the lines are remembered, to be flushed by the next drain. */
static void child_few_bytes_later(void) {
    static char buffer[64];
    struct cut_file file = open_cut_file();
    CHILD_NEED(NvRtlSetTokenOption(file.token, NVRTL_OPTION_DEFER_FLUSH, 1) == STATUS_SUCCESS);
    for (size_t length = 1; length <= sizeof buffer; length++) {
        for (size_t before = 0; before < length; before++) {
            CHILD_NEED(ftruncate(file.descriptor, PAGES * PAGE) == 0);
            CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view + PAGE - 64, 128, 1, 0x101) ==
                       STATUS_SUCCESS);
            CHILD_NEED(ftruncate(file.descriptor, PAGE) == 0);
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view + PAGE - before, buffer,
                                                 length, 0x101) == STATUS_IO_DEVICE_ERROR);
        }
    }
    CHILD_NEED(ftruncate(file.descriptor, PAGES * PAGE) == 0);
    (void)RtlDrainNonVolatileFlush(file.token);
}

/* Many bytes: the page is missing in the head before the first whole line, among the lines, and in
   the tail behind the last, at each flag and alignment; and so is the page that a copy reads. */
static void child_many_bytes(void) {
    static const ULONG flags[] = {0, 1, 2, 3, 0x101, 0x103};
    static char buffer[1024];
    struct cut_file file = make_cut_file();
    for (size_t before = 0; before < 400; before += before % 64 < 8 || before % 64 > 55 ? 1 : 8) {
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            char *over = file.view + PAGE - before;
            size_t length = before + 1 + 37 * i;
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, over, buffer, length, flags[i]) ==
                       STATUS_IO_DEVICE_ERROR);
            CHILD_NEED(RtlFillNonVolatileMemory(file.token, over, length, 7, flags[i]) ==
                       STATUS_IO_DEVICE_ERROR);
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view + before % 9, over, length,
                                                 flags[i]) == STATUS_IO_DEVICE_ERROR);
        }
    }
    /* Nothing but a head, of which no byte is there. */
    char *gone = file.view + PAGE + 3;
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, gone, buffer, 300, 3) ==
               STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, gone, 300, 7, 3) == STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view, "good", 4, 1) == STATUS_SUCCESS);
}

static void test_many_bytes(void **state) {
    (void)state;
    check_child(child_many_bytes, 0);
}

static void test_few_bytes(void **state) {
    (void)state;
    check_child(child_few_bytes, 0);
}

static void test_few_bytes_later(void **state) {
    (void)state;
    check_child(child_few_bytes_later, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_bytes),
        cmocka_unit_test(test_few_bytes_later),
        cmocka_unit_test(test_many_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
