/* SPDX-License-Identifier: BSD-2-Clause */
/* model/: each of its rules, once. test_model_random.c mixes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model_page.h"

static void test_what_a_store_needs(void **state) {
    (void)state;
    assert_durable();
    store(1, 100, 8);
    assert_one(100, 8, 1, 0);
    store(2, 100, 8);
    flush(3, 1);
    assert_one(100, 8, 2, 3);
    store(4, 100, 8);
    flush(5, 1);
    drain();
    assert_durable();
}

static void test_a_flush_covers_its_line_alone(void **state) {
    (void)state;
    store(1, 0, 8);
    store(2, 56, 16);
    store(3, 120, 8);
    flush(4, 1);
    drain();
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 2);
    assert_hole(0, 0, 8, 1, 0);
    assert_hole(1, 56, 8, 2, 0);
}

static void test_a_store_after_the_flush(void **state) {
    (void)state;
    store(1, 0, 8);
    store(2, 8, 8);
    flush(3, 0);
    store(4, 8, 8);
    drain();
    assert_one(8, 8, 4, 0);
}

static void test_drains_of_others(void **state) {
    (void)state;
    store(1, 0, 8);
    flush(2, 0);
    drain_by(1, 1);
    assert_one(0, 8, 1, 2);
    assert_false(holes[0].token_rescued);

    store(3, 0, 8);
    flush(4, 0);
    drain_by(0, 2);
    assert_one(0, 8, 3, 4);
    assert_true(holes[0].token_rescued);

    store(5, 0, 8);
    flush(6, 0);
    drain_by(0, 0); /* every token */
    assert_durable();

    judge = MODEL_JUDGE_MEMORY;
    store(7, 0, 8);
    flush(8, 0);
    drain_by(0, 2);
    assert_durable();
}

static void test_a_drain_before_the_flush(void **state) {
    (void)state;
    store(1, 0, 8);
    drain();
    flush(2, 0);
    assert_one(0, 8, 1, 2);
}

static void test_whose_flush(void **state) {
    (void)state;
    store(1, 0, 8);
    flush_by(1, 1, 2, 0);
    drain_by(1, 1);
    assert_durable();
    /* Another's flush is no reason to forget one's own. */
    store(3, 0, 8);
    flush(4, 0);
    flush_by(1, 1, 5, 0);
    drain();
    assert_durable();
    store(6, 0, 8);
    flush(7, 0);
    flush_by(1, 1, 8, 0);
    drain_by(1, 1);
    assert_durable();
}

/* Two are remembered; what a third makes forgotten counts as durable. */
static void test_three_flushes_at_once(void **state) {
    (void)state;
    store(1, 0, 8);
    flush_by(0, 1, 2, 0);
    flush_by(1, 1, 3, 0);
    flush_by(2, 1, 4, 0);
    assert_durable();
    store(5, 0, 8);
    assert_one(0, 8, 5, 0);
}

static void test_two_tokens_of_one_thread(void **state) {
    (void)state;
    store(1, 0, 8);
    flush_by(0, 1, 2, 0);
    store(3, 8, 8);
    flush_by(0, 2, 4, 0);
    drain_by(0, 1);
    assert_one(8, 8, 3, 4);
}

static void test_streams(void **state) {
    (void)state;
    stream(1, 0, 256, MODEL_STREAM);
    drain();
    assert_durable();
    stream(2, 0, 16, MODEL_STREAM);
    assert_one(0, 16, 2, 2); /* the store is its own flush */
    /* Only what it stored itself. */
    store(3, 0, 8);
    stream(4, 8, 8, MODEL_STREAM);
    drain();
    assert_one(0, 8, 3, 0);
    store(5, 0, 4);
    stream(6, 4, 4, MODEL_STREAM);
    drain();
    assert_one(0, 4, 5, 0);
    stream(7, 0, 8, MODEL_STREAM);
    store(8, 0, 8);
    drain();
    assert_one(0, 8, 8, 0);
    /* What was drained before it was stored again through the cache is durable. */
    stream(9, 0, 4, MODEL_STREAM);
    drain();
    store(10, 4, 4);
    assert_one(4, 4, 10, 0);
    /* A flush covers it like any store. */
    stream(11, 0, 8, MODEL_STREAM);
    flush_by(1, 1, 12, 0);
    drain_by(1, 1);
    assert_durable();
}

