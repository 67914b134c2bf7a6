/* SPDX-License-Identifier: BSD-2-Clause */
/* token/: handles, generations, the table and its limits. What lies behind an address is made up
   (the linker puts the functions below in the place of the map room's), so that a token costs no
   system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "child.h"
#include "event/event.h"
#include "observe/observe.h"
#include "os/calls.h"
#include "seed.h"
#include "token/table.h"

#define BASE ((uintptr_t)0x100000)
#define LENGTH ((size_t)0x4000)

/* What the system answers to every question. */
static struct {
    enum result result;
    enum map_domain domain;
    uint64_t device, inode, offset;
    const char *reason, *path;
    bool same, unreadable;       /* is an internal token's mapping as it was? who knows? */
    void (*while_probing)(void); /* called while the table is locked */
    unsigned probes;
} fake;

enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region);
enum result __wrap_map_extent(const struct map_system *system, uintptr_t address, uintptr_t *start,
                              size_t *length);
enum result __wrap_map_same(const struct map_system *system, const struct map_identity *identity);

enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region) {
    (void)system;
    fake.probes++;
    if (fake.while_probing != NULL)
        fake.while_probing();
    region->answer.domain = fake.domain;
    region->answer.device = fake.device;
    region->answer.inode = fake.inode;
    snprintf(region->answer.reason, sizeof region->answer.reason, "%s", fake.reason);
    snprintf(region->answer.path, sizeof region->answer.path, "%s", fake.path);
    region->segments[0] = (struct event_segment){address, length, fake.offset};
    region->segment_count = 1;
    return fake.result;
}

/* Mappings of LENGTH bytes fill the address space. */
enum result __wrap_map_extent(const struct map_system *system, uintptr_t address, uintptr_t *start,
                              size_t *length) {
    (void)system;
    *start = align_down(address, LENGTH);
    *length = LENGTH;
    return fake.result;
}

enum result __wrap_map_same(const struct map_system *system, const struct map_identity *identity) {
    (void)system;
    if (fake.unreadable)
        return RESULT_NO_MEMORY;
    return fake.same && identity->start % LENGTH == 0 && identity->length == LENGTH &&
                   identity->device == fake.device && identity->inode == fake.inode &&
                   identity->offset == fake.offset
               ? RESULT_OK
               : RESULT_INVALID;
}

static int reset(void **state) {
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.domain = MAP_DOMAIN_PAGE_CACHE;
    fake.device = 7;
    fake.inode = 1;
    fake.reason = "made up";
    fake.path = "/made/up";
    fake.same = true;
    return 0;
}

static enum result make(uintptr_t address, size_t length, uint32_t flags, uint64_t *handle) {
    struct event event = {.kind = EVENT_GET, .address = address, .length = length};
    enum result result = token_make(&event, flags);
    if (result == RESULT_OK)
        *handle = event.token;
    return result;
}

static uint64_t get(uintptr_t address, size_t length, uint32_t flags) {
    uint64_t handle = 0;
    assert_int_equal(make(address, length, flags, &handle), RESULT_OK);
    token_table.settings.has_domain = false; /* whatever the environment of this test says */
    return handle;
}

static enum result end(uint64_t handle) {
    const struct event event = {.kind = EVENT_FREE, .token = handle};
    return token_free(&event);
}

static bool lives(uint64_t handle) {
    struct token_view view;
    return token_find(handle, &view);
}

static void check_before_the_first(void) {
    struct token_view view;
    CHILD_NEED(!lives(0) && !lives(UINT64_MAX) && !lives((uint64_t)TOKEN_TAG << 48));
    CHILD_NEED(!token_covering(BASE, 1, &view));
    CHILD_NEED(end((uint64_t)TOKEN_TAG << 48) == RESULT_INVALID);
}

static void test_before_the_first(void **state) {
    (void)state;
    check_child(check_before_the_first, 0);
}

