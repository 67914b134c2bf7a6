/* SPDX-License-Identifier: BSD-2-Clause */
/* Drains of the page cache: which pages reach msync, what each of its errors becomes, and that no
   error of a write-back is ever forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "base/bits.h"
#include "seed.h"
#include "syncs.h"

#define ERRNO_BEFORE 12345
#define BASE ((uintptr_t)0x7000000000)

/* A failed file stays so for the life of the process: each test takes files that no other had. */
static uint64_t new_file(void) {
    static uint64_t last = 100;
    return ++last;
}

static int reset(void **state) {
    (void)state;
    probed.domain = MAP_DOMAIN_PAGE_CACHE;
    syncs_reset(0);
    return 0;
}

static NTSTATUS drain(PVOID token) {
    errno = ERRNO_BEFORE;
    NTSTATUS status = RtlDrainNonVolatileFlush(token);
    assert_int_equal(errno, ERRNO_BEFORE);
    return status;
}

static PVOID get(uint64_t file, uintptr_t base, size_t length) {
    PVOID token = syncs_get(file, base, length);
    assert_non_null(token);
    return token;
}

static void end(PVOID token) {
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
}

static void flush(PVOID token, uintptr_t address, size_t length) {
    assert_int_equal(flush_only(token, address, length), STATUS_SUCCESS);
}

static const struct {
    int error, async_error;
    NTSTATUS status;
    bool kept; /* by the file */
} answers[] = {
    {EIO, 0, STATUS_IO_DEVICE_ERROR, true},
    {ENOSPC, 0, STATUS_DISK_FULL, true},
    {EDQUOT, 0, STATUS_DISK_FULL, true},
    {EINVAL, 0, STATUS_IO_DEVICE_ERROR, true},
    {ESTALE, 0, STATUS_IO_DEVICE_ERROR, true},
    {ENODEV, 0, STATUS_IO_DEVICE_ERROR, true},
    {EBUSY, 0, STATUS_DEVICE_BUSY, false},
    {ENOMEM, 0, STATUS_INSUFFICIENT_RESOURCES, false},
    {ENOMEM, ENOMEM, STATUS_INVALID_PARAMETER, false},
};

/* Each error, also after interruptions; what is not kept leaves the pages pending. */
static void test_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers) * 2; i++) {
        size_t which = i / 2, interruptions = i % 2 ? 3 : 0;
        PVOID token = get(new_file(), BASE, 10 * PAGE);
        flush(token, BASE + PAGE + 1, 2 * PAGE);
        syncs_reset(0);
        for (size_t e = 0; e < interruptions; e++)
            syncs.errors[e] = EINTR;
        syncs.errors[interruptions] = answers[which].error;
        syncs.async_error = answers[which].async_error;
        assert_int_equal(drain(token), answers[which].status);
        assert_int_equal(syncs.count, interruptions + 1);
        assert_true(syncs_covered(BASE + PAGE, 3 * PAGE));

        syncs_reset(0);
        assert_int_equal(drain(token),
                         answers[which].kept ? answers[which].status : STATUS_SUCCESS);
        if (!answers[which].kept)
            assert_true(syncs_covered(BASE + PAGE, 3 * PAGE));
        end(token);
    }
}

static void test_interrupted(void **state) {
    (void)state;
    PVOID token = get(new_file(), BASE, PAGE);
    for (size_t e = 0; e < 5; e++)
        syncs.errors[e] = EINTR;
    assert_int_equal(RtlFlushNonVolatileMemory(token, (PVOID)BASE, 1, 0), STATUS_SUCCESS);
    assert_int_equal(syncs.count, 6);
    end(token);
}

static bool is_failed(PVOID token) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    assert_int_equal(NvRtlQueryToken(token, &info), STATUS_SUCCESS);
    return (info.flags & NVRTL_TOKEN_FAILED) != 0;
}

