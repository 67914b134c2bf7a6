/* SPDX-License-Identifier: BSD-2-Clause */
/* Every system call of every routine fails once: a clean run of a path counts its calls, then the
   path is run again for each of them and each error, once and twice in a row. Each time: a status
   that fits, no success for what is not on the medium, a failure that stays until the retry, a path
   that works afterwards, errno untouched, no descriptor or mapping left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "child.h"
#include "descriptors.h"
#include "drain/drain.h"
#include "faults.h"
#include "medium.h"

#define PAGES 8
#define ERRNO_BEFORE 12345

/* Two views of a file with a token each, a third without one. */
static struct medium medium;
static PVOID token[2];
static unsigned char *lone;

/* What a path did: [from, from + length) is drained if it succeeds. */
static size_t from, length;
static PVOID made;

static int msync_of_medium(void *address, size_t size, int flags) {
    return medium_sync(address, size, flags, flags == MS_SYNC ? fault_plan(FAULT_IN_msync) : 0);
}

/* Of shared views: malloc may map more at any time. */
static unsigned count_mappings(void) {
    unsigned count = 0;
    char line[512], flags[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL)
        count += sscanf(line, "%*s %7s", flags) == 1 && flags[3] == 's';
    fclose(maps);
    return count;
}

static NTSTATUS bytes_at(size_t first, size_t count, NTSTATUS (*call)(void)) {
    from = first;
    length = count;
    return call();
}

/* Paths. Those that drain leave a promise. */
static unsigned char turn;
static ULONG flags;

static NTSTATUS write_now(void) {
    static unsigned char source[2 * PAGE];
    memset(source, ++turn, sizeof source);
    return RtlWriteNonVolatileMemory(token[0], medium.file.bytes + from, source, length, flags);
}
static NTSTATUS fill_now(void) {
    return RtlFillNonVolatileMemory(token[0], medium.file.bytes + from, length, ++turn, flags);
}
static NTSTATUS do_write(void) {
    return bytes_at(PAGE - 3, PAGE + 7, write_now);
}
static NTSTATUS do_fill(void) {
    return bytes_at(2 * PAGE + 1, 100, fill_now);
}
/* Without a drain of its own, then with one. */
static NTSTATUS do_write_later(void) {
    NTSTATUS status = do_write();
    return status == STATUS_SUCCESS ? RtlDrainNonVolatileFlush(token[0]) : status;
}
static NTSTATUS do_flush(void) {
    from = PAGE + 5;
    length = 3 * PAGE;
    memset(medium.file.bytes + from, ++turn, length);
    NTSTATUS status =
        RtlFlushNonVolatileMemory(token[1], medium.views[1].bytes + from, length, flags);
    return status == STATUS_SUCCESS && flags != 0 ? RtlDrainNonVolatileFlush(token[0]) : status;
}
static NTSTATUS do_ranges(void) {
    NV_MEMORY_RANGE ranges[] = {{medium.file.bytes + 3 * PAGE, 1}, {medium.file.bytes, PAGE + 1}};
    from = 0;
    length = PAGE + 1;
    medium.file.bytes[3 * PAGE] = ++turn;
    memset(medium.file.bytes, turn, length);
    NTSTATUS status = RtlFlushNonVolatileMemoryRanges(token[0], ranges, 2, flags);
    return status == STATUS_SUCCESS && flags != 0 ? RtlDrainNonVolatileFlush(EACH) : status;
}
/* Both tokens have pages; the default token's drain does all. */
static NTSTATUS do_drain_every(void) {
    from = 0;
    length = PAGES * PAGE;
    memset(medium.file.bytes, ++turn, length);
    NTSTATUS status = RtlFlushNonVolatileMemory(token[0], medium.file.bytes, PAGE, 1);
    if (status == STATUS_SUCCESS)
        status = RtlFlushNonVolatileMemory(token[1], medium.views[1].bytes + PAGE,
                                           (PAGES - 1) * PAGE, 1);
    return status == STATUS_SUCCESS ? RtlDrainNonVolatileFlush(EACH) : status;
}
/* By the default token: makes an internal one, or uses it. */
static NTSTATUS do_default(void) {
    from = 5 * PAGE;
    length = 10;
    return RtlFillNonVolatileMemory(EACH, lone + from, length, ++turn, flags);
}
/* The internal token's mapping is replaced by another one of the file, and comes back. */
static void map_lone(off_t offset) {
    void *there = mmap(lone, medium.file.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                       medium.file.descriptor, offset);
    assert_ptr_equal(there, lone);
}
static NTSTATUS do_default_again(void) {
    NTSTATUS status = do_default();
    map_lone(2 * PAGE);
    if (status == STATUS_SUCCESS)
        status = RtlFillNonVolatileMemory(EACH, lone + PAGE, 10, ++turn, 0);
    map_lone(0);
    return status;
}
/* Another process wrote the file back, was told that it failed, and ended before it could say so:
   the pages are clean, and nobody here was told. */
