/* SPDX-License-Identifier: BSD-2-Clause */
/* RtlGetNonVolatileToken: which memory gets a token, and what it answers to every other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/aio_abi.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "child.h"
#include "view.h"

#define ERRNO_BEFORE 12345
#define BOTH (PROT_READ | PROT_WRITE)

/* Get; a failure must leave the token's place alone. */
static NTSTATUS get(const volatile void *address, size_t size, PVOID *token) {
    PVOID place = &place;
    errno = ERRNO_BEFORE;
    NTSTATUS status = RtlGetNonVolatileToken((PVOID)(uintptr_t)address, size, &place);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_int_equal(place == &place, status != STATUS_SUCCESS);
    if (token != NULL)
        *token = place;
    return status;
}

static void check_refused(const volatile void *address, size_t size, NTSTATUS expected) {
    NTSTATUS status = get(address, size, NULL);
    if (status != expected)
        fail_msg("%p, %zu bytes: %s", (void *)(uintptr_t)address, size, NvRtlStatusText(status));
}

static void check_accepted(unsigned char *address, size_t size) {
    PVOID token;
    assert_int_equal(get(address, size, &token), STATUS_SUCCESS);
    assert_non_null(token);
    assert_ptr_not_equal(token, FLUSH_NV_MEMORY_DEFAULT_TOKEN);
    assert_int_equal(RtlFillNonVolatileMemory(token, address, size, 0x5c, 1), STATUS_SUCCESS);
    assert_int_equal(address[0], 0x5c);
    assert_int_equal(address[size - 1], 0x5c);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
}

