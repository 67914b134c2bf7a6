/* SPDX-License-Identifier: BSD-2-Clause */
/* FLUSH_NV_MEMORY_DEFAULT_TOKEN: the library finds the token of an address, or makes one for the
   mapping that holds it and looks at each use whether that mapping still stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>

#include "child.h"
#include "os/calls.h"
#include "view.h"

#define BOTH (PROT_READ | PROT_WRITE)

/* Nothing is there to drain before the first Get, and a size of 0 asks for no token. */
static void check_before_the_first(void) {
    PVOID tokens[] = {EACH, NULL, (PVOID)(uintptr_t)((uint64_t)TOKEN_TAG << 48)};
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        NTSTATUS expected = i == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
        for (ULONG flags = 0; flags < 8; flags++) {
            ULONG store = (flags & 3) | (flags & 4) << 6;
            CHILD_NEED(RtlFillNonVolatileMemory(tokens[i], NULL, 0, 1, store) == expected);
            CHILD_NEED(RtlWriteNonVolatileMemory(tokens[i], NULL, NULL, 0, store) == expected);
            CHILD_NEED(RtlFlushNonVolatileMemory(tokens[i], NULL, 0, flags & 1) == expected);
            CHILD_NEED(RtlFlushNonVolatileMemoryRanges(tokens[i], NULL, 0, flags & 1) == expected);
        }
        CHILD_NEED(RtlDrainNonVolatileFlush(tokens[i]) == expected);
        CHILD_NEED(RtlFreeNonVolatileToken(tokens[i]) == STATUS_INVALID_PARAMETER);
    }
    CHILD_NEED(atomic_load(&token_table.slots) == NULL);
}

static void test_before_the_first(void **state) {
    (void)state;
    check_child(check_before_the_first, 0);
}

static unsigned syncs;
static int sync_error;

static int counted_msync(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    syncs++;
    errno = sync_error;
    return errno == 0 ? 0 : -1;
}

static struct view view;

static int make_view(void **state) {
    (void)state;
    os_calls.msync = counted_msync;
    library_set_domain("page-cache!");
    syncs = 0;
    sync_error = 0;
    return view_open(&view, MEMORY_FOLDER, 4 * PAGE) ? 0 : -1;
}

static int end_view(void **state) {
    (void)state;
    view_close(&view);
    return 0;
}

static size_t tokens_alive(void) {
    struct token_view token;
    size_t count = 0;
    for (uint32_t i = 0; i < atomic_load(&token_table.slots_used); i++)
        count += token_at(i, &token);
    return count;
}

static NTSTATUS fill(unsigned char *address, size_t size, UCHAR value, ULONG flags) {
    errno = 12345;
    NTSTATUS status = RtlFillNonVolatileMemory(EACH, address, size, value, flags);
    assert_int_equal(errno, 12345);
    return status;
}

/* The program's own token, where there is one; then no other is made. */
static void test_own_token(void **state) {
    (void)state;
    PVOID token;
    assert_int_equal(RtlGetNonVolatileToken(view.bytes + 10, PAGE, &token), STATUS_SUCCESS);
    size_t alive = tokens_alive();
    assert_int_equal(fill(view.bytes + 10, PAGE, 3, 0x101), STATUS_SUCCESS);
    assert_int_equal(view.bytes[10 + PAGE - 1], 3);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, view.bytes + 20, 1, 1), STATUS_SUCCESS);
    assert_int_equal(tokens_alive(), alive);
    assert_int_equal(syncs, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
}

/* One internal token for a mapping, whatever part of it is used, once. */
static void test_internal_token(void **state) {
    (void)state;
    size_t alive = tokens_alive();
    UCHAR byte = 9;
    NV_MEMORY_RANGE range = {view.bytes, PAGE};
    assert_int_equal(fill(view.bytes + PAGE, 1, 1, 1), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(tokens_alive(), alive + 1);
    assert_int_equal(fill(view.bytes, view.size, 2, 0), STATUS_SUCCESS);
    assert_int_equal(RtlWriteNonVolatileMemory(EACH, view.bytes, &byte, 1, 1), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, view.bytes + 7, 9, 0), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, &range, 1, 1), STATUS_SUCCESS);
    assert_int_equal(tokens_alive(), alive + 1);
    assert_int_equal(syncs, 3);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 4);
    assert_int_equal(view.bytes[0], 9);
    assert_int_equal(view.bytes[view.size - 1], 2);
    /* One of the program's own takes over what lies in it. */
    PVOID token;
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, PAGE, 5, 0), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, 2 * PAGE, 6, 0), STATUS_SUCCESS);
    assert_int_equal(tokens_alive(), alive + 2);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, PAGE, 7, 0), STATUS_SUCCESS);
    assert_int_equal(view.bytes[PAGE - 1], 7);
    assert_int_equal(view.bytes[2 * PAGE - 1], 6);
}

