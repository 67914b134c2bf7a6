/* SPDX-License-Identifier: BSD-2-Clause */
/* A failed write-back is never forgotten, until NvRtlRetryToken has made it good. The system calls
   are replaced: a failing msync marks the pages clean, as Linux may, so only a page that is stored
   to again counts as written by the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nvrtl.h>

#include "os/calls.h"
#include "token/token.h"

#define PAGE ((size_t)4096)
#define PAGES 64

static struct os_calls real_calls;

/* A file with two views, and tokens for both. */
static int descriptor;
static char *view[2];
static void *token[2];

/* What the replaced calls do. */
static int errors[8]; /* of the next calls of msync, 0 ends the list */
static size_t error_count, syncs;
static struct {
    char *start;
    size_t size;
} last_sync;
static int mincore_error;
static bool absent[PAGES]; /* pages that mincore calls not resident */

static int fake_msync(void *address, size_t size, int flags) {
    assert_int_equal(flags, MS_SYNC);
    last_sync.start = address;
    last_sync.size = size;
    syncs++;
    if (errors[error_count] != 0) {
        errno = errors[error_count++];
        return -1;
    }
    return 0;
}

static int fake_mincore(void *address, size_t size, unsigned char *in_memory) {
    if (mincore_error != 0) {
        errno = mincore_error;
        mincore_error = 0;
        return -1;
    }
    for (size_t i = 0; i < size / PAGE; i++) {
        size_t page = (size_t)((char *)address - view[0]) / PAGE + i;
        in_memory[i] = page < PAGES ? !absent[page] : 1;
    }
    return 0;
}

static void fail_next(int first, int second) {
    errors[0] = first;
    errors[1] = second;
    errors[2] = 0;
    error_count = 0;
    syncs = 0;
}

static char *map_pages(void) {
    char *mapped = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    return mapped;
}

static int setup(void **state) {
    (void)state;
    char path[] = "./nvrtl-test-XXXXXX";
    setenv("NVRTL_DOMAIN", "page-cache!", 1); /* whatever the folder is */
    descriptor = mkstemp(path);
    unlink(path);
    assert_int_equal(ftruncate(descriptor, PAGES * PAGE), 0);
    real_calls = os_calls;
    for (int i = 0; i < 2; i++) {
        view[i] = map_pages();
        assert_int_equal(RtlGetNonVolatileToken(view[i], PAGES * PAGE, &token[i]), 0);
    }
    memset(absent, 0, sizeof absent);
    os_calls.msync = fake_msync;
    os_calls.mincore = fake_mincore;
    fail_next(0, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    os_calls = real_calls;
    for (int i = 0; i < 2; i++) {
        RtlFreeNonVolatileToken(token[i]);
        munmap(view[i], PAGES * PAGE);
    }
    /* The file stays open: its inode shall not come back as another test's. */
    return 0;
}

static NTSTATUS store_and_persist(int which) {
    return RtlWriteNonVolatileMemory(token[which], view[which] + 8, "durable", 8,
                                     WRITE_NV_MEMORY_FLAG_FLUSH);
}

static bool is_failed(void *tested) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    assert_int_equal(NvRtlQueryToken(tested, &info), STATUS_SUCCESS);
    return (info.flags & NVRTL_TOKEN_FAILED) != 0;
}

/* Every routine that flushes or drains, through every token of the file, gives the status. */
static void check_failed(NTSTATUS status) {
    void *later;
    NV_MEMORY_RANGE range = {view[0], 8};
    char *mapped = map_pages();
    assert_int_equal(RtlGetNonVolatileToken(mapped, PAGE, &later), STATUS_SUCCESS);
    void *const all[] = {token[0], token[1], later};
    char *const at[] = {view[0], view[1], mapped};
    fail_next(0, 0); /* the next msync would succeed, and mean nothing */
    for (int i = 0; i < 3; i++) {
        assert_true(is_failed(all[i]));
        range.BaseAddress = at[i];
        assert_int_equal(RtlDrainNonVolatileFlush(all[i]), status);
        assert_int_equal(RtlFlushNonVolatileMemory(all[i], at[i], 8, 0), status);
        assert_int_equal(RtlFlushNonVolatileMemory(all[i], at[i], 8, 1), status);
        assert_int_equal(RtlFlushNonVolatileMemory(all[i], at[i], 0, 0), status);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(all[i], &range, 1, 0), status);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(all[i], &range, 1, 1), status);
        for (ULONG flags = 0; flags < 4; flags++) {
            NTSTATUS expected = flags & 3 ? status : STATUS_SUCCESS;
            assert_int_equal(RtlWriteNonVolatileMemory(all[i], at[i], "x", 1, flags), expected);
            assert_int_equal(RtlFillNonVolatileMemory(all[i], at[i], 1, 1, flags | 0x100),
                             expected);
        }
    }
    assert_int_equal(RtlDrainNonVolatileFlush((void *)FLUSH_NV_MEMORY_DEFAULT_TOKEN), status);
    assert_int_equal(syncs, 0);
    assert_int_equal(RtlFreeNonVolatileToken(later), STATUS_SUCCESS);
    munmap(mapped, PAGES * PAGE);
}

