/* SPDX-License-Identifier: BSD-2-Clause */
/* os/ on Linux: memory that costs nothing until it is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/calls.h"
#include "os/os.h"

/* No function may change it. */
#define ERRNO_BEFORE 12345

static void test_reserve(void **state) {
    (void)state;
    size_t size = (size_t)1 << 30;
    char *memory = (char *)os_reserve(size);
    assert_non_null(memory);
    for (size_t at = 0; at < size; at += size / 8 - 1) {
        assert_int_equal(memory[at], 0);
        memory[at] = 1;
    }
    munmap(memory, size);
    errno = ERRNO_BEFORE;
    assert_null(os_reserve((size_t)1 << 60));
    assert_null(os_reserve(SIZE_MAX));
    assert_int_equal(errno, ERRNO_BEFORE);
}

/* Memory that may not be touched is of no use, and is given back. */
static char *given_back;
static int no_mprotect(void *address, size_t size, int protection) {
    (void)address, (void)size, (void)protection;
    errno = ENOMEM;
    return -1;
}
static int kept_munmap(void *address, size_t size) {
    given_back = (char *)address;
    return munmap(address, size);
}

static void test_reserve_fails(void **state) {
    (void)state;
    const struct os_calls real = os_calls;
    os_calls.mprotect = no_mprotect;
    os_calls.munmap = kept_munmap;
    errno = ERRNO_BEFORE;
    void *memory = os_reserve(4096);
    os_calls = real;
    assert_null(memory);
    assert_non_null(given_back);
    assert_int_equal(errno, ERRNO_BEFORE);
}

/* A program that locks all of its memory gets none for what is only reserved. In a process of its
   own, as some limit may end it. */
static void test_reserve_locked(void **state) {
    (void)state;
    size_t size = (size_t)1 << 20, page = os_page_size();
    pid_t child = fork();
    if (child == 0) {
        unsigned char resident[256] = {0};
        if (mlockall(MCL_FUTURE) != 0)
            _exit(2);
        char *memory = (char *)os_reserve(size);
        if (memory == NULL)
            _exit(2);
        bool asked = size / page <= sizeof resident && mincore(memory, size, resident) == 0;
        bool none = asked && memchr(resident, 1, sizeof resident) == NULL;
        memory[size - 1] = 1;
        _exit(none ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip(); /* not allowed to lock as much */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What would be a signal is an answer; what is there stays. */
static void test_may_store(void **state) {
    (void)state;
    size_t page = os_page_size();
    int descriptor = memfd_create("test", MFD_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, (off_t)page), 0);
    char *bytes = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    assert_true(bytes != MAP_FAILED);
    memcpy(bytes, "\xff\xff\xff\x80", 4); /* less than any number that a futex is compared with */
    errno = ERRNO_BEFORE;
    assert_true(os_may_store(bytes));
    assert_memory_equal(bytes, "\xff\xff\xff\x80", 4);
    assert_false(os_may_store(bytes + page)); /* behind the end of the file */
    assert_int_equal(mprotect(bytes, page, PROT_READ), 0);
    assert_false(os_may_store(bytes));
    assert_int_equal(mprotect(bytes, page, PROT_NONE), 0);
    assert_false(os_may_store(bytes));
    munmap(bytes, 3 * page);
    assert_false(os_may_store(bytes));
    assert_int_equal(errno, ERRNO_BEFORE);
    close(descriptor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_reserve_fails),
        cmocka_unit_test(test_reserve_locked),
        cmocka_unit_test(test_may_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
