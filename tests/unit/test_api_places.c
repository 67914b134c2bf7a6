/* SPDX-License-Identifier: BSD-2-Clause */
/* The routines work the same wherever the memory is: on file systems of every kind, at odd places
   of files and in odd views, after a fork, in a signal handler; and the program's locks on the file
   stay. Nothing is made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "child.h"
#include "seed.h"
#include "view.h"

#define BOTH (PROT_READ | PROT_WRITE)

/* The file has these bytes there, as somebody sees who reads it. */
static bool file_has(int descriptor, off_t offset, const void *bytes, size_t size) {
    char read_back[256];
    return pread(descriptor, read_back, size, offset) == (ssize_t)size &&
           memcmp(read_back, bytes, size) == 0;
}

/* Every routine on [bytes, bytes + size), which is mapped from offset on. At least 200 bytes. */
static void exercise(unsigned char *bytes, size_t size, int descriptor, off_t offset,
                     uint32_t domain) {
    static const ULONG every_flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};
    NvRtlTokenInfo info = {.structSize = sizeof info};
    NV_MEMORY_RANGE ranges[] = {{bytes, 100}, {bytes + size - 100, 100}, {bytes + 50, size - 50}};
    off_t last = offset + (off_t)size - 100;
    char text[100];
    PVOID token;
    errno = 12345;
    CHILD_NEED(RtlGetNonVolatileToken(bytes, size, &token) == STATUS_SUCCESS);
    CHILD_NEED(NvRtlQueryToken(token, &info) == STATUS_SUCCESS);
    CHILD_NEED(info.domain == domain && info.base == bytes && info.length == size);
    for (size_t i = 0; i < ARRAY_LENGTH(every_flags); i++) {
        memset(text, (int)('a' + i), sizeof text);
        CHILD_NEED(RtlWriteNonVolatileMemory(token, bytes, text, 100, every_flags[i]) == 0);
        CHILD_NEED(file_has(descriptor, offset, text, 100));
        CHILD_NEED(RtlFillNonVolatileMemory(token, bytes + size - 100, 100, (UCHAR)text[0],
                                            every_flags[i]) == 0);
        CHILD_NEED(file_has(descriptor, last, text, 100));
        CHILD_NEED(RtlWriteNonVolatileMemory(EACH, bytes + 1, bytes, 99, every_flags[i]) == 0);
        CHILD_NEED(file_has(descriptor, offset, text, 100));
    }
    for (ULONG flags = 0; flags < 2; flags++) {
        CHILD_NEED(RtlFlushNonVolatileMemory(token, bytes, size, flags) == STATUS_SUCCESS);
        CHILD_NEED(RtlFlushNonVolatileMemoryRanges(token, ranges, 3, flags) == STATUS_SUCCESS);
        CHILD_NEED(RtlDrainNonVolatileFlush(token) == STATUS_SUCCESS);
    }
    CHILD_NEED(NvRtlReadNonVolatileMemory(token, text, bytes, 100) == STATUS_SUCCESS);
    CHILD_NEED(file_has(descriptor, offset, text, 100));
    CHILD_NEED(RtlDrainNonVolatileFlush(EACH) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
    CHILD_NEED(errno == 12345);
}

/* What the folder of the test has to be, as far as that is clear. */
static uint32_t domain_of(const char *folder) {
    struct statfs status;
    CHILD_NEED(statfs(folder, &status) == 0);
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC ? NVRTL_DOMAIN_VOLATILE
                                                                        : NVRTL_DOMAIN_PAGE_CACHE;
}

static const char *const folders[] = {".", MEMORY_FOLDER};

/* A file of one and of many pages, on disk and in memory. */
static void check_folders(void) {
    static const size_t sizes[] = {200, PAGE, 10 * PAGE + 300};
    for (size_t i = 0; i < ARRAY_LENGTH(folders) * ARRAY_LENGTH(sizes); i++) {
        struct view view;
        const char *folder = folders[i % ARRAY_LENGTH(folders)];
        CHILD_NEED(view_open(&view, folder, sizes[i / ARRAY_LENGTH(folders)]));
        exercise(view.bytes, view.size, view.descriptor, 0, domain_of(folder));
        view_close(&view);
    }
}

