/* SPDX-License-Identifier: BSD-2-Clause */
/* model/ against a model that is slow and plain: for each byte who stored it last, and each flush
   that covers it since. What the model tells must be true there; what it does not tell, though it
   is true there, must lie within the bound that MODEL.md admits.

   NVRTL_TEST_SEED=... repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "model/model.h"

#define ROUNDS 1000
#define STEPS 120
#define THREADS 3
#define TOKENS 3
#define LINES 2
#define BYTES (LINES * MODEL_LINE_SIZE)
#define COVERS 512

/* A flush, or a streaming store, that covers a byte. */
struct cover {
    uint32_t thread, token, stack;
    bool drained, drained_other; /* its token, or at least another one, since */
    bool streamed;
};

static struct byte {
    uint32_t stack; /* of the last store; 0: none, or told */
    size_t count;
    struct cover covers[COVERS];
} bytes[BYTES];

/* Flushes of a line that wait, as the model has to remember them: it has two places. */
static struct cover waiting[LINES][COVERS];
static size_t waiting_count[LINES];
static bool crowded[LINES]; /* there were more */

static struct model_page page;
static struct model_thread threads[THREADS];

/* Open lines; the first place is nobody's. */
static _Alignas(64) struct model_line open_lines[LINES + 4];
static uint32_t opened;
static struct model_spare spare;

