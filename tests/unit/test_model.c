/* SPDX-License-Identifier: BSD-2-Clause */
/* model/: each of its rules, once. test_model_random.c mixes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bits.h"
#include "model/model.h"

#define THREADS 4
#define HOLES 64

static struct model_page page;
static struct model_thread threads[THREADS];
static enum model_judge judge;
static bool is_page_cache;
static uint32_t file_drains;

static struct model_hole holes[HOLES];
static size_t hole_count;

static int fresh(void **state) {
    (void)state;
    memset(&page, 0, sizeof page);
    memset(threads, 0, sizeof threads);
    judge = MODEL_JUDGE_STRICT;
    is_page_cache = false;
    file_drains = 0;
    return 0;
}

static struct model_actor by(uint32_t thread, uint32_t token, uint32_t stack) {
    return (struct model_actor){
        .threads = threads, .judge = judge, .thread = thread, .token = token, .stack = stack};
}

/* By thread 0 and token 1, unless told otherwise. */
static void store(uint32_t stack, uint32_t start, uint32_t length) {
    const struct model_actor actor = by(0, 1, stack);
    model_store(&page, &actor, start, length, false, MODEL_CACHED);
}

static void stream(uint32_t stack, uint32_t start, uint32_t length, enum model_way way) {
    const struct model_actor actor = by(0, 1, stack);
    model_store(&page, &actor, start, length, false, way);
    model_note_pending(&actor);
}

static enum model_flushed flush_by(uint32_t thread, uint32_t token, uint32_t stack, uint32_t line) {
    const struct model_actor actor = by(thread, token, stack);
    model_note_pending(&actor);
    return model_flush(&page, &actor, line);
}

static enum model_flushed flush(uint32_t stack, uint32_t line) {
    return flush_by(0, 1, stack, line);
}

static void drain_by(uint32_t thread, uint32_t token) {
    const struct model_actor actor = by(thread, token, 0);
    model_drain(&actor);
    file_drains++;
}

static void drain(void) {
    drain_by(0, 1);
}

static void keep_hole(void *context, const struct model_page *where,
                      const struct model_hole *hole) {
    (void)context;
    assert_ptr_equal(where, &page);
    assert_true(hole_count < HOLES);
    holes[hole_count++] = *hole;
}

/* How many holes there are in [start, start + length). */
static size_t count_holes(uint32_t start, uint32_t length) {
    const struct model_judging judging = {.threads = threads,
                                          .judge = judge,
                                          .pages = is_page_cache,
                                          .file_drains = file_drains,
                                          .tell = keep_hole};
    hole_count = 0;
    model_judge(&page, &judging, start, length);
    return hole_count;
}

static void assert_durable(void) {
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 0);
}

static void assert_hole(size_t i, uint32_t start, uint32_t length, uint32_t stored,
                        uint32_t flushed) {
    assert_true(i < hole_count);
    assert_int_equal(holes[i].start, start);
    assert_int_equal(holes[i].length, length);
    assert_int_equal(holes[i].store, stored);
    assert_int_equal(holes[i].flush, flushed);
    assert_int_equal(holes[i].flushed, flushed != 0);
}

/* There is one hole, and it is this. */
static void assert_one(uint32_t start, uint32_t length, uint32_t stored, uint32_t flushed) {
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 1);
    assert_hole(0, start, length, stored, flushed);
}

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
    struct model_line *line = &page.line[0];
    uint32_t more = UINT32_MAX - 1 - line->n;
    uint32_t *numbers[] = {&line->n,         &line->durable,    &line->flushed,
                           &line->unit[0].n, &line->unit[1].n,  &line->unit[2].n,
                           &line->unit[3].n, &line->flush[0].n, &line->flush[1].n};
    line->durable = 1;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        *numbers[i] += more;
    store(7, 32, 8);
    assert_true(line->n < 8);
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
    model_flush_page(&page, file_drains, 3);
    assert_int_equal(count_holes(0, 8), 1);
    assert_hole(0, 0, 8, 1, 3);
    file_drains++; /* by any thread */
    store(4, 400, 8);
    model_flush_page(&page, file_drains, 5);
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
    model_flush_page(&page, file_drains, 3);
    drain_by(1, 1); /* of another thread: of files that is as good */
    assert_one(200, 8, 2, 0);
    assert_true(holes[0].page_rescued);

    is_page_cache = false;
    store(4, 0, 8);
    flush(5, 0);
    model_flush_page(&page, file_drains, 5);
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

static void test_whole_page(void **state) {
    (void)state;
    const struct model_actor actor = by(3, 1, 1);
    model_store(&page, &actor, 0, MODEL_PAGE_SIZE, true, MODEL_CACHED);
    assert_int_equal(page.touched, UINT64_MAX);
    assert_one(0, MODEL_PAGE_SIZE, 1, 0);
    assert_true(holes[0].continues);
    assert_int_equal(holes[0].thread, 3);
    assert_true(sizeof page <= (size_t)3 * MODEL_PAGE_SIZE); /* the memory that was promised */
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
        cmocka_unit_test_setup(test_persist, fresh),
        cmocka_unit_test_setup(test_redundant_flushes, fresh),
        cmocka_unit_test_setup(test_flushes_of_several, fresh),
        cmocka_unit_test_setup(test_needless_drains, fresh),
        cmocka_unit_test_setup(test_many_tokens, fresh),
        cmocka_unit_test_setup(test_token_without_a_place, fresh),
        cmocka_unit_test_setup(test_token_with_a_new_place, fresh),
        cmocka_unit_test_setup(test_renumbering, fresh),
        cmocka_unit_test_setup(test_pages, fresh),
        cmocka_unit_test_setup(test_actual, fresh),
        cmocka_unit_test_setup(test_bytes_and_runs, fresh),
        cmocka_unit_test_setup(test_whole_page, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
