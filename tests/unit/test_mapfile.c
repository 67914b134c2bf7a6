/* SPDX-License-Identifier: BSD-2-Clause */
/* NvRtlMapFile and NvRtlUnmapFile: what is mapped, every refusal, and what is left behind: nothing
   of a call that failed, no descriptor, and a file whose name is durable of one that did not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/bits.h"
#include "child.h"
#include "descriptors.h"
#include "view.h"

#define ERRNO_BEFORE 12345

static char folder[] = "./nvrtl-test-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* libc's symbol, which the library is to call: tells what was synced, and fails as it is told. */
static struct {
    ino_t inodes[16];
    off_t sizes[16];
    size_t count;
    int errors[2];   /* of the next calls */
    bool by_threads; /* nothing of this then */
} syncs;

int fsync(int descriptor) {
    struct stat status;
    if (syncs.by_threads)
        return (int)syscall(SYS_fsync, descriptor);
    size_t call = syncs.count++ % ARRAY_LENGTH(syncs.inodes);
    if (fstat(descriptor, &status) == 0) {
        syncs.inodes[call] = status.st_ino;
        syncs.sizes[call] = status.st_size;
    }
    if (call < ARRAY_LENGTH(syncs.errors) && syncs.errors[call] != 0) {
        errno = syncs.errors[call];
        return -1;
    }
    return (int)syscall(SYS_fsync, descriptor);
}

/* NvRtlMapFile; one that fails leaves no trace. */
static NTSTATUS map(const char *path, uint64_t offset, size_t size, uint32_t flags,
                    NvRtlMapping *mapping) {
    NvRtlMapping before;
    memset(&before, 0x77, sizeof before);
    memcpy(mapping, &before, sizeof before);
    size_t descriptors = count_descriptors();
    memset(&syncs.inodes, 0, sizeof syncs.inodes);
    syncs.count = 0;
    errno = ERRNO_BEFORE;
    NTSTATUS status = NvRtlMapFile(path, offset, size, flags, 0640, mapping);
    assert_int_equal(errno, ERRNO_BEFORE);
    if (status != STATUS_SUCCESS)
        assert_memory_equal(mapping, &before, sizeof before);
    assert_int_equal(count_descriptors(), descriptors + (status == STATUS_SUCCESS));
    return status;
}

static void unmap(NvRtlMapping *mapping) {
    static const NvRtlMapping cleared;
    void *base = mapping->base, *token = mapping->token;
    size_t descriptors = count_descriptors();
    errno = ERRNO_BEFORE;
    assert_int_equal(NvRtlUnmapFile(mapping), STATUS_SUCCESS);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_memory_equal(mapping, &cleared, sizeof cleared);
    assert_int_equal(count_descriptors(), descriptors - 1);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlGetNonVolatileToken(base, 1, &token), STATUS_INFO_LENGTH_MISMATCH);
}

static void refused(const char *path, uint64_t offset, size_t size, uint32_t flags,
                    NTSTATUS expected) {
    NvRtlMapping mapping;
    NTSTATUS status = map(path, offset, size, flags, &mapping);
    if (status != expected)
        fail_msg("%s, %#llx, %#zx, %u: %s", path, (unsigned long long)offset, size, flags,
                 NvRtlStatusText(status));
}

static struct stat status_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status;
}

static bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

static void make_file(const char *path, size_t size) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(pwrite(descriptor, &(char){(char)('a' + i % 26)}, 1, (off_t)i), 1);
    close(descriptor);
}

static void test_new_file(void **state) {
    (void)state;
    const char *path = in_folder("new");
    const size_t size = 5 * PAGE + 100;
    NvRtlMapping mapping;
    NvRtlTokenInfo info = {.structSize = sizeof info};
    mode_t mask = umask(077);
    assert_int_equal(map(path, 0, size, NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE, &mapping),
                     STATUS_SUCCESS);
    umask(mask);
    struct stat status = status_of(path);
    assert_int_equal(status.st_size, size);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(status.st_blocks * 512 >= (blkcnt_t)size);
    assert_int_equal(mapping.size, size);
    assert_int_equal(mapping.flags, NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE);
    assert_int_equal(NvRtlQueryToken(mapping.token, &info), STATUS_SUCCESS);
    assert_int_equal(info.domain, mapping.domain);
    assert_ptr_equal(info.base, mapping.base);
    assert_int_equal(info.length, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((char *)mapping.base)[i], 0);
    assert_int_equal(
        RtlWriteNonVolatileMemory(mapping.token, (char *)mapping.base + size - 5, "hello", 5, 3),
        STATUS_SUCCESS);
    unmap(&mapping);
    char read_back[8] = "";
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(descriptor, read_back, 8, (off_t)size - 5), 5);
    assert_string_equal(read_back, "hello");
    close(descriptor);
    refused(path, 0, size, NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE, STATUS_INVALID_PARAMETER);
    assert_int_equal(status_of(path).st_size, size);
}

