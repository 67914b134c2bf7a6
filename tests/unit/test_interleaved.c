/* SPDX-License-Identifier: BSD-2-Clause */
/* Two calls on one file in two threads, the first stopped at each of its instructions to let the
   second run. Whatever they do to each other: who is told SUCCESS by a drain has had a successful
   wait for all that was flushed before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "steps.h"
#include "syncs.h"

/* Page 0 and page 1 of a file with two tokens. */
static _Alignas(4096) unsigned char memory[2 * PAGE];
static PVOID one, two;
static NTSTATUS status_1, status_2;

/* How many waits had begun when the second call, or the flush of a case, was made. */
static unsigned waits_before;

static uintptr_t page(size_t number) {
    return (uintptr_t)memory + number * PAGE;
}

/* The second case of each kind has the two tokens the other way round in the table. */
static bool swapped;

static void make_tokens(uint64_t file) {
    syncs_order_slots();
    PVOID lower = syncs_get(file, page(0), 2 * PAGE), higher = syncs_get(file, page(0), 2 * PAGE);
    assert_int_equal((uintptr_t)lower & 1, 0);
    assert_int_equal((uintptr_t)higher & 1, 1);
    one = swapped ? higher : lower;
    two = swapped ? lower : higher;
}

static void (*set_up)(void);

static void prepare(void) {
    static uint64_t file = 1000;
    syncs_reset(0);
    syncs_forget_kin();
    make_tokens(++file);
    waits_before = 0;
    status_1 = status_2 = STATUS_SUCCESS;
    set_up();
}

static void flush_page(PVOID token, size_t number) {
    assert_int_equal(flush_only(token, page(number), 1), STATUS_SUCCESS);
}

static void end(PVOID token, bool must_live) {
    NTSTATUS status = RtlFreeNonVolatileToken(token);
    if (must_live)
        assert_int_equal(status, STATUS_SUCCESS);
}

/* The second is no handler of the first, whose thread it borrows. */
bool __wrap_os_owes_waking(void);
bool __wrap_os_owes_waking(void) {
    return false;
}

static void at_each_step(void (*before)(void), void (*first)(void), void (*second)(void),
                         void (*check)(unsigned stop)) {
    const struct steps_case it = {.prepare = prepare,
                                  .first = first,
                                  .second = second,
                                  .check = check,
                                  .stride = UNDER_ADDRESS_SANITIZER ? 5 : 1};
    set_up = before;
    for (unsigned i = 0; i < 2; i++) {
        swapped = i != 0;
        unsigned count = steps_try(&it);
        print_message("%u steps\n", count);
        assert_int_equal(count != 0, CAN_STEP);
    }
}

static void flush_page_0(void) {
    flush_page(one, 0);
}

static void drain_one(void) {
    status_1 = RtlDrainNonVolatileFlush(one);
}

/* What the second drain was told, and whether it was true at that moment. */
static bool was_done;

static void drain_again(void) {
    status_2 = RtlDrainNonVolatileFlush(two);
    was_done = syncs_done(0, page(0), PAGE);
}

static void check_both_drained(unsigned stop) {
    if (status_1 != STATUS_SUCCESS || status_2 != STATUS_SUCCESS || !was_done ||
        !syncs_done(0, page(0), PAGE))
        fail_msg("stop %u: %#x, %#x, done %d", stop, (unsigned)status_1, (unsigned)status_2,
                 was_done);
    end(one, true);
    end(two, true);
}

static void test_two_drains(void **state) {
    (void)state;
    at_each_step(flush_page_0, drain_one, drain_again, check_both_drained);
}

static void flush_page_0_for_error(void) {
    flush_page(one, 0);
    syncs_reset(EIO);
}

/* Only one of the two was told by the system; neither may say that all is well. */
static void check_both_failed(unsigned stop) {
    if (status_1 != STATUS_IO_DEVICE_ERROR || status_2 != STATUS_IO_DEVICE_ERROR)
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)status_2);
    end(one, true);
    end(two, true);
}

static void test_two_drains_of_which_one_fails(void **state) {
    (void)state;
    at_each_step(flush_page_0_for_error, drain_one, drain_again, check_both_failed);
}

static void flush_page_0_for_busy(void) {
    flush_page(one, 0);
    syncs_reset(EBUSY);
}

static void check_one_busy(unsigned stop) {
    bool one_busy = status_1 == STATUS_DEVICE_BUSY, two_busy = status_2 == STATUS_DEVICE_BUSY;
    if (one_busy == two_busy || (status_2 == STATUS_SUCCESS && !was_done))
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)status_2);
    assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_SUCCESS);
    assert_true(syncs_done(0, page(0), PAGE));
    end(one, true);
    end(two, true);
}

