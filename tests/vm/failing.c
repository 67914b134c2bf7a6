/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library does on a disk that fails for real: device-mapper takes a file's blocks away and
   gives them back. Linked statically with libnvrtl.a.

     failing NONCE DISK TYPE   on the disk there is a file system of that type

   For each case that passed it prints a line with its name. What was stored says the nonce and the
   case, so that the last turn of each can be looked for on the disk from outside. */
#include "failing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATER (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN)
#define EACH ((void *)FLUSH_NV_MEMORY_DEFAULT_TOKEN)

const char *nonce;
static const char *current = "begin"; /* the case */

static _Noreturn void fail(const char *what, const char *more) {
    printf("failing\t%s-%s\t%s%s%s\n", disk_type, current, what, *more != '\0' ? ": " : "", more);
    exit(1);
}

void check(bool condition, const char *what) {
    if (!condition)
        fail(what, "");
}

void check_status(NTSTATUS status, NTSTATUS wanted, const char *what) {
    char more[200];
    snprintf(more, sizeof more, "%s, and not %s", NvRtlStatusText(status), NvRtlStatusText(wanted));
    if (status != wanted)
        fail(what, more);
}

static void check_token(void *token, void *view, NTSTATUS status) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    NV_MEMORY_RANGE range = {view, PAGE};
    check_status(NvRtlQueryToken(token, &info), STATUS_SUCCESS, "Query");
    check(((info.flags & NVRTL_TOKEN_FAILED) != 0) == (status != STATUS_SUCCESS), "Query: failed?");
    check_status(RtlDrainNonVolatileFlush(token), status, "Drain");
    for (ULONG flags = 0; flags <= FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN; flags++) {
        check_status(RtlFlushNonVolatileMemory(token, view, PAGE, flags), status, "Flush");
        check_status(RtlFlushNonVolatileMemoryRanges(token, &range, 1, flags), status, "Ranges");
    }
}

/* Has the file failed with this status, whoever asks? STATUS_SUCCESS: it has not. */
static void check_failed(const struct subject *subject, NTSTATUS status) {
    void *later;
    check_status(RtlGetNonVolatileToken(subject->view[0], PAGE, &later), STATUS_SUCCESS, "Get");
    check_token(later, subject->view[0], status);
    for (size_t i = 0; i < 2; i++)
        check_token(subject->token[i], subject->view[i], status);
    check_status(RtlDrainNonVolatileFlush(EACH), status, "Drain of each");
    check_status(RtlFreeNonVolatileToken(later), STATUS_SUCCESS, "Free");
}

static void store_durably(struct subject *subject, size_t which) {
    check_status(subject_store(subject, which, LATER), STATUS_SUCCESS, "Write");
    check_status(RtlDrainNonVolatileFlush(subject->token[which]), STATUS_SUCCESS, "Drain");
    check(subject_on_medium(subject, subject->stored) == PAGES, "called durable, and is not");
}

static void check_recovered(struct subject *subject) {
    check_failed(subject, STATUS_SUCCESS);
    store_durably(subject, 0);
}

/* A file with durable pages. */
static void begin(struct subject *subject, const char *name) {
    current = name;
    subject_make(subject, name);
    for (size_t i = 0; i < 2; i++)
        store_durably(subject, i);
}

/* New pages, which the disk will not take. The turn of the durable ones. */
static unsigned turn_and_store(struct subject *subject, enum mood mood) {
    disk_turn_subject(subject, mood);
    check_status(subject_store(subject, 0, LATER), STATUS_SUCCESS, "Write without drain");
    return subject->stored - 1;
}

static void pass(struct subject *subject) {
    subject_end(subject);
    printf("failing\t%s-%s\tpassed\n", disk_type, current);
}

/* An open file that was not told of the last failure is told now; then the kernel knows of none. */
static bool kernel_forgot(const struct subject *subject) {
    for (size_t i = 0; i < 2; i++)
        msync(subject->view[i], PAGES * PAGE, MS_SYNC);
    return msync(subject->view[0], PAGES * PAGE, MS_SYNC) == 0 &&
           msync(subject->view[1], PAGES * PAGE, MS_SYNC) == 0;
}