/* A view that begins in the middle of the file, and a region in the middle of it; beyond 4 GiB. */
static void check_odd_offsets(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        static const off_t offsets[] = {3 * PAGE, (5LL << 30) + PAGE};
        for (size_t o = 0; o < ARRAY_LENGTH(offsets); o++) {
            struct view view;
            uint32_t domain = domain_of(folders[i]);
            CHILD_NEED(view_open(&view, folders[i], PAGE));
            CHILD_NEED(ftruncate(view.descriptor, offsets[o] + 5 * (off_t)PAGE) == 0);
            unsigned char *part = view_map(view.descriptor, 5 * PAGE, offsets[o]);
            CHILD_NEED(part != NULL);
            exercise(part, 5 * PAGE, view.descriptor, offsets[o], domain);
            exercise(part + 17, 2 * PAGE, view.descriptor, offsets[o] + 17, domain);
            exercise(part + PAGE - 1, 201, view.descriptor, offsets[o] + (off_t)PAGE - 1, domain);
            munmap(part, 5 * PAGE);
            view_close(&view);
        }
    }
}

static blkcnt_t blocks_of(const struct view *view) {
    struct stat status;
    CHILD_NEED(fsync(view->descriptor) == 0 && fstat(view->descriptor, &status) == 0);
    return status.st_blocks;
}

/* A file of 64 GiB without blocks, and what is flushed without being stored gets none. A byte that
   is stored gets up to a huge page, 4096 blocks, where the system has DAX. */
static void check_large(void) {
    const size_t size = (size_t)64 << 30;
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct view view;
        PVOID token;
        uint32_t domain = domain_of(folders[i]);
        CHILD_NEED(view_open(&view, folders[i], size));
        CHILD_NEED(RtlGetNonVolatileToken(view.bytes, size, &token) == STATUS_SUCCESS);
        for (size_t at = 0; at < size; at += (size_t)7 << 30)
            CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes + at, 1, 'x', 0x101) == 0);
        CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes + size - 1, 1, 'x', 1) == 0);
        CHILD_NEED(file_has(view.descriptor, (off_t)size - 1, "x", 1));
        CHILD_NEED(file_has(view.descriptor, (off_t)7 << 30, "x", 1));
        if (domain == NVRTL_DOMAIN_PAGE_CACHE) /* by lines that would be 2^30 of them */
            CHILD_NEED(RtlFlushNonVolatileMemory(token, view.bytes, size, 0) == STATUS_SUCCESS);
        CHILD_NEED(blocks_of(&view) < 12 * 4096);
        CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
        view_close(&view);
    }
}

static void check_holes(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct view view;
        PVOID token;
        char zeroes[200] = "";
        CHILD_NEED(view_open(&view, folders[i], 100 * PAGE));
        CHILD_NEED(pwrite(view.descriptor, "island", 6, 50 * (off_t)PAGE) == 6);
        blkcnt_t blocks = blocks_of(&view);
        CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &token) == STATUS_SUCCESS);
        if (domain_of(folders[i]) == NVRTL_DOMAIN_PAGE_CACHE)
            CHILD_NEED(RtlFlushNonVolatileMemory(token, view.bytes, view.size, 0) == 0);
        CHILD_NEED(blocks_of(&view) == blocks);
        CHILD_NEED(RtlWriteNonVolatileMemory(token, view.bytes + 7 * PAGE + 5, "new", 3, 1) == 0);
        CHILD_NEED(file_has(view.descriptor, 7 * (off_t)PAGE + 5, "new", 3));
        CHILD_NEED(file_has(view.descriptor, 8 * (off_t)PAGE, zeroes, 200));
        CHILD_NEED(file_has(view.descriptor, 50 * (off_t)PAGE, "island", 6));
        CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
        view_close(&view);
    }
}

