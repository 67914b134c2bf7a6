/* SPDX-License-Identifier: BSD-2-Clause */
/* arena/: what of a file is told, in which pieces, and of whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "base/bits.h"

#define PARENT (ARENA_THREADS + 1)

static struct arena arena;
static int descriptor;

static int make(void **state) {
    (void)state;
    descriptor = arena_create(&arena);
    if (descriptor < 0)
        return 1;
    atomic_store(&arena.head->file_count, 2);
    atomic_store(&arena.head->process_count, 1);
    atomic_store(&arena.head->processes[0].end, ARENA_EXITED);
    return 0;
}

static int unmake(void **state) {
    (void)state;
    arena_unmap(&arena);
    return close(descriptor);
}

/* A store by thread, over as many pages as it takes. */
static void store(uint32_t thread, uint32_t file, uint32_t stack, uint64_t offset, uint64_t size) {
    const struct model_lines lines = arena_lines(&arena);
    const struct model_actor actor = {.threads = arena.head->threads,
                                      .lines = &lines,
                                      .thread = thread,
                                      .token = 1,
                                      .stack = stack};
    bool continues = false;
    while (size > 0) {
        uint64_t start = offset % MODEL_PAGE_SIZE;
        uint64_t length = size < MODEL_PAGE_SIZE - start ? size : MODEL_PAGE_SIZE - start;
        struct model_page *page = arena_page(&arena, file, offset / MODEL_PAGE_SIZE, true);
        assert_non_null(page);
        model_store(page, &actor, (uint32_t)start, (uint32_t)length, continues, MODEL_CACHED);
        continues = true;
        offset += length;
        size -= length;
    }
}

static void judge_by(uint32_t thread, uint32_t file, uint64_t offset, uint64_t length) {
    const struct arena_finding wish = {.file = file + 1};
    arena_judge(&arena, file, offset, length, &wish, thread);
}

/* The one finding at a stack; NULL: there is none. */
static const struct arena_finding *finding_at(uint32_t stack) {
    const struct arena_finding *found = NULL;
    for (size_t b = 0; b < ARENA_FINDING_BUCKETS; b++) {
        for (arena_id id = atomic_load(&arena.head->findings[b]); id != 0;) {
            const struct arena_finding *finding = arena_at(&arena, id, sizeof *finding);
            assert_non_null(finding);
            if (finding->at == stack) {
                assert_null(found);
                found = finding;
            }
            id = finding->next;
        }
    }
    return found;
}

static void assert_range(const struct arena_finding *finding, size_t i, uint64_t offset,
                         uint64_t length) {
    assert_non_null(finding);
    assert_true(i < atomic_load(&finding->range_count));
    assert_int_equal(finding->ranges[i].offset, offset);
    assert_int_equal(finding->ranges[i].length, length);
}

static void assert_one(uint32_t stack, uint64_t offset, uint64_t length) {
    const struct arena_finding *finding = finding_at(stack);
    assert_range(finding, 0, offset, length);
    assert_int_equal(atomic_load(&finding->count), 1);
    assert_int_equal(finding->bytes, length);
    assert_int_equal(finding->kind, KIND_UNFLUSHED_WRITE);
}

/* One store is one finding, however many pages it lies on. */
static void test_over_pages(void **state) {
    (void)state;
    store(0, 0, 1, 4000, 10000);
    store(0, 0, 2, 14000, 100);
    store(0, 0, 3, 20480, 4096);
    store(0, 0, 3, 24576, 4096); /* the next page, but another store */
    judge_by(PARENT, 0, 0, UINT64_MAX);
    assert_one(1, 4000, 10000);
    assert_one(2, 14000, 100);
    assert_int_equal(atomic_load(&finding_at(3)->count), 2);
    assert_range(finding_at(3), 0, 20480, 4096);
    assert_range(finding_at(3), 1, 24576, 4096);
}