/* What Get would have said. */
static void test_refused(void **state) {
    (void)state;
    unsigned char *heap = malloc(64), local[8] = {0};
    assert_non_null(heap);
    memset(heap, 0x11, 64);
    unsigned char *shared = mmap(NULL, PAGE, BOTH, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char *end_of_view = view.bytes + view.size;
    size_t alive = tokens_alive();
    assert_int_equal(fill(heap, 64, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill(local, 8, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill(shared, PAGE, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill((unsigned char *)PAGE, 1, 1, 0), STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(fill(NULL, 1, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill((unsigned char *)UINTPTR_MAX, 2, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill(view.bytes, SIZE_MAX, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill(end_of_view - 1, 2, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(mprotect(view.bytes, view.size, PROT_READ), 0);
    assert_int_equal(fill(view.bytes, 1, 1, 0), STATUS_ACCESS_DENIED);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, view.bytes, 1, 0), STATUS_ACCESS_DENIED);
    assert_int_equal(mprotect(view.bytes, view.size, BOTH), 0);
    assert_int_equal(fill(view.bytes, 1, 1, 4), STATUS_INVALID_PARAMETER);
    assert_int_equal(view.bytes[0], 0);
    assert_int_equal(heap[0] + heap[63] + local[0], 0x22);
    assert_true(tokens_alive() <= alive + 1);
    munmap(shared, PAGE);
    free(heap);
}

/* Two mappings are two tokens. */
static void test_two_mappings(void **state) {
    (void)state;
    unsigned char *middle = view.bytes + 2 * PAGE;
    assert_ptr_equal(mmap(middle, PAGE, BOTH, MAP_SHARED | MAP_FIXED, view.descriptor, 0), middle);
    assert_int_equal(fill(middle - 1, 2, 1, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(fill(middle - 1, 1, 1, 0), STATUS_SUCCESS);
    assert_int_equal(fill(middle, 1, 2, 0), STATUS_SUCCESS);
    assert_int_equal(view.bytes[0], 2);
}

static void test_not_for_all_routines(void **state) {
    (void)state;
    NvRtlTokenInfo info = {.structSize = sizeof info};
    assert_int_equal(RtlFreeNonVolatileToken(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlQueryToken(EACH, &info), STATUS_INVALID_PARAMETER);
}

/* A flush of nothing, anywhere, is a drain of everything. */
static void test_size_zero(void **state) {
    (void)state;
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, view.bytes, 1, 1), STATUS_SUCCESS);
    syncs = 0;
    assert_int_equal(fill(NULL, 0, 1, 0), STATUS_SUCCESS);
    assert_int_equal(RtlWriteNonVolatileMemory(EACH, NULL, NULL, 0, 0), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, NULL, 0, 1), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, NULL, 0, 1), STATUS_SUCCESS);
    assert_int_equal(syncs, 0);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, NULL, 0, 0), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(RtlFlushNonVolatileMemory(EACH, view.bytes, 1, 1), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, NULL, 0, 0), STATUS_SUCCESS);
    assert_int_equal(syncs, 2);
}

/* Ranges of several files; a bad one among them, and none is flushed. */
static void test_ranges(void **state) {
    (void)state;
    struct view other;
    assert_true(view_open(&other, MEMORY_FOLDER, 2 * PAGE));
    NV_MEMORY_RANGE ranges[] = {
        {view.bytes, PAGE}, {other.bytes + 5, PAGE}, {NULL, 0}, {view.bytes + PAGE, 1}};
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    syncs = 0;
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, ranges, 4, 0), STATUS_SUCCESS);
    assert_int_equal(syncs, 2);
    ranges[2] = (NV_MEMORY_RANGE){&other, 1};
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, ranges, 4, 0), STATUS_INVALID_PARAMETER);
    ranges[2] = (NV_MEMORY_RANGE){(PVOID)PAGE, 1};
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(EACH, ranges, 4, 1),
                     STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 2);
    view_close(&other);
}

static void remap(const struct view *to, int protection, int sharing, off_t offset) {
    assert_ptr_equal(
        mmap(view.bytes, view.size, protection, sharing | MAP_FIXED, to->descriptor, offset),
        view.bytes);
}

