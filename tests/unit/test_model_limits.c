/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model of the verifier remembers and forgets, and how it judges pages and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model_page.h"

/* More tokens than a thread has places for: nothing is invented, and a drain of all still helps. */
static void test_many_tokens(void **state) {
    (void)state;
    enum { COUNT = 3 * MODEL_TOKENS };
    for (uint32_t i = 0; i < COUNT; i++) {
        store(1, i * MODEL_LINE_SIZE, 8);
        flush_by(0, i + 1, 2, i);
    }
    assert_true(model_drain_needed(&threads[0]));
    for (uint32_t i = 0; i < COUNT / 2; i++)
        drain_by(0, i + 1);
    assert_int_equal(count_holes(0, COUNT / 2 * MODEL_LINE_SIZE), 0);
    for (uint32_t i = COUNT / 2; i < COUNT; i++)
        drain_by(0, i + 1);
    assert_durable();
    drain_by(0, 0);
    assert_false(model_drain_needed(&threads[0]));
    store(3, 0, 8);
    flush_by(0, 1, 4, 0);
    assert_one(0, 8, 3, 4);
}

/* The first token has lost its place to the last one. */
static void take_all_places(void) {
    store(1, 0, 8);
    flush_by(0, 1, 2, 0);
    for (uint32_t token = 2; token <= MODEL_TOKENS; token++)
        drain_by(0, token);
    flush_by(0, MODEL_TOKENS + 1, 3, 1);
}

/* What was flushed for it waits all the same. */
static void test_token_without_a_place(void **state) {
    (void)state;
    take_all_places();
    drain_by(0, MODEL_TOKENS + 1);
    assert_true(model_drain_needed(&threads[0]));
}

/* Nor is it drained because the token has found another place. */
static void test_token_with_a_new_place(void **state) {
    (void)state;
    take_all_places();
    store(4, 64, 8);
    flush_by(0, 1, 5, 1);
    assert_int_equal(count_holes(0, 64), 1);
    assert_hole(0, 0, 8, 1, 2);
}

/* The number of stores to a line comes to its end: every state that a store can be in stays. */
static void test_renumbering(void **state) {
    (void)state;
    store(1, 0, 8);
    flush(2, 0);
    drain();
    store(3, 8, 8);
    flush(4, 0);
    stream(5, 16, 8, MODEL_STREAM);
    store(6, 24, 8);
    for (uint32_t i = 0; i < 1000; i++)
        store(7, 32, 8);
    assert_true(open_lines[1].n < 255);
    assert_int_equal(model_stores(&page, &lines, 0), 1004);
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 4);
    assert_hole(0, 8, 8, 3, 4);
    assert_hole(1, 16, 8, 5, 5);
    assert_hole(2, 24, 8, 6, 0);
    assert_hole(3, 32, 8, 7, 0);
    for (uint32_t i = 0; i < 8; i++)
        store(8, i * 8, 8);
    flush(9, 0);
    drain();
    assert_durable();
}

static void test_pages(void **state) {
    (void)state;
    judge = MODEL_JUDGE_PAGES;
    is_page_cache = true;
    store(1, 0, 8);
    store(2, 200, 8);
    assert_int_equal(count_holes(0, 8), 1);
    store(1, 0, 8);
    model_flush_page(&page, &lines, file_drains, 3);
    assert_int_equal(count_holes(0, 8), 1);
    assert_hole(0, 0, 8, 1, 3);
    file_drains++; /* by any thread */
    store(4, 400, 8);
    model_flush_page(&page, &lines, file_drains, 5);
    assert_one(400, 8, 4, 5);
    file_drains++;
    assert_durable();
    stream(6, 0, 8, MODEL_STREAM); /* it flushes its page: that is told separately */
    drain();
    assert_one(0, 8, 6, 0);
}

/* By what the file is: whole pages, but a store that only its page's flush saved is told. */
static void test_actual(void **state) {
    (void)state;
    judge = MODEL_JUDGE_ACTUAL;
    is_page_cache = true;
    store(1, 0, 8);
    store(2, 200, 8);
    flush(3, 0);
    model_flush_page(&page, &lines, file_drains, 3);
    drain_by(1, 1); /* of another thread: of files that is as good */
    assert_one(200, 8, 2, 0);
    assert_true(holes[0].page_rescued);

    is_page_cache = false;
    store(4, 0, 8);
    flush(5, 0);
    model_flush_page(&page, &lines, file_drains, 5);
    drain_by(1, 1);
    assert_one(0, 8, 4, 5);
    assert_false(holes[0].page_rescued);
}