/* The far end of a file, one page and all; other files are left alone. */
static void test_stretches(void **state) {
    (void)state;
    const uint64_t far = UINT64_C(1) << 50;
    store(0, 0, 1, far - 8, 16);
    store(0, 1, 2, far - 8, 16);
    judge_by(PARENT, 0, 0, far - 8);
    judge_by(PARENT, 0, far + 8, UINT64_MAX);
    judge_by(PARENT, 0, far - 8, 0);
    assert_null(finding_at(1));
    judge_by(PARENT, 0, far - 4, 8);
    assert_one(1, far - 4, 8);
    judge_by(PARENT, 0, 0, UINT64_MAX);
    assert_int_equal(atomic_load(&finding_at(1)->count), 3);
    assert_null(finding_at(2));
}

static void test_equal_ones(void **state) {
    (void)state;
    enum { COUNT = 100 };
    for (uint64_t i = 0; i < COUNT; i++)
        store(0, 0, 1, i * 64, 8);
    store(0, 0, 2, COUNT * 64, 8);
    store(0, 1, 3, 0, 8);
    judge_by(PARENT, 0, 0, UINT64_MAX);
    judge_by(PARENT, 1, 0, UINT64_MAX);
    const struct arena_finding *finding = finding_at(1);
    assert_int_equal(atomic_load(&finding->count), COUNT);
    for (size_t i = 0; i < ARENA_RANGES; i++)
        assert_range(finding, i, i * 64, 8);
    assert_int_equal(atomic_load(&finding->range_count), ARENA_RANGES + 1);
    assert_one(2, (uint64_t)COUNT * 64, 8);
    assert_int_equal(finding_at(3)->file, 2);
}

static void test_flushed(void **state) {
    (void)state;
    const struct model_lines lines = arena_lines(&arena);
    const struct model_actor actor = {
        .threads = arena.head->threads, .lines = &lines, .thread = 0, .token = 1, .stack = 2};
    const struct arena_finding wish = {
        .file = 1, .related = {9}, .roles = {ARENA_ROLE_FREED}, .call = 4};
    store(0, 0, 1, 0, 8);
    model_flush(arena_page(&arena, 0, 0, false), &actor, 0);
    arena_judge(&arena, 0, 0, 64, &wish, PARENT);
    const struct arena_finding *finding = finding_at(2);
    assert_range(finding, 0, 0, 8);
    assert_int_equal(finding->kind, KIND_UNDRAINED_FLUSH);
    assert_int_equal(finding->call, 4);
    assert_true(finding->related[0] == 9 && finding->roles[0] == ARENA_ROLE_FREED);
    assert_true(finding->related[1] == 1 && finding->roles[1] == ARENA_ROLE_STORE);
}

static void check_pieces(const bool *ignored, size_t size) {
    const struct arena_finding *finding = finding_at(1);
    size_t pieces = 0;
    for (size_t start = 0, end; start < size; start = end + 1) {
        for (; start < size && ignored[start]; start++) {
        }
        for (end = start; end < size && !ignored[end]; end++) {
        }
        if (end == start)
            continue;
        if (pieces < ARENA_RANGES)
            assert_range(finding, pieces, start, end - start);
        pieces++;
    }
    assert_int_equal(finding == NULL ? 0 : atomic_load(&finding->count), pieces);
}

/* Random ranges are ignored: what is told is the rest, to the byte. NVRTL_TEST_SEED=... repeats. */
static void test_ignored(void **state) {
    (void)state;
    enum { SIZE = 9000 };
    const char *wish = getenv("NVRTL_TEST_SEED");
    unsigned seed = wish != NULL ? (unsigned)strtoul(wish, NULL, 0) : 11;
    print_message("NVRTL_TEST_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 25; round++) {
        bool ignored[SIZE] = {false};
        int count = round == 0 ? 0 : (int)(random() % 60);
        unmake(NULL);
        assert_int_equal(make(NULL), 0);
        for (int i = 0; i < count; i++) {
            uint64_t offset = (uint64_t)random() % SIZE;
            uint64_t length = 1 + (uint64_t)random() % (i % 4 == 0 ? 900 : 20);
            arena_ignore(&arena, &arena.head->files[0], offset, length);
            for (uint64_t b = offset; b < offset + length && b < SIZE; b++)
                ignored[b] = true;
        }
        store(0, 0, 1, 0, SIZE);
        judge_by(PARENT, 0, 0, UINT64_MAX);
        check_pieces(ignored, SIZE);
    }
}