/* On no CPU of ours can a program have such an address, and no pointer tag makes it one. */
static void test_handle_is_no_address(void **state) {
    (void)state;
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_int_equal(handle >> 63, 0);
    assert_int_not_equal(handle >> 47 & 0x1ff, 0);
    assert_int_equal(end(handle), RESULT_OK);
}

static void test_any_value(void **state) {
    (void)state;
    uint64_t handle = get(BASE, LENGTH, 0);
    uint64_t seed = seed_of_test();
    struct token_view view;
    for (unsigned i = 0; i < 64; i++) {
        assert_false(lives(handle ^ UINT64_C(1) << i));
        assert_false(lives(UINT64_C(1) << i));
        assert_false(lives(~(UINT64_C(1) << i)));
    }
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t value = random_next(&seed);
        /* Every second one with the right tag. */
        if (i % 2 != 0)
            value = value >> 16 | (uint64_t)TOKEN_TAG << 48;
        if (value != handle && lives(value))
            fail_msg("%#llx is a token", (unsigned long long)value);
    }
    assert_int_equal(end(handle + 1), RESULT_INVALID);
    assert_true(token_find(handle, &view));
    assert_int_equal(view.base, BASE);
    assert_int_equal(view.length, LENGTH);
    assert_int_equal(token_handle(&view), handle);
    assert_int_equal(end(handle), RESULT_OK);
    assert_int_equal(end(handle), RESULT_INVALID);
}

/* 2^20 Gets, all through the one slot that is free. */
static void test_freed_value_stays_invalid(void **state) {
    (void)state;
    uint32_t used = 0;
    uint64_t first = get(BASE, LENGTH, 0), last = first;
    assert_int_equal(end(first), RESULT_OK);
    for (unsigned i = 0; i < 1u << (UNDER_THREAD_SANITIZER ? 16 : 20); i++) {
        uint64_t handle;
        if (make(BASE, LENGTH, 0, &handle) != RESULT_OK || !lives(handle) || lives(first) ||
            lives(last) || handle == first || end(handle) != RESULT_OK || lives(handle))
            fail_msg("Get %u", i);
        last = handle;
        used = used != 0 ? used : atomic_load(&token_table.slots_used);
    }
    assert_int_equal(atomic_load(&token_table.slots_used), used);
    assert_int_equal((last ^ first) & ((1u << TOKEN_INDEX_BITS) - 1), 0);
}

static void test_generation_wraps(void **state) {
    (void)state;
    struct token_view view;
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_true(token_find(handle, &view));
    assert_int_equal(end(handle), RESULT_OK);
    uint64_t last = (1u << TOKEN_GENERATION_BITS) - 1;
    atomic_store(&view.slot->state, last << 1);
    uint64_t highest = get(BASE, LENGTH, 0);
    assert_int_equal(highest >> TOKEN_INDEX_BITS & last, last);
    assert_int_equal(highest >> 48, TOKEN_TAG);
    assert_int_equal(end(highest), RESULT_OK);
    uint64_t lowest = get(BASE, LENGTH, 0);
    assert_int_equal(lowest >> TOKEN_INDEX_BITS & last, 0);
    assert_true(lives(lowest));
    assert_false(lives(highest));
    assert_int_equal(end(lowest), RESULT_OK);
}

static void check_full_table(void) {
    enum { ALL = 256 };
    uint64_t handles[ALL], more;
    struct token_view view;
    CHILD_NEED(make(BASE, LENGTH, 0, &handles[0]) == RESULT_OK);
    token_table.capacity = ALL;
    for (unsigned i = 1; i < ALL; i++)
        CHILD_NEED(make(BASE, LENGTH, 0, &handles[i]) == RESULT_OK);
    CHILD_NEED(make(BASE, LENGTH, 0, &more) == RESULT_NO_MEMORY);
    CHILD_NEED(make(BASE, LENGTH, 0, &more) == RESULT_NO_MEMORY);
    CHILD_NEED(token_find(handles[0], &view) && token_file(&view)->tokens == ALL);
    /* A value that names a slot beyond the table is as invalid as any. */
    CHILD_NEED(!lives(handles[ALL - 1] + 1));
    CHILD_NEED(end(handles[100]) == RESULT_OK);
    CHILD_NEED(make(BASE, LENGTH, 0, &more) == RESULT_OK);
    CHILD_NEED(lives(more) && more != handles[100] && !lives(handles[100]));
    for (unsigned i = 0; i < ALL; i++)
        CHILD_NEED(end(i == 100 ? more : handles[i]) == RESULT_OK);
    CHILD_NEED(token_file(&view)->tokens == 0);
}