static NTSTATUS do_doubtful(void) {
    struct token_view view;
    from = 0;
    length = PAGES * PAGE;
    memset(medium.file.bytes, ++turn, length);
    NTSTATUS status = RtlFlushNonVolatileMemory(token[0], medium.file.bytes, length, 1);
    assert_true(token_find((uintptr_t)token[0], &view));
    atomic_fetch_add(&token_file(&view)->kin->deaths, 1);
    medium_write_back(&medium, EIO);
    for (size_t i = 0; i < MEDIUM_VIEWS; i++)
        medium.views[i].owed = 0;
    return status == STATUS_SUCCESS ? RtlDrainNonVolatileFlush(token[0]) : status;
}
static NTSTATUS do_get(void) {
    made = NULL;
    NTSTATUS status = RtlGetNonVolatileToken(medium.file.bytes + PAGE, 3 * PAGE, &made);
    assert_int_equal(made != NULL, status == STATUS_SUCCESS);
    return status;
}
/* A token ends with pages that nobody drained: the other one does it. */
static NTSTATUS do_free(void) {
    NTSTATUS status = made != NULL ? STATUS_SUCCESS : do_get();
    if (status != STATUS_SUCCESS)
        return status;
    from = PAGE;
    length = 9;
    status = RtlFillNonVolatileMemory(made, medium.file.bytes + from, length, ++turn, 0x101);
    assert_int_equal(RtlFreeNonVolatileToken(made), STATUS_SUCCESS);
    made = NULL;
    return status == STATUS_SUCCESS ? RtlDrainNonVolatileFlush(token[1]) : status;
}
static NTSTATUS do_retry(void) {
    from = 0;
    length = PAGES * PAGE;
    memset(medium.file.bytes, ++turn, length);
    return NvRtlRetryToken(token[0]);
}
static NTSTATUS do_read(void) {
    unsigned char byte;
    return NvRtlReadNonVolatileMemory(token[0], &byte, medium.file.bytes, 1);
}
static NTSTATUS do_query(void) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    return NvRtlQueryToken(token[0], &info);
}

static bool drained(size_t first, size_t count) {
    return medium_holds(&medium, first, count);
}

static const struct path {
    const char *name;
    NTSTATUS (*run)(void);
    ULONG flags;
    bool drains; /* if it succeeds */
} paths[] = {
    {"write", do_write, 0, false},
    {"write, flush", do_write, 1, true},
    {"write, stream", do_write_later, 2, true},
    {"write, persist", do_write, 3, true},
    {"write, flush, drain", do_write_later, 0x101, true},
    {"write, persist, no drain", do_write, 0x103, true},
    {"fill", do_fill, 0x100, false},
    {"fill, flush", do_fill, 1, true},
    {"fill, persist", do_fill, 3, true},
    {"flush", do_flush, 0, true},
    {"flush, drain", do_flush, 1, true},
    {"ranges", do_ranges, 0, true},
    {"ranges, drain each", do_ranges, 1, true},
    {"drain each", do_drain_every, 0, true},
    {"drain after a death", do_doubtful, 0, true},
    {"default token", do_default, 1, true},
    {"default token, persist", do_default, 3, true},
    {"default token, mapped over", do_default_again, 1, true},
    {"get", do_get, 0, false},
    {"free", do_free, 0, true},
    {"retry", do_retry, 0, true},
    {"read", do_read, 0, false},
    {"query", do_query, 0, false},
};

static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR, EBUSY, ENOMEM, EAGAIN, EMFILE, EACCES};

