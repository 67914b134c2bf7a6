/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that forked from one another share the open files behind their views, and of a failed
   write-back the system tells one of them. None of them may call durable what another was told is
   not. The system calls are replaced in each process, so that one is told and the other is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "child.h"
#include "os/calls.h"
#include "os/kin.h"
#include "view.h"

#define PAGES 4

static struct view file;
static PVOID token;
static int there[2], back[2]; /* pipes: to the child, and from it */
static unsigned touches, waits;
static void (*while_waiting)(void);

enum fault __real_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address) {
    touches++;
    return __real_isa_touch(address);
}

/* Where a process waits for another one, the test lets that one go on. */
void __real_os_mark_wait(_Atomic uint64_t *place, uint64_t mark);
void __wrap_os_mark_wait(_Atomic uint64_t *place, uint64_t mark);
void __wrap_os_mark_wait(_Atomic uint64_t *place, uint64_t mark) {
    waits++;
    if (while_waiting != NULL)
        while_waiting();
    while_waiting = NULL;
    __real_os_mark_wait(place, mark);
}

static void say(const int pipe[2]) {
    char byte = 0;
    CHILD_NEED(write(pipe[1], &byte, 1) == 1);
}
static void hear(const int pipe[2]) {
    char byte;
    CHILD_NEED(read(pipe[0], &byte, 1) == 1);
}
static void let_child_go(void) {
    say(there);
}

static size_t synced; /* bytes, by the last call */
static int sync_well(void *address, size_t size, int flags) {
    (void)address, (void)flags;
    synced = size;
    return 0;
}
static int sync_error(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    errno = EIO;
    return -1;
}
static int sync_full(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    errno = ENOSPC;
    return -1;
}
/* In the middle of the call, until the parent waits. */
static int sync_error_slowly(void *address, size_t size, int flags) {
    say(back);
    hear(there);
    return sync_error(address, size, flags);
}
static int sync_well_slowly(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    say(back);
    hear(there);
    return 0;
}
static int sync_and_die(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    raise(SIGKILL);
    return -1;
}

static NTSTATUS flush_all(ULONG flags) {
    return RtlFlushNonVolatileMemory(token, file.bytes, file.size, flags);
}

static void begin(void) {
    CHILD_NEED(pipe(there) == 0 && pipe(back) == 0);
    library_set_domain("page-cache!");
    CHILD_NEED(view_open(&file, MEMORY_FOLDER, PAGES * PAGE));
    memset(file.bytes, 1, file.size);
    os_calls.msync = sync_well;
    CHILD_NEED(RtlGetNonVolatileToken(file.bytes, file.size, &token) == STATUS_SUCCESS);
}

