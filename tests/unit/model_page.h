/* SPDX-License-Identifier: BSD-2-Clause */
/* One page of the model, who acts on it, and what is found in it; for the tests of the model. */
#ifndef UNIT_MODEL_PAGE_H
#define UNIT_MODEL_PAGE_H

#include <string.h>

#include "base/bits.h"
#include "model/model.h"

#define THREADS 4
#define HOLES 64

static struct model_page page;
static struct model_thread threads[THREADS];

/* Open lines; the first place is nobody's. */
static _Alignas(64) struct model_line open_lines[MODEL_PAGE_LINES + 4];
static uint32_t opened;
static struct model_spare spare;

static inline uint32_t make_line(const void *context, uint32_t count) {
    uint32_t first = opened + 1;
    (void)context;
    opened += count;
    assert_true(opened < ARRAY_LENGTH(open_lines));
    return first * (uint32_t)MODEL_LINE_GRAINS;
}

static const struct model_lines lines = {.memory = (unsigned char *)open_lines,
                                         .size = sizeof open_lines,
                                         .make = make_line,
                                         .spare = &spare};
static enum model_judge judge;
static bool is_page_cache;
static uint32_t file_drains;

static struct model_hole holes[HOLES];
static size_t hole_count;

static inline int fresh(void **state) {
    (void)state;
    memset(&page, 0, sizeof page);
    memset(threads, 0, sizeof threads);
    memset(&spare, 0, sizeof spare);
    opened = 0;
    judge = MODEL_JUDGE_STRICT;
    is_page_cache = false;
    file_drains = 0;
    return 0;
}

static inline struct model_actor by(uint32_t thread, uint32_t token, uint32_t stack) {
    return (struct model_actor){.threads = threads,
                                .lines = &lines,
                                .judge = judge,
                                .thread = thread,
                                .token = token,
                                .stack = stack};
}

/* By thread 0 and token 1, unless told otherwise. */
static inline void store(uint32_t stack, uint32_t start, uint32_t length) {
    const struct model_actor actor = by(0, 1, stack);
    model_store(&page, &actor, start, length, false, MODEL_CACHED);
}

static inline void stream(uint32_t stack, uint32_t start, uint32_t length, enum model_way way) {
    const struct model_actor actor = by(0, 1, stack);
    model_store(&page, &actor, start, length, false, way);
    model_note_pending(&actor);
}

static inline enum model_flushed flush_by(uint32_t thread, uint32_t token, uint32_t stack,
                                          uint32_t line) {
    const struct model_actor actor = by(thread, token, stack);
    model_note_pending(&actor);
    return model_flush(&page, &actor, line);
}

static inline enum model_flushed flush(uint32_t stack, uint32_t line) {
    return flush_by(0, 1, stack, line);
}

static inline void drain_by(uint32_t thread, uint32_t token) {
    const struct model_actor actor = by(thread, token, 0);
    model_drain(&actor);
    file_drains++;
}

static inline void drain(void) {
    drain_by(0, 1);
}

static inline void keep_hole(void *context, const struct model_page *where,
                             const struct model_hole *hole) {
    (void)context;
    assert_ptr_equal(where, &page);
    assert_true(hole_count < HOLES);
    holes[hole_count++] = *hole;
}

/* How many holes there are in [start, start + length). */
static inline size_t count_holes(uint32_t start, uint32_t length) {
    const struct model_judging judging = {.threads = threads,
                                          .lines = &lines,
                                          .judge = judge,
                                          .pages = is_page_cache,
                                          .file_drains = file_drains,
                                          .tell = keep_hole};
    hole_count = 0;
    model_judge(&page, &judging, start, length);
    return hole_count;
}

static inline void assert_durable(void) {
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 0);
}

static inline void assert_hole(size_t i, uint32_t start, uint32_t length, uint32_t stored,
                               uint32_t flushed) {
    assert_true(i < hole_count);
    assert_int_equal(holes[i].start, start);
    assert_int_equal(holes[i].length, length);
    assert_int_equal(holes[i].store, stored);
    assert_int_equal(holes[i].flush, flushed);
    assert_int_equal(holes[i].flushed, flushed != 0);
}

/* There is one hole, and it is this. */
static inline void assert_one(uint32_t start, uint32_t length, uint32_t stored, uint32_t flushed) {
    assert_int_equal(count_holes(0, MODEL_PAGE_SIZE), 1);
    assert_hole(0, start, length, stored, flushed);
}

#endif