static void test_bytes_and_runs(void **state) {
    (void)state;
    store(1, 3, 30);
    assert_one(3, 30, 1, 0);
    store(2, 0, 1); /* of one unit, with a gap between */
    store(3, 7, 1);
    assert_int_equal(count_holes(2, 4), 0);
    assert_int_equal(count_holes(0, 8), 2);
    assert_hole(0, 0, 1, 3, 0);
    assert_hole(1, 7, 1, 3, 0);
    store(4, 40, 8); /* side by side from the same place, and yet two stores */
    store(4, 48, 8);
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 2);
    store(5, 40, 20);
    assert_int_equal(count_holes(44, 8), 1);
    assert_hole(0, 44, 8, 5, 0);
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 2); /* each byte once */
    assert_hole(0, 40, 4, 5, 0);
    assert_hole(1, 52, 8, 5, 0);
    const struct model_actor other = by(1, 1, 6);
    model_store(&page, &other, 0, 16, false, MODEL_CACHED);
    store(6, 0, 8); /* from the same place, by another thread */
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 2);
    assert_int_equal(holes[0].thread, 0);
    assert_int_equal(holes[1].thread, 1);
}

static bool is_open(uint32_t line, bool by_pages) {
    const struct model_actor actor = by(0, 1, 0);
    model_close(&page, &actor, line, by_pages);
    return page.open[line] != 0;
}

/* What waits for nothing is forgotten, and is known to be clean. */
static void test_closing(void **state) {
    (void)state;
    assert_int_equal(flush(1, 0), MODEL_FLUSH_UNKNOWN);
    store(1, 0, 8);
    assert_true(is_open(0, false));
    flush(2, 0);
    assert_true(is_open(0, false));
    drain();
    uint32_t stores = model_stores(&page, &lines, 0);
    assert_false(is_open(0, false));
    assert_true(model_stores(&page, &lines, 0) >= stores);
    assert_int_equal(flush(3, 0), MODEL_FLUSH_AGAIN);
    assert_durable();
    store(4, 8, 8); /* in the same place, which remembers nothing */
    assert_int_equal(opened, 4);
    assert_true(model_stores(&page, &lines, 0) > stores);
    assert_one(8, 8, 4, 0);
    assert_int_equal(flush(5, 0), MODEL_FLUSH_NEEDED);
    drain();
    assert_true(is_open(0, true)); /* by its page it waits still */
    assert_false(is_open(0, false));
}

/* Streaming stores, and what another thread has flushed, or stored. */
static void test_not_closing(void **state) {
    (void)state;
    stream(1, 0, 8, MODEL_STREAM);
    drain();
    assert_true(is_open(0, false));
    store(1, 64, 8);
    flush_by(1, 1, 2, 1);
    drain_by(1, 1);
    assert_true(is_open(1, false)); /* by who stored it, it was not flushed */
    store(1, 128, 8);
    flush(2, 2);
    store(3, 136, 8);
    drain();
    assert_true(is_open(2, false));
    store(1, 192, 8);
    flush(2, 3);
    drain();
    spare.count = MODEL_SPARE;
    assert_true(is_open(3, false));
}

/* Where there is no room for lines nothing is known of them. */
static uint32_t make_none(const void *context, uint32_t count) {
    (void)context, (void)count;
    return 0;
}

static void test_no_room(void **state) {
    (void)state;
    const struct model_lines none = {.memory = lines.memory, .size = lines.size, .make = make_none};
    struct model_actor actor = by(0, 1, 1);
    store(1, 64, 8);
    actor.lines = &none;
    model_store(&page, &actor, 0, 128, false, MODEL_CACHED);
    assert_int_equal(flush(2, 0), MODEL_FLUSH_UNKNOWN);
    assert_int_equal(count_holes(0, 64), 0);
    assert_int_equal(count_holes(64, 64), 1);
    assert_false(model_store_word(&page, &actor, 128, 8));
}

static void test_whole_page(void **state) {
    (void)state;
    const struct model_actor actor = by(3, 1, 1);
    model_store(&page, &actor, 0, MODEL_PAGE_SIZE, true, MODEL_CACHED);
    assert_int_equal(page.touched, UINT64_MAX);
    assert_one(0, MODEL_PAGE_SIZE, 1, 0);
    assert_true(holes[0].continues);
    assert_int_equal(holes[0].thread, 3);
    /* The memory that was promised, with what the page holds. */
    assert_true(sizeof page + sizeof(struct model_line[MODEL_PAGE_LINES]) + MODEL_PAGE_SIZE <=
                (size_t)3 * MODEL_PAGE_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_many_tokens, fresh),
        cmocka_unit_test_setup(test_token_without_a_place, fresh),
        cmocka_unit_test_setup(test_token_with_a_new_place, fresh),
        cmocka_unit_test_setup(test_renumbering, fresh),
        cmocka_unit_test_setup(test_pages, fresh),
        cmocka_unit_test_setup(test_actual, fresh),
        cmocka_unit_test_setup(test_bytes_and_runs, fresh),
        cmocka_unit_test_setup(test_closing, fresh),
        cmocka_unit_test_setup(test_not_closing, fresh),
        cmocka_unit_test_setup(test_no_room, fresh),
        cmocka_unit_test_setup(test_whole_page, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
