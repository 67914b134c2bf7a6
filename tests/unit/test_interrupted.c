/* SPDX-License-Identifier: BSD-2-Clause */
/* A signal handler, or a fork by another thread, at each instruction of a call. The handler's calls
   work or are told that the library is busy; the child's tokens work; what either is told of as
   drained had a successful wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/bits.h"
#include "steps.h"
#include "syncs.h"

#define EACH ((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN)

/* Page 0 is flushed before the call that is stopped; the handler has the others. */
static _Alignas(4096) unsigned char memory[8 * PAGE];
static PVOID one, stranger, idle, other;
static NTSTATUS status;
static bool visited;

static uintptr_t page(size_t number) {
    return (uintptr_t)memory + number * PAGE;
}

static void prepare(void) {
    static uint64_t file = 1000;
    syncs_reset(0);
    syncs_forget_kin();
    syncs_order_slots();
    memset(memory, 0, sizeof memory);
    one = syncs_get(++file, page(0), 6 * PAGE);
    stranger = syncs_get(file + 100000, page(6), PAGE);
    idle = syncs_get(file, page(0), PAGE);
    assert_true(one != NULL && stranger != NULL && idle != NULL);
    assert_int_equal(flush_only(one, page(0), 1), STATUS_SUCCESS);
    assert_int_equal(flush_only(stranger, page(6), 1), STATUS_SUCCESS);
    other = NULL;
    visited = false;
}

static void write_and_drain(void) {
    status = RtlWriteNonVolatileMemory(one, memory + 5, "written", 8, 1);
}
static void fill_and_persist(void) {
    status = RtlFillNonVolatileMemory(one, memory + 5, 100, 7, 3);
}
static void flush_and_drain(void) {
    status = RtlFlushNonVolatileMemory(one, memory + 5, 100, 0);
}
static void flush_ranges(void) {
    NV_MEMORY_RANGE ranges[] = {{memory + 5, 100}, {memory, 1}};
    status = RtlFlushNonVolatileMemoryRanges(one, ranges, 2, 0);
}
static void drain_one(void) {
    status = RtlDrainNonVolatileFlush(one);
}
static void drain_every(void) {
    status = RtlDrainNonVolatileFlush(EACH);
}
static void write_by_default(void) {
    status = RtlWriteNonVolatileMemory(EACH, memory + 5, "written", 8, 1);
}
static void get_other(void) {
    probed.inode = 1;
    status = RtlGetNonVolatileToken(memory + 7 * PAGE, PAGE, &other);
}
static void free_idle(void) {
    status = RtlFreeNonVolatileToken(idle);
}
static void query_one(void) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    status = NvRtlQueryToken(one, &info);
    assert_int_equal(info.length, 6 * PAGE);
}

/* A call that may be told to come again; true if it was not. */
static bool works(NTSTATUS told) {
    if (told != STATUS_SUCCESS && told != STATUS_DEVICE_BUSY)
        fail_msg("%#x", (unsigned)told);
    return told == STATUS_SUCCESS;
}

static void visit(void) {
    NV_MEMORY_RANGE range = {memory + 3 * PAGE, 9};
    visited = true;
    assert_int_equal(flush_only(one, page(1), 1), STATUS_SUCCESS);
    assert_int_equal(RtlFillNonVolatileMemory(one, memory + 2 * PAGE, 9, 2, 0x101), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(one, &range, 1, 1), STATUS_SUCCESS);
    if (works(RtlWriteNonVolatileMemory(one, memory + 4 * PAGE, "handler", 8, 1)))
        assert_true(syncs_done(0, page(0), 5 * PAGE) || syncs_done(0, page(4), PAGE));
    assert_string_equal((char *)memory + 4 * PAGE, "handler");
    works(RtlWriteNonVolatileMemory(EACH, memory + 5 * PAGE, "default", 8, 3));
    assert_string_equal((char *)memory + 5 * PAGE, "default");
    if (works(RtlDrainNonVolatileFlush(one)))
        assert_true(syncs_done(0, page(0), PAGE) && syncs_done(0, page(1), PAGE));
    if (works(RtlDrainNonVolatileFlush(EACH)))
        assert_true(syncs_done(0, page(3), PAGE) && syncs_done(0, page(0), PAGE));
}

static void check_pages(unsigned stop, size_t count) {
    if (status != STATUS_SUCCESS)
        fail_msg("stop %u: %#x", stop, (unsigned)status);
    assert_int_equal(RtlDrainNonVolatileFlush(EACH), STATUS_SUCCESS);
    for (size_t i = 0; i < count; i++)
        assert_true(syncs_done(0, page(i), PAGE));
    RtlFreeNonVolatileToken(one);
    RtlFreeNonVolatileToken(stranger);
    RtlFreeNonVolatileToken(idle);
    RtlFreeNonVolatileToken(other);
}

static void check(unsigned stop) {
    assert_int_equal(visited, stop != UINT_MAX);
    check_pages(stop, visited ? 6 : 1);
}

/* Drains what it says it has drained. */
static void check_drained(unsigned stop) {
    if (!syncs_done(0, page(0), PAGE))
        fail_msg("stop %u: not drained", stop);
    check(stop);
}

