/* SPDX-License-Identifier: BSD-2-Clause */
/* NvRtlMapFile with each of its system calls failing: no success for a file that is not on the
   medium, a file that the call made is gone again, one that was there has its old length, and no
   descriptor or mapping is left over. And what the probe makes of recorded machines of which it
   cannot read a part: never a stronger kind of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "descriptors.h"
#include "faults.h"
#include "view.h"

#define ERRNO_BEFORE 12345

static unsigned count_mappings(const char *path) {
    unsigned count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, path) != NULL;
    fclose(maps);
    return count;
}

static char path[64];

static const struct wish {
    const char *name;
    size_t size;
    uint32_t flags;
    bool there; /* the file, one page long */
} wishes[] = {
    {"there", 0, 0, true},
    {"made", 3 * PAGE, NVRTL_MAP_CREATE, false},
    {"made sparse", 3 * PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE, false},
    {"made alone", PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE, false},
    {"longer", 3 * PAGE, NVRTL_MAP_CREATE, true},
    {"longer, sparse", 3 * PAGE, NVRTL_MAP_CREATE | NVRTL_MAP_SPARSE, true},
};

static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR, ENOMEM, EAGAIN, EMFILE, EACCES, EINVAL};

static void begin(const struct wish *wish) {
    snprintf(path, sizeof path, MEMORY_FOLDER "/nvrtl-faults-%d", (int)getpid());
    unlink(path);
    if (wish->there) {
        int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(descriptor, (off_t)PAGE), 0);
        close(descriptor);
    }
}

static off_t size_of_file(void) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

static NTSTATUS map_file(const struct wish *wish, NvRtlMapping *mapping) {
    memset(mapping, 0, sizeof *mapping);
    errno = ERRNO_BEFORE;
    NTSTATUS status = NvRtlMapFile(path, 0, wish->size, wish->flags, 0600, mapping);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_int_equal(mapping->base != NULL, status == STATUS_SUCCESS);
    return status;
}

/* After a failure. What a call that failed itself would have undone may stay. */
static void check_undone(const struct wish *wish) {
    bool may_stay = fault_met(FAULT_IN_unlink) || fault_met(FAULT_IN_lstat) ||
                    fault_met(FAULT_IN_fstat) || fault_met(FAULT_IN_ftruncate);
    if (!may_stay && !wish->there)
        assert_int_equal(size_of_file(), -1);
    /* A file that grew is not cut again for what fails later: other processes may use it. */
    if (!may_stay && wish->there)
        assert_true(size_of_file() == (off_t)PAGE || !fault_met(FAULT_IN_posix_fallocate));
}

static void check_fault(const struct wish *wish) {
    unsigned descriptors = count_descriptors();
    NvRtlMapping mapping;
    NTSTATUS status = map_file(wish, &mapping);
    bool lost = fault_met(FAULT_IN_fsync) &&
                (fault.error == EIO || fault.error == ENOSPC || fault.error == EDQUOT);
    if (lost)
        assert_int_equal(status, fault.error == EIO ? STATUS_IO_DEVICE_ERROR : STATUS_DISK_FULL);
    if (fault.error == EINTR && !fault_met(FAULT_IN_statfs))
        assert_int_equal(status, STATUS_SUCCESS);
    if (status == STATUS_SUCCESS) {
        assert_int_equal(size_of_file(), (off_t)mapping.size);
        errno = ERRNO_BEFORE;
        assert_int_equal(NvRtlUnmapFile(&mapping), STATUS_SUCCESS);
        assert_int_equal(errno, ERRNO_BEFORE);
    } else {
        check_undone(wish);
    }
    fault.times = 0;
    assert_int_equal(count_descriptors(), descriptors);
    assert_int_equal(count_mappings(path), 0);
    if ((wish->flags & NVRTL_MAP_EXCLUSIVE) == 0 && (wish->there || wish->flags != 0)) {
        assert_int_equal(map_file(wish, &mapping), STATUS_SUCCESS);
        assert_int_equal(NvRtlUnmapFile(&mapping), STATUS_SUCCESS);
    }
}

static const struct wish *tried;

static int tell(void **state) {
    (void)state;
    faults_end();
    unlink(path);
    if (tried != NULL)
        print_error("%s: error %d in call %u of %u, calls %#llx\n", tried->name, fault.error,
                    fault.first, fault.calls, (unsigned long long)fault.met);
    return 0;
}

