/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings of a process in a mount namespace of its own: under a chroot, and on an overlay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "map/map.h"

#define PAGE ((size_t)4096)

static struct map_region region;

static enum result probe(const void *view, size_t size) {
    return map_probe(&map_this_system, (uintptr_t)view, size, &region);
}

#define NO_NAMESPACE 77

static bool put(const char *path, const char *text) {
    int descriptor = open(path, O_WRONLY);
    bool done = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    close(descriptor);
    return done;
}

/* Makes this process root in name spaces of its own. */
static bool enter_namespace(void) {
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", getuid());
    snprintf(groups, sizeof groups, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", users) && put("/proc/self/gid_map", groups);
}

/* Runs a function in a child with mounts of its own; its result, or NO_NAMESPACE. */
static int in_namespace(int (*function)(void)) {
    pid_t child = fork();
    if (child == 0) {
        _exit(enter_namespace() ? function() : NO_NAMESPACE);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check(int result) {
    if (result == NO_NAMESPACE) {
        print_message("this machine gives out no such namespace\n");
        skip();
    }
    assert_int_equal(result, 0);
}

static char folder[128];

static int open_up(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)place;
    return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* The kernel leaves a folder without permissions in an overlay's working directory. */
static void remove_folder(void) {
    char work[256];
    snprintf(work, sizeof work, "%s/w", folder);
    nftw(work, open_up, 8, FTW_PHYS);
    assert_int_equal(nftw(folder, remove_entry, 8, FTW_PHYS | FTW_DEPTH), 0);
}

static char *map_new_file(const char *path) {
    int descriptor = open(path, O_RDWR | O_CREAT, 0600);
    if (descriptor < 0 || ftruncate(descriptor, PAGE) != 0)
        return MAP_FAILED;
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
}

/* The table of mounts of a process in a chroot does not list the mount of its root folder. */
static int probe_in_chroot(void) {
    char proc[256];
    snprintf(proc, sizeof proc, "%s/proc", folder);
    if (mkdir(proc, 0700) != 0 || mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL) != 0)
        return NO_NAMESPACE;
    if (chroot(folder) != 0 || chdir("/") != 0)
        return 1;
    const char *view = map_new_file("/file");
    if (view == MAP_FAILED || probe(view, PAGE) != RESULT_OK)
        return 2;
    return region.answer.domain == MAP_DOMAIN_VOLATILE ? 0 : 3;
}

static void test_chroot_in_tmpfs(void **state) {
    (void)state;
    strcpy(folder, "/dev/shm/nvrtl-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    int result = in_namespace(probe_in_chroot);
    remove_folder();
    check(result);
}

static int mount_overlay(const char *options) {
    char path[256], text[512];
    snprintf(text, sizeof text, "lowerdir=%s/l,upperdir=%s/u,workdir=%s/w%s", folder, folder,
             folder, options);
    snprintf(path, sizeof path, "%s/m", folder);
    return mount("overlay", path, "overlay", 0, text);
}

/* Is a file beside the overlay's folders volatile? The folder may lie in what only looks like a
   disk. */
static bool folder_is_volatile(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/plain", folder);
    const char *view = map_new_file(path);
    return view != MAP_FAILED && probe(view, PAGE) == RESULT_OK &&
           region.answer.domain == MAP_DOMAIN_VOLATILE;
}

/* 0: on a disk, 1: volatile, else something failed */
static int probe_in_overlay(const char *options) {
    char path[256];
    static const char names[] = "luwm";
    for (const char *name = names; *name != '\0'; name++) {
        snprintf(path, sizeof path, "%s/%c", folder, *name);
        mkdir(path, 0700);
    }
    if (mount_overlay(options) != 0)
        return NO_NAMESPACE;
    snprintf(path, sizeof path, "%s/m/file", folder);
    const char *view = map_new_file(path);
    if (view == MAP_FAILED || probe(view, PAGE) != RESULT_OK)
        return 2;
    fprintf(stderr, "%s\n", region.answer.reason);
    if (strncmp(region.answer.reason, "overlay", strlen("overlay")) != 0)
        return 3;
    return region.answer.domain == MAP_DOMAIN_VOLATILE;
}

static int probe_plain_overlay(void) {
    int expected = folder_is_volatile();
    int result = probe_in_overlay("");
    return result == NO_NAMESPACE || result > 1 ? result : result != expected;
}

static int probe_volatile_overlay(void) {
    int result = probe_in_overlay(",volatile");
    return result == 1 ? 0 : result == NO_NAMESPACE ? NO_NAMESPACE : 1;
}

static void test_overlay(void **state) {
    (void)state;
    struct statfs status;
    strcpy(folder, "./nvrtl-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char *absolute = realpath(folder, NULL);
    assert_non_null(absolute);
    snprintf(folder, sizeof folder, "%s", absolute);
    free(absolute);
    assert_int_equal(statfs(folder, &status), 0);
    bool may_be_upper = status.f_type == EXT4_SUPER_MAGIC;
    int plain = may_be_upper ? in_namespace(probe_plain_overlay) : NO_NAMESPACE;
    int without_sync = may_be_upper ? in_namespace(probe_volatile_overlay) : NO_NAMESPACE;
    remove_folder();
    check(plain);
    check(without_sync);
}

/* A view could be read and never be written, so that there is no domain to tell. */
static int probe_read_only(void) {
    char path[256];
    struct map_answer answer;
    snprintf(path, sizeof path, "%s/file", folder);
    const char *view = map_new_file(path);
    if (view == MAP_FAILED || map_probe_path(&map_this_system, path, &answer) != RESULT_OK)
        return 1;
    if (mount(folder, folder, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
        return NO_NAMESPACE;
    if (map_probe_path(&map_this_system, path, &answer) != RESULT_DENIED)
        return 2;
    fprintf(stderr, "%s\n", answer.reason);
    return strstr(answer.reason, "read-only") != NULL ? 0 : 3;
}

static void test_read_only_mount(void **state) {
    (void)state;
    strcpy(folder, "/dev/shm/nvrtl-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    int result = in_namespace(probe_read_only);
    remove_folder();
    check(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chroot_in_tmpfs),
        cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_read_only_mount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