/* Every call that flushes or drains says what happened to the file; a plain store does not. */
static void check_failed(PVOID token, unsigned char *bytes, NTSTATUS status) {
    NV_MEMORY_RANGE range = {bytes, 1};
    syncs_reset(0);
    assert_true(is_failed(token));
    assert_int_equal(drain(token), status);
    assert_int_equal(RtlFlushNonVolatileMemory(token, bytes, 1, 0), status);
    assert_int_equal(RtlFlushNonVolatileMemory(token, bytes, 1, 1), status);
    assert_int_equal(RtlFlushNonVolatileMemory(token, NULL, 0, 0), status);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, &range, 1, 0), status);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, &range, 1, 1), status);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 0, 0), status);
    static const struct {
        ULONG flags;
        bool tells;
    } stores[] = {{0, false},     {1, true},     {2, true},     {3, true},
                  {0x100, false}, {0x101, true}, {0x102, true}, {0x103, true}};
    for (size_t i = 0; i < ARRAY_LENGTH(stores); i++) {
        NTSTATUS expected = stores[i].tells ? status : STATUS_SUCCESS;
        UCHAR value = (UCHAR)(bytes[0] + 1);
        assert_int_equal(RtlWriteNonVolatileMemory(token, bytes, &value, 1, stores[i].flags),
                         expected);
        assert_int_equal(bytes[0], value);
        value++;
        assert_int_equal(RtlFillNonVolatileMemory(token, bytes, 1, value, stores[i].flags),
                         expected);
        assert_int_equal(bytes[0], value);
    }
}

static void test_failure_is_kept(void **state) {
    (void)state;
    static unsigned char memory[4 * PAGE];
    const uintptr_t base = (uintptr_t)memory;
    for (size_t i = 0; i < ARRAY_LENGTH(answers) && answers[i].kept; i++) {
        const NTSTATUS status = answers[i].status;
        const uint64_t file = new_file();
        PVOID one = get(file, base, PAGE), two = get(file, base + 17, 2 * PAGE);
        PVOID stranger = get(new_file(), base, PAGE);
        assert_false(is_failed(one));
        syncs_reset(answers[i].error);
        assert_int_equal(RtlFlushNonVolatileMemory(one, memory, 1, 0), status);
        check_failed(one, memory, status);
        check_failed(two, memory + 17, status);
        /* Whatever else goes wrong later, the first failure is what is told. */
        syncs_reset(status == STATUS_DISK_FULL ? EIO : ENOSPC);
        assert_int_equal(drain(one), status);
        /* New tokens of the file, while it has others and when it has none. */
        PVOID three = get(file, base + PAGE, PAGE);
        check_failed(three, memory + PAGE, status);
        end(one);
        end(two);
        end(three);
        one = get(file, base, PAGE);
        check_failed(one, memory, status);
        end(one);
        assert_false(is_failed(stranger));
        syncs_reset(0);
        assert_int_equal(RtlFlushNonVolatileMemory(stranger, memory, 1, 0), STATUS_SUCCESS);
        assert_int_equal(syncs.count, 1);
        end(stranger);
    }
}

/* No page twice in one drain, none outside of the view, and every one that was flushed. */
static void check_calls(uintptr_t base, size_t length) {
    uintptr_t first = align_down(base, PAGE), end_of_view = align_up(base + length, PAGE);
    for (unsigned i = 0; i < syncs.count; i++) {
        const struct sync_call *call = &syncs.calls[i];
        assert_true(is_aligned(call->address, PAGE) && call->size > 0);
        assert_true(call->address >= first && call->size <= end_of_view - call->address);
        for (unsigned j = 0; j < i; j++)
            assert_false(range_overlaps(call->address, call->size, syncs.calls[j].address,
                                        syncs.calls[j].size));
    }
}

/* Flushes some ranges of a region of that length, drains, and looks at what was synced. */
static void check_region(uint64_t *seed, uintptr_t base, size_t length) {
    enum { RANGES = 6 };
    uintptr_t starts[RANGES];
    size_t sizes[RANGES];
    PVOID token = get(new_file(), base, length);
    for (unsigned round = 0; round < 8; round++) {
        size_t count = 1 + random_next(seed) % RANGES;
        for (size_t i = 0; i < count; i++) {
            size_t start = random_next(seed) % length;
            size_t size = 1 + random_next(seed) % (length - start);
            if (round == 0) /* the edges */
                start = i % 2 ? length - 1 : 0, size = 1;
            else if (i % 2)
                size = 1 + random_next(seed) % (size < 3 * PAGE ? size : 3 * PAGE);
            starts[i] = base + start;
            sizes[i] = size;
            flush(token, starts[i], size);
        }
        assert_int_equal(syncs.count, 0);
        assert_int_equal(drain(token), STATUS_SUCCESS);
        check_calls(base, length);
        for (size_t i = 0; i < count; i++)
            assert_true(syncs_covered(starts[i], sizes[i]));
        /* Once is enough. */
        syncs_reset(0);
        assert_int_equal(drain(token), STATUS_SUCCESS);
        assert_int_equal(syncs.count, 0);
    }
    end(token);
}