/* Another mapping at the address of one that had an internal token. */
static void test_mapped_over(void **state) {
    (void)state;
    struct view other;
    assert_true(view_open(&other, MEMORY_FOLDER, 8 * PAGE));
    assert_int_equal(fill(view.bytes, view.size, 1, 0), STATUS_SUCCESS);
    sync_error = EIO;
    assert_int_equal(fill(view.bytes, 1, 1, 1), STATUS_IO_DEVICE_ERROR);
    sync_error = 0;
    assert_int_equal(fill(view.bytes, 1, 1, 1), STATUS_IO_DEVICE_ERROR);
    remap(&other, BOTH, MAP_SHARED, 0);
    assert_int_equal(fill(view.bytes, 1, 2, 1), STATUS_SUCCESS);
    assert_int_equal(other.bytes[0], 2);
    remap(&other, BOTH, MAP_SHARED, (off_t)PAGE);
    assert_int_equal(fill(view.bytes, 1, 3, 1), STATUS_SUCCESS);
    assert_int_equal(other.bytes[PAGE], 3);
    remap(&other, BOTH, MAP_PRIVATE, 0);
    assert_int_equal(fill(view.bytes, 1, 4, 1), STATUS_INVALID_PARAMETER);
    remap(&other, PROT_READ, MAP_SHARED, 0);
    assert_int_equal(fill(view.bytes, 1, 5, 1), STATUS_ACCESS_DENIED);
    munmap(view.bytes, view.size);
    assert_int_equal(fill(view.bytes, 1, 6, 1), STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(other.bytes[0], 2);
    remap(&view, BOTH, MAP_SHARED, 0);
    /* The first file is still the one that failed. */
    assert_int_equal(fill(view.bytes, 1, 7, 1), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(view.bytes[0], 7);
    view_close(&other);
}

/* What was flushed in a view that is gone cannot be waited for: a drain of the addresses would sync
   what lies there now. That is said once, and nothing else is synced in its place. */
static void test_view_gone_before_the_drain(void **state) {
    (void)state;
    struct view other;
    assert_true(view_open(&other, MEMORY_FOLDER, 4 * PAGE));
    RtlDrainNonVolatileFlush(EACH);
    /* Mapped over, found by the drain. */
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    syncs = 0;
    remap(&other, BOTH, MAP_SHARED, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 0);
    /* Found by a use of the same addresses, in between. */
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    remap(&view, BOTH, MAP_SHARED, 0);
    assert_int_equal(fill(view.bytes, 1, 2, 1), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    /* Unmapped. A token of the program's own for the file drains what it holds. */
    PVOID token;
    assert_int_equal(RtlGetNonVolatileToken(other.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    remap(&other, BOTH, MAP_SHARED, 0);
    assert_int_equal(fill(view.bytes, 1, 3, 0x101), STATUS_SUCCESS);
    munmap(view.bytes, view.size);
    syncs = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    /* Who drains everything is told as well. */
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    view_close(&other);
}

/* A drain that could not be done owes what it owed before. */
static void test_view_gone_after_a_busy_drain(void **state) {
    (void)state;
    RtlDrainNonVolatileFlush(EACH);
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    sync_error = EBUSY;
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_DEVICE_BUSY);
    sync_error = 0;
    munmap(view.bytes, view.size);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
}

/* A token that ends leaves its pages to the other views of the file. Nobody flushed anything in one
   of these since its last drain: that it is gone concerns nobody. */
static void test_inheriting_view_gone(void **state) {
    (void)state;
    struct view other;
    PVOID own;
    assert_true(view_open(&other, MEMORY_FOLDER, 4 * PAGE));
    remap(&other, BOTH, MAP_SHARED, 0);
    assert_int_equal(fill(view.bytes, 1, 1, 1), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(RtlGetNonVolatileToken(other.bytes, PAGE, &own), STATUS_SUCCESS);
    assert_int_equal(
        RtlFlushNonVolatileMemory(own, other.bytes, 1, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN),
        STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(own), STATUS_SUCCESS);
    munmap(view.bytes, view.size);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    view_close(&other);
}

/* What was flushed with the default token is waited for by a drain with it, also when the token
   that had stood for it, which its user knows nothing of, was freed meanwhile. */
static void test_token_freed_before_the_drain(void **state) {
    (void)state;
    PVOID token;
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    size_t alive = tokens_alive();
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    syncs = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(tokens_alive(), alive - 1);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    /* Once the view is gone too, it says so. */
    struct view other;
    assert_true(view_open(&other, MEMORY_FOLDER, 4 * PAGE));
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    remap(&other, BOTH, MAP_SHARED, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    remap(&view, BOTH, MAP_SHARED, 0);
    view_close(&other);
    /* Of a region that begins inside of a page, and of the mapping. */
    assert_int_equal(RtlGetNonVolatileToken(view.bytes + PAGE + 100, 200, &token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes + PAGE + 120, 1, 1, 0x101), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    syncs = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    /* Drained before the token ends. */
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(fill(view.bytes, 1, 1, 0x101), STATUS_SUCCESS);
    syncs = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    /* What a token's own user leaves behind is nobody else's business. */
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, &token), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemory(token, view.bytes, 1, 1), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
}

/* A program that never drains does not use up the table with what waits for it: over one region
   again and again that takes one place, and there are 256 at most. */
static void test_rest_of_many_tokens(void **state) {
    (void)state;
    PVOID token;
    size_t alive = tokens_alive();
    for (int i = 0; i < 500; i++) {
        size_t at = i < 250 ? 0 : (size_t)(i - 250) * 3;
        assert_int_equal(RtlGetNonVolatileToken(view.bytes + at, 3, &token), STATUS_SUCCESS);
        assert_int_equal(fill(view.bytes + at, 1, 1, 0x101), STATUS_SUCCESS);
        assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
        assert_true(i >= 250 || tokens_alive() == alive + 1);
    }
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(tokens_alive(), alive);
    /* More places than there may be: told, and only once. */
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(RtlGetNonVolatileToken(view.bytes + i * 3, 3, &token), STATUS_SUCCESS);
        assert_int_equal(fill(view.bytes + i * 3, 1, 1, 0x101), STATUS_SUCCESS);
        assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    }
    assert_int_equal(tokens_alive(), alive + 256);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    assert_int_equal(tokens_alive(), alive);
}

/* A program that maps over and over again does not use up the table. */
static void test_no_token_is_left(void **state) {
    (void)state;
    assert_int_equal(fill(view.bytes, 1, 1, 0), STATUS_SUCCESS);
    size_t alive = tokens_alive();
    for (off_t i = 0; i < 500; i++) {
        remap(&view, BOTH, MAP_SHARED, i % 3 * (off_t)PAGE);
        assert_int_equal(fill(view.bytes, PAGE, 1, 1), STATUS_SUCCESS);
    }
    assert_true(tokens_alive() <= alive);
}

/* A handler that interrupts a Get and uses an address whose internal token has lost its mapping. */
static int (*real_open)(const char *path, int flags, ...);
static volatile sig_atomic_t handled;
static NTSTATUS in_handler;

static void use_in_handler(int signal) {
    (void)signal;
    in_handler = RtlFillNonVolatileMemory(EACH, view.bytes, 1, 1, 0);
    handled = 1;
}

static int interrupted_open(const char *path, int flags, ...) {
    os_calls.open = real_open;
    raise(SIGUSR1);
    return real_open(path, flags);
}

static void check_in_handler(void) {
    struct sigaction action = {.sa_handler = use_in_handler};
    struct view other;
    PVOID token;
    CHILD_NEED(sigaction(SIGUSR1, &action, NULL) == 0);
    CHILD_NEED(view_open(&other, MEMORY_FOLDER, view.size));
    CHILD_NEED(RtlFillNonVolatileMemory(EACH, view.bytes, 1, 1, 0) == STATUS_SUCCESS);
    CHILD_NEED(mmap(view.bytes, view.size, BOTH, MAP_SHARED | MAP_FIXED, other.descriptor, 0) ==
               view.bytes);
    real_open = os_calls.open;
    os_calls.open = interrupted_open;
    CHILD_NEED(RtlGetNonVolatileToken(other.bytes, PAGE, &token) == STATUS_SUCCESS);
    CHILD_NEED(handled == 1 && in_handler == STATUS_DEVICE_BUSY);
    CHILD_NEED(RtlFillNonVolatileMemory(EACH, view.bytes, 1, 2, 0) == STATUS_SUCCESS);
    CHILD_NEED(other.bytes[0] == 2);
}

static void test_in_handler_of_get(void **state) {
    (void)state;
    check_child(check_in_handler, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_view, end_view)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_first),
        TEST(test_own_token),
        TEST(test_internal_token),
        TEST(test_refused),
        TEST(test_two_mappings),
        TEST(test_not_for_all_routines),
        TEST(test_size_zero),
        TEST(test_ranges),
        TEST(test_mapped_over),
        TEST(test_view_gone_before_the_drain),
        TEST(test_view_gone_after_a_busy_drain),
        TEST(test_inheriting_view_gone),
        TEST(test_token_freed_before_the_drain),
        TEST(test_rest_of_many_tokens),
        TEST(test_no_token_is_left),
        TEST(test_in_handler_of_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
