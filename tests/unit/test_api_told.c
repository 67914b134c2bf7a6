/* SPDX-License-Identifier: BSD-2-Clause */
/* What each routine tells an observer: what it did, to what, and whether it succeeded. The observer
   is a function of the test; the file is in the page cache, and its write-back fails on demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/bits.h"
#include "child.h"
#include "observe/observe.h"
#include "os/calls.h"
#include "view.h"

#define EVENTS_MAX 8
#define PAGES 4

static struct view view;
static PVOID token;
static unsigned char *at; /* inside of the region */

static struct event told[EVENTS_MAX];
static size_t told_count;
static uint32_t told_domain;

/* Says of flushes that they need not be told of once they are made. */
static bool hears_before;

static void listen(const struct event *event) {
    assert_true(told_count < EVENTS_MAX);
    if (hears_before && event->told != NULL)
        *event->told = true;
    if (event->kind == EVENT_GET)
        told_domain = event->region->domain;
    told[told_count++] = *event;
}

static int sync_error;
static int fake_msync(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    errno = sync_error;
    return sync_error == 0 ? 0 : -1;
}

static int begin(void **state) {
    (void)state;
    if (!view_open(&view, MEMORY_FOLDER, PAGES * PAGE))
        return -1;
    os_calls.msync = fake_msync;
    sync_error = 0;
    library_set_domain("page-cache!");
    at = view.bytes + 100;
    /* Before there is a token: one that nobody listens to has ways on which nothing is told. */
    told_count = 0;
    atomic_store(&observe_current, listen);
    if (RtlGetNonVolatileToken(view.bytes, view.size, &token) != STATUS_SUCCESS)
        return -1;
    told_count = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    sync_error = 0;
    atomic_store(&observe_current, NULL);
    (void)NvRtlRetryToken(token);
    (void)RtlDrainNonVolatileFlush(token); /* or the next drain of each would tell of its end */
    (void)RtlFreeNonVolatileToken(token);
    view_close(&view);
    os_calls.msync = msync;
    return 0;
}

/* The next event that was told: the first one is taken away. */
static struct event next(void) {
    assert_true(told_count > 0);
    struct event first = told[0];
    memmove(told, told + 1, --told_count * sizeof told[0]);
    assert_non_null(first.caller);
    assert_non_null(first.frame);
    return first;
}

static void expect(enum event_kind kind, enum event_call call, uint32_t effect, PVOID of,
                   const void *address, size_t length) {
    struct event event = next();
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.call, call);
    assert_int_equal(event.effect, effect);
    assert_int_equal(event.token, (uintptr_t)of);
    assert_int_equal(event.address, (uintptr_t)address);
    assert_int_equal(event.length, length);
}

static void expect_no_more(void) {
    assert_int_equal(told_count, 0);
}

/* With the flags of Write and Fill, of a token that is given or found; the drain fails or not. */
static void check_store(ULONG flags, PVOID given, bool fails, uint32_t effect) {
    const NTSTATUS status = fails ? STATUS_IO_DEVICE_ERROR : STATUS_SUCCESS;
    const bool overlaps = (effect & EFFECT_OVERLAP) != 0;
    const uint32_t found = given == EACH ? EFFECT_DEFAULT : 0;
    unsigned char bytes[40] = {1};
    sync_error = fails ? EIO : 0;
    assert_int_equal(
        RtlWriteNonVolatileMemory(given, at, overlaps ? at + 8 : bytes, sizeof bytes, flags),
        status);
    expect(EVENT_STORING, CALL_WRITE, found | EFFECT_LOADED, token, at, sizeof bytes);
    expect(EVENT_STORE, CALL_WRITE, found | effect, token, at, sizeof bytes);
    assert_int_equal(RtlFillNonVolatileMemory(given, at, 8, 3, flags), status);
    expect(EVENT_STORING, CALL_FILL, found | EFFECT_LOADED, token, at, 8);
    expect(EVENT_STORE, CALL_FILL, found | (effect & ~(uint32_t)EFFECT_OVERLAP), token, at, 8);
    expect_no_more();
    sync_error = 0;
    assert_int_equal(NvRtlRetryToken(token), STATUS_SUCCESS);
    expect(EVENT_RETRY, CALL_RETRY, 0, token, NULL, 0);
}