static void test_coverage(void **state) {
    (void)state;
    uint64_t seed = seed_of_test();
    for (unsigned i = 0; i < 200; i++) {
        size_t length = 1 + random_next(&seed) % (50 * PAGE);
        check_region(&seed, BASE + random_next(&seed) % (3 * PAGE), length);
    }
    check_region(&seed, BASE, 1);
    check_region(&seed, BASE + PAGE - 1, 1);
    check_region(&seed, BASE + PAGE - 1, 2);
}

/* Regions up to the largest there can be; beyond 2^44 bytes a page has no number of 32 bits. */
static void test_large_regions(void **state) {
    (void)state;
    uint64_t seed = seed_of_test();
    for (unsigned bits = 30; bits <= 47; bits++) {
        for (unsigned i = 0; i < 8; i++) {
            size_t length = ((size_t)1 << bits) - (i % 4 == 0 ? 0 : random_next(&seed) % 100000);
            uintptr_t base = PAGE + random_next(&seed) % ((uintptr_t)1 << 40);
            check_region(&seed, i % 2 ? base : align_down(base, PAGE), length);
        }
    }
}

/* Flushes two pages with so many between, and drains: in so many calls, of nothing else. */
static void check_apart(PVOID token, size_t between, unsigned calls) {
    const uintptr_t far = BASE + (between + 1) * PAGE;
    syncs_reset(0);
    flush(token, far, 1);
    flush(token, BASE, 1);
    assert_int_equal(drain(token), STATUS_SUCCESS);
    assert_int_equal(syncs.count, calls);
    assert_true(syncs_covered(BASE, PAGE) && syncs_covered(far, PAGE));
    assert_int_equal(syncs_covered(BASE + PAGE, PAGE), calls == 1);
}

/* What lies far apart is not drained in one call over all that is between, in which the program may
   have stored, and flushed nothing; in two calls at most, whatever is flushed. */
static void test_far_apart(void **state) {
    (void)state;
    const size_t pages = 8 * TOKEN_SPANS_NEAR;
    PVOID token = get(new_file(), BASE, pages * PAGE);
    check_apart(token, 1, 1);
    check_apart(token, TOKEN_SPANS_NEAR, 1);
    check_apart(token, TOKEN_SPANS_NEAR + 1, 2);
    check_apart(token, pages - 2, 2);
    for (size_t page = 0; page < pages; page += TOKEN_SPANS_NEAR) /* they grow together */
        flush(token, BASE + page * PAGE, 1);
    check_apart(token, pages - 2, 1);
    /* Whichever of the two is refused: both are tried again. */
    for (unsigned refused = 0; refused < 2; refused++) {
        flush(token, BASE, 1);
        flush(token, BASE + (pages - 1) * PAGE, 1);
        syncs_reset(0);
        syncs.errors[refused] = EBUSY;
        assert_int_equal(drain(token), STATUS_DEVICE_BUSY);
        check_apart(token, pages - 2, 2);
    }
    end(token);
}