/* A descriptor that a program inherits by exec would keep the file, and drop its locks when
   closed. */
static void test_close_on_exec(void **state) {
    (void)state;
    NvRtlMapping mapping;
    assert_int_equal(map(in_folder("exec"), 0, PAGE, NVRTL_MAP_CREATE, &mapping), STATUS_SUCCESS);
    struct stat file = status_of(in_folder("exec")), status;
    unsigned found = 0;
    for (int descriptor = 0; descriptor < 256; descriptor++) {
        if (fstat(descriptor, &status) != 0 || status.st_ino != file.st_ino ||
            status.st_dev != file.st_dev)
            continue;
        assert_int_equal(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
        found++;
    }
    assert_int_equal(found, 1);
    unmap(&mapping);
}

static void check_part(const char *path, uint64_t offset, size_t size, size_t expected) {
    NvRtlMapping mapping;
    assert_int_equal(map(path, offset, size, 0, &mapping), STATUS_SUCCESS);
    assert_int_equal(mapping.size, expected);
    for (size_t i = 0; i < expected; i++)
        assert_int_equal(((char *)mapping.base)[i], 'a' + (offset + i) % 26);
    assert_int_equal(RtlFlushNonVolatileMemory(mapping.token, mapping.base, expected, 0), 0);
    assert_int_equal(RtlFlushNonVolatileMemory(mapping.token, (char *)mapping.base - 1, 1, 0),
                     STATUS_INVALID_PARAMETER);
    unmap(&mapping);
}

static void test_existing_file(void **state) {
    (void)state;
    const char *path = in_folder("existing");
    const size_t size = 2 * PAGE + 500;
    NvRtlMapping mapping;
    make_file(path, size);
    check_part(path, 0, 0, size);
    check_part(path, 0, size, size);
    check_part(path, 1, 0, size - 1);
    check_part(path, 4999, 0, size - 4999);
    check_part(path, 4999, 1234, 1234);
    check_part(path, PAGE - 1, PAGE, PAGE);
    check_part(path, PAGE, 1, 1);
    check_part(path, size - 1, 0, 1);
    refused(path, size, 0, 0, STATUS_INVALID_PARAMETER);
    refused(path, size, 1, 0, STATUS_INVALID_PARAMETER);
    refused(path, 0, size + 1, 0, STATUS_INVALID_PARAMETER);
    refused(path, 0, size + 1, NVRTL_MAP_SPARSE, STATUS_INVALID_PARAMETER);
    assert_int_equal(status_of(path).st_size, size);
    /* Grows and never shrinks, and keeps what is there. */
    assert_int_equal(map(path, 0, PAGE, NVRTL_MAP_CREATE, &mapping), STATUS_SUCCESS);
    assert_int_equal(status_of(path).st_size, size);
    unmap(&mapping);
    assert_int_equal(map(path, size, PAGE, NVRTL_MAP_CREATE, &mapping), STATUS_SUCCESS);
    assert_int_equal(status_of(path).st_size, size + PAGE);
    assert_int_equal(((char *)mapping.base)[-1], 'a' + (size - 1) % 26);
    assert_int_equal(((char *)mapping.base)[0], 0);
    unmap(&mapping);
}

static void test_sparse(void **state) {
    (void)state;
    const size_t size = (size_t)1 << 38; /* sanitizers leave no room for much more */
    NvRtlMapping mapping;
    struct stat status;
    assert_int_equal(
        map(in_folder("sparse"), 0, size, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE, &mapping),
        STATUS_SUCCESS);
    status = status_of(in_folder("sparse"));
    assert_int_equal(status.st_size, size);
    assert_true(status.st_blocks < 64);
    char *last = (char *)mapping.base + size - 1;
    assert_int_equal(RtlFillNonVolatileMemory(mapping.token, last, 1, 'x', 1), STATUS_SUCCESS);
    /* A huge page with DAX. */
    assert_true(status_of(in_folder("sparse")).st_blocks < 4096 + 256);
    unmap(&mapping);
}

static void test_arguments(void **state) {
    (void)state;
    const char *path = in_folder("arguments");
    const uint32_t create = NVRTL_MAP_CREATE, exclusive = NVRTL_MAP_EXCLUSIVE;
    refused(NULL, 0, PAGE, create, STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlMapFile(path, 0, PAGE, create, 0600, NULL), STATUS_INVALID_PARAMETER);
    for (unsigned bit = 3; bit < 32; bit++)
        refused(path, 0, PAGE, create | 1u << bit, STATUS_INVALID_PARAMETER);
    refused(path, 0, PAGE, exclusive, STATUS_INVALID_PARAMETER);
    refused(path, 0, PAGE, exclusive | NVRTL_MAP_SPARSE, STATUS_INVALID_PARAMETER);
    refused(path, 0, 0, create, STATUS_INVALID_PARAMETER);
    refused(path, PAGE, 0, create, STATUS_INVALID_PARAMETER);
    refused(path, UINT64_MAX, 2, create, STATUS_INVALID_PARAMETER);
    refused(path, UINT64_MAX - PAGE + 1, PAGE, create, STATUS_INVALID_PARAMETER);
    refused(path, INT64_MAX, PAGE, create | NVRTL_MAP_SPARSE, STATUS_INVALID_PARAMETER);
    refused(path, 0, SIZE_MAX, create, STATUS_INVALID_PARAMETER);
    refused(path, 0, ((size_t)1 << 47) + 1, create | NVRTL_MAP_SPARSE, STATUS_INVALID_PARAMETER);
    refused(path, 0, PAGE, 0, STATUS_INVALID_PARAMETER);
    refused(path, 0, 0, 0, STATUS_INVALID_PARAMETER);
    refused("", 0, PAGE, create, STATUS_INVALID_PARAMETER);
    assert_false(exists(path));
    refused(in_folder("none/new"), 0, PAGE, create, STATUS_INVALID_PARAMETER);
    path = in_folder("arguments");
    assert_int_equal(symlink("nowhere", path), 0);
    refused(path, 0, PAGE, 0, STATUS_INVALID_PARAMETER);
    assert_int_equal(unlink(path), 0);
    make_file(path, 0);
    refused(path, 0, 0, 0, STATUS_INVALID_PARAMETER);
    refused(path, 0, 0, create, STATUS_INVALID_PARAMETER);
    assert_true(exists(path));
}

/* Nothing that waits for somebody at the other end, and nothing that has no bytes to map. */
static void test_kinds(void **state) {
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    for (uint32_t flags = 0; flags <= NVRTL_MAP_CREATE; flags++) {
        refused(folder, 0, PAGE, flags, STATUS_NOT_SUPPORTED);
        assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
        refused(in_folder("fifo"), 0, PAGE, flags, STATUS_NOT_SUPPORTED);
        assert_int_equal(unlink(in_folder("fifo")), 0);
        strcpy(address.sun_path, in_folder("socket"));
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        refused(in_folder("socket"), 0, PAGE, flags, STATUS_NOT_SUPPORTED);
        close(listener);
        assert_int_equal(unlink(address.sun_path), 0);
        refused("/dev/null", 0, PAGE, flags, STATUS_NOT_SUPPORTED);
        refused("/dev/zero", 0, PAGE, flags, STATUS_NOT_SUPPORTED);
        refused("/dev/tty", 0, PAGE, flags, STATUS_NOT_SUPPORTED);
    }
}

/* The file is on the medium with its length, and its folder with its name, before the call
   returns; a link leads to the folder where the file is. */
static void test_durable(void **state) {
    (void)state;
    NvRtlMapping mapping;
    assert_int_equal(mkdir(in_folder("inner"), 0700), 0);
    make_file(in_folder("inner/file"), 10);
    assert_int_equal(symlink("inner/file", in_folder("link")), 0);
    static const char *const names[] = {"durable", "inner/file", "link"};
    static const char *const folders[] = {"", "inner", "inner"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_int_equal(map(in_folder(names[i]), 0, (i + 1) * PAGE, NVRTL_MAP_CREATE, &mapping),
                         STATUS_SUCCESS);
        assert_int_equal(syncs.count, 2);
        assert_int_equal(syncs.inodes[0], status_of(in_folder(names[i])).st_ino);
        assert_int_equal(syncs.sizes[0], (i + 1) * PAGE);
        assert_int_equal(syncs.inodes[1], status_of(in_folder(folders[i])).st_ino);
        unmap(&mapping);
    }
}

static void test_sync_fails(void **state) {
    (void)state;
    static const struct {
        int error;
        NTSTATUS status;
    } cases[] = {{EIO, STATUS_IO_DEVICE_ERROR},
                 {ENOSPC, STATUS_DISK_FULL},
                 {EDQUOT, STATUS_DISK_FULL},
                 {EROFS, STATUS_IO_DEVICE_ERROR}};
    make_file(in_folder("old"), 10);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        syncs.errors[0] = cases[i].error;
        refused(in_folder("young"), 0, PAGE, NVRTL_MAP_CREATE, cases[i].status);
        assert_false(exists(in_folder("young")));
        refused(in_folder("old"), 0, 10, NVRTL_MAP_CREATE, cases[i].status);
        assert_true(exists(in_folder("old")));
    }
    /* A folder that cannot be synced alone is synced with all of its file system. */
    syncs.errors[0] = 0;
    syncs.errors[1] = EINVAL;
    NvRtlMapping mapping;
    assert_int_equal(map(in_folder("old"), 0, 10, 0, &mapping), STATUS_SUCCESS);
    unmap(&mapping);
    syncs.errors[1] = 0;
}

