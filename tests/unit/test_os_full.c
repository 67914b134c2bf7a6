/* SPDX-License-Identifier: BSD-2-Clause */
/* When a file system has no room left, so that no page came behind a hole of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/calls.h"
#include "os/guard.h"

#define SIZE ((size_t)1 << 20)

/* What a file system tells of its blocks, and whether it is full for root and for others. The first
   is an ext4 of 64 MiB that root has filled. */
static const struct full {
    uint64_t type, size, blocks, free, available;
    bool root, other;
    size_t at; /* where no page came; the file has 1 MiB */
} fulls[] = {
    {EXT4_SUPER_MAGIC, 1024, 56037, 1310, 0, true, true, 0},
    {EXT4_SUPER_MAGIC, 4096, 14200, 700, 0, false, true, 0},
    {EXT4_SUPER_MAGIC, 4096, 1 << 28, 4096, 0, true, true, 0},
    {EXT4_SUPER_MAGIC, 4096, 1 << 28, 5000, 0, false, true, 0},
    {EXT4_SUPER_MAGIC, 4096, 1 << 28, 1 << 20, 1 << 19, false, false, 0},
    {TMPFS_MAGIC, 4096, 14200, 0, 0, true, true, 0},
    {TMPFS_MAGIC, 4096, 14200, 16, 16, true, true, 0},
    {TMPFS_MAGIC, 4096, 14200, 322, 322, false, false, 0},
    {TMPFS_MAGIC, 4096, 0, 0, 0, false, false, 0}, /* without a limit */
    {TMPFS_MAGIC, 4096, 14200, 0, 0, true, true, SIZE - 1},
    {TMPFS_MAGIC, 4096, 14200, 0, 0, false, false, SIZE},
};
static const struct full *told_full;

static int stat_told(const char *path, struct stat *told) {
    (void)path;
    told->st_size = SIZE;
    return 0;
}

static int statfs_told(const char *path, struct statfs *told) {
    (void)path;
    told->f_type = (__typeof__(told->f_type))told_full->type;
    told->f_bsize = (__typeof__(told->f_bsize))told_full->size;
    told->f_blocks = told_full->blocks;
    told->f_bfree = told_full->free;
    told->f_bavail = told_full->available;
    return 0;
}

static void test_full(void **state) {
    (void)state;
    os_calls.stat = stat_told;
    os_calls.statfs = statfs_told;
    for (size_t i = 0; i < ARRAY_LENGTH(fulls); i++) {
        told_full = &fulls[i];
        bool full = os_is_full("/", fulls[i].at);
        if (full != (geteuid() == 0 ? fulls[i].root : fulls[i].other))
            fail_msg("file system %zu", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
