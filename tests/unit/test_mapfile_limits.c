/* SPDX-License-Identifier: BSD-2-Clause */
/* NvRtlMapFile where something runs out or is forbidden: the status, and that a file which the call
   made is gone again and one which it found is as it was. Each case in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "child.h"
#include "seed.h"
#include "view.h"

/* One folder here and one in memory; each child works in a new one below. */
static char here[PATH_MAX], memory[] = MEMORY_FOLDER "/nvrtl-test-XXXXXX";

/* "old" is one page long. */
static void enter_folder(const char *parent, char *folder) {
    snprintf(folder, PATH_MAX, "%s/XXXXXX", parent);
    CHILD_NEED(mkdtemp(folder) != NULL && chdir(folder) == 0);
    int old = open("old", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHILD_NEED(old >= 0 && ftruncate(old, PAGE) == 0);
    close(old);
}

static bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

static off_t size_of(const char *path) {
    struct stat status;
    CHILD_NEED(stat(path, &status) == 0);
    return status.st_size;
}

static NTSTATUS map(const char *path, size_t size, uint32_t flags) {
    NvRtlMapping mapping;
    errno = 12345;
    NTSTATUS status = NvRtlMapFile(path, 0, size, flags, 0600, &mapping);
    CHILD_NEED(errno == 12345);
    if (status == STATUS_SUCCESS)
        CHILD_NEED(NvRtlUnmapFile(&mapping) == STATUS_SUCCESS);
    return status;
}

/* Neither a new file nor one that is there can be had with that size. */
static void check_both(size_t size, uint32_t flags, NTSTATUS expected) {
    CHILD_NEED(map("new", size, flags) == expected);
    CHILD_NEED(!exists("new"));
    CHILD_NEED(map("old", size, flags) == expected);
    CHILD_NEED(exists("old"));
}

static void limit(__rlimit_resource_t resource, rlim_t most) {
    struct rlimit limits;
    CHILD_NEED(getrlimit(resource, &limits) == 0);
    limits.rlim_cur = most;
    CHILD_NEED(setrlimit(resource, &limits) == 0);
}

/* The limit on files sends a signal that ends the process: a status is enough. */
static void check_file_size(void) {
    char folder[PATH_MAX];
    enter_folder(here, folder);
    limit(RLIMIT_FSIZE, 4 * PAGE);
    check_both(5 * PAGE, NVRTL_MAP_CREATE, STATUS_DISK_FULL);
    check_both(5 * PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE, STATUS_DISK_FULL);
    CHILD_NEED(size_of("old") == PAGE);
    CHILD_NEED(map("old", 4 * PAGE, NVRTL_MAP_CREATE) == STATUS_SUCCESS);
}

static void test_file_size(void **state) {
    (void)state;
    check_child(check_file_size, 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

/* The program's own signal of that kind stays what it is: handled, or pending while blocked. */
static void check_file_size_signal(void) {
    sigset_t set, pending;
    char folder[PATH_MAX];
    enter_folder(here, folder);
    signal(SIGXFSZ, count_signal);
    limit(RLIMIT_FSIZE, 4 * PAGE);
    check_both(5 * PAGE, NVRTL_MAP_CREATE, STATUS_DISK_FULL);
    CHILD_NEED(signals == 0);
    raise(SIGXFSZ);
    CHILD_NEED(signals == 1);
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &set, NULL);
    check_both(5 * PAGE, NVRTL_MAP_CREATE, STATUS_DISK_FULL);
    CHILD_NEED(sigpending(&pending) == 0 && !sigismember(&pending, SIGXFSZ));
    raise(SIGXFSZ);
    check_both(5 * PAGE, NVRTL_MAP_CREATE, STATUS_DISK_FULL);
    CHILD_NEED(sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ));
    CHILD_NEED(signals == 1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHILD_NEED(signals == 2);
}

static void test_file_size_signal(void **state) {
    (void)state;
    check_child(check_file_size_signal, 0);
}

/* A sparse file as large as the address space. */
static void check_address_space(void) {
    char folder[PATH_MAX];
    enter_folder(memory, folder);
    check_both(((size_t)1 << 47) - PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE,
               STATUS_INSUFFICIENT_RESOURCES);
}

static void test_address_space(void **state) {
    (void)state;
    if (UNDER_THREAD_SANITIZER) {
        print_message("the sanitizer ends a process that maps so much\n");
        skip();
    }
    check_child(check_address_space, 0);
}

/* With no descriptor there is no file; with one, no look at the table of mappings. */
static void check_descriptors(void) {
    char folder[PATH_MAX];
    enter_folder(here, folder);
    int next = dup(0);
    close(next);
    for (int spare = 0; spare < 2; spare++) {
        limit(RLIMIT_NOFILE, (rlim_t)(next + spare));
        check_both(PAGE, NVRTL_MAP_CREATE, STATUS_INSUFFICIENT_RESOURCES);
        CHILD_NEED(size_of("old") == PAGE);
    }
    limit(RLIMIT_NOFILE, (rlim_t)(next + 2));
    CHILD_NEED(map("old", PAGE, 0) == STATUS_SUCCESS);
}

static void test_descriptors(void **state) {
    (void)state;
    check_child(check_descriptors, 0);
}

static void become_nobody(void) {
    if (geteuid() == 0)
        CHILD_NEED(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

static void check_permission(void) {
    char folder[PATH_MAX];
    enter_folder(memory, folder);
    CHILD_NEED(chmod("..", 0755) == 0);
    close(open("secret", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    close(open("readable", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    CHILD_NEED(truncate("readable", PAGE) == 0 && truncate("secret", PAGE) == 0);
    CHILD_NEED(chmod("readable", 0444) == 0 && chmod("secret", 0) == 0 && chmod(".", 0555) == 0);
    pid_t child = fork();
    CHILD_NEED(child >= 0);
    if (child == 0) {
        become_nobody();
        for (uint32_t flags = 0; flags <= NVRTL_MAP_CREATE; flags++) {
            CHILD_NEED(map("secret", PAGE, flags) == STATUS_ACCESS_DENIED);
            CHILD_NEED(map("readable", PAGE, flags) == STATUS_ACCESS_DENIED);
        }
        CHILD_NEED(map("new", PAGE, NVRTL_MAP_CREATE) == STATUS_ACCESS_DENIED);
        CHILD_NEED(map("/proc/self/exe", PAGE, 0) == STATUS_ACCESS_DENIED);
        _exit(0);
    }
    int status;
    CHILD_NEED(waitpid(child, &status, 0) == child && status == 0);
    CHILD_NEED(chmod(".", 0700) == 0);
}

static void test_permission(void **state) {
    (void)state;
    check_child(check_permission, 0);
}

static bool put(const char *path, const char *text) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool done = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    close(descriptor);
    return done;
}

/* Makes this process root in name spaces of its own. */
static void enter_namespace(void) {
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", getuid());
    snprintf(groups, sizeof groups, "0 %u 1", getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !put("/proc/self/setgroups", "deny") ||
        !put("/proc/self/uid_map", users) || !put("/proc/self/gid_map", groups)) {
        fprintf(stderr, "this machine gives out no such namespace\n");
        _exit(CHILD_CANNOT);
    }
}

/* A file system of 16 pages: full for a file with its blocks, not for one without. */
static void check_full_disk(void) {
    enter_namespace();
    char folder[PATH_MAX];
    enter_folder(memory, folder);
    if (mount("nvrtl-test", ".", "tmpfs", 0, "size=64k") != 0 || chdir(folder) != 0)
        _exit(CHILD_CANNOT);
    close(open("old", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    CHILD_NEED(truncate("old", PAGE) == 0);
    check_both(100 * PAGE, NVRTL_MAP_CREATE, STATUS_DISK_FULL);
    CHILD_NEED(size_of("old") == PAGE);
    CHILD_NEED(map("old", 8 * PAGE, NVRTL_MAP_CREATE) == STATUS_SUCCESS);
    CHILD_NEED(map("new", 100 * PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE) == STATUS_SUCCESS);
}

static void test_full_disk(void **state) {
    (void)state;
    check_child(check_full_disk, 0);
}

/* A file system that is read-only. */
static void check_read_only(void) {
    enter_namespace();
    char folder[PATH_MAX];
    enter_folder(memory, folder);
    if (mount(folder, folder, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) !=
            0)
        _exit(CHILD_CANNOT);
    CHILD_NEED(chdir(folder) == 0);
    check_both(PAGE, NVRTL_MAP_CREATE, STATUS_ACCESS_DENIED);
}

static void test_read_only(void **state) {
    (void)state;
    check_child(check_read_only, 0);
}

/* The child of a fork has the mapping too, and ends its own alone. */
static void check_fork(void) {
    NvRtlMapping mapping;
    char folder[PATH_MAX];
    enter_folder(here, folder);
    CHILD_NEED(NvRtlMapFile("old", 0, 0, 0, 0, &mapping) == STATUS_SUCCESS);
    pid_t child = fork();
    CHILD_NEED(child >= 0);
    if (child == 0) {
        CHILD_NEED(RtlFillNonVolatileMemory(mapping.token, mapping.base, PAGE, 3, 3) == 0);
        CHILD_NEED(NvRtlUnmapFile(&mapping) == STATUS_SUCCESS);
        CHILD_NEED(map("old", PAGE, 0) == STATUS_SUCCESS);
        _exit(0);
    }
    int status;
    CHILD_NEED(waitpid(child, &status, 0) == child && status == 0);
    CHILD_NEED(((char *)mapping.base)[PAGE - 1] == 3);
    CHILD_NEED(RtlFillNonVolatileMemory(mapping.token, mapping.base, PAGE, 4, 3) == 0);
    CHILD_NEED(NvRtlUnmapFile(&mapping) == STATUS_SUCCESS);
}

static void test_fork(void **state) {
    (void)state;
    check_child(check_fork, 0);
}

static int make_folders(void **state) {
    (void)state;
    return mkdtemp(memory) == NULL || realpath(".", here) == NULL ||
           mkdtemp(strcat(here, "/nvrtl-test-XXXXXX")) == NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static int remove_folders(void **state) {
    (void)state;
    return nftw(memory, remove_entry, 8, FTW_PHYS | FTW_DEPTH) |
           nftw(here, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_size),     cmocka_unit_test(test_file_size_signal),
        cmocka_unit_test(test_address_space), cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_permission),    cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_read_only),     cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
