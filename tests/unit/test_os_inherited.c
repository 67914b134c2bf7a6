/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that cannot load its verifier counts itself in the run's file; nobody else's descriptor
   is touched for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "os/os.h"

#define ERRNO_BEFORE 12345
#define MAGIC "a magic."

struct file {
    char magic[8];
    uint32_t count, after;
};

static const struct file fresh = {.magic = MAGIC, .count = 41, .after = 7};

static int memory_file(const struct file *content, size_t size) {
    int descriptor = memfd_create("test", MFD_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, (off_t)size), 0);
    assert_int_equal(pwrite(descriptor, content, sizeof *content, 0), sizeof *content);
    return descriptor;
}

/* Counts there and gives the number that it finds after that. */
static uint32_t count(int descriptor) {
    struct file content = {.count = 0};
    errno = ERRNO_BEFORE;
    os_count_inherited(descriptor, MAGIC);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_int_equal(pread(descriptor, &content, sizeof content, 0), sizeof content);
    assert_int_equal(content.after, 7);
    return content.count;
}

static void test_counts(void **state) {
    (void)state;
    int descriptor = memory_file(&fresh, os_page_size());
    assert_int_equal(count(descriptor), 42);
    assert_int_equal(count(descriptor), 43);
    assert_int_equal(lseek(descriptor, 0, SEEK_CUR), 0);
    close(descriptor);
}

static void test_another_s_file(void **state) {
    (void)state;
    struct file other = fresh;
    memcpy(other.magic, "a magic!", sizeof other.magic);
    int descriptor = memory_file(&other, os_page_size());
    assert_int_equal(count(descriptor), 41);
    close(descriptor);
}

/* What is shorter than a page ends in SIGBUS for whoever reads it. */
static void test_short_file(void **state) {
    (void)state;
    int descriptor = memory_file(&fresh, sizeof fresh);
    assert_int_equal(count(descriptor), 41);
    close(descriptor);
}

/* A file with a name may be cut short at any time by anybody. */
static void test_named_file(void **state) {
    (void)state;
    char path[] = "/tmp/nvrtl-inherited-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, (off_t)os_page_size()), 0);
    assert_int_equal(pwrite(descriptor, &fresh, sizeof fresh, 0), sizeof fresh);
    assert_int_equal(count(descriptor), 41);
    /* Nor does it become one without its name: its medium may fail. */
    unlink(path);
    struct statfs system;
    assert_int_equal(fstatfs(descriptor, &system), 0);
    if (system.f_type != TMPFS_MAGIC)
        assert_int_equal(count(descriptor), 41);
    close(descriptor);
}

static void test_no_file(void **state) {
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    errno = ERRNO_BEFORE;
    os_count_inherited(pipes[0], MAGIC);
    os_count_inherited(pipes[1], MAGIC);
    close(pipes[0]);
    close(pipes[1]);
    os_count_inherited(pipes[0], MAGIC);
    os_count_inherited(INT_MAX, MAGIC);
    assert_int_equal(errno, ERRNO_BEFORE);
}

/* As another user's run would be. */
static void test_read_only(void **state) {
    (void)state;
    char path[64];
    int descriptor = memory_file(&fresh, os_page_size());
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(count(reader), 41);
    close(reader);
    close(descriptor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_another_s_file),
        cmocka_unit_test(test_short_file), cmocka_unit_test(test_named_file),
        cmocka_unit_test(test_no_file),    cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