static void assert_placed(uint32_t start, uint32_t length, uint32_t stored) {
    assert_one(start, length, stored, 0);
    assert_true(holes[0].placed);
}

/* Where a streaming store may stay in the cache. */
static void test_placed_streams(void **state) {
    (void)state;
    stream(1, 0, 16, MODEL_PLACED);
    assert_one(0, 16, 1, 1); /* a drain is missing, whatever else */
    stream(2, 0, 16, MODEL_PLACED);
    drain();
    assert_placed(0, 16, 2);
    stream(3, 0, 16, MODEL_PLACED);
    drain();
    assert_int_equal(flush(3, 0), MODEL_FLUSH_NEEDED);
    drain();
    assert_durable();
    stream(3, 0, 16, MODEL_PLACED);
    drain();
    flush(4, 0);
    assert_one(0, 16, 3, 4);
    assert_false(holes[0].placed);
    /* Written back before the drain is as good. */
    stream(4, 64, 8, MODEL_PLACED);
    flush(5, 1);
    drain();
    assert_durable();
    /* Stored again, it is no stream any more. */
    stream(6, 0, 8, MODEL_PLACED);
    drain();
    store(7, 4, 4);
    assert_one(4, 4, 7, 0);
    assert_false(holes[0].placed);
    stream(8, 0, 8, MODEL_STREAM);
    drain();
    assert_durable();
    /* The short way of a store leaves such a unit to the long one. */
    const struct model_actor actor = by(0, 1, 9);
    stream(9, 0, 8, MODEL_PLACED);
    drain();
    stream(10, 8, 8, MODEL_STREAM);
    drain();
    assert_false(model_store_word(&page, &actor, 0, 8));
    assert_placed(0, 8, 9);
    /* Pages know no lines. */
    model_make_durable(&page, &lines, 0, MODEL_PAGE_SIZE);
    judge = MODEL_JUDGE_PAGES;
    stream(10, 128, 8, MODEL_PLACED);
    drain();
    assert_one(128, 8, 10, 0);
    assert_false(holes[0].placed);
}

/* What is given up is whole lines: a part of one may go on in the file. */
static void test_given_up(void **state) {
    (void)state;
    store(1, 60, 8);
    store(2, 128, 8);
    model_make_durable(&page, &lines, 32, 192);
    assert_one(60, 4, 1, 0);
    model_make_durable(&page, &lines, 0, MODEL_PAGE_SIZE);
    assert_durable();
}

static void test_persist(void **state) {
    (void)state;
    store(1, 0, 8);
    stream(2, 8, 8, MODEL_PERSIST);
    drain();
    assert_one(0, 8, 1, 0);
    flush(3, 0);
    drain();
    stream(4, 8, 8, MODEL_PERSIST);
    assert_one(8, 8, 4, 4);
}

static void test_redundant_flushes(void **state) {
    (void)state;
    assert_int_equal(flush(1, 0), MODEL_FLUSH_UNKNOWN);
    store(2, 0, 8);
    assert_int_equal(flush(3, 0), MODEL_FLUSH_NEEDED);
    assert_int_equal(flush(4, 0), MODEL_FLUSH_AGAIN);
    drain();
    assert_int_equal(flush(5, 0), MODEL_FLUSH_AGAIN);
    store(6, 0, 8);
    assert_int_equal(flush(7, 0), MODEL_FLUSH_NEEDED);
    /* The store's own thread has seen to it, and drained. */
    drain();
    assert_int_equal(flush_by(1, 1, 8, 0), MODEL_FLUSH_AGAIN);
    /* A stream is written back by whoever wants that. */
    stream(9, 0, 64, MODEL_STREAM);
    drain();
    assert_int_equal(flush(10, 0), MODEL_FLUSH_NEEDED);
    drain();
    stream(11, 0, 64, MODEL_PERSIST);
    drain();
    assert_int_equal(flush(12, 0), MODEL_FLUSH_AGAIN);
}

