/* SPDX-License-Identifier: BSD-2-Clause */
/* Which region an address lies in, as tokens come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "source/regions.h"

#define PAGE MODEL_PAGE_SIZE
#define BASE ((uintptr_t)0x7f0000000000)
#define GIB (UINT64_C(1) << 30)

static struct self me;

static struct arena_token *token(uint64_t handle, uint32_t file, size_t count,
                                 const struct arena_segment *segments) {
    struct arena_token *made =
        arena_new(&source_process.arena, sizeof *made + count * sizeof *segments);
    assert_non_null(made);
    made->handle = handle;
    made->file = file;
    made->segment_count = (uint32_t)count;
    memcpy(made->segments, segments, count * sizeof *segments);
    return made;
}

static struct arena_token *one(uint64_t handle, uint32_t file, uint64_t address, uint64_t length,
                               uint64_t offset) {
    const struct arena_segment segment = {address, length, offset};
    struct arena_token *made = token(handle, file, 1, &segment);
    regions_add(&me, made);
    return made;
}

static void assert_none(uintptr_t address) {
    struct stretch found;
    assert_false(regions_find(address, &found));
    assert_null(regions_page(address));
    assert_null(regions_record(&me, address));
}

static void assert_file(uintptr_t address, uint32_t file, uint64_t offset, uint64_t length) {
    struct stretch found;
    assert_true(regions_find(address, &found));
    assert_int_equal(found.file, file);
    assert_int_equal(found.offset, offset);
    assert_int_equal(found.length, length);
    assert_int_equal(found.address, address);
    const struct model_page *page = regions_record(&me, address);
    assert_non_null(page);
    assert_int_equal(page->file, file);
    assert_int_equal(page->index, offset / PAGE);
    assert_ptr_equal(regions_record(&me, address), page);
}

static void test_whole_pages_are_found_at_once(void **state) {
    (void)state;
    assert_none(BASE);
    struct arena_token *made = one(1, 3, BASE, 4 * PAGE, 8 * PAGE);
    assert_false(regions_near(0x1000));
    assert_null(regions_page(BASE + PAGE));
    assert_file(BASE + PAGE + 8, 3, 9 * PAGE + 8, 3 * PAGE - 8);
    assert_non_null(regions_page(BASE + PAGE));
    assert_null(regions_page(BASE + 2 * PAGE));
    assert_none(BASE - 1);
    assert_none(BASE + 4 * PAGE);
    regions_remove(&me, made);
    assert_none(BASE + PAGE + 8);
}

/* Bytes beside a region on its page are none of it. */
static void test_parts_of_pages(void **state) {
    (void)state;
    struct arena_token *made = one(2, 1, BASE + 100, 200, 100);
    assert_file(BASE + 100, 1, 100, 200);
    assert_file(BASE + 299, 1, 299, 1);
    assert_none(BASE + 99);
    assert_none(BASE + 300);
    assert_null(regions_page(BASE + 100)); /* never at once */
    regions_remove(&me, made);
    assert_none(BASE + 100);
}

static void test_tokens_that_overlap(void **state) {
    (void)state;
    struct arena_token *a = one(3, 1, BASE, 4 * PAGE, 0);
    struct arena_token *b = one(4, 1, BASE + 2 * PAGE, 4 * PAGE, 2 * PAGE);
    assert_file(BASE + 3 * PAGE, 1, 3 * PAGE, 3 * PAGE);
    const struct model_page *page = regions_page(BASE + 3 * PAGE);
    regions_remove(&me, a);
    assert_none(BASE + PAGE);
    assert_ptr_equal(regions_page(BASE + 3 * PAGE), page);
    regions_remove(&me, b);
    assert_none(BASE + 3 * PAGE);
}

/* Another file at the address of a token that was not freed: its memory was unmapped. */
static void test_the_newest_mapping_counts(void **state) {
    (void)state;
    struct arena_token *a = one(5, 1, BASE, 4 * PAGE, 0);
    assert_file(BASE + PAGE, 1, PAGE, 3 * PAGE);
    struct arena_token *b = one(6, 2, BASE + PAGE, PAGE, 0);
    assert_file(BASE + PAGE, 2, 0, PAGE);
    assert_file(BASE, 1, 0, PAGE);
    assert_file(BASE + 2 * PAGE, 1, 2 * PAGE, 2 * PAGE);
    regions_remove(&me, b);
    assert_none(BASE + PAGE);
    regions_remove(&me, a);
    assert_none(BASE + 2 * PAGE);
}