static void test_two_drains_of_which_one_is_busy(void **state) {
    (void)state;
    at_each_step(flush_page_0_for_busy, drain_one, drain_again, check_one_busy);
}

/* A page that is flushed while it is in flight, and another one: both are still to be drained. */
static void flush_both(void) {
    waits_before = syncs.count;
    flush_page(two, 0);
    flush_page(one, 1);
}

static void check_both_flushed(unsigned stop) {
    assert_int_equal(status_1, STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_SUCCESS);
    if (!syncs_done(waits_before, page(0), PAGE) || !syncs_done(waits_before, page(1), PAGE))
        fail_msg("stop %u", stop);
    end(one, true);
    end(two, true);
}

static void test_flush_beside_drain(void **state) {
    (void)state;
    at_each_step(flush_page_0, drain_one, flush_both, check_both_flushed);
}

static void flush_one_of_two(void) {
    flush_page(one, 0);
    flush_page(one, 1);
}

static void nothing(void) {}

static void test_drain_beside_flush(void **state) {
    (void)state;
    at_each_step(nothing, flush_one_of_two, drain_again, check_both_flushed);
}

static void free_one(void) {
    status_1 = RtlFreeNonVolatileToken(one);
}

static void free_one_as_second(void) {
    status_2 = RtlFreeNonVolatileToken(one);
}

/* What was flushed through the token that ends is what the other token's drain waits for. */
static void check_drained_beside_free(unsigned stop) {
    assert_int_equal(status_1, STATUS_SUCCESS);
    if (status_2 != STATUS_SUCCESS || !was_done)
        fail_msg("stop %u: %#x, done %d", stop, (unsigned)status_2, was_done);
    end(two, true);
}

static void test_drain_beside_free(void **state) {
    (void)state;
    at_each_step(flush_page_0, free_one, drain_again, check_drained_beside_free);
}

/* The same with a drain of every token, which looks at one after the other. */
static void drain_every(void) {
    status_2 = RtlDrainNonVolatileFlush((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN);
    was_done = syncs_done(0, page(0), PAGE);
}

static void test_drain_of_all_beside_free(void **state) {
    (void)state;
    at_each_step(flush_page_0, free_one, drain_every, check_drained_beside_free);
    at_each_step(flush_page_0, drain_every, free_one, check_drained_beside_free);
}

/* Pages that a busy drain puts back are waited for by whoever says SUCCESS. */
static void check_all_drained_beside_busy(unsigned stop) {
    bool busy = status_1 == STATUS_DEVICE_BUSY || status_2 == STATUS_DEVICE_BUSY;
    if (!busy || (status_2 == STATUS_SUCCESS && !was_done))
        fail_msg("stop %u: %#x, %#x, done %d", stop, (unsigned)status_1, (unsigned)status_2,
                 was_done);
    assert_int_equal(RtlDrainNonVolatileFlush(two), STATUS_SUCCESS);
    assert_true(syncs_done(0, page(0), PAGE));
    end(one, true);
    end(two, true);
}

static void test_drain_of_all_beside_busy(void **state) {
    (void)state;
    at_each_step(flush_page_0_for_busy, drain_one, drain_every, check_all_drained_beside_busy);
    at_each_step(flush_page_0_for_busy, drain_every, drain_one, check_all_drained_beside_busy);
}

/* A token that ends while its drain is busy. */
static void check_freed_beside_busy(unsigned stop) {
    assert_int_equal(status_2, STATUS_SUCCESS);
    if (status_1 == STATUS_SUCCESS && !syncs_done(0, page(0), PAGE))
        fail_msg("stop %u: %#x", stop, (unsigned)status_1);
    NTSTATUS last = RtlDrainNonVolatileFlush(two);
    if (last == STATUS_DEVICE_BUSY) /* the drain of the freed token did not come to its wait */
        last = RtlDrainNonVolatileFlush(two);
    if (last != STATUS_SUCCESS || !syncs_done(0, page(0), PAGE))
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)last);
    end(two, true);
}

static void test_free_beside_busy_drain(void **state) {
    (void)state;
    at_each_step(flush_page_0_for_busy, drain_one, free_one_as_second, check_freed_beside_busy);
}

static void flush_or_not(void) {
    status_1 = flush_only(one, page(0), 1);
}

/* A flush that races Free is refused, or counts. */
static void check_flush_counts(unsigned stop) {
    NTSTATUS flushed = status_1, freed = status_2;
    assert_int_equal(freed, STATUS_SUCCESS);
    assert_true(flushed == STATUS_SUCCESS || flushed == STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(two), STATUS_SUCCESS);
    if (flushed == STATUS_SUCCESS && !syncs_done(0, page(0), PAGE))
        fail_msg("stop %u: flushed, and never drained", stop);
    end(two, true);
}