static void test_stores(void **state) {
    static const struct {
        ULONG flags;
        uint32_t effect;
    } cases[] = {{0, 0},
                 {0x100, 0},
                 {1, EFFECT_FLUSH | EFFECT_DRAIN},
                 {0x101, EFFECT_FLUSH},
                 {2, EFFECT_STREAM},
                 {0x102, EFFECT_STREAM},
                 {3, EFFECT_FLUSH | EFFECT_STREAM | EFFECT_DRAIN},
                 {0x103, EFFECT_FLUSH | EFFECT_STREAM | EFFECT_DRAIN}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint32_t effect = cases[i].effect;
        check_store(cases[i].flags, token, false, effect);
        check_store(cases[i].flags, EACH, false, effect);
        check_store(cases[i].flags, token, false, effect | EFFECT_OVERLAP);
        if (effect & EFFECT_DRAIN)
            check_store(cases[i].flags, token, true, (effect ^ EFFECT_DRAIN) | EFFECT_FAILED);
    }
}

/* What met no page is not told of as stored, and what will meet none as not loaded. In a child
   whose first Get it is: cmocka has a handler of its own for each test. */
static void child_fault(void) {
    CHILD_NEED(begin(NULL) == 0 && ftruncate(view.descriptor, PAGE) == 0);
    unsigned char *gone = view.bytes + 2 * PAGE;
    CHILD_NEED(RtlFillNonVolatileMemory(token, gone, 8, 1, 0) != STATUS_SUCCESS);
    CHILD_NEED(told_count == 1 && told[0].kind == EVENT_STORING && told[0].effect == 0);
    CHILD_NEED(told[0].address == (uintptr_t)gone && told[0].length == 8);
    CHILD_NEED(RtlFlushNonVolatileMemory(token, gone, 8, 0) == STATUS_SUCCESS);
    CHILD_NEED(told[1].kind == EVENT_FLUSHING && told[1].effect == 0);
}

static void test_fault(void **state) {
    (void)state;
    check_child(child_fault, 0);
}

static void check_drains(uint32_t effect, NTSTATUS status) {
    NV_MEMORY_RANGE ranges[] = {{at, 8}, {at + PAGE, 16}};
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, 0), status);
    expect(EVENT_FLUSHING, CALL_FLUSH, EFFECT_LOADED, token, at, 8);
    expect(EVENT_FLUSH, CALL_FLUSH, effect, token, at, 8);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, 2, 0), status);
    expect(EVENT_FLUSHING, CALL_FLUSH_RANGES, 0, token, NULL, 0);
    expect(EVENT_FLUSH_RANGES, CALL_FLUSH_RANGES, effect, token, ranges, 2);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, ranges, 2, 0), status);
    expect(EVENT_FLUSHING, CALL_FLUSH_RANGES, 0, NULL, NULL, 0);
    expect(EVENT_FLUSH, CALL_FLUSH_RANGES, EFFECT_DEFAULT, token, at, 8);
    expect(EVENT_FLUSH, CALL_FLUSH_RANGES, EFFECT_DEFAULT, token, at + PAGE, 16);
    expect(EVENT_FLUSH_RANGES, CALL_FLUSH_RANGES, effect, NULL, ranges, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), status);
    expect(EVENT_FLUSHING, CALL_DRAIN, 0, token, NULL, 0);
    expect(EVENT_DRAIN, CALL_DRAIN, effect, token, NULL, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), status);
    expect(EVENT_FLUSHING, CALL_DRAIN, 0, NULL, NULL, 0);
    expect(EVENT_DRAIN, CALL_DRAIN, effect, NULL, NULL, 0);
    expect_no_more();
}