/* Nobody is told that his flush was redundant because another thread was quicker. */
static void test_flushes_of_several(void **state) {
    (void)state;
    store(1, 0, 8);
    const struct model_actor other = by(1, 1, 2);
    model_store(&page, &other, 8, 8, false, MODEL_CACHED);
    assert_int_equal(flush_by(0, 1, 3, 0), MODEL_FLUSH_NEEDED);
    drain();
    assert_int_equal(flush_by(1, 1, 4, 0), MODEL_FLUSH_NEEDED);
    drain_by(1, 1);
    store(5, 64, 8);
    assert_int_equal(flush_by(1, 1, 6, 1), MODEL_FLUSH_NEEDED);
    drain_by(1, 1);
    assert_int_equal(flush_by(1, 1, 7, 1), MODEL_FLUSH_NEEDED);
    assert_int_equal(flush_by(0, 1, 8, 1), MODEL_FLUSH_NEEDED);
    assert_int_equal(flush_by(0, 1, 9, 1), MODEL_FLUSH_AGAIN);
    store(10, 128, 8);
    model_store(&page, &other, 136, 8, false, MODEL_CACHED);
    assert_int_equal(flush_by(1, 1, 11, 2), MODEL_FLUSH_NEEDED);
    drain_by(1, 1);
    assert_int_equal(flush_by(0, 1, 12, 2), MODEL_FLUSH_NEEDED);
}

static void test_needless_drains(void **state) {
    (void)state;
    assert_false(model_drain_needed(&threads[0]));
    flush_by(0, 1, 1, 0);
    flush_by(0, 2, 2, 0);
    assert_true(model_drain_needed(&threads[0]));
    assert_false(model_drain_needed(&threads[1]));
    drain_by(0, 1);
    assert_true(model_drain_needed(&threads[0]));
    drain_by(0, 2);
    assert_false(model_drain_needed(&threads[0]));
    judge = MODEL_JUDGE_MEMORY;
    flush_by(0, 1, 3, 0);
    drain_by(0, 2);
    assert_false(model_drain_needed(&threads[0]));
    const struct model_actor actor = by(0, 1, 4);
    model_drain_failed(&actor);
    assert_true(model_drain_needed(&threads[0]));
    drain();
    assert_false(model_drain_needed(&threads[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_a_store_needs, fresh),
        cmocka_unit_test_setup(test_a_flush_covers_its_line_alone, fresh),
        cmocka_unit_test_setup(test_a_store_after_the_flush, fresh),
        cmocka_unit_test_setup(test_drains_of_others, fresh),
        cmocka_unit_test_setup(test_a_drain_before_the_flush, fresh),
        cmocka_unit_test_setup(test_whose_flush, fresh),
        cmocka_unit_test_setup(test_three_flushes_at_once, fresh),
        cmocka_unit_test_setup(test_two_tokens_of_one_thread, fresh),
        cmocka_unit_test_setup(test_streams, fresh),
        cmocka_unit_test_setup(test_placed_streams, fresh),
        cmocka_unit_test_setup(test_given_up, fresh),
        cmocka_unit_test_setup(test_persist, fresh),
        cmocka_unit_test_setup(test_redundant_flushes, fresh),
        cmocka_unit_test_setup(test_flushes_of_several, fresh),
        cmocka_unit_test_setup(test_needless_drains, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