static uint32_t make_line(const void *context, uint32_t count) {
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
static uint32_t unit_size;     /* stores are whole ones of this size */
static uint32_t steps = STEPS; /* of a round */
static bool closes = true;     /* lines, when they can be */
static uint64_t seed, missed, told;

/* xorshift64* */
static uint32_t random_below(uint32_t limit) {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % limit;
}

static bool done(const struct cover *cover) {
    return cover->drained || (judge == MODEL_JUDGE_MEMORY && cover->drained_other);
}

static bool is_durable(const struct byte *byte) {
    for (size_t i = 0; i < byte->count; i++) {
        if (done(&byte->covers[i]))
            return true;
    }
    return false;
}

static void add_cover(struct byte *byte, const struct cover *cover) {
    if (byte->stack == 0)
        return;
    assert_true(byte->count < COVERS);
    byte->covers[byte->count++] = *cover;
}

/* Would the model find a place for it? */
static void note(uint32_t line, const struct cover *cover) {
    size_t kept = 0;
    bool known = false;
    for (size_t i = 0; i < waiting_count[line]; i++) {
        const struct cover *other = &waiting[line][i];
        bool same = other->thread == cover->thread && other->token == cover->token &&
                    other->streamed == cover->streamed;
        if (done(other))
            continue;
        known = known || same;
        waiting[line][kept++] = *other;
    }
    waiting_count[line] = kept;
    if (known)
        return;
    crowded[line] = crowded[line] || kept >= 2;
    assert_true(kept < COVERS);
    waiting[line][waiting_count[line]++] = *cover;
}

static struct model_actor actor_of(uint32_t thread, uint32_t token, uint32_t stack) {
    return (struct model_actor){.threads = threads,
                                .lines = &lines,
                                .judge = judge,
                                .thread = thread,
                                .token = token,
                                .stack = stack};
}

static void do_store(uint32_t stack, uint32_t thread, uint32_t token) {
    const struct model_actor actor = actor_of(thread, token, stack);
    const struct cover whole = {.thread = thread, .token = token, .stack = stack};
    struct cover self = whole;
    uint32_t start = random_below(BYTES / unit_size) * unit_size;
    uint32_t units = 1 + random_below(random_below(4) == 0 ? BYTES / unit_size : 3);
    uint32_t length = units * unit_size < BYTES - start ? units * unit_size : BYTES - start;
    uint32_t last = (start + length - 1) / MODEL_LINE_SIZE;
    enum model_way way = (enum model_way)random_below(3);
    self.streamed = true;
    model_store(&page, &actor, start, length, false, way);
    for (uint32_t l = start / MODEL_LINE_SIZE; way != MODEL_CACHED && l <= last; l++) {
        note(l, &self);
        if (way == MODEL_PERSIST)
            note(l, &whole); /* it is noted as either */
    }
    for (uint32_t i = start; i < start + length; i++) {
        bytes[i].stack = stack;
        bytes[i].count = 0;
        if (way != MODEL_CACHED)
            add_cover(&bytes[i], &self);
    }
}

static void do_flush(uint32_t stack, uint32_t thread, uint32_t token) {
    const struct model_actor actor = actor_of(thread, token, stack);
    const struct cover cover = {.thread = thread, .token = token, .stack = stack};
    uint32_t line = random_below(LINES);
    model_flush(&page, &actor, line);
    note(line, &cover);
    for (uint32_t i = line * MODEL_LINE_SIZE; i < (line + 1) * MODEL_LINE_SIZE; i++)
        add_cover(&bytes[i], &cover);
}

static void mark(struct cover *covers, size_t count, uint32_t thread, uint32_t token) {
    for (size_t i = 0; i < count; i++) {
        bool own = covers[i].thread == thread;
        covers[i].drained |= own && (token == 0 || covers[i].token == token);
        covers[i].drained_other |= own;
    }
}

static void do_drain(uint32_t thread, uint32_t token) {
    const struct model_actor actor = actor_of(thread, token, 0);
    model_drain(&actor);
    for (size_t i = 0; i < BYTES; i++)
        mark(bytes[i].covers, bytes[i].count, thread, token);
    for (size_t l = 0; l < LINES; l++)
        mark(waiting[l], waiting_count[l], thread, token);
    for (uint32_t l = 0; l < LINES && closes; l++)
        model_close(&page, &actor, l, false);
}

/* Is it one of the flushes that cover the byte? */
static bool blames_one(const struct byte *byte, uint32_t flush) {
    for (size_t i = 0; i < byte->count; i++) {
        if (byte->covers[i].stack == flush)
            return true;
    }
    return false;
}

static void check_hole(void *context, const struct model_page *where,
                       const struct model_hole *hole) {
    bool *seen = context;
    (void)where;
    for (uint32_t i = hole->start; i < hole->start + hole->length; i++) {
        const struct byte *byte = &bytes[i];
        bool rescued = false;
        assert_false(seen[i]);
        seen[i] = true;
        assert_true(byte->stack != 0);
        assert_false(is_durable(byte));
        assert_int_equal(hole->flushed, byte->count != 0);
        if (unit_size == MODEL_UNIT_SIZE) {
            assert_int_equal(hole->store, byte->stack);
            assert_true(!hole->flushed || blames_one(byte, hole->flush));
        }
        for (size_t k = 0; k < byte->count; k++)
            rescued = rescued || byte->covers[k].drained_other;
        assert_true(!hole->token_rescued || rescued);
    }
}

/* Judges a stretch; exact: what is not told may not be missing. */
static void do_judge(uint32_t start, uint32_t length) {
    bool seen[MODEL_PAGE_SIZE] = {false};
    const struct model_judging judging = {
        .threads = threads, .lines = &lines, .judge = judge, .tell = check_hole, .context = seen};
    model_judge(&page, &judging, start, length);
    for (uint32_t i = 0; i < BYTES; i++) {
        bool inside = i >= start && i < start + length;
        assert_true(inside || !seen[i]);
        bool hole = inside && bytes[i].stack != 0 && !is_durable(&bytes[i]);
        if (hole && !seen[i]) {
            missed++;
            assert_true(unit_size != MODEL_UNIT_SIZE || crowded[i / MODEL_LINE_SIZE]);
        }
        told += seen[i];
        if (inside)
            bytes[i].stack = 0; /* each is told once */
    }
}

static void step(uint32_t stack) {
    uint32_t thread = random_below(THREADS), token = 1 + random_below(TOKENS);
    switch (random_below(8)) {
    case 0:
    case 1:
    case 2:
        do_store(stack, thread, token);
        break;
    case 3:
    case 4:
        do_flush(stack, thread, token);
        break;
    case 5:
    case 6:
        do_drain(thread, random_below(8) == 0 ? 0 : token);
        break;
    default:
        if (random_below(8) == 0) {
            uint32_t start = random_below(BYTES / unit_size) * unit_size;
            do_judge(start, unit_size * (1 + random_below((BYTES - start) / unit_size)));
        }
    }
}

static void run(enum model_judge by, uint32_t size, uint32_t drains) {
    const char *wish = getenv("NVRTL_TEST_SEED");
    seed = wish != NULL ? strtoull(wish, NULL, 0) : UINT64_C(0x6e7672746c);
    judge = by;
    unit_size = size;
    missed = told = 0;
    print_message("NVRTL_TEST_SEED=%#llx\n", (unsigned long long)seed);
    for (uint32_t round = 0; round < ROUNDS * STEPS / steps; round++) {
        memset(&page, 0, sizeof page);
        memset(threads, 0, sizeof threads);
        memset(&spare, 0, sizeof spare);
        opened = 0;
        memset(bytes, 0, sizeof bytes);
        memset(waiting_count, 0, sizeof waiting_count);
        memset(crowded, 0, sizeof crowded);
        for (size_t i = 0; i < THREADS; i++)
            threads[i].drains = threads[i].every = threads[i].evicted = drains;
        for (uint32_t i = 1; i <= steps; i++)
            step(i);
        do_judge(0, BYTES);
    }
    print_message("%llu bytes told, %llu missed\n", (unsigned long long)told,
                  (unsigned long long)missed);
    assert_true(missed < told);
}

static void test_strict(void **state) {
    (void)state;
    run(MODEL_JUDGE_STRICT, MODEL_UNIT_SIZE, 0);
}

static void test_memory(void **state) {
    (void)state;
    run(MODEL_JUDGE_MEMORY, MODEL_UNIT_SIZE, 0);
}

static void test_bytes(void **state) {
    (void)state;
    run(MODEL_JUDGE_STRICT, 1, 0);
    run(MODEL_JUDGE_MEMORY, 1, 0);
}

/* The numbers of drains wrap within a round. */
static void test_wrap(void **state) {
    (void)state;
    run(MODEL_JUDGE_STRICT, MODEL_UNIT_SIZE, UINT32_MAX - 8);
}

/* The numbers of stores begin anew within a round. */
static void test_renumbering(void **state) {
    (void)state;
    steps = 20 * STEPS;
    closes = false;
    run(MODEL_JUDGE_STRICT, MODEL_UNIT_SIZE, 0);
    run(MODEL_JUDGE_MEMORY, 1, 0);
    steps = STEPS;
    closes = true;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),      cmocka_unit_test(test_memory),
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_renumbering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