/* Everything that was flushed of the file, through whichever token. */
static void test_other_tokens_of_the_file(void **state) {
    (void)state;
    uint64_t file = new_file();
    PVOID one = get(file, BASE, 4 * PAGE), two = get(file, BASE + 4 * PAGE, 4 * PAGE);
    PVOID again = get(file, BASE + 2 * PAGE, 4 * PAGE);
    PVOID stranger = get(new_file(), BASE + 100 * PAGE, PAGE);
    flush(one, BASE + PAGE, 1);
    flush(again, BASE + 5 * PAGE, 1);
    flush(stranger, BASE + 100 * PAGE, 1);
    assert_int_equal(drain(two), STATUS_SUCCESS);
    assert_true(syncs_covered(BASE + PAGE, PAGE));
    assert_true(syncs_covered(BASE + 5 * PAGE, PAGE));
    assert_false(syncs_covered(BASE + 100 * PAGE, PAGE));
    syncs_reset(0);
    assert_int_equal(drain(stranger), STATUS_SUCCESS);
    assert_int_equal(syncs.count, 1);
    /* One of two fails: the other is tried in any case or fails with it, and stays failed. */
    flush(one, BASE, 1);
    flush(two, BASE + 4 * PAGE, 1);
    syncs_reset(EIO);
    assert_int_equal(drain(again), STATUS_IO_DEVICE_ERROR);
    syncs_reset(0);
    assert_int_equal(drain(one), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(drain(two), STATUS_IO_DEVICE_ERROR);
    end(one);
    end(two);
    end(again);
    end(stranger);
}

/* A busy page of one view does not keep the pages of another pending, nor is it forgotten. */
static void test_busy_view(void **state) {
    (void)state;
    uint64_t file = new_file();
    PVOID one = get(file, BASE, PAGE), two = get(file, BASE + 8 * PAGE, PAGE);
    flush(one, BASE, 1);
    flush(two, BASE + 8 * PAGE, 1);
    syncs_reset(EBUSY);
    assert_int_equal(drain(one), STATUS_DEVICE_BUSY);
    assert_int_equal(syncs.count, 2);
    struct sync_call busy = syncs.calls[0];
    syncs_reset(0);
    assert_int_equal(drain(two), STATUS_SUCCESS);
    assert_true(syncs_covered(busy.address, busy.size));
    end(one);
    end(two);
}

/* The default token drains every file, and tells of a failure after the rest was done. */
static void test_every_token(void **state) {
    (void)state;
    enum { FILES = 4 };
    PVOID tokens[FILES];
    for (unsigned failing = 0; failing <= FILES; failing++) {
        for (unsigned i = 0; i < FILES; i++) {
            tokens[i] = get(new_file(), BASE + i * 10 * PAGE, 10 * PAGE);
            flush(tokens[i], BASE + i * 10 * PAGE, 1);
        }
        syncs_reset(0);
        if (failing < FILES)
            syncs.errors[failing] = ENOSPC;
        assert_int_equal(drain((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN),
                         failing < FILES ? STATUS_DISK_FULL : STATUS_SUCCESS);
        assert_int_equal(syncs.count, FILES);
        for (unsigned i = 0; i < FILES; i++)
            assert_true(syncs_covered(BASE + i * 10 * PAGE, PAGE));
        /* The failed file only. */
        unsigned failed = 0;
        for (unsigned i = 0; i < FILES; i++)
            failed += drain(tokens[i]) == STATUS_DISK_FULL;
        assert_int_equal(failed, failing < FILES);
        for (unsigned i = 0; i < FILES; i++)
            end(tokens[i]);
    }
}

/* A freed token's failed file is no reason for the others' drain to fail. */
static void test_freed(void **state) {
    (void)state;
    PVOID token = get(new_file(), BASE, PAGE);
    syncs_reset(EIO);
    assert_int_equal(RtlFlushNonVolatileMemory(token, (PVOID)BASE, 1, 0), STATUS_IO_DEVICE_ERROR);
    end(token);
    syncs_reset(0);
    assert_int_equal(drain(token), STATUS_INVALID_PARAMETER);
    assert_int_equal(drain((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN), STATUS_SUCCESS);
    assert_int_equal(syncs.count, 0);
}

static PVOID doomed;

static void free_doomed(void) {
    PVOID token = doomed;
    doomed = NULL;
    if (token != NULL)
        end(token);
}

/* The default token stands for one that is freed in the middle of its wait: the next one that holds
   the range takes its place. */
static void test_freed_below_the_default_token(void **state) {
    (void)state;
    struct token_view view;
    uint64_t file = new_file();
    PVOID tokens[] = {get(file, BASE, 10 * PAGE), get(file, BASE, 10 * PAGE)};
    assert_true(token_covering(BASE, 1, &view));
    doomed = (PVOID)token_handle(&view);
    syncs.during = free_doomed;
    PVOID every = (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN;
    assert_int_equal(RtlFlushNonVolatileMemory(every, (PVOID)BASE, 1, 0), STATUS_SUCCESS);
    assert_null(doomed);
    assert_true(syncs_done(1, BASE, PAGE)); /* by a wait of its own */
    end(token_handle(&view) == (uintptr_t)tokens[0] ? tokens[1] : tokens[0]);
}

/* Lines are no matter of msync, and one file may be mapped in both ways. */
static void test_other_domains(void **state) {
    (void)state;
    static unsigned char memory[2 * PAGE];
    uint64_t file = new_file();
    for (int domain = MAP_DOMAIN_VOLATILE; domain <= MAP_DOMAIN_CPU_CACHE; domain++) {
        probed.domain = MAP_DOMAIN_PAGE_CACHE;
        PVOID pages = get(file, (uintptr_t)memory, PAGE);
        probed.domain = (enum map_domain)domain;
        PVOID lines = get(file, (uintptr_t)memory + PAGE, PAGE);
        bool both = domain == MAP_DOMAIN_PAGE_CACHE;
        syncs_reset(0);
        flush(pages, (uintptr_t)memory, 1);
        assert_int_equal(RtlFillNonVolatileMemory(lines, memory + PAGE, PAGE, 1, 0x101), 0);
        assert_int_equal(drain(lines), STATUS_SUCCESS);
        assert_int_equal(syncs.count, both ? 2 : 0);
        assert_int_equal(drain(pages), STATUS_SUCCESS);
        assert_int_equal(syncs.count, both ? 2 : 1);
        end(pages);
        end(lines);
    }
}

/* What a signal handler gets that interrupts a drain in the middle of its wait. */
static struct {
    PVOID token, stranger;
    unsigned char *bytes;
    unsigned runs;
    NTSTATUS drained, every, flushed, noted, stored, plain, strange;
} handler;

static void handle(int signal) {
    (void)signal;
    UCHAR byte = 0x77;
    handler.runs++;
    handler.drained = RtlDrainNonVolatileFlush(handler.token);
    handler.noted = flush_only(handler.token, (uintptr_t)handler.bytes + PAGE, 1);
    handler.flushed = RtlFlushNonVolatileMemory(handler.token, handler.bytes + 2 * PAGE, 1, 0);
    handler.stored =
        RtlWriteNonVolatileMemory(handler.token, handler.bytes + 3 * PAGE, &byte, 1, 3);
    handler.plain = RtlFillNonVolatileMemory(handler.token, handler.bytes + 4 * PAGE, 1, byte, 0);
    handler.every = RtlDrainNonVolatileFlush((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN);
    handler.strange = RtlDrainNonVolatileFlush(handler.stranger);
}

static void interrupt(void) {
    syncs.during = NULL;
    raise(SIGUSR1);
}

static void test_in_signal_handler(void **state) {
    (void)state;
    static _Alignas(4096) unsigned char memory[8 * PAGE];
    struct sigaction action = {.sa_handler = handle}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    handler.bytes = memory;
    handler.token = get(new_file(), (uintptr_t)memory, 5 * PAGE);
    handler.stranger = get(new_file(), (uintptr_t)memory + 5 * PAGE, PAGE);
    flush(handler.stranger, (uintptr_t)memory + 5 * PAGE, 1);
    flush(handler.token, (uintptr_t)memory, 1);
    syncs_reset(0);
    syncs.during = interrupt;
    assert_int_equal(drain(handler.token), STATUS_SUCCESS);
    assert_int_equal(handler.runs, 1);
    assert_int_equal(handler.drained, STATUS_DEVICE_BUSY);
    assert_int_equal(handler.noted, STATUS_SUCCESS);
    assert_int_equal(handler.flushed, STATUS_DEVICE_BUSY);
    assert_int_equal(handler.stored, STATUS_DEVICE_BUSY);
    assert_int_equal(handler.plain, STATUS_SUCCESS);
    assert_int_equal(handler.every, STATUS_DEVICE_BUSY);
    assert_int_equal(handler.strange, STATUS_SUCCESS);
    assert_int_equal(memory[3 * PAGE], 0x77);
    assert_int_equal(memory[4 * PAGE], 0x77);
    assert_true(syncs_covered((uintptr_t)memory + 5 * PAGE, 1));
    /* What the handler flushed is still to be drained. */
    syncs_reset(0);
    assert_int_equal(drain(handler.token), STATUS_SUCCESS);
    assert_true(syncs_covered((uintptr_t)memory + PAGE, 3 * PAGE));
    end(handler.token);
    end(handler.stranger);
    sigaction(SIGUSR1, &before, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_errors, reset),
        cmocka_unit_test_setup(test_interrupted, reset),
        cmocka_unit_test_setup(test_failure_is_kept, reset),
        cmocka_unit_test_setup(test_coverage, reset),
        cmocka_unit_test_setup(test_large_regions, reset),
        cmocka_unit_test_setup(test_far_apart, reset),
        cmocka_unit_test_setup(test_other_tokens_of_the_file, reset),
        cmocka_unit_test_setup(test_busy_view, reset),
        cmocka_unit_test_setup(test_every_token, reset),
        cmocka_unit_test_setup(test_freed, reset),
        cmocka_unit_test_setup(test_freed_below_the_default_token, reset),
        cmocka_unit_test_setup(test_other_domains, reset),
        cmocka_unit_test_setup(test_in_signal_handler, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