static void test_map_file(void **state) {
    (void)state;
    library_set_domain("page-cache!");
    faults_begin(fault_plan);
    for (size_t w = 0; w < ARRAY_LENGTH(wishes); w++) {
        NvRtlMapping mapping;
        tried = &wishes[w];
        begin(tried);
        fault_arm(0, 0, 0);
        assert_int_equal(map_file(tried, &mapping), STATUS_SUCCESS);
        assert_int_equal(NvRtlUnmapFile(&mapping), STATUS_SUCCESS);
        unsigned calls = fault.calls;
        for (unsigned i = 0; i < (size_t)calls * 2 * ARRAY_LENGTH(errors); i++) {
            begin(tried);
            fault_arm(i / 2 % calls, 1 + i % 2, errors[i / 2 / calls]);
            check_fault(tried);
        }
        print_message("%s: %u calls\n", tried->name, calls);
    }
    tried = NULL;
}

/* Is it safe to take memory of the first kind for the second? What is called volatile may be more;
   persistent memory may be synced; and nothing else, or something is called durable that is not. */
static bool is_safe(enum map_domain domain, enum map_domain taken) {
    switch (domain) {
    case MAP_DOMAIN_PAGE_CACHE:
        return taken == MAP_DOMAIN_PAGE_CACHE;
    case MAP_DOMAIN_VOLATILE:
        return taken == MAP_DOMAIN_VOLATILE || taken == MAP_DOMAIN_PAGE_CACHE;
    case MAP_DOMAIN_MEMORY:
        return taken != MAP_DOMAIN_CPU_CACHE;
    case MAP_DOMAIN_CPU_CACHE:
        return true;
    }
    return false;
}

static struct map_region region;

/* One view of a recorded machine; the number of faults. */
static unsigned check_view(const char *root, uintptr_t address, size_t length) {
    const struct map_system system = {.root = root, .live = false};
    static const int reading[] = {EIO, ENOMEM, EMFILE};
    fault_arm(0, 0, 0);
    enum result result = map_probe(&system, address, length, &region);
    enum map_domain domain = region.answer.domain;
    unsigned calls = fault.calls;
    for (unsigned i = 0; i < (size_t)calls * 2 * ARRAY_LENGTH(reading); i++) {
        fault_arm(i / 2 % calls, 1 + i % 2 * calls, reading[i / 2 / calls]);
        enum result now = map_probe(&system, address, length, &region);
        if (fault.met == 0 || now == RESULT_NO_MEMORY)
            continue;
        bool good = result == RESULT_OK ? now == RESULT_OK && is_safe(domain, region.answer.domain)
                                        : now == result || now == RESULT_OK;
        if (!good)
            fail_msg("%s %lx: error %d in call %u (%u more): %d %d became %d %d, %s", root,
                     (unsigned long)address, fault.error, fault.first, fault.times - 1, result,
                     domain, now, region.answer.domain, region.answer.reason);
    }
    return calls;
}

/* Does something with each view of each recorded machine, and adds up what comes of it. */
static unsigned each_view(unsigned (*act)(const char *root, uintptr_t address, size_t length)) {
    struct dirent **folders;
    unsigned sum = 0;
    int count = scandir(NVRTL_TEST_FIXTURES, &folders, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char root[512], name[600], line[1024];
        snprintf(root, sizeof root, "%s/%s", NVRTL_TEST_FIXTURES, folders[i]->d_name);
        snprintf(name, sizeof name, "%s/expected", root);
        FILE *expected = fopen(name, "r");
        while (expected != NULL && fgets(line, sizeof line, expected) != NULL) {
            char *rest;
            uintptr_t address = strtoull(line, &rest, 16);
            sum += act(root, address, strtoull(rest + 1, NULL, 16));
        }
        if (expected != NULL)
            fclose(expected);
        free(folders[i]);
    }
    free(folders);
    return sum;
}

static void test_probe(void **state) {
    (void)state;
    faults_begin(fault_plan);
    print_message("%u calls\n", each_view(check_view));
}

/* With a root whose path is so long that one file after the other does not fit behind it. */
static unsigned check_long_root(const char *root, uintptr_t address, size_t length) {
    const struct map_system system = {.root = root, .live = false};
    char longer[1024];
    unsigned unread = 0;
    enum result result = map_probe(&system, address, length, &region);
    enum map_domain domain = region.answer.domain;
    for (size_t size = 860; size < sizeof longer - 1; size += 3) {
        size_t at = (size_t)snprintf(longer, sizeof longer, "%s%s", root, size % 2 ? "/" : "");
        for (; at + 2 <= size; at += 2)
            memcpy(longer + at, "/.", 3);
        const struct map_system far = {.root = longer, .live = false};
        enum result now = map_probe(&far, address, length, &region);
        unread += now == RESULT_NO_MEMORY;
        if (now != RESULT_NO_MEMORY && (now != result || region.answer.domain != domain))
            fail_msg("%s %lx, %zu bytes long: %d %d became %d %d, %s", root, (unsigned long)address,
                     size, result, domain, now, region.answer.domain, region.answer.reason);
    }
    return unread;
}