static void begin(void) {
    assert_true(medium_open(&medium, MEMORY_FOLDER, PAGES));
    assert_non_null(medium_view(&medium, 1));
    lone = medium_view(&medium, 2);
    assert_non_null(lone);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(RtlGetNonVolatileToken(medium.views[i].bytes, medium.file.size, &token[i]),
                         0);
    made = NULL;
    fault_arm(0, 0, 0);
    faults_begin(fault_plan);
    os_calls.msync = msync_of_medium;
}

static void end(void) {
    faults_end();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(RtlFreeNonVolatileToken(token[i]), STATUS_SUCCESS);
    if (made != NULL)
        RtlFreeNonVolatileToken(made);
    medium_close(&medium);
    /* Ends what is internal of views that are gone. */
    for (uint32_t i = 0; i < token_table.slots_used; i++) {
        struct token_view view;
        if (token_at(i, &view))
            (void)token_still_mapped(&view);
    }
    atomic_store(&token_table.lost, false);
}

static NTSTATUS run(const struct path *path) {
    flags = path->flags;
    length = 0;
    errno = ERRNO_BEFORE;
    NTSTATUS status = path->run();
    assert_int_equal(errno, ERRNO_BEFORE);
    if (status == STATUS_SUCCESS && path->drains && !drained(from, length))
        fail_msg("%s: not on the medium", path->name);
    return status;
}

static bool is_failed(void) {
    struct token_view view;
    assert_true(token_find((uintptr_t)token[0], &view));
    return drain_failure(&view) != RESULT_OK;
}

/* What msync's errors become (test_drain.c has each of them alone). */
static NTSTATUS status_of_sync(int error) {
    switch (error) {
    case EINTR:
        return STATUS_SUCCESS;
    case ENOSPC:
    case EDQUOT:
        return STATUS_DISK_FULL;
    case EBUSY:
        return STATUS_DEVICE_BUSY;
    case ENOMEM:
        return STATUS_INSUFFICIENT_RESOURCES;
    default:
        return STATUS_IO_DEVICE_ERROR;
    }
}

/* A failure of the medium is told by all that flushes and drains, until the retry makes memory and
   medium equal. */
static void check_failed(NTSTATUS status) {
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(RtlDrainNonVolatileFlush(token[i]), status);
        assert_int_equal(RtlFlushNonVolatileMemory(token[i], medium.views[i].bytes, 1, 0), status);
        assert_int_equal(RtlFillNonVolatileMemory(token[i], medium.views[i].bytes, 1, 1, 3),
                         status);
    }
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), status);
    assert_int_equal(NvRtlRetryToken(token[1]), STATUS_SUCCESS);
    assert_false(is_failed());
    assert_true(drained(0, PAGES * PAGE));
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
}

static void check_status(const struct path *path, NTSTATUS status) {
    bool lost = fault_met(FAULT_IN_msync) && medium_loses(fault.error);
    if (fault.error == EINTR)
        assert_int_equal(status, STATUS_SUCCESS);
    if (path->run == do_retry) {
        /* Its first waits are for errors that are owed from before, and only the last ones tell. */
        assert_true(status != STATUS_SUCCESS || !is_failed());
        assert_true(lost || !is_failed());
        return;
    }
    if (fault_met(FAULT_IN_msync))
        assert_int_equal(status, status_of_sync(fault.error));
    assert_int_equal(is_failed(), lost);
}

static void check_fault(const struct path *path) {
    unsigned descriptors = count_descriptors(), mappings = count_mappings();
    NTSTATUS status = run(path);
    if (fault.met != 0)
        check_status(path, status);
    fault.times = 0;
    if (is_failed())
        check_failed(status_of_sync(fault.error));
    /* A wait that was not to be had is left for the next drain. An internal token that could not be
       looked at is told of there. */
    status = RtlDrainNonVolatileFlush(EACH);
    if (fault_met(FAULT_IN_msync) && path->drains && path->run != do_retry) {
        assert_int_equal(status, STATUS_SUCCESS);
        assert_true(drained(from, length));
    }
    assert_int_equal(run(path), STATUS_SUCCESS);
    if (made != NULL)
        assert_int_equal(RtlFreeNonVolatileToken(made), STATUS_SUCCESS);
    made = NULL;
    assert_int_equal(count_descriptors(), descriptors);
    assert_int_equal(count_mappings(), mappings);
}