static void test_full_table(void **state) {
    (void)state;
    check_child(check_full_table, 0);
}

static size_t mmap_limit;

static void *limited_mmap(void *address, size_t size, int protection, int flags, int descriptor,
                          off_t at) {
    if (size <= mmap_limit)
        return mmap(address, size, protection, flags, descriptor, at);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* With little address space there are fewer tokens; with none a later Get still may succeed. */
static void check_little_address_space(void) {
    uint64_t handle = 0;
    os_calls.mmap = limited_mmap;
    mmap_limit = 4096;
    CHILD_NEED(make(BASE, LENGTH, 0, &handle) == RESULT_NO_MEMORY);
    CHILD_NEED(make(BASE, LENGTH, 0, &handle) == RESULT_NO_MEMORY);
    CHILD_NEED(handle == 0);
    mmap_limit = (size_t)1 << 20;
    CHILD_NEED(make(BASE, LENGTH, 0, &handle) == RESULT_OK);
    CHILD_NEED(lives(handle));
    CHILD_NEED(token_table.capacity >= 256 && token_table.capacity < 1u << TOKEN_INDEX_BITS);
    CHILD_NEED(!lives(handle + token_table.capacity));
    CHILD_NEED(end(handle) == RESULT_OK);
}

static void test_little_address_space(void **state) {
    (void)state;
    check_child(check_little_address_space, 0);
}

/* Records of files are used again, so that their number is bounded by what lives at a time. */
static void test_files_are_reused(void **state) {
    (void)state;
    uint64_t one = get(BASE, LENGTH, 0);
    struct token_view view, other;
    assert_true(token_find(one, &view));
    uint32_t used = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        fake.device = 100 + i % 3;
        fake.inode = i;
        uint64_t first = get(BASE, LENGTH, 0), second = get(BASE + LENGTH, LENGTH, 0);
        assert_true(token_find(first, &other));
        assert_ptr_not_equal(token_file(&other), token_file(&view));
        assert_true(token_find(second, &view));
        assert_ptr_equal(token_file(&other), token_file(&view));
        assert_true(token_find(one, &view));
        assert_int_equal(end(first), RESULT_OK);
        assert_int_equal(end(second), RESULT_OK);
        used = used != 0 ? used : atomic_load(&token_table.files_used);
    }
    assert_int_equal(atomic_load(&token_table.files_used), used);
    assert_int_equal(end(one), RESULT_OK);
}

/* A failed file is remembered, by device and inode, whatever comes after it. */
static void test_failure_is_remembered(void **state) {
    (void)state;
    struct token_view view;
    fake.inode = 4711;
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_true(token_find(handle, &view));
    atomic_store(&token_file(&view)->failure, RESULT_IO_ERROR);
    assert_int_equal(end(handle), RESULT_OK);
    for (uint64_t i = 0; i < 100; i++) {
        fake.device = 7 + i % 2;
        fake.inode = fake.device == 7 ? 4712 + i : 4711;
        handle = get(BASE, LENGTH, 0);
        assert_true(token_find(handle, &view));
        assert_int_equal(atomic_load(&token_file(&view)->failure), RESULT_OK);
        assert_int_equal(end(handle), RESULT_OK);
    }
    fake.device = 7;
    fake.inode = 4711;
    handle = get(BASE, LENGTH, 0);
    assert_true(token_find(handle, &view));
    assert_int_equal(atomic_load(&token_file(&view)->failure), RESULT_IO_ERROR);
    assert_int_equal(end(handle), RESULT_OK);
}