static void test_long_root(void **state) {
    (void)state;
    assert_true(each_view(check_long_root) > 1000);
}

/* A part of /sys that answers with EIO, today and tomorrow. */
static struct os_calls sound;
static const char *broken; /* a part of the path */
static unsigned met;

static bool is_broken(const char *path_) {
    const char *sys = strstr(path_, "/sys/");
    bool is = sys != NULL && strstr(sys, broken) != NULL;
    met += is;
    errno = is ? EIO : errno;
    return is;
}

static int broken_open(const char *path_, int flags, ...) {
    return is_broken(path_) ? -1 : sound.open(path_, flags);
}
static ssize_t broken_readlink(const char *path_, char *buffer, size_t size) {
    return is_broken(path_) ? -1 : sound.readlink(path_, buffer, size);
}
static int broken_access(const char *path_, int mode) {
    return is_broken(path_) ? -1 : sound.access(path_, mode);
}

static unsigned check_broken(const char *root, uintptr_t address, size_t length) {
    static const char *const parts[] = {"", "dev/block", "persistence_domain", "slaves", "devtype"};
    const struct map_system system = {.root = root, .live = false};
    unsigned all = 0;
    os_calls = sound;
    enum result result = map_probe(&system, address, length, &region);
    enum map_domain domain = region.answer.domain;
    os_calls.open = broken_open;
    os_calls.readlink = broken_readlink;
    os_calls.access = broken_access;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        broken = parts[i];
        met = 0;
        enum result now = map_probe(&system, address, length, &region);
        bool node = strncmp(region.answer.path, "/dev/", strlen("/dev/")) == 0;
        /* That the node of a device is no file in RAM only /sys can say. */
        bool good = node && now == RESULT_NO_MEMORY ? met != 0
                    : result == RESULT_OK
                        ? now == RESULT_OK && is_safe(domain, region.answer.domain)
                        : now == result;
        if (!good)
            fail_msg("%s %lx, no %s: %d %d became %d %d, %s", root, (unsigned long)address, broken,
                     result, domain, now, region.answer.domain, region.answer.reason);
        if (now == RESULT_OK && met != 0 && region.answer.domain > MAP_DOMAIN_PAGE_CACHE)
            fail_msg("%s %lx, no %s: %s", root, (unsigned long)address, broken,
                     region.answer.reason);
        all += met;
    }
    return all;
}

/* Get does not refuse for ever what a broken device says nothing of. */
static void test_broken(void **state) {
    (void)state;
    sound = os_calls;
    unsigned all = each_view(check_broken);
    os_calls = sound;
    print_message("%u calls\n", all);
    assert_true(all > 100);
}

static unsigned probe_view(const char *root, uintptr_t address, size_t length) {
    const struct map_system system = {.root = root, .live = false};
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL); /* pending all the time */
    enum result result = map_probe(&system, address, length, &region);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return result == RESULT_OK;
}

static void *probe_cancelled(void *context) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    *(unsigned *)context = each_view(probe_view);
    return NULL;
}

/* No thread ends in the middle of a Get, with its lock and its descriptors. */
static void test_no_cancellation(void **state) {
    (void)state;
    pthread_t thread;
    unsigned probed = 0, descriptors = count_descriptors();
    assert_int_equal(pthread_create(&thread, NULL, probe_cancelled, &probed), 0);
    pthread_join(thread, NULL);
    assert_int_not_equal(probed, 0);
    assert_int_equal(count_descriptors(), descriptors);
}

/* Of a file system that has given up, as xfs does when its log cannot be written. */
static int be_dead(enum fault_call call) {
    bool asks = call == FAULT_IN_statx || call == FAULT_IN_stat || call == FAULT_IN_statfs;
    return asks ? EIO : 0;
}

static int be_stale(enum fault_call call) {
    bool asks = call == FAULT_IN_statx || call == FAULT_IN_stat || call == FAULT_IN_statfs;
    return asks ? ESTALE : 0;
}

/* A file that a server no longer has under its name is a file all the same; so is one on a dead
   device. */
static void test_stale(void **state) {
    (void)state;
    int (*const answers[])(enum fault_call) = {be_stale, be_dead};
    struct view view;
    PVOID token;
    library_set_domain(NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        assert_true(view_open(&view, "/var/tmp", PAGE));
        faults_begin(answers[i]);
        NTSTATUS status = RtlGetNonVolatileToken(view.bytes, PAGE, &token);
        faults_end();
        assert_int_equal(status, STATUS_SUCCESS);
        assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
        view_close(&view);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_map_file, tell),
        cmocka_unit_test_teardown(test_probe, tell),
        cmocka_unit_test(test_long_root),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_no_cancellation),
        cmocka_unit_test(test_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