static void check_retried(void) {
    assert_int_equal(NvRtlRetryToken(token[1]), STATUS_SUCCESS);
    for (int i = 0; i < 2; i++) {
        assert_false(is_failed(token[i]));
        assert_int_equal(store_and_persist(i), STATUS_SUCCESS);
    }
}

static void test_each_error(void **state) {
    static const struct {
        int error;
        NTSTATUS status;
    } cases[] = {{EIO, STATUS_IO_DEVICE_ERROR},
                 {ENOSPC, STATUS_DISK_FULL},
                 {EDQUOT, STATUS_DISK_FULL},
                 {EROFS, STATUS_IO_DEVICE_ERROR}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fail_next(cases[i].error, 0);
        assert_int_equal(store_and_persist(0), cases[i].status);
        check_failed(cases[i].status);
        check_retried();
    }
}

/* A failure outlives the tokens of its file. */
static void test_outlives_tokens(void **state) {
    (void)state;
    fail_next(EIO, 0);
    assert_int_equal(store_and_persist(0), STATUS_IO_DEVICE_ERROR);
    for (int i = 0; i < 2; i++)
        assert_int_equal(RtlFreeNonVolatileToken(token[i]), STATUS_SUCCESS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(RtlGetNonVolatileToken(view[i], PAGES * PAGE, &token[i]), 0);
    check_failed(STATUS_IO_DEVICE_ERROR);
    check_retried();
}

/* Retry itself may fail, at each of its calls; the failure then stays. */
static void test_retry_fails(void **state) {
    (void)state;
    fail_next(EIO, 0);
    assert_int_equal(store_and_persist(0), STATUS_IO_DEVICE_ERROR);
    /* The first two calls take the old errors of the two views; the last two are what counts. */
    for (int bad = 2; bad < 4; bad++) {
        for (int i = 0; i < 8; i++)
            errors[i] = 0;
        errors[0] = errors[1] = EIO;
        errors[2] = bad == 2 ? ENOSPC : EINTR; /* an interrupted call is made again */
        errors[3] = bad == 2 ? 0 : EIO;
        error_count = 0;
        assert_int_equal(NvRtlRetryToken(token[0]),
                         bad == 2 ? STATUS_DISK_FULL : STATUS_IO_DEVICE_ERROR);
        check_failed(STATUS_IO_DEVICE_ERROR);
    }
    static const int not_now[] = {EBUSY, ENOMEM};
    for (int i = 0; i < 2; i++) {
        fail_next(0, 0);
        mincore_error = not_now[i] == ENOMEM ? EFAULT : 0;
        if (not_now[i] == EBUSY)
            errors[0] = EBUSY;
        assert_int_equal(NvRtlRetryToken(token[0]),
                         not_now[i] == EBUSY ? STATUS_DEVICE_BUSY : STATUS_INSUFFICIENT_RESOURCES);
        check_failed(STATUS_IO_DEVICE_ERROR);
    }
    check_retried();
}

static void test_bad_tokens(void **state) {
    (void)state;
    assert_int_equal(NvRtlRetryToken(NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlRetryToken((void *)FLUSH_NV_MEMORY_DEFAULT_TOKEN),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlRetryToken(view[0]), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlRetryToken(token[0]), STATUS_SUCCESS);
}

/* Really: no byte changes, though another thread stores all the time, and each page that is in
   memory becomes dirty. */
static _Atomic bool stop_storing;

static void *store_always(void *context) {
    (void)context;
    for (uint64_t i = 1; !stop_storing; i++)
        for (size_t page = 0; page < PAGES; page++)
            atomic_store((_Atomic uint64_t *)(void *)(view[0] + page * PAGE), i);
    return NULL;
}

static void test_changes_nothing(void **state) {
    (void)state;
    pthread_t storer;
    memset(view[0], 'a', PAGES * PAGE);
    assert_int_equal(pthread_create(&storer, NULL, store_always, NULL), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(NvRtlRetryToken(token[0]), STATUS_SUCCESS);
    stop_storing = true;
    pthread_join(storer, NULL);
    uint64_t first = *(const uint64_t *)(const void *)view[0];
    for (size_t page = 0; page < PAGES; page++) {
        uint64_t word = *(const uint64_t *)(const void *)(view[1] + page * PAGE);
        assert_int_equal(word, first);
        for (size_t i = 8; i < PAGE; i++)
            assert_int_equal(view[1][page * PAGE + i], 'a');
    }
}

/* Bit 63 of a page's entry in pagemap: touched through this mapping, which was fresh. */
static bool is_touched(const char *mapped, size_t page) {
    uint64_t entry = 0;
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    off_t at = (off_t)(((uintptr_t)mapped / PAGE + page) * sizeof entry);
    assert_int_equal(pread(pagemap, &entry, sizeof entry, at), sizeof entry);
    close(pagemap);
    return (entry >> 63) != 0;
}

/* Only pages that are in memory are touched: one that is not would be read, and a hole filled. */
static void test_touches_what_is_in_memory(void **state) {
    (void)state;
    char *fresh = map_pages();
    void *third;
    munmap(view[0], PAGES * PAGE);
    RtlFreeNonVolatileToken(token[0]);
    view[0] = fresh;
    assert_int_equal(RtlGetNonVolatileToken(fresh, PAGES * PAGE, &third), STATUS_SUCCESS);
    token[0] = third;
    for (size_t page = 0; page < PAGES; page++)
        absent[page] = page % 3 == 0;
    assert_int_equal(NvRtlRetryToken(third), STATUS_SUCCESS);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(is_touched(fresh, page), page % 3 != 0);
}

/* A program may protect its view between its stores. That it cannot be touched then is a status,
   for all tokens of the file, and not the program's end. */
static void test_protected(void **state) {
    static const int protections[] = {PROT_READ, PROT_NONE};
    (void)state;
    fail_next(EIO, 0);
    assert_int_equal(store_and_persist(0), STATUS_IO_DEVICE_ERROR);
    for (size_t i = 0; i < 2; i++) {
        char *last = view[0] + (PAGES - 1) * PAGE;
        fail_next(0, 0);
        assert_int_equal(mprotect(last, PAGE, protections[i]), 0);
        assert_int_equal(NvRtlRetryToken(token[0]), STATUS_ACCESS_DENIED);
        assert_int_equal(NvRtlRetryToken(token[1]), STATUS_ACCESS_DENIED);
        assert_int_equal(mprotect(last, PAGE, PROT_READ | PROT_WRITE), 0);
        check_failed(STATUS_IO_DEVICE_ERROR);
    }
    check_retried();
}

/* What a freed token left flushed and not drained is drained through any token that covers it. */
static void test_freed_before_its_drain(void **state) {
    (void)state;
    assert_int_equal(RtlFlushNonVolatileMemory(token[0], view[0] + 5 * PAGE, PAGE,
                                               FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN),
                     STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(token[0]), STATUS_SUCCESS);
    fail_next(0, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token[1]), STATUS_SUCCESS);
    assert_int_equal(syncs, 1);
    assert_true(last_sync.start <= view[1] + 5 * PAGE &&
                last_sync.start + last_sync.size >= view[1] + 6 * PAGE);
    /* And through a token that comes later. */
    assert_int_equal(RtlGetNonVolatileToken(view[0], PAGES * PAGE, &token[0]), STATUS_SUCCESS);
    fail_next(EIO, 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token[0]), STATUS_IO_DEVICE_ERROR);
    check_failed(STATUS_IO_DEVICE_ERROR);
    check_retried();
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_each_error),      CASE(test_outlives_tokens),
        CASE(test_retry_fails),     CASE(test_bad_tokens),
        CASE(test_changes_nothing), CASE(test_touches_what_is_in_memory),
        CASE(test_protected),       CASE(test_freed_before_its_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