static void test_refusals_take_nothing(void **state) {
    (void)state;
    static const enum result results[] = {RESULT_INVALID, RESULT_NOT_MAPPED, RESULT_DENIED,
                                          RESULT_NOT_SUPPORTED, RESULT_NO_MEMORY};
    assert_int_equal(end(get(BASE, LENGTH, 0)), RESULT_OK);
    uint32_t slots = atomic_load(&token_table.slots_used);
    for (size_t i = 0; i < ARRAY_LENGTH(results) * 100; i++) {
        uint64_t handle = 42;
        fake.result = results[i % ARRAY_LENGTH(results)];
        assert_int_equal(make(BASE, LENGTH, i % 2 ? TOKEN_INTERNAL : 0, &handle), fake.result);
        assert_int_equal(handle, 42);
    }
    assert_int_equal(atomic_load(&token_table.slots_used), slots);
    assert_int_equal(atomic_load(&token_table.lock.owner), 0);
}

/* The program's own token comes before one that the library made for itself. */
static void test_covering(void **state) {
    (void)state;
    struct token_view view;
    uint64_t internal = get(BASE + LENGTH + 5, 1, TOKEN_INTERNAL);
    assert_true(token_covering(BASE + LENGTH, LENGTH, &view));
    assert_int_equal(token_handle(&view), internal);
    assert_int_equal(view.base, BASE + LENGTH);
    assert_int_equal(view.length, LENGTH);
    assert_false(token_covering(BASE + LENGTH - 1, 2, &view));
    assert_false(token_covering(BASE + LENGTH, LENGTH + 1, &view));
    uint64_t own = get(BASE + LENGTH + 8, 8, 0);
    assert_true(token_covering(BASE + LENGTH + 8, 8, &view));
    assert_int_equal(token_handle(&view), own);
    assert_true(token_covering(BASE + LENGTH + 8, 9, &view));
    assert_int_equal(token_handle(&view), internal);
    assert_int_equal(end(own), RESULT_OK);
    assert_true(token_covering(BASE + LENGTH + 8, 8, &view));
    assert_int_equal(token_handle(&view), internal);
    assert_int_equal(end(internal), RESULT_OK);
    assert_false(token_covering(BASE + LENGTH + 8, 8, &view));
    /* A range that no mapping holds as a whole gets none. */
    assert_int_equal(make(BASE + LENGTH - 1, 2, TOKEN_INTERNAL, &own), RESULT_INVALID);
}

/* A token that the library made for itself ends when its mapping is no longer what it was. */
static void test_still_mapped(void **state) {
    (void)state;
    struct token_view view;
    for (unsigned change = 0; change < 4; change++) {
        reset(NULL);
        uint64_t handle = get(BASE, 1, TOKEN_INTERNAL);
        assert_true(token_find(handle, &view));
        assert_int_equal(token_still_mapped(&view), RESULT_OK);
        assert_true(lives(handle));
        fake.unreadable = true;
        assert_int_equal(token_still_mapped(&view), RESULT_NO_MEMORY);
        assert_true(lives(handle));
        fake.unreadable = false;
        fake.same = change != 0;
        fake.offset += change == 1;
        fake.inode += change == 2;
        fake.device += change == 3;
        assert_int_equal(token_still_mapped(&view), RESULT_INVALID);
        assert_false(lives(handle));
        assert_int_equal(end(handle), RESULT_INVALID);
    }
}

static void test_describe(void **state) {
    (void)state;
    static struct token_text text;
    static char reason[MAP_REASON_SIZE], path[MAP_PATH_SIZE];
    memset(reason, 'r', sizeof reason - 1);
    memset(path, 'p', sizeof path - 1);
    fake.reason = reason;
    fake.path = path;
    struct token_view view;
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_true(token_find(handle, &view));
    assert_true(token_describe(&view, text.reason, text.path));
    assert_string_equal(text.reason, reason);
    assert_string_equal(text.path, path);
    assert_int_equal(end(handle), RESULT_OK);
    assert_false(token_describe(&view, text.reason, text.path));
    fake.reason = "short";
    fake.path = "";
    handle = get(BASE, LENGTH, 0);
    assert_false(token_describe(&view, text.reason, text.path));
    assert_true(token_find(handle, &view));
    assert_true(token_describe(&view, text.reason, text.path));
    assert_string_equal(text.reason, "short");
    assert_string_equal(text.path, "");
    assert_int_equal(end(handle), RESULT_OK);
}