/* Who hears of a flush before it is made may do without the other event, unless it says more. */
static void test_told_before(void **state) {
    (void)state;
    hears_before = true;
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN),
                     STATUS_SUCCESS);
    expect(EVENT_FLUSHING, CALL_FLUSH, EFFECT_LOADED, token, at, 8);
    expect_no_more();
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, 0), STATUS_SUCCESS);
    expect(EVENT_FLUSHING, CALL_FLUSH, EFFECT_LOADED, token, at, 8);
    expect(EVENT_FLUSH, CALL_FLUSH, EFFECT_DRAIN | EFFECT_TOLD, token, at, 8);
    sync_error = EIO;
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, 0), STATUS_IO_DEVICE_ERROR);
    expect(EVENT_FLUSHING, CALL_FLUSH, EFFECT_LOADED, token, at, 8);
    expect(EVENT_FLUSH, CALL_FLUSH, EFFECT_FAILED | EFFECT_TOLD, token, at, 8);
    expect_no_more();
    hears_before = false;
}

static void test_drains(void **state) {
    (void)state;
    NV_MEMORY_RANGE range = {at, 8};
    const ULONG later = FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN;
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, later), STATUS_SUCCESS);
    expect(EVENT_FLUSHING, CALL_FLUSH, EFFECT_LOADED, token, at, 8);
    expect(EVENT_FLUSH, CALL_FLUSH, 0, token, at, 8);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, &range, 1, later), STATUS_SUCCESS);
    expect(EVENT_FLUSHING, CALL_FLUSH_RANGES, 0, token, NULL, 0);
    expect(EVENT_FLUSH_RANGES, CALL_FLUSH_RANGES, 0, token, &range, 1);
    check_drains(EFFECT_DRAIN, STATUS_SUCCESS);
    sync_error = EIO;
    check_drains(EFFECT_FAILED, STATUS_IO_DEVICE_ERROR);
    /* A failure stays told though the system would succeed; a Retry that fails tells nothing. */
    assert_int_equal(NvRtlRetryToken(token), STATUS_IO_DEVICE_ERROR);
    sync_error = 0;
    check_drains(EFFECT_FAILED, STATUS_IO_DEVICE_ERROR);
}

/* Refused calls: whether it was the token or the range. */
static void check_refused(PVOID given, enum event_kind kind, const void *address) {
    unsigned char byte = 0;
    NV_MEMORY_RANGE range = {(void *)address, 8};
    RtlWriteNonVolatileMemory(given, (void *)address, &range, 8, 0);
    expect(kind, CALL_WRITE, 0, given, address, 8);
    RtlFillNonVolatileMemory(given, (void *)address, 8, 1, 3);
    expect(kind, CALL_FILL, 0, given, address, 8);
    RtlFlushNonVolatileMemory(given, (void *)address, 8, 0);
    expect(kind, CALL_FLUSH, 0, given, address, 8);
    RtlFlushNonVolatileMemoryRanges(given, &range, 1, 0);
    expect(kind, CALL_FLUSH_RANGES, 0, given, kind == EVENT_OUTSIDE ? address : NULL,
           kind == EVENT_OUTSIDE ? 8 : 0);
    NvRtlReadNonVolatileMemory(given, &byte, address, 8);
    expect(kind, CALL_READ, 0, given, address, 8);
    NvRtlVerifierIgnore(given, address, 8);
    expect(kind, CALL_IGNORE, 0, given, address, 8);
    expect_no_more();
}

/* Arrays that cannot be one are told of to nobody: there is no range to tell. */
static void test_no_array(void **state) {
    (void)state;
    NV_MEMORY_RANGE range = {at, 8};
    NV_MEMORY_RANGE *const wrapping = (NV_MEMORY_RANGE *)(UINTPTR_MAX - 31);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, wrapping, 3, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, &range, SIZE_MAX, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, &range, 1, 2),
                     STATUS_INVALID_PARAMETER);
    expect_no_more();
}