static void test_arguments(void **state) {
    (void)state;
    struct view view;
    assert_true(view_open(&view, MEMORY_FOLDER, 2 * PAGE));
    check_refused(NULL, PAGE, STATUS_INVALID_PARAMETER);
    check_refused(NULL, 0, STATUS_INVALID_PARAMETER);
    check_refused(view.bytes, 0, STATUS_INVALID_PARAMETER);
    check_refused(view.bytes, SIZE_MAX, STATUS_INVALID_PARAMETER);
    check_refused(view.bytes, (size_t)0 - (uintptr_t)view.bytes + 1, STATUS_INVALID_PARAMETER);
    check_refused(view.bytes, ((size_t)1 << 47) + 1, STATUS_INVALID_PARAMETER);
    check_refused(view.bytes, (size_t)1 << 47, STATUS_INVALID_PARAMETER);
    check_refused((void *)UINTPTR_MAX, 2, STATUS_INVALID_PARAMETER);
    check_refused((void *)(UINTPTR_MAX - 1), SIZE_MAX, STATUS_INVALID_PARAMETER);
    errno = ERRNO_BEFORE;
    assert_int_equal(RtlGetNonVolatileToken(view.bytes, PAGE, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(errno, ERRNO_BEFORE);
    view_close(&view);
}

static void test_not_mapped(void **state) {
    (void)state;
    struct view view;
    assert_true(view_open(&view, MEMORY_FOLDER, 2 * PAGE));
    munmap(view.bytes, view.size);
    check_refused(view.bytes, 1, STATUS_INFO_LENGTH_MISMATCH);
    check_refused(view.bytes + PAGE, PAGE, STATUS_INFO_LENGTH_MISMATCH);
    check_refused((void *)1, 1, STATUS_INFO_LENGTH_MISMATCH);
    check_refused((void *)(UINTPTR_MAX - PAGE + 1), PAGE, STATUS_INFO_LENGTH_MISMATCH);
    check_refused((void *)((uintptr_t)1 << 47), PAGE, STATUS_INFO_LENGTH_MISMATCH);
    close(view.descriptor);
}

/* Memory that no other process and no file sees. */
static void test_private(void **state) {
    (void)state;
    static int initialised = 1, zero;
    int local = 0;
    void *heap = malloc(100), *large = malloc((size_t)1 << 20);
    struct view view;
    assert_true(view_open(&view, MEMORY_FOLDER, PAGE));
    void *copy = mmap(NULL, PAGE, BOTH, MAP_PRIVATE, view.descriptor, 0);
    void *reserved = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_non_null(heap);
    assert_non_null(large);
    check_refused(heap, 1, STATUS_INVALID_PARAMETER);
    check_refused(large, (size_t)1 << 20, STATUS_INVALID_PARAMETER);
    check_refused(&local, sizeof local, STATUS_INVALID_PARAMETER);
    check_refused(&initialised, sizeof initialised, STATUS_INVALID_PARAMETER);
    check_refused(&zero, sizeof zero, STATUS_INVALID_PARAMETER);
    check_refused((void *)(uintptr_t)test_private, 1, STATUS_INVALID_PARAMETER);
    check_refused(copy, PAGE, STATUS_INVALID_PARAMETER);
    check_refused(reserved, PAGE, STATUS_INVALID_PARAMETER);
    munmap(copy, PAGE);
    munmap(reserved, PAGE);
    view_close(&view);
    free(heap);
    free(large);
}

/* Memory that others may see, and that no file holds. */
static void test_shared_without_file(void **state) {
    (void)state;
    for (int protection = PROT_READ; protection <= BOTH; protection += BOTH - PROT_READ) {
        void *anonymous = mmap(NULL, PAGE, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
        void *zeroes = mmap(NULL, PAGE, protection, MAP_SHARED, zero, 0);
        int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
        void *segment = shmat(id, NULL, protection == BOTH ? 0 : SHM_RDONLY);
        assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
        assert_true(anonymous != MAP_FAILED && zeroes != MAP_FAILED && segment != MAP_FAILED);
        check_refused(anonymous, PAGE, STATUS_INVALID_PARAMETER);
        check_refused(zeroes, PAGE, STATUS_INVALID_PARAMETER);
        check_refused(segment, PAGE, STATUS_INVALID_PARAMETER);
        munmap(anonymous, PAGE);
        munmap(zeroes, PAGE);
        shmdt(segment);
        close(zero);
    }
}

static void test_not_writable(void **state) {
    (void)state;
    struct view view;
    assert_true(view_open(&view, MEMORY_FOLDER, 3 * PAGE));
    assert_int_equal(mprotect(view.bytes, view.size, PROT_READ), 0);
    check_refused(view.bytes, view.size, STATUS_ACCESS_DENIED);
    check_refused(view.bytes + PAGE - 1, 1, STATUS_ACCESS_DENIED);
    assert_int_equal(mprotect(view.bytes, view.size, PROT_NONE), 0);
    check_refused(view.bytes, view.size, STATUS_ACCESS_DENIED);
    /* Every page of the region counts, and none beside it. */
    assert_int_equal(mprotect(view.bytes, view.size, BOTH), 0);
    assert_int_equal(mprotect(view.bytes + PAGE, PAGE, PROT_READ), 0);
    check_refused(view.bytes, view.size, STATUS_ACCESS_DENIED);
    check_refused(view.bytes, PAGE + 1, STATUS_ACCESS_DENIED);
    check_refused(view.bytes + 2 * PAGE - 1, 2, STATUS_ACCESS_DENIED);
    check_accepted(view.bytes, PAGE);
    check_accepted(view.bytes + 2 * PAGE, PAGE);
    view_close(&view);
}

/* The ring of Linux's asynchronous I/O is a shared writable mapping of a file that nothing
   stores. */
static void test_kernel_memory(void **state) {
    (void)state;
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 1, &context) != 0) {
        print_message("this machine gives out no ring\n");
        skip();
    }
    check_refused((void *)context, 64, STATUS_NOT_SUPPORTED);
    syscall(SYS_io_destroy, context);
}

static unsigned char *at(unsigned char *base, size_t page) {
    return base + page * PAGE;
}

static void map_at(unsigned char *address, const struct view *view, off_t page) {
    assert_ptr_equal(
        mmap(address, PAGE, BOTH, MAP_SHARED | MAP_FIXED, view->descriptor, page * (off_t)PAGE),
        address);
}

/* one 1 | one 0 | two 0 | nothing | one 0 | private */
static void test_neighbours(void **state) {
    (void)state;
    struct view one, two;
    assert_true(view_open(&one, MEMORY_FOLDER, 2 * PAGE) &&
                view_open(&two, MEMORY_FOLDER, 2 * PAGE));
    unsigned char *base = mmap(NULL, 6 * PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    map_at(at(base, 0), &one, 1);
    map_at(at(base, 1), &one, 0);
    map_at(at(base, 2), &two, 0);
    munmap(at(base, 3), PAGE);
    map_at(at(base, 4), &one, 0);

    check_accepted(base, 2 * PAGE);
    check_accepted(at(base, 1) - 1, 2);
    assert_int_equal(one.bytes[0], 0x5c);
    assert_int_equal(one.bytes[2 * PAGE - 1], 0x5c);
    check_refused(at(base, 1), 2 * PAGE, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 2) - 1, 2, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 2), PAGE + 1, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 2), 2 * PAGE, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 2), 3 * PAGE, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 3), PAGE, STATUS_INFO_LENGTH_MISMATCH);
    check_refused(at(base, 4) - 1, 2, STATUS_INFO_LENGTH_MISMATCH);
    check_refused(at(base, 4), PAGE + 1, STATUS_INVALID_PARAMETER);
    check_refused(at(base, 5), PAGE, STATUS_INVALID_PARAMETER);
    assert_int_equal(two.bytes[0], 0);
    munmap(base, 3 * PAGE);
    munmap(at(base, 4), 2 * PAGE);
    view_close(&one);
    view_close(&two);
}