static void test_free_beside_flush(void **state) {
    (void)state;
    at_each_step(nothing, flush_or_not, free_one_as_second, check_flush_counts);
}

static void flush_or_not_as_second(void) {
    status_2 = flush_only(one, page(0), 1);
}

static void check_flush_counts_as_second(unsigned stop) {
    NTSTATUS freed = status_1;
    status_1 = status_2;
    status_2 = freed;
    check_flush_counts(stop);
}

static void test_flush_beside_free(void **state) {
    (void)state;
    at_each_step(nothing, free_one, flush_or_not_as_second, check_flush_counts_as_second);
}

static void check_drain_of_freed(unsigned stop) {
    assert_int_equal(status_2, STATUS_SUCCESS);
    bool refused = status_1 == STATUS_INVALID_PARAMETER;
    if (!refused && (status_1 != STATUS_SUCCESS || !syncs_done(0, page(0), PAGE)))
        fail_msg("stop %u: %#x", stop, (unsigned)status_1);
    assert_int_equal(RtlDrainNonVolatileFlush(two), STATUS_SUCCESS);
    assert_true(syncs_done(0, page(0), PAGE));
    end(two, true);
}

static void test_free_beside_drain(void **state) {
    (void)state;
    at_each_step(flush_page_0, drain_one, free_one_as_second, check_drain_of_freed);
}

/* A Write that ends in a drain, beside a Free and a Get that takes the slot for another region. */
static PVOID taken;

static void clear_memory(void) {
    memset(memory, 0, sizeof memory);
}

static void write_one(void) {
    static const unsigned char bytes[] = "0123456789abcdef";
    status_1 = RtlWriteNonVolatileMemory(one, memory + 100, bytes, sizeof bytes, 1);
}

static void free_and_get(void) {
    status_2 = RtlFreeNonVolatileToken(one);
    taken = syncs_get(1, page(1), 10);
}

static void check_written(unsigned stop) {
    bool stored = memcmp(memory + 100, "0123456789abcdef", 17) == 0;
    bool refused = status_1 == STATUS_INVALID_PARAMETER;
    if (status_2 != STATUS_SUCCESS || taken == NULL || (!refused && status_1 != STATUS_SUCCESS) ||
        (!refused && (!stored || !syncs_done(0, page(0) + 100, 17))))
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)status_2);
    assert_int_equal(memory[99] | memory[117] | memory[PAGE], 0);
    end(taken, true);
    end(two, true);
}

static void test_reuse_beside_write(void **state) {
    (void)state;
    at_each_step(clear_memory, write_one, free_and_get, check_written);
}

static void check_one_freed(unsigned stop) {
    if ((status_1 == STATUS_SUCCESS) == (status_2 == STATUS_SUCCESS))
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)status_2);
    end(two, true);
}

static void test_two_frees(void **state) {
    (void)state;
    at_each_step(nothing, free_one, free_one_as_second, check_one_freed);
}

/* A new token of the file beside a drain that fails: it is of a failed file, or drains itself. */
static void get_and_drain(void) {
    taken = syncs_get(1 << 20, page(0), PAGE);
    status_2 = taken == NULL ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static void check_got(unsigned stop) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    if (status_1 != STATUS_SUCCESS || status_2 != STATUS_SUCCESS)
        fail_msg("stop %u: %#x, %#x", stop, (unsigned)status_1, (unsigned)status_2);
    assert_int_equal(NvRtlQueryToken(taken, &info), STATUS_SUCCESS);
    assert_ptr_equal(info.base, memory);
    assert_int_equal(info.length, PAGE);
    assert_string_equal(info.reason, "made up");
    end(taken, true);
    end(two, true);
}

static void test_get_beside_free(void **state) {
    (void)state;
    at_each_step(flush_page_0, free_one, get_and_drain, check_got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_drains),
        cmocka_unit_test(test_two_drains_of_which_one_fails),
        cmocka_unit_test(test_two_drains_of_which_one_is_busy),
        cmocka_unit_test(test_flush_beside_drain),
        cmocka_unit_test(test_drain_beside_flush),
        cmocka_unit_test(test_drain_beside_free),
        cmocka_unit_test(test_drain_of_all_beside_free),
        cmocka_unit_test(test_drain_of_all_beside_busy),
        cmocka_unit_test(test_free_beside_busy_drain),
        cmocka_unit_test(test_free_beside_flush),
        cmocka_unit_test(test_flush_beside_free),
        cmocka_unit_test(test_free_beside_drain),
        cmocka_unit_test(test_reuse_beside_write),
        cmocka_unit_test(test_two_frees),
        cmocka_unit_test(test_get_beside_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