/* The whole story: it fails, stays failed through everything that Linux calls a success, and is
   made good. */
static void case_fails(const char *name, enum mood mood) {
    struct subject subject;
    begin(&subject, name);
    unsigned durable = turn_and_store(&subject, mood);
    check_status(RtlDrainNonVolatileFlush(subject.token[1]), STATUS_IO_DEVICE_ERROR, "Drain");
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    check_status(NvRtlRetryToken(subject.token[1]), STATUS_IO_DEVICE_ERROR, "Retry, no disk");
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    disk_turn(WELL);
    /* The kernel has forgotten it: the pages are clean, and the medium has the old ones. */
    check(kernel_forgot(&subject), "msync still fails");
    check(subject_on_medium(&subject, durable) == PAGES, "the disk took what it refused");
    check(subject_in_view(&subject, subject.stored) == PAGES, "the view changed");
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    check_status(NvRtlRetryToken(subject.token[0]), STATUS_SUCCESS, "Retry");
    check(subject_on_medium(&subject, subject.stored) == PAGES, "Retry left something out");
    check_recovered(&subject);
    pass(&subject);
}

/* The kernel writes back on its own account, and fails, while nobody waits; the disk is well again
   when somebody does. */
static void case_behind(void) {
    struct subject subject;
    const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                         SYNC_FILE_RANGE_WAIT_AFTER; /* another's, of an open file of its own */
    begin(&subject, "behind");
    unsigned durable = turn_and_store(&subject, REFUSES);
    int other = open(subject.path, O_RDWR | O_CLOEXEC);
    check(sync_file_range(other, 0, 0, all) != 0, "the disk took it");
    close(other);
    disk_turn(WELL);
    check_status(RtlDrainNonVolatileFlush(subject.token[0]), STATUS_IO_DEVICE_ERROR, "Drain");
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    check(subject_on_medium(&subject, durable) == PAGES, "the disk took what it refused");
    check_status(NvRtlRetryToken(subject.token[1]), STATUS_SUCCESS, "Retry");
    check(subject_on_medium(&subject, subject.stored) == PAGES, "Retry left something out");
    check_recovered(&subject);
    pass(&subject);
}

/* The clean pages are evicted and read again: memory has the old bytes. Retry says that the medium
   equals memory, which is true, and no more. */
static void case_evicted(void) {
    struct subject subject;
    begin(&subject, "evicted");
    unsigned durable = turn_and_store(&subject, REFUSES);
    check_status(RtlDrainNonVolatileFlush(subject.token[0]), STATUS_IO_DEVICE_ERROR, "Drain");
    subject_evict(&subject);
    check(subject_in_view(&subject, durable) == PAGES, "the view has kept what was stored");
    disk_turn(WELL);
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    check_status(NvRtlRetryToken(subject.token[0]), STATUS_SUCCESS, "Retry");
    check(subject_equals_medium(&subject), "the medium differs from memory");
    check_recovered(&subject);
    pass(&subject);
}

/* A page that cannot be read is the status of that call, is not kept, and is no full disk. */
static void case_unreadable(void) {
    struct subject subject;
    char bytes[PAGE];
    begin(&subject, "unreadable");
    unsigned durable = turn_and_store(&subject, WELL) + 1;
    check_status(RtlDrainNonVolatileFlush(subject.token[0]), STATUS_SUCCESS, "Drain");
    subject_evict(&subject);
    disk_turn_subject(&subject, DEAD);
    for (size_t i = 0; i < 2; i++) {
        unsigned char *at = subject.view[i] + 2 * PAGE;
        check_status(NvRtlReadNonVolatileMemory(subject.token[i], bytes, at, PAGE),
                     STATUS_IO_DEVICE_ERROR, "Read");
        check_status(RtlFillNonVolatileMemory(subject.token[i], at, PAGE, 0, 0),
                     STATUS_IO_DEVICE_ERROR, "Fill");
    }
    check_status(subject_store(&subject, 1, WRITE_NV_MEMORY_FLAG_PERSIST), STATUS_IO_DEVICE_ERROR,
                 "Write");
    disk_turn(WELL);
    check(subject_in_view(&subject, durable) == PAGES, "the view changed");
    check_recovered(&subject);
    pass(&subject);
}