static void test_refused(void **state) {
    (void)state;
    PVOID freed;
    NvRtlTokenInfo info = {.structSize = sizeof info};
    atomic_store(&observe_current, NULL);
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &freed), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(freed), STATUS_SUCCESS);
    atomic_store(&observe_current, listen);
    check_refused(token, EVENT_OUTSIDE, view.bytes + view.size - 4);
    check_refused(EACH, EVENT_OUTSIDE, (const void *)(UINTPTR_MAX - 3));
    check_refused(freed, EVENT_BAD_TOKEN, at);
    RtlDrainNonVolatileFlush(freed);
    expect(EVENT_BAD_TOKEN, CALL_DRAIN, 0, freed, NULL, 0);
    NvRtlRetryToken(freed);
    expect(EVENT_BAD_TOKEN, CALL_RETRY, 0, freed, NULL, 0);
    const PVOID no_tokens[] = {NULL, freed, EACH};
    for (size_t i = 0; i < ARRAY_LENGTH(no_tokens); i++) {
        RtlFreeNonVolatileToken(no_tokens[i]);
        expect(EVENT_BAD_TOKEN, CALL_FREE, 0, no_tokens[i], NULL, 0);
        NvRtlQueryToken(no_tokens[i], &info);
        expect(EVENT_BAD_TOKEN, CALL_QUERY, 0, no_tokens[i], NULL, 0);
    }
    /* Unknown flags are the caller's, and say nothing of memory. */
    assert_int_equal(RtlFillNonVolatileMemory(token, at, 8, 1, 0x10), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemory(token, at, 8, 0x10), STATUS_INVALID_PARAMETER);
    expect_no_more();
}

static void test_annotations(void **state) {
    (void)state;
    static const char words[] = "a batch";
    NvRtlVerifierIgnore(token, at, 8);
    expect(EVENT_IGNORE, CALL_IGNORE, 0, token, at, 8);
    NvRtlVerifierAssertDurable(EACH, at, 24);
    expect(EVENT_ASSERT_DURABLE, CALL_ASSERT_DURABLE, EFFECT_DEFAULT, token, at, 24);
    NvRtlVerifierCommitPoint(token, at, 8);
    expect(EVENT_COMMIT_POINT, CALL_COMMIT_POINT, 0, token, at, 8);
    NvRtlVerifierCommitPointFor(token, at, 8, at + 64, 16);
    struct event point = next();
    assert_int_equal(point.kind, EVENT_COMMIT_POINT);
    assert_ptr_equal(point.data.address, at + 64);
    assert_int_equal(point.data.length, 16);
    NvRtlVerifierCommitPointFor(token, at, 8, at, 0); /* names nothing */
    static char elsewhere[8];
    NvRtlVerifierCommitPointFor(token, at, 8, elsewhere, 8);
    expect(EVENT_OUTSIDE, CALL_COMMIT_POINT_FOR, 0, token, elsewhere, 8);
    NvRtlVerifierMark(token, NVRTL_OP_ACK, 17, words);
    struct event mark = next();
    assert_int_equal(mark.kind, EVENT_MARK);
    assert_int_equal(mark.mark, NVRTL_OP_ACK);
    assert_int_equal(mark.id, 17);
    assert_ptr_equal(mark.text, words);
    assert_int_equal(mark.token, (uintptr_t)token);
    NvRtlVerifierMark(NULL, NVRTL_OP_BEGIN, 1, NULL);
    expect(EVENT_BAD_TOKEN, CALL_MARK, 0, NULL, NULL, 0);
    expect_no_more();
}

static void test_tokens(void **state) {
    (void)state;
    PVOID other;
    NvRtlTokenInfo info = {.structSize = sizeof info};
    assert_int_equal(RtlGetNonVolatileToken(at, 8, &other), STATUS_SUCCESS);
    expect(EVENT_GET, CALL_GET, 0, other, at, 8);
    assert_int_equal(told_domain, DOMAIN_PAGE_CACHE);
    assert_int_equal(NvRtlQueryToken(other, &info), STATUS_SUCCESS);
    assert_true((info.flags & NVRTL_TOKEN_VERIFIED) != 0);
    assert_int_equal(RtlFreeNonVolatileToken(other), STATUS_SUCCESS);
    expect(EVENT_FREE, CALL_FREE, 0, other, NULL, 0);
    expect_no_more();
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault), CASE(test_stores),  CASE(test_drains),
        CASE(test_told_before),       CASE(test_refused), CASE(test_no_array),
        CASE(test_annotations),       CASE(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
