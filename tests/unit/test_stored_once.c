/* SPDX-License-Identifier: BSD-2-Clause */
/* A Write stores each word once, whatever its token and its thread still have to flush: what
   another thread answers to a word is not overwritten. In a call a word that has got its new value
   gets another one once, as that thread would do it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "base/bits.h"
#include "seed.h"
#include "trap_flag.h"
#include "view.h"

/* A sanitizer's own code is not stepped through. */
#if UNDER_THREAD_SANITIZER || defined(__SANITIZE_ADDRESS__)
#define CAN_STEP 0
#else
#define CAN_STEP 1
#endif

#define WANTED UINT64_C(0x0101010101010101)
#define ANSWER UINT64_C(0x7777777777777777)

static struct view file;
static volatile uint64_t *watched;
static volatile bool answered;
static size_t steps;

static void on_step(int number) {
    (void)number;
    steps++;
    if (*watched == WANTED && !answered) {
        *watched = ANSWER;
        answered = true;
    }
}

static PVOID get(bool defers) {
    PVOID token;
    assert_int_equal(RtlGetNonVolatileToken(file.bytes, file.size, &token), STATUS_SUCCESS);
    if (defers)
        assert_int_equal(NvRtlSetTokenOption(token, NVRTL_OPTION_DEFER_FLUSH, 1), STATUS_SUCCESS);
    return token;
}

static void check(PVOID token, size_t offset, size_t length, ULONG flags, bool fills) {
    unsigned char source[128];
    unsigned char *to = file.bytes + 8192 + offset;
    NTSTATUS status;
    memset(source, 1, sizeof source);
    memset(file.bytes + 8192, 0, 256);
    watched = (volatile uint64_t *)(void *)(file.bytes + 8192 + align_up(offset, 8));
    answered = false;
    steps_begin();
    status = fills ? RtlFillNonVolatileMemory(token, to, length, 1, flags)
                   : RtlWriteNonVolatileMemory(token, to, source, length, flags);
    steps_end();
    assert_int_equal(status, STATUS_SUCCESS);
    if (*watched != ANSWER)
        fail_msg("flags %#x, %zu bytes at %zu: stored again", flags, length, offset);
}

static void test_once(void **state) {
    static const ULONG flags[] = {0, 1, 2, 3, 0x101, 0x102, 0x103};
    static const size_t lengths[] = {8, 16, 24, 32, 64, 100};
    static const size_t offsets[] = {0, 8, 64};
    PVOID tokens[] = {get(false), get(true)};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(flags) * ARRAY_LENGTH(lengths) * ARRAY_LENGTH(offsets) * 8;
         i++) {
        size_t k = i / 8;
        size_t length = lengths[k % ARRAY_LENGTH(lengths)];
        size_t offset = offsets[k / ARRAY_LENGTH(lengths) % ARRAY_LENGTH(offsets)];
        ULONG flag = flags[k / ARRAY_LENGTH(lengths) / ARRAY_LENGTH(offsets)];
        /* Another line is remembered, in another place or in that of the range. */
        unsigned char *other = file.bytes + (i & 4 ? 4096 : 4096 + 64 * 5);
        assert_int_equal(RtlFillNonVolatileMemory(tokens[1], other, 8, 3, 0x101), STATUS_SUCCESS);
        check(tokens[i & 1], offset, length, flag, (i & 2) != 0);
        assert_int_equal(RtlDrainNonVolatileFlush(tokens[1]), STATUS_SUCCESS);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++)
        assert_int_equal(RtlFreeNonVolatileToken(tokens[i]), STATUS_SUCCESS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once)};
    struct sigaction action = {.sa_handler = on_step};
    if (!view_open(&file, MEMORY_FOLDER, 4 * 4096) || sigaction(SIGTRAP, &action, NULL) != 0)
        return 1;
    watched = (volatile uint64_t *)(void *)file.bytes;
    if (CAN_STEP) {
        steps_begin();
        steps_end();
    }
    if (steps == 0) {
        print_message("[  SKIPPED ] instructions cannot be looked at one by one here\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