static void test_accepted(void **state) {
    (void)state;
    struct view view;
    assert_true(view_open(&view, ".", 3 * PAGE));
    check_accepted(view.bytes, view.size);
    check_accepted(view.bytes, 1);
    check_accepted(view.bytes + view.size - 1, 1);
    check_accepted(view.bytes + 17, PAGE);
    check_refused(view.bytes + 1, view.size, STATUS_INVALID_PARAMETER);
    /* Nobody needs the descriptor, or that it could read. */
    close(view.descriptor);
    check_accepted(view.bytes, view.size);
    assert_int_equal(mprotect(view.bytes, view.size, PROT_WRITE), 0);
    PVOID token;
    assert_int_equal(get(view.bytes, view.size, &token), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    munmap(view.bytes, view.size);

    view.descriptor = memfd_create("nvrtl-test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(view.descriptor, PAGE), 0);
    view.bytes = view_map(view.descriptor, PAGE, 0);
    check_accepted(view.bytes, PAGE);
    munmap(view.bytes, PAGE);
    close(view.descriptor);
}

/* Tokens of one region, of overlapping ones and of others live side by side. */
static void test_many(void **state) {
    (void)state;
    enum { COUNT = 300 };
    PVOID tokens[COUNT];
    struct view view;
    assert_true(view_open(&view, MEMORY_FOLDER, COUNT * PAGE));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(get(view.bytes + i * PAGE / 2, PAGE, &tokens[i]), STATUS_SUCCESS);
    for (size_t i = 0; i < COUNT; i++) {
        unsigned char *start = view.bytes + i * PAGE / 2;
        for (size_t other = 0; other < i; other++)
            assert_ptr_not_equal(tokens[i], tokens[other]);
        assert_int_equal(RtlFillNonVolatileMemory(tokens[i], start, PAGE, 1, 0), STATUS_SUCCESS);
        assert_int_equal(RtlFillNonVolatileMemory(tokens[i], start + 1, PAGE, 2, 0),
                         STATUS_INVALID_PARAMETER);
    }
    for (size_t i = 0; i < COUNT; i += 2)
        assert_int_equal(RtlFreeNonVolatileToken(tokens[i]), STATUS_SUCCESS);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(RtlDrainNonVolatileFlush(tokens[i]),
                         i % 2 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER);
    for (size_t i = 1; i < COUNT; i += 2)
        assert_int_equal(RtlFreeNonVolatileToken(tokens[i]), STATUS_SUCCESS);
    view_close(&view);
}

static void check_without_descriptors(void) {
    struct view view;
    PVOID token = NULL;
    struct rlimit limit, none = {0};
    CHILD_NEED(view_open(&view, MEMORY_FOLDER, PAGE));
    CHILD_NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    none.rlim_max = limit.rlim_max;
    CHILD_NEED(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHILD_NEED(RtlGetNonVolatileToken(view.bytes, PAGE, &token) == STATUS_INSUFFICIENT_RESOURCES);
    CHILD_NEED(token == NULL);
    CHILD_NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_NEED(RtlGetNonVolatileToken(view.bytes, PAGE, &token) == STATUS_SUCCESS);
    /* A token needs none. */
    CHILD_NEED(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes, PAGE, 1, 1) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
}

static void test_without_descriptors(void **state) {
    (void)state;
    check_child(check_without_descriptors, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),    cmocka_unit_test(test_not_mapped),
        cmocka_unit_test(test_private),      cmocka_unit_test(test_shared_without_file),
        cmocka_unit_test(test_not_writable), cmocka_unit_test(test_kernel_memory),
        cmocka_unit_test(test_neighbours),   cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_without_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