static void test_unmap(void **state) {
    (void)state;
    NvRtlMapping one, two, copy, none = {0};
    assert_int_equal(map(in_folder("unmap"), 0, PAGE, NVRTL_MAP_CREATE, &one), STATUS_SUCCESS);
    assert_int_equal(map(in_folder("unmap"), 0, PAGE, 0, &two), STATUS_SUCCESS);
    assert_int_equal(NvRtlUnmapFile(NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlUnmapFile(&none), STATUS_INVALID_PARAMETER);
    copy = one;
    copy.base = two.base;
    assert_int_equal(NvRtlUnmapFile(&copy), STATUS_INVALID_PARAMETER);
    copy = one;
    copy.token = two.token;
    assert_int_equal(NvRtlUnmapFile(&copy), STATUS_INVALID_PARAMETER);
    assert_ptr_equal(copy.base, one.base);
    copy = one;
    unmap(&one);
    assert_int_equal(NvRtlUnmapFile(&one), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlUnmapFile(&copy), STATUS_INVALID_PARAMETER);
    /* One view more of the file is no matter of the other; nor is a token that is freed. */
    assert_int_equal(RtlFillNonVolatileMemory(two.token, two.base, PAGE, 1, 1), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(two.token), STATUS_SUCCESS);
    unmap(&two);
}

static void *map_and_unmap(void *context) {
    char path[300];
    for (unsigned i = 0; i < 50; i++) {
        NvRtlMapping mapping;
        snprintf(path, sizeof path, "%s/thread%u", folder, (i + *(unsigned *)context) % 3);
        CHILD_NEED(NvRtlMapFile(path, 0, (1 + i % 4) * PAGE, NVRTL_MAP_CREATE, 0600, &mapping) ==
                   0);
        CHILD_NEED(RtlFillNonVolatileMemory(mapping.token, mapping.base, 1, 1, 0x101) == 0);
        CHILD_NEED(NvRtlUnmapFile(&mapping) == STATUS_SUCCESS);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    unsigned numbers[4] = {0, 1, 2, 3};
    size_t descriptors = count_descriptors();
    syncs.by_threads = true;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, map_and_unmap, &numbers[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_descriptors(), descriptors);
}

/* A thread with a cancellation pending goes through all of it, and can still be cancelled then. It
   is not: the address sanitizer does not understand the unwinding. */
static void *map_cancelled(void *context) {
    pthread_cancel(pthread_self());
    map_and_unmap(&(unsigned){0});
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, (int *)context);
    return NULL;
}

static void test_no_cancellation(void **state) {
    (void)state;
    pthread_t thread;
    int cancel_state = -1;
    void *end;
    size_t descriptors = count_descriptors();
    assert_int_equal(pthread_create(&thread, NULL, map_cancelled, &cancel_state), 0);
    pthread_join(thread, &end);
    assert_null(end);
    assert_int_equal(cancel_state, PTHREAD_CANCEL_ENABLE);
    assert_int_equal(count_descriptors(), descriptors);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static int remove_folder(void **state) {
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_file),        cmocka_unit_test(test_close_on_exec),
        cmocka_unit_test(test_existing_file),   cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_arguments),       cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_durable),         cmocka_unit_test(test_sync_fails),
        cmocka_unit_test(test_unmap),           cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_cancellation),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