/* A child that flushes and drains all, with this for its msync; it says the drain's status. */
static pid_t drain_in_child(int (*sync)(void *, size_t, int)) {
    pid_t child = fork();
    CHILD_NEED(child >= 0);
    if (child == 0) {
        os_calls.msync = sync;
        close(there[1]); /* what it waits for ends with its parent */
        NTSTATUS status = flush_all(FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
        if (status == STATUS_SUCCESS)
            status = RtlDrainNonVolatileFlush(token);
        _exit(status == STATUS_SUCCESS ? 0 : status == STATUS_IO_DEVICE_ERROR ? 1 : 2);
    }
    return child;
}

static int status_of(pid_t child) {
    int status;
    CHILD_NEED(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* In every call that promises something, for every token of the file, until a retry. */
static void check_failed_until_retry(NTSTATUS status) {
    PVOID later;
    CHILD_NEED(RtlDrainNonVolatileFlush(token) == status);
    CHILD_NEED(flush_all(0) == status);
    CHILD_NEED(flush_all(FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN) == status);
    CHILD_NEED(RtlGetNonVolatileToken(file.bytes, PAGE, &later) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(later) == status);
    touches = 0;
    CHILD_NEED(NvRtlRetryToken(later) == STATUS_SUCCESS);
    CHILD_NEED(touches >= PAGES);
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(later) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(EACH) == STATUS_SUCCESS);
}

static void check_told_before(void) {
    begin();
    CHILD_NEED(flush_all(FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN) == STATUS_SUCCESS);
    CHILD_NEED(status_of(drain_in_child(sync_error)) == 1);
    check_failed_until_retry(STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(status_of(drain_in_child(sync_full)) == 2);
    check_failed_until_retry(STATUS_DISK_FULL);
}

/* The child of one that was told knows it from the start. */
static void check_inherited(void) {
    begin();
    os_calls.msync = sync_error;
    CHILD_NEED(flush_all(0) == STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(status_of(drain_in_child(sync_well)) == 1);
    os_calls.msync = sync_well;
    CHILD_NEED(NvRtlRetryToken(token) == STATUS_SUCCESS);
    CHILD_NEED(status_of(drain_in_child(sync_well)) == 0);
}

/* The system tells the child, and says to the parent, beside it, that all is well. */
static void check_told_beside(void) {
    begin();
    pid_t child = drain_in_child(sync_error_slowly);
    hear(back);
    while_waiting = let_child_go;
    CHILD_NEED(flush_all(0) == STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(waits > 0 && status_of(child) == 1);
    check_failed_until_retry(STATUS_IO_DEVICE_ERROR);
}

static void check_well_beside(void) {
    begin();
    pid_t child = drain_in_child(sync_well_slowly);
    hear(back);
    while_waiting = let_child_go;
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(waits > 0 && status_of(child) == 0);
    CHILD_NEED(touches == 0);
}

/* A retry beside a write-back that fails has made good all but that. */
static void check_retry_beside(void) {
    begin();
    os_calls.msync = sync_error;
    CHILD_NEED(flush_all(0) == STATUS_IO_DEVICE_ERROR);
    os_calls.msync = sync_well;
    CHILD_NEED(NvRtlRetryToken(token) == STATUS_SUCCESS);
    pid_t child = drain_in_child(sync_error_slowly);
    hear(back);
    while_waiting = let_child_go;
    /* Its first write-back waits for the child's, and what it does then makes up for it. */
    CHILD_NEED(NvRtlRetryToken(token) == STATUS_SUCCESS);
    CHILD_NEED(waits > 0 && status_of(child) == 1);
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
}

/* Killed in the middle of a write-back: it may have been told that any page failed, and that page
   looks clean. Nobody has collected it, so its number is still there. */
static void check_died(void) {
    siginfo_t ended;
    begin();
    pid_t child = drain_in_child(sync_and_die);
    CHILD_NEED(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) == 0);
    CHILD_NEED(RtlFlushNonVolatileMemory(token, file.bytes, 1, 0) == STATUS_SUCCESS);
    CHILD_NEED(touches == PAGES && synced == file.size);
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(touches == PAGES); /* once */
    CHILD_NEED(status_of(child) == -SIGKILL);
}

/* So many die that there is no place left for one more. */
static void check_all_died(void) {
    begin();
    for (int i = 0; i < KIN_WRITERS; i++) {
        pid_t child = fork();
        CHILD_NEED(child >= 0);
        if (child == 0) {
            struct token_view view;
            CHILD_NEED(token_find((uintptr_t)token, &view));
            kin_enter(token_file(&view)->kin);
            _exit(0);
        }
        CHILD_NEED(status_of(child) == 0);
    }
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(touches == PAGES);
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(touches == PAGES);
}

/* A signal handler that interrupts a write-back and forks: the child does not wait for the thread
   that it stands on, which may wait for it; once that is gone it goes on. */
static uint64_t interrupted;
static void check_forked_by_handler(void) {
    struct token_view view;
    begin();
    CHILD_NEED(token_find((uintptr_t)token, &view));
    struct kin_file *kin = token_file(&view)->kin;
    pid_t parent = fork();
    CHILD_NEED(parent >= 0);
    if (parent == 0) {
        interrupted = atomic_load(kin_enter(kin));
        pid_t child = fork();
        CHILD_NEED(child >= 0);
        if (child > 0) {
            hear(back);
            _exit(0); /* in the middle */
        }
        CHILD_NEED(flush_all(0) == STATUS_DEVICE_BUSY);
        say(back);
        while (kin_is_writing(kin, interrupted))
            sched_yield();
        CHILD_NEED(flush_all(0) == STATUS_SUCCESS && touches == PAGES);
        say(there);
        _exit(0);
    }
    CHILD_NEED(status_of(parent) == 0);
    hear(there);
}

/* What is written back since the fork, by the thread that forked, is none of the child's business:
   the child waits for it and is not turned away, however late it gets there. */
static bool waits_for_parent;
static void begin_late(void) {
    if (waits_for_parent)
        hear(there);
}
static int sync_in_parent(void *address, size_t size, int flags) {
    (void)address, (void)size, (void)flags;
    say(there);
    hear(back);
    return 0;
}
static int sync_in_child(void *address, size_t size, int flags) {
    say(back);
    return sync_well(address, size, flags);
}
static void check_forked_before(void) {
    CHILD_NEED(pthread_atfork(NULL, NULL, begin_late) == 0); /* runs before the library's */
    begin();
    waits_for_parent = true;
    pid_t child = fork();
    CHILD_NEED(child >= 0);
    if (child == 0) {
        os_calls.msync = sync_in_child;
        CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
        _exit(0);
    }
    close(back[1]); /* what this one waits for ends with the child */
    os_calls.msync = sync_in_parent;
    CHILD_NEED(flush_all(0) == STATUS_SUCCESS);
    CHILD_NEED(status_of(child) == 0);
}

/* What failed here and was made good is not held against the file when its record was another's in
   between. */
static void check_record_again(void) {
    struct view other;
    PVOID another;
    begin();
    os_calls.msync = sync_error;
    CHILD_NEED(flush_all(0) == STATUS_IO_DEVICE_ERROR);
    os_calls.msync = sync_well;
    CHILD_NEED(NvRtlRetryToken(token) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(token) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(token) == STATUS_SUCCESS);
    CHILD_NEED(view_open(&other, MEMORY_FOLDER, PAGE));
    CHILD_NEED(RtlGetNonVolatileToken(other.bytes, PAGE, &another) == STATUS_SUCCESS);
    CHILD_NEED(RtlGetNonVolatileToken(file.bytes, PAGE, &token) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(token) == STATUS_SUCCESS);
}

static uint64_t mark_of_thread;
static void *mark_thread(void *nothing) {
    mark_of_thread = os_mark();
    return nothing;
}

static int open_nothing(const char *path, int flags, ...) {
    (void)path, (void)flags;
    errno = ENOENT;
    return -1;
}

static void check_life(void) {
    uint64_t own = os_mark(), hour = UINT64_C(360000) << 32;
    pthread_t thread;
    CHILD_NEED(os_mark_thread(own) == os_thread_id() && os_mark_life(own) == OS_LIVES);
    /* A thread whose number was another's then: it began later. */
    CHILD_NEED(os_mark_life(own - hour) == OS_DEAD);
    CHILD_NEED(prctl(PR_SET_NAME, ") Z 1 (") == 0 && os_mark_life(own) == OS_LIVES);
    CHILD_NEED(pthread_create(&thread, NULL, mark_thread, NULL) == 0);
    CHILD_NEED(pthread_join(thread, NULL) == 0);
    while (os_mark_life(mark_of_thread) != OS_DEAD)
        sched_yield(); /* the system takes it off its list a moment after the join */
    CHILD_NEED(os_mark_thread(mark_of_thread) != os_thread_id());
    os_calls.open = open_nothing;
    CHILD_NEED(os_mark_life(own) == OS_UNSURE);
}

/* Each file has a record of its own, while there are records; then they share one. */
static void check_records(void) {
    CHILD_NEED(kin_start());
    struct kin_file *first = kin_find(1, 1), *shared = NULL;
    CHILD_NEED(kin_find(1, 1) == first && kin_find(1, 2) != first && kin_find(2, 1) != first);
    for (uint64_t inode = 3; shared == NULL; inode++) {
        struct kin_file *at = kin_find(1, inode);
        CHILD_NEED(inode < 100000 && at != first);
        if (atomic_load(&at->file) == 0)
            shared = at;
    }
    CHILD_NEED(kin_find(1, 1) == first);
}

#define CHILD_TEST(name)                                                                           \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        check_child(check_##name, 0);                                                              \
    }
CHILD_TEST(told_before)
CHILD_TEST(inherited)
CHILD_TEST(told_beside)
CHILD_TEST(well_beside)
CHILD_TEST(retry_beside)
CHILD_TEST(died)
CHILD_TEST(all_died)
CHILD_TEST(forked_by_handler)
CHILD_TEST(forked_before)
CHILD_TEST(record_again)
CHILD_TEST(life)
CHILD_TEST(records)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_before),  cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_told_beside),  cmocka_unit_test(test_well_beside),
        cmocka_unit_test(test_retry_beside), cmocka_unit_test(test_died),
        cmocka_unit_test(test_all_died),     cmocka_unit_test(test_forked_by_handler),
        cmocka_unit_test(test_record_again), cmocka_unit_test(test_life),
        cmocka_unit_test(test_records),      cmocka_unit_test(test_forked_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