/* The second half of the file mapped before the first: a range across is in both. */
static void check_two_mappings(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct view view;
        PVOID token;
        CHILD_NEED(view_open(&view, folders[i], 2 * PAGE));
        unsigned char *base = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t half = 0; half < 2; half++)
            CHILD_NEED(mmap(base + half * PAGE, PAGE, BOTH, MAP_SHARED | MAP_FIXED, view.descriptor,
                            (off_t)((1 - half) * PAGE)) == base + half * PAGE);
        CHILD_NEED(RtlGetNonVolatileToken(base, 2 * PAGE, &token) == STATUS_SUCCESS);
        for (ULONG flags = 0; flags < 4; flags++) {
            char text[] = "0123456789";
            text[0] = (char)('a' + flags);
            CHILD_NEED(RtlWriteNonVolatileMemory(token, base + PAGE - 5, text, 10, flags) == 0);
            CHILD_NEED(file_has(view.descriptor, 2 * (off_t)PAGE - 5, text, 5));
            CHILD_NEED(file_has(view.descriptor, 0, text + 5, 5));
        }
        CHILD_NEED(RtlFlushNonVolatileMemory(token, base, 2 * PAGE, 0) == STATUS_SUCCESS);
        CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
        munmap(base, 2 * PAGE);
        view_close(&view);
    }
}

/* Child and parent have the token each; what one does to its own is no matter of the other. */
static void check_fork(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct view view;
        PVOID token;
        CHILD_NEED(view_open(&view, folders[i], 4 * PAGE));
        CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &token) == STATUS_SUCCESS);
        CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes, 10, 'p', 0x101) == STATUS_SUCCESS);
        pid_t child = fork();
        CHILD_NEED(child >= 0);
        if (child == 0) {
            CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes + PAGE, 10, 'c', 1) == 0);
            CHILD_NEED(RtlDrainNonVolatileFlush(token) == STATUS_SUCCESS);
            exercise(view.bytes + 2 * PAGE, PAGE, view.descriptor, 2 * (off_t)PAGE,
                     domain_of(folders[i]));
            CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
            _exit(0);
        }
        int status;
        CHILD_NEED(waitpid(child, &status, 0) == child && status == 0);
        CHILD_NEED(view.bytes[PAGE] == 'c');
        CHILD_NEED(RtlFillNonVolatileMemory(token, view.bytes + PAGE, 10, 'p', 1) == 0);
        CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
        view_close(&view);
    }
}

/* A handler on the smallest stack that the system allows, and a little; nothing is below it. */
static struct view handled;
static PVOID handled_token;
static volatile sig_atomic_t handler_failed, handler_runs;

static void handle(int signal) {
    (void)signal;
    int error = errno;
    NV_MEMORY_RANGE range = {handled.bytes, 9};
    handler_runs++;
    handler_failed |= RtlWriteNonVolatileMemory(handled_token, handled.bytes, "handler", 8, 3);
    handler_failed |= RtlFillNonVolatileMemory(handled_token, handled.bytes + 8, 1, 'h', 0x101);
    handler_failed |= RtlFlushNonVolatileMemory(handled_token, handled.bytes, 9, 1);
    handler_failed |= RtlFlushNonVolatileMemoryRanges(handled_token, &range, 1, 0);
    handler_failed |= RtlDrainNonVolatileFlush(handled_token);
    handler_failed |= RtlDrainNonVolatileFlush(EACH);
    handler_failed |= error != errno;
}

static void check_signal_handler(void) {
    const bool sanitized = UNDER_ADDRESS_SANITIZER || UNDER_THREAD_SANITIZER;
    size_t size = align_up((size_t)sysconf(_SC_MINSIGSTKSZ), PAGE) + (sanitized ? 64 : 1) * PAGE;
    char *stack = mmap(NULL, PAGE + size, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHILD_NEED(stack != MAP_FAILED && mprotect(stack, PAGE, PROT_NONE) == 0);
    const stack_t alternate = {.ss_sp = stack + PAGE, .ss_size = size};
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    CHILD_NEED(sigaltstack(&alternate, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        CHILD_NEED(view_open(&handled, folders[i], PAGE));
        CHILD_NEED(RtlGetNonVolatileToken(handled.bytes, PAGE, &handled_token) == 0);
        CHILD_NEED(raise(SIGUSR1) == 0);
        CHILD_NEED(handler_runs == (sig_atomic_t)i + 1 && handler_failed == 0);
        CHILD_NEED(file_has(handled.descriptor, 0, "handler\0h", 9));
        CHILD_NEED(RtlFreeNonVolatileToken(handled_token) == STATUS_SUCCESS);
        view_close(&handled);
    }
}

/* Does another process see the lock? */
static bool is_locked(int descriptor) {
    pid_t child = fork();
    if (child == 0) {
        struct flock asked = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        _exit(fcntl(descriptor, F_GETLK, &asked) != 0 || asked.l_type == F_UNLCK);
    }
    int status;
    CHILD_NEED(waitpid(child, &status, 0) == child);
    return status == 0;
}

/* Closing any descriptor of the file would drop the locks that the process has on it. */
static void check_locks(void) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct view view;
        PVOID token;
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        CHILD_NEED(view_open(&view, folders[i], 2 * PAGE));
        CHILD_NEED(!is_locked(view.descriptor));
        CHILD_NEED(fcntl(view.descriptor, F_SETLK, &lock) == 0 && is_locked(view.descriptor));
        exercise(view.bytes, PAGE, view.descriptor, 0, domain_of(folders[i]));
        CHILD_NEED(is_locked(view.descriptor));
        CHILD_NEED(RtlGetNonVolatileToken(view.bytes, view.size, &token) == STATUS_SUCCESS);
        CHILD_NEED(NvRtlRetryToken(token) == STATUS_SUCCESS);
        CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
        CHILD_NEED(is_locked(view.descriptor));
        view_close(&view);
    }
}