static void test_unmapping_forgets(void **state) {
    (void)state;
    struct arena_token *a = one(7, 1, BASE, 8 * PAGE, 0);
    assert_file(BASE + 3 * PAGE, 1, 3 * PAGE, 5 * PAGE);
    regions_forget(&me, BASE + 2 * PAGE, 3 * PAGE);
    assert_file(BASE + PAGE, 1, PAGE, PAGE);
    assert_none(BASE + 2 * PAGE);
    assert_none(BASE + 3 * PAGE);
    assert_file(BASE + 5 * PAGE, 1, 5 * PAGE, 3 * PAGE);
    regions_forget(&me, BASE - GIB, 4 * GIB);
    assert_none(BASE + 5 * PAGE);
    regions_remove(&me, a);
}

/* 64 GiB cost no memory before they are stored to. */
static void test_large_regions(void **state) {
    (void)state;
    struct arena_token *a = one(8, 1, BASE + PAGE, 64 * GIB, PAGE);
    assert_file(BASE + PAGE, 1, PAGE, 64 * GIB);
    assert_file(BASE + 40 * GIB + 77, 1, 40 * GIB + 77, 24 * GIB + PAGE - 77);
    assert_none(BASE);
    assert_none(BASE + 64 * GIB + PAGE);
    regions_remove(&me, a);
    assert_none(BASE + 40 * GIB);
}

struct seen {
    size_t count;
    struct stretch at[8];
};

static void see(void *context, const struct stretch *stretch) {
    struct seen *seen = context;
    assert_true(seen->count < ARRAY_LENGTH(seen->at));
    seen->at[seen->count++] = *stretch;
}

static void test_stretches(void **state) {
    (void)state;
    const struct arena_segment segments[] = {{BASE, PAGE, 0}, {BASE + 3 * PAGE, PAGE, PAGE}};
    struct arena_token *a = token(9, 1, 2, segments);
    struct seen seen = {0};
    regions_add(&me, a);
    regions_stretches(BASE + 10, 3 * PAGE, see, &seen);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.at[0].offset, 10);
    assert_int_equal(seen.at[0].length, PAGE - 10);
    assert_int_equal(seen.at[1].address, BASE + 3 * PAGE);
    assert_int_equal(seen.at[1].length, 10);
    regions_stretches(BASE + PAGE, UINT64_MAX, see, &seen);
    assert_int_equal(seen.count, 3);
    regions_remove(&me, a);
}

/* Against a plain list, from a fixed seed. */
static void test_random_tokens(void **state) {
    (void)state;
    enum { TOKENS = 24, PAGES = 64 };
    struct arena_token *tokens[TOKENS] = {NULL};
    srand(1);
    for (unsigned step = 0; step < 3000; step++) {
        unsigned t = (unsigned)rand() % TOKENS;
        if (tokens[t] != NULL) {
            regions_remove(&me, tokens[t]);
            tokens[t] = NULL;
        } else {
            uint64_t from = (unsigned)rand() % (PAGES * PAGE), to = (unsigned)rand() % 40000;
            tokens[t] = one(100 + t, 1, BASE + from, to + 1, from);
        }
        for (unsigned look = 0; look < 20; look++) {
            uintptr_t at = BASE + (unsigned)rand() % (PAGES * PAGE + 50000);
            bool in = false;
            for (t = 0; t < TOKENS; t++)
                in = in || (tokens[t] != NULL &&
                            at - tokens[t]->segments[0].address < tokens[t]->segments[0].length);
            const struct model_page *page = regions_record(&me, at);
            struct stretch found;
            assert_int_equal(regions_find(at, &found), in);
            assert_int_equal(page != NULL, in);
            if (in)
                assert_int_equal(page->index, (at - BASE) / PAGE);
            if (!in)
                assert_null(regions_page(at));
        }
    }
    for (unsigned t = 0; t < TOKENS; t++) {
        if (tokens[t] != NULL)
            regions_remove(&me, tokens[t]);
    }
}

static int set_up(void **state) {
    (void)state;
    return arena_create(&source_process.arena) >= 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_pages_are_found_at_once),
        cmocka_unit_test(test_parts_of_pages),
        cmocka_unit_test(test_tokens_that_overlap),
        cmocka_unit_test(test_the_newest_mapping_counts),
        cmocka_unit_test(test_unmapping_forgets),
        cmocka_unit_test(test_large_regions),
        cmocka_unit_test(test_stretches),
        cmocka_unit_test(test_random_tokens),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