/* Ranges that touch are one record, in whatever order a loop ignores them upwards. */
static void test_ignored_neighbours(void **state) {
    (void)state;
    uint64_t used = atomic_load(&arena.head->used);
    for (uint64_t i = 0; i < 1000; i++)
        arena_ignore(&arena, &arena.head->files[0], i * 8, 8);
    for (uint64_t i = 0; i < 1000; i++)
        arena_ignore(&arena, &arena.head->files[0], i * 8, 8);
    assert_int_equal(atomic_load(&arena.head->used), used + ARENA_GRAIN);
}

/* Thread t belongs to process t. */
static void set_process(uint32_t process, uint32_t parent, enum arena_end end, pid_t pid) {
    arena.head->thread_processes[process] = process;
    arena.head->processes[process].parent = parent;
    atomic_store(&arena.head->processes[process].end, end);
    atomic_store(&arena.head->processes[process].pid, (uint32_t)pid);
    atomic_store(&arena.head->process_count, process + 1);
}

static pid_t dead_process(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return child;
}

static void assert_abnormal(uint32_t stack, bool abnormal) {
    const struct arena_finding *finding = finding_at(stack);
    assert_non_null(finding);
    assert_int_equal(finding->abnormal, abnormal);
}

static const struct {
    uint32_t parent;
    enum arena_end end;
    bool lives;
    bool for_others, at_end; /* nobody is blamed */
} ends[] = {
    {0, ARENA_RUNS, true, false, false}, /* the one that judges */
    {0, ARENA_RUNS, true, false, true},     {0, ARENA_RUNS, false, true, true},
    {0, ARENA_EXITED, false, false, false}, {0, ARENA_REPLACED, true, false, false},
    {1, ARENA_RUNS, true, false, true},     {1, ARENA_RUNS, false, true, true},
    {1, ARENA_EXITED, false, true, true},   {1, ARENA_REPLACED, true, true, true},
};

/* What was in flight when another process was killed, or a forked child ended, is no error. */
static void test_processes(void **state) {
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        set_process(i, ends[i].parent, ends[i].end, ends[i].lives ? getpid() : dead_process());
        store(i, 0, 100 + i, i * 64, 8);
        store(i, 1, 200 + i, i * 64, 8);
    }
    judge_by(1, 0, 0, UINT64_MAX);
    for (uint32_t i = 0; i < ARRAY_LENGTH(ends); i++)
        assert_abnormal(100 + i, ends[i].for_others);
    judge_by(PARENT, 1, 64, UINT64_MAX);
    for (uint32_t i = 1; i < ARRAY_LENGTH(ends); i++)
        assert_abnormal(200 + i, ends[i].at_end);
}

/* But who asserts that it is durable is told that it is not. */
static void test_asserted(void **state) {
    (void)state;
    const struct arena_finding wish = {.file = 1, .roles = {ARENA_ROLE_ASSERTED}};
    set_process(1, 1, ARENA_EXITED, dead_process());
    store(1, 0, 1, 0, 8);
    arena_judge(&arena, 0, 0, 64, &wish, 1);
    assert_abnormal(1, false);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(test_over_pages), TEST(test_stretches), TEST(test_equal_ones),
        TEST(test_flushed),    TEST(test_ignored),   TEST(test_ignored_neighbours),
        TEST(test_processes),  TEST(test_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