static bool put(const char *path, const char *text) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool done = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    close(descriptor);
    return done;
}

static char overlay[PATH_MAX];

/* An overlay over the folder of the test, in name spaces of this child's own. */
static void mount_overlay(const char *options) {
    char users[32], groups[32], text[4 * PATH_MAX + 64];
    snprintf(users, sizeof users, "0 %u 1", getuid());
    snprintf(groups, sizeof groups, "0 %u 1", getgid());
    snprintf(text, sizeof text, "lowerdir=%s/l,upperdir=%s/u,workdir=%s/w%s", overlay, overlay,
             overlay, options);
    bool done = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put("/proc/self/setgroups", "deny") &&
                put("/proc/self/uid_map", users) && put("/proc/self/gid_map", groups) &&
                chdir(overlay) == 0 && mount("overlay", "m", "overlay", 0, text) == 0;
    if (!done) {
        fprintf(stderr, "no overlay can be mounted here\n");
        _exit(CHILD_CANNOT);
    }
}

static void check_overlay(void) {
    struct view view;
    uint32_t domain = domain_of(overlay);
    mount_overlay("");
    CHILD_NEED(view_open(&view, "m", 3 * PAGE));
    exercise(view.bytes, view.size, view.descriptor, 0, domain);
}

/* One that ignores every sync. */
static void check_volatile_overlay(void) {
    struct view view;
    mount_overlay(",volatile");
    CHILD_NEED(view_open(&view, "m", 3 * PAGE));
    exercise(view.bytes, view.size, view.descriptor, 0, NVRTL_DOMAIN_VOLATILE);
}

static int open_up(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)place;
    return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void in_overlay(void (*check)(void)) {
    char path[PATH_MAX + 8];
    assert_non_null(realpath(".", overlay));
    assert_non_null(mkdtemp(strcat(overlay, "/nvrtl-test-XXXXXX")));
    for (const char *name = "luwm"; *name != '\0'; name++) {
        snprintf(path, sizeof path, "%s/%c", overlay, *name);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    int result = child_result(check);
    nftw(overlay, open_up, 8, FTW_PHYS); /* the kernel leaves a folder without permissions */
    assert_int_equal(nftw(overlay, remove_entry, 8, FTW_PHYS | FTW_DEPTH), 0);
    if (result == CHILD_CANNOT)
        skip();
    assert_int_equal(result, 0);
}

#define IN_CHILD(name)                                                                             \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        check_child(check_##name, 0);                                                              \
    }
IN_CHILD(folders)
IN_CHILD(odd_offsets)
IN_CHILD(large)
IN_CHILD(holes)
IN_CHILD(two_mappings)
IN_CHILD(fork)
IN_CHILD(signal_handler)
IN_CHILD(locks)

static void test_overlay(void **state) {
    (void)state;
    in_overlay(check_overlay);
}

static void test_volatile_overlay(void **state) {
    (void)state;
    in_overlay(check_volatile_overlay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),        cmocka_unit_test(test_odd_offsets),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_holes),
        cmocka_unit_test(test_two_mappings),   cmocka_unit_test(test_fork),
        cmocka_unit_test(test_signal_handler), cmocka_unit_test(test_locks),
        cmocka_unit_test(test_overlay),        cmocka_unit_test(test_volatile_overlay),
    };
    unsetenv("NVRTL_DOMAIN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