static void test_handler(void **state) {
    (void)state;
    static const struct {
        void (*call)(void);
        bool drains;
    } calls[] = {{write_and_drain, true},  {fill_and_persist, true}, {flush_and_drain, true},
                 {flush_ranges, true},     {drain_one, true},        {drain_every, true},
                 {write_by_default, true}, {get_other, false},       {free_idle, false},
                 {query_one, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        const struct steps_case it = {.prepare = prepare,
                                      .first = calls[i].call,
                                      .handler = visit,
                                      .check = calls[i].drains ? check_drained : check,
                                      .stride = UNDER_ADDRESS_SANITIZER ? 13 : 1};
        unsigned count = steps_try(&it);
        print_message("%u steps\n", count);
        assert_int_equal(count != 0, CAN_STEP);
    }
}

static bool is_writing_back(PVOID token) {
    struct token_view view;
    return token_find((uintptr_t)token, &view) &&
           atomic_load(&token_file(&view)->kin->writers[0]) != 0;
}

/* The drains of the child, after what its parent's had done at the fork. What the parent was
   writing back at that moment the child waits for in vain: only the parent is told how it ends. */
static bool child_drains(bool *ended) {
    bool was_done = syncs.count > 0 && syncs.calls[0].succeeded;
    bool has_failed = syncs.count > 0 && syncs.calls[0].failed;
    unsigned waits = syncs.count;
    bool busy = is_writing_back(one);
    NTSTATUS drained = RtlDrainNonVolatileFlush(one);
    *ended = busy || has_failed;
    if (*ended)
        return (busy && drained == STATUS_DEVICE_BUSY) ||
               (has_failed && drained == STATUS_IO_DEVICE_ERROR);
    if (drained != STATUS_SUCCESS || !(was_done || syncs_done(waits, page(0), PAGE)) ||
        flush_only(one, page(1), 1) != STATUS_SUCCESS)
        return false;
    *ended = is_writing_back(stranger);
    drained = RtlDrainNonVolatileFlush(EACH);
    if (*ended)
        return drained == STATUS_DEVICE_BUSY && syncs_done(0, page(1), PAGE);
    return drained == STATUS_SUCCESS && syncs_done(0, page(1), PAGE) &&
           syncs_done(0, page(6), PAGE);
}

/* The child of a fork has one thread, and no drain that goes on. */
static bool child_works(void) {
    bool ended;
    steps.begun = false;
    memset(syncs.errors, 0, sizeof syncs.errors); /* was the parent's */
    if (!child_drains(&ended))
        return false;
    if (ended)
        return true;
    PVOID token = syncs_get(5, page(7), PAGE);
    return token != NULL &&
           RtlWriteNonVolatileMemory(token, memory + 7 * PAGE, "x", 2, 3) == STATUS_SUCCESS &&
           syncs_done(0, page(7), PAGE) && RtlFreeNonVolatileToken(token) == STATUS_SUCCESS &&
           RtlFreeNonVolatileToken(one) == STATUS_SUCCESS;
}

static uint64_t hash_of_state;

static void mix(uint64_t value) {
    hash_of_state = (hash_of_state ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    hash_of_state ^= hash_of_state >> 29;
}

/* The child has what is in memory, and not the call that was stopped: of two stops between which
   nothing changed one is enough. Generations and the numbers of files change all the time. */
static bool is_new_state(void) {
    static uint64_t known[1024];
    static size_t count;
    hash_of_state = 1;
    for (size_t i = 0; i < SYNCS_SLOTS; i++) {
        struct token_slot *slot = &atomic_load(&token_table.slots)[i];
        mix(slot->state & 1);
        mix(slot->base);
        for (unsigned part = 0; part < TOKEN_SPANS; part++) {
            mix(slot->pending[part]);
            mix(slot->in_flight[part]);
        }
    }
    for (size_t i = 0; i < atomic_load(&token_table.files_used); i++) {
        if (token_table.files[i].tokens == 0)
            continue;
        mix(token_table.files[i].lock.owner);
        mix(token_table.files[i].failure);
        mix(token_table.files[i].unsettled);
        mix(token_table.files[i].begun - token_table.files[i].settled);
        mix(token_table.files[i].tokens);
    }
    mix(token_table.lock.owner);
    mix(is_writing_back(one));
    mix(is_writing_back(stranger));
    for (unsigned i = 0; i < syncs.count; i++) {
        mix(syncs.calls[i].address);
        mix(syncs.calls[i].failed + 2u * syncs.calls[i].succeeded);
    }
    for (size_t i = 0; i < count; i++) {
        if (known[i] == hash_of_state)
            return false;
    }
    assert_true(count < ARRAY_LENGTH(known));
    known[count++] = hash_of_state;
    return true;
}

static unsigned forks;

static void fork_and_look(void) {
    if (!is_new_state())
        return;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        syscall(SYS_exit_group, !child_works()); /* unnoticed by sanitizers */
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    forks++;
}

static void check_parent(unsigned stop) {
    check_pages(stop, 1);
}

static void check_fork(void (*call)(void), void (*prepared)(void), void (*checked)(unsigned)) {
    const struct steps_case it = {
        .prepare = prepared, .first = call, .second = fork_and_look, .check = checked};
    forks = 0;
    unsigned count = steps_try(&it);
    print_message("%u steps, %u forks\n", count, forks);
    assert_int_equal(count != 0, CAN_STEP);
}

static void test_fork(void **state) {
    (void)state;
    check_fork(drain_one, prepare, check_parent);
    check_fork(drain_every, prepare, check_parent);
    check_fork(get_other, prepare, check_parent);
}

/* The parent's drain fails, before or after the fork. */
static void prepare_failure(void) {
    prepare();
    syncs.errors[0] = EIO;
}

static void check_failure(unsigned stop) {
    if (status != STATUS_IO_DEVICE_ERROR)
        fail_msg("stop %u: %#x", stop, (unsigned)status);
    RtlFreeNonVolatileToken(one);
    RtlFreeNonVolatileToken(stranger);
    RtlFreeNonVolatileToken(idle);
}

static void test_fork_beside_failure(void **state) {
    (void)state;
    check_fork(drain_one, prepare_failure, check_failure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handler),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_beside_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