/* Says which fault it was that a failed test ended in. */
static const struct path *tried;

static int tell(void **state) {
    (void)state;
    if (tried == NULL)
        return 0;
    print_error("%s: error %d in call %u of %u, which is %s\n", tried->name, fault.error,
                fault.first, fault.calls,
                fault.met != 0 ? fault_names[fault.first_met] : "not met");
    faults_end();
    return 0;
}

/* How many calls the path makes, when none fails. */
static unsigned count_calls(const struct path *path) {
    begin();
    assert_int_equal(run(path), STATUS_SUCCESS);
    unsigned calls = fault.calls;
    end();
    return calls;
}

static void check_path(const struct path *path) {
    unsigned calls = count_calls(path), faults = 0;
    for (size_t e = 0; e < ARRAY_LENGTH(errors); e++) {
        for (unsigned i = 0; i < calls * 2; i++) {
            begin();
            tried = path;
            fault_arm(i / 2, 1 + i % 2, errors[e]);
            check_fault(path);
            faults += fault.met != 0;
            end();
        }
    }
    tried = NULL;
    print_message("%s: %u calls, %u faults\n", path->name, calls, faults);
}

static void test_page_cache(void **state) {
    (void)state;
    library_set_domain("page-cache!");
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        check_path(&paths[i]);
}

/* A retry covers the views that are known by the default token alone. If the system does not tell
   whether one still stands, that is no reason to leave it out. */
static NTSTATUS retry_small(void) {
    return NvRtlRetryToken(made);
}

static void test_retry_of_internal(void **state) {
    (void)state;
    static const struct path path = {"retry of an internal token", retry_small, 0, false};
    unsigned calls = 100, successes = 0;
    library_set_domain("page-cache!");
    for (unsigned i = 0; i < calls * ARRAY_LENGTH(errors); i++) {
        begin();
        for (size_t view = 0; view < 2; view++)
            assert_int_equal(RtlFreeNonVolatileToken(token[view]), STATUS_SUCCESS);
        assert_int_equal(RtlGetNonVolatileToken(medium.file.bytes, PAGE, &made), STATUS_SUCCESS);
        medium_sync(medium.views[2].bytes, PAGE, MS_SYNC, 0);
        from = 4 * PAGE;
        memset(lone + from, 7, PAGE);
        medium_write_back(&medium, EIO);
        assert_int_equal(RtlFlushNonVolatileMemory(EACH, lone + from, PAGE, 0),
                         STATUS_IO_DEVICE_ERROR);
        assert_false(drained(from, PAGE));
        tried = &path;
        fault_arm(i / ARRAY_LENGTH(errors), 1, errors[i % ARRAY_LENGTH(errors)]);
        if (run(&path) == STATUS_SUCCESS) {
            assert_true(drained(from, PAGE));
            successes++;
        }
        calls = fault.calls > fault.first ? calls : i / ARRAY_LENGTH(errors) + 1;
        fault.times = 0;
        assert_int_equal(run(&path), STATUS_SUCCESS);
        assert_true(drained(from, PAGE));
        for (size_t view = 0; view < 2; view++)
            assert_int_equal(RtlGetNonVolatileToken(medium.views[view].bytes, PAGE, &token[view]),
                             STATUS_SUCCESS);
        end();
    }
    tried = NULL;
    print_message("%u calls, %u successes\n", calls - 1, successes);
}

/* What is drained by the CPU asks the system for nothing, but to look what lies at an address. */
static void test_no_calls(void **state) {
    static const char *const domains[] = {"volatile", "memory!", "cpu-cache!"};
    (void)state;
    for (size_t d = 0; d < ARRAY_LENGTH(domains); d++) {
        library_set_domain(domains[d]);
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
            struct path path = paths[i];
            path.drains = false; /* to a medium that is a buffer */
            bool looks = path.run == do_default || path.run == do_default_again ||
                         path.run == do_get || path.run == do_free;
            if (path.run == do_query)
                assert_int_equal(count_calls(&path), 1); /* is the guard's handler there? */
            else if (looks)
                assert_true(count_calls(&path) > 0);
            else
                assert_int_equal(count_calls(&path), 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_page_cache, tell),
        cmocka_unit_test_teardown(test_retry_of_internal, tell),
        cmocka_unit_test_teardown(test_no_calls, tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