/* The other process of a failing file is told as well: by the system through an open file of its
   own, or, where the two share theirs, by the one that the system told. */
static _Noreturn void be_told(const struct subject *subject, bool own, int from, int to) {
    NvRtlMapping mapped = {
        .base = subject->view[0], .size = PAGES * PAGE, .token = subject->token[0]};
    char byte = 0;
    if (own)
        check_status(NvRtlMapFile(subject->path, 0, 0, 0, 0, &mapped), STATUS_SUCCESS, "Map");
    check_status(RtlFlushNonVolatileMemory(mapped.token, mapped.base, mapped.size,
                                           FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN),
                 STATUS_SUCCESS, "Flush");
    check(write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1, "no other process");
    check_status(RtlDrainNonVolatileFlush(mapped.token), STATUS_IO_DEVICE_ERROR, "Drain of child");
    check_status(NvRtlRetryToken(mapped.token), STATUS_SUCCESS, "Retry of child");
    check(subject_equals_medium(subject), "Retry left something out");
    check_status(RtlDrainNonVolatileFlush(mapped.token), STATUS_SUCCESS, "Drain after Retry");
    _exit(0);
}

static void case_processes(const char *name, bool own) {
    struct subject subject;
    int there[2], back[2], ended = -1;
    char byte = 0;
    begin(&subject, name);
    check(pipe(there) == 0 && pipe(back) == 0, "no pipe");
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        be_told(&subject, own, there[0], back[1]);
    }
    close(back[1]);
    check(read(back[0], &byte, 1) == 1, "no child");
    unsigned durable = turn_and_store(&subject, REFUSES);
    check_status(RtlDrainNonVolatileFlush(subject.token[0]), STATUS_IO_DEVICE_ERROR, "Drain");
    disk_turn(WELL);
    check(subject_on_medium(&subject, durable) == PAGES, "the disk took what it refused");
    check(write(there[1], &byte, 1) == 1 && waitpid(child, &ended, 0) == child, "no child");
    if (ended != 0)
        exit(1); /* it said why */
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    check_status(NvRtlRetryToken(subject.token[0]), STATUS_SUCCESS, "Retry");
    check_recovered(&subject);
    pass(&subject);
}

/* The whole disk goes, the journal of its file system with it. Nothing is promised of the file from
   then on, and a new one is not made. */
static void case_whole(void) {
    struct subject subject;
    NvRtlMapping made = {0};
    begin(&subject, "whole");
    turn_and_store(&subject, WELL);
    disk_turn(DEAD);
    check_status(RtlDrainNonVolatileFlush(subject.token[0]), STATUS_IO_DEVICE_ERROR, "Drain");
    check_failed(&subject, STATUS_IO_DEVICE_ERROR);
    NTSTATUS status = NvRtlMapFile("/failing/new", 0, PAGES * PAGE, NVRTL_MAP_CREATE, 0600, &made);
    check(status != STATUS_SUCCESS && made.base == NULL, "a file was made on no disk");
    disk_turn(WELL);
    status = NvRtlRetryToken(subject.token[0]);
    check(status != STATUS_SUCCESS || subject_equals_medium(&subject), "Retry promises too much");
    check_failed(&subject, status);
    pass(&subject);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 4) {
        fprintf(stderr, "usage: failing NONCE DISK TYPE\n");
        return 2;
    }
    nonce = argv[1];
    disk_make(argv[2], argv[3]);
    case_fails("dead", DEAD);
    case_fails("refuses", REFUSES);
    case_behind();
    case_evicted();
    case_unreadable();
    case_processes("processes", true);
    case_processes("kin", false);
    case_whole();
    return 0;
}