static struct {
    unsigned handled;
    enum result made, ended;
    uint64_t other;
    bool other_lives;
} interrupted;

static void handle_signal(int signal) {
    (void)signal;
    uint64_t handle;
    interrupted.handled++;
    interrupted.made = make(BASE, LENGTH, TOKEN_INTERNAL, &handle);
    interrupted.other_lives = lives(interrupted.other);
    interrupted.ended = end(interrupted.other);
}

static void interrupt(void) {
    fake.while_probing = NULL;
    raise(SIGUSR1);
}

/* A handler that interrupts a Get finds tokens, and can neither make nor end one. */
static void test_in_signal_handler(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = handle_signal}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    interrupted.other = get(BASE, LENGTH, 0);
    fake.while_probing = interrupt;
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_int_equal(interrupted.handled, 1);
    assert_int_equal(interrupted.made, RESULT_BUSY);
    assert_int_equal(interrupted.ended, RESULT_BUSY);
    assert_true(interrupted.other_lives);
    assert_int_equal(end(interrupted.other), RESULT_OK);
    assert_int_equal(end(handle), RESULT_OK);
    sigaction(SIGUSR1, &before, NULL);
}

static struct event told[4];
static struct event_region told_region;
static size_t told_count;
static bool told_of_living;

static void listen(const struct event *event) {
    told_of_living = lives(event->token);
    if (event->kind == EVENT_GET)
        told_region = *event->region;
    told[told_count++] = *event;
}

/* A token is told of before anybody can use it, and ends after that was told. */
static void test_observed(void **state) {
    (void)state;
    fake.domain = MAP_DOMAIN_VOLATILE;
    fake.offset = 4096;
    atomic_store(&observe_current, listen);
    uint64_t handle = get(BASE, LENGTH, 0);
    assert_false(told_of_living);
    assert_int_equal(end(handle), RESULT_OK);
    assert_true(told_of_living);
    assert_int_equal(end(handle), RESULT_INVALID);
    atomic_store(&observe_current, NULL);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[0].token, handle);
    assert_int_equal(told[0].address, BASE);
    assert_int_equal(told[0].length, LENGTH);
    assert_int_equal(told_region.device, fake.device);
    assert_int_equal(told_region.inode, fake.inode);
    assert_int_equal(told_region.domain, MAP_DOMAIN_VOLATILE);
    assert_int_equal(told_region.segment_count, 1);
    assert_int_equal(told_region.segments[0].offset, 4096);
    assert_int_equal(told[1].kind, EVENT_FREE);
    assert_int_equal(told[1].token, handle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_before_the_first, reset),
        cmocka_unit_test_setup(test_little_address_space, reset),
        cmocka_unit_test_setup(test_handle_is_no_address, reset),
        cmocka_unit_test_setup(test_any_value, reset),
        cmocka_unit_test_setup(test_freed_value_stays_invalid, reset),
        cmocka_unit_test_setup(test_generation_wraps, reset),
        cmocka_unit_test_setup(test_full_table, reset),
        cmocka_unit_test_setup(test_files_are_reused, reset),
        cmocka_unit_test_setup(test_failure_is_remembered, reset),
        cmocka_unit_test_setup(test_refusals_take_nothing, reset),
        cmocka_unit_test_setup(test_covering, reset),
        cmocka_unit_test_setup(test_still_mapped, reset),
        cmocka_unit_test_setup(test_describe, reset),
        cmocka_unit_test_setup(test_in_signal_handler, reset),
        cmocka_unit_test_setup(test_observed, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
