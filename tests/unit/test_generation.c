/* SPDX-License-Identifier: BSD-2-Clause */
/* The contents that a power cut may leave: each rule of the model by a small case that states its
   images, and random histories against a machine that is written separately and slowly, in
   generation_machine.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "generation_machine.h"
#include "model/generation.h"

enum { CONTENTS_MAX = 1 << 14 };

/* A set of contents of one line. */
struct contents {
    size_t count;
    uint8_t bytes[CONTENTS_MAX][MODEL_LINE_SIZE];
};

static void add(struct contents *contents, const uint8_t bytes[MODEL_LINE_SIZE]) {
    assert_true(contents->count < CONTENTS_MAX);
    memcpy(contents->bytes[contents->count++], bytes, MODEL_LINE_SIZE);
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, MODEL_LINE_SIZE);
}

static void sort(struct contents *contents) {
    size_t kept = 0;
    qsort(contents->bytes, contents->count, MODEL_LINE_SIZE, compare);
    for (size_t i = 0; i < contents->count; i++) {
        if (kept == 0 || compare(contents->bytes[i], contents->bytes[kept - 1]) != 0)
            memmove(contents->bytes[kept++], contents->bytes[i], MODEL_LINE_SIZE);
    }
    contents->count = kept;
}

struct collecting {
    const struct generation_line *line;
    struct contents *contents;
};

static void collect(void *context, struct generation_choice choice) {
    const struct collecting *collecting = context;
    uint8_t bytes[MODEL_LINE_SIZE];
    generation_content(collecting->line, choice, bytes);
    add(collecting->contents, bytes);
}

static const struct generation_line *line_at(const struct generation *generation, uint32_t file,
                                             uint64_t offset) {
    for (size_t i = 0; i < generation_line_count(generation); i++) {
        const struct generation_line *line = generation_line(generation, i);
        if (line->file == file && line->offset == offset)
            return line;
    }
    return NULL;
}

static void contents_of(const struct generation *generation, uint64_t offset,
                        struct contents *contents) {
    const uint8_t zeros[MODEL_LINE_SIZE] = {0};
    const struct generation_line *line = line_at(generation, 0, offset);
    struct collecting collecting = {line, contents};
    contents->count = 0;
    if (line != NULL)
        generation_each(line, collect, &collecting);
    else
        add(contents, zeros);
    sort(contents);
}

/* Small cases. A line is written as 8 letters, one a unit; '.' is a unit of zeros. A step is an
   operation, a thread, an offset, a length; it stores its letter in every byte. */
struct step {
    enum { STORE, STREAM, DIRECT, UNSEEN, FLUSH, DRAIN, SETTLE } does;
    uint32_t thread;
    uint64_t offset, length;
    char letter;
};

static void perform(struct generation *generation, const struct step *step) {
    static const enum generation_kind kinds[] = {GENERATION_CACHED, GENERATION_STREAM,
                                                 GENERATION_DIRECT, GENERATION_UNSEEN};
    uint8_t bytes[2 * MODEL_PAGE_SIZE];
    memset(bytes, step->letter, sizeof bytes);
    if (step->does == FLUSH)
        generation_flush(generation, step->thread, 0, step->offset, step->length);
    else if (step->does == DRAIN)
        generation_drain(generation, step->thread);
    else if (step->does == SETTLE)
        generation_settle(generation, 0, step->offset, step->length);
    else
        generation_store(generation, &(struct generation_store){.thread = step->thread,
                                                                .kind = kinds[step->does],
                                                                .offset = step->offset,
                                                                .length = step->length,
                                                                .bytes = bytes});
}

/* Holds the images of the line at offset 0 against those that words names, with spaces between. */
static void check_line(const struct generation *generation, const char *words) {
    static struct contents found, expected;
    contents_of(generation, 0, &found);
    expected.count = 0;
    for (const char *word = words; *word != '\0'; word += word[8] == ' ' ? 9 : 8) {
        uint8_t bytes[MODEL_LINE_SIZE];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = word[i / 8] == '.' ? 0 : (uint8_t)word[i / 8];
        add(&expected, bytes);
    }
    sort(&expected);
    assert_int_equal(found.count, expected.count);
    assert_memory_equal(found.bytes, expected.bytes, found.count * MODEL_LINE_SIZE);
}

static void check(enum generation_model model, const char *words, size_t count,
                  const struct step *steps) {
    struct generation *generation = generation_new(model);
    assert_non_null(generation);
    for (size_t i = 0; i < count; i++)
        perform(generation, &steps[i]);
    assert_false(generation_failed(generation));
    check_line(generation, words);
    generation_free(generation);
}
#define CHECK(model, words, ...)                                                                   \
    check(model, words, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step),          \
          (const struct step[]){__VA_ARGS__})

static void test_a_line_keeps_its_order(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "........ a....... ab......", {STORE, 0, 0, 8, 'a'},
          {STORE, 0, 8, 8, 'b'});
    CHECK(GENERATION_X86, "........ a....... b.......", {STORE, 0, 0, 8, 'a'},
          {STORE, 1, 0, 8, 'b'});
}

static void test_a_copy_is_torn_at_words(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "........ a....... .a...... aa......", {STORE, 0, 0, 16, 'a'});
    CHECK(GENERATION_X86, "........ a....... .a...... aa...... aab.....", {STORE, 0, 0, 16, 'a'},
          {STORE, 0, 16, 8, 'b'});
}

static void test_a_store_across_a_boundary_is_torn(void **state) {
    static struct contents contents;
    struct generation *generation = generation_new(GENERATION_X86);
    (void)state;
    perform(generation, &(struct step){STORE, 0, 6, 4, 'a'});
    contents_of(generation, 0, &contents);
    assert_int_equal(contents.count, 4);
    generation_free(generation);
    generation = generation_new(GENERATION_X86);
    perform(generation, &(struct step){STORE, 0, 9, 5, 'a'});
    contents_of(generation, 0, &contents);
    assert_int_equal(contents.count, 2);
    generation_free(generation);
}

static void test_lines_are_independent(void **state) {
    static struct contents contents;
    struct generation *generation = generation_new(GENERATION_X86);
    (void)state;
    perform(generation, &(struct step){STORE, 0, 56, 16, 'a'});
    check_line(generation, "........ .......a");
    contents_of(generation, 64, &contents);
    assert_int_equal(contents.count, 2);
    generation_free(generation);
}

static void test_flush_and_drain_guarantee(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "........ a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 0, 1, 0});
    CHECK(GENERATION_X86, "........ a.......", {STORE, 0, 0, 8, 'a'}, {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_X86, "a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 0, 1, 0},
          {DRAIN, 0, 0, 0, 0});
    /* What came after the flush is not drained with it. */
    CHECK(GENERATION_X86, "a....... ab......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 8, 8, 0},
          {STORE, 0, 8, 8, 'b'}, {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_X86, "........ a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 64, 8, 0},
          {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_X86, "a.......", {STORE, 0, 0, 8, 'a'}, {SETTLE, 0, 0, 8, 0});
}

static void test_a_drain_is_its_threads_own(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "........ a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 0, 8, 0},
          {DRAIN, 1, 0, 0, 0});
    CHECK(GENERATION_X86, "a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 1, 0, 8, 0},
          {DRAIN, 1, 0, 0, 0});
    /* One drain has emptied the notes: the next guarantees nothing new. */
    CHECK(GENERATION_X86, "a....... b.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 0, 8, 0},
          {DRAIN, 0, 0, 0, 0}, {STORE, 0, 0, 8, 'b'}, {DRAIN, 0, 0, 0, 0});
}

static void test_streaming_stores_are_noted_and_join(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "a.......", {STREAM, 0, 0, 8, 'a'}, {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_X86, "........ a.......", {STREAM, 0, 0, 8, 'a'}, {DRAIN, 1, 0, 0, 0});
    /* What stands before it in the line comes along. */
    CHECK(GENERATION_X86, "ab......", {STORE, 0, 0, 8, 'a'}, {STREAM, 0, 8, 8, 'b'},
          {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_X86, "........ a....... .b...... ab......", {STREAM, 0, 0, 8, 'a'},
          {STREAM, 0, 8, 8, 'b'});
    CHECK(GENERATION_X86, "........ a....... .b...... ab......", {DIRECT, 0, 0, 8, 'a'},
          {FLUSH, 0, 0, 64, 0}, {DIRECT, 0, 8, 8, 'b'});
}

static void test_what_does_not_join(void **state) {
    (void)state;
    /* The same 8 bytes, another kind, another thread, another store between, a drain between. */
    CHECK(GENERATION_X86, "........ a....... b.......", {STREAM, 0, 0, 8, 'a'},
          {STREAM, 0, 0, 8, 'b'});
    CHECK(GENERATION_X86, "........ a....... ab......", {STREAM, 0, 0, 8, 'a'},
          {DIRECT, 0, 8, 8, 'b'});
    CHECK(GENERATION_X86, "........ a....... ab......", {STREAM, 0, 0, 8, 'a'},
          {STREAM, 1, 8, 8, 'b'});
    CHECK(GENERATION_X86, "........ a....... a.c..... abc.....", {STREAM, 0, 0, 8, 'a'},
          {STORE, 1, 16, 8, 'c'}, {STREAM, 0, 8, 8, 'b'});
    CHECK(GENERATION_X86, "ab...... ab.c.... ab..d... ab.cd...", {STORE, 0, 0, 8, 'a'},
          {STREAM, 0, 8, 8, 'b'}, {DRAIN, 0, 0, 0, 0}, {STREAM, 0, 24, 8, 'c'},
          {STREAM, 0, 32, 8, 'd'});
    /* What was drained is out of the generation, so the same bytes may be stored again. */
    CHECK(GENERATION_X86, "a....... ab...... c....... cb......", {STREAM, 0, 0, 8, 'a'},
          {DRAIN, 0, 0, 0, 0}, {STREAM, 0, 8, 8, 'b'}, {STREAM, 0, 0, 8, 'c'});
}

/* Another thread makes one half of a joined generation durable. */
static void test_a_generation_half_guaranteed(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "a....... ab......", {STREAM, 0, 0, 8, 'a'}, {FLUSH, 1, 0, 8, 0},
          {DRAIN, 1, 0, 0, 0}, {STREAM, 0, 8, 8, 'b'});
    CHECK(GENERATION_X86, "a....... ab...... a.c..... abc.....", {STREAM, 0, 0, 8, 'a'},
          {FLUSH, 1, 0, 8, 0}, {STREAM, 0, 8, 8, 'b'}, {STREAM, 0, 16, 8, 'c'},
          {DRAIN, 1, 0, 0, 0});
}

static void test_unseen_stores_stay_together(void **state) {
    (void)state;
    CHECK(GENERATION_X86, "........ aaaa....", {UNSEEN, 0, 0, 32, 'a'});
    CHECK(GENERATION_X86, "........ aaaa.... baaa....", {UNSEEN, 0, 0, 32, 'a'},
          {STORE, 0, 0, 8, 'b'});
}

static void test_eadr(void **state) {
    (void)state;
    CHECK(GENERATION_EADR, "a.......", {STORE, 0, 0, 8, 'a'});
    CHECK(GENERATION_EADR, "a....... ab......", {STORE, 0, 0, 8, 'a'}, {STREAM, 0, 8, 8, 'b'});
    CHECK(GENERATION_EADR, "ab......", {STORE, 0, 0, 8, 'a'}, {STREAM, 0, 8, 8, 'b'},
          {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_EADR, "bc......", {STREAM, 0, 0, 8, 'b'}, {STORE, 1, 8, 8, 'c'});
}

static void test_pages(void **state) {
    (void)state;
    CHECK(GENERATION_PAGE, "........ a.......", {STORE, 0, 0, 8, 'a'}, {DRAIN, 0, 0, 0, 0});
    CHECK(GENERATION_PAGE, "........ a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 0, 4096, 8, 0},
          {DRAIN, 0, 0, 0, 0});
    /* The whole page, for all threads, as it is when the wait begins. */
    CHECK(GENERATION_PAGE, "a.......", {STORE, 0, 0, 8, 'a'}, {FLUSH, 1, 4000, 8, 0},
          {DRAIN, 2, 0, 0, 0});
    CHECK(GENERATION_PAGE, "ab......", {FLUSH, 0, 64, 8, 0}, {STORE, 0, 0, 8, 'a'},
          {STORE, 1, 8, 8, 'b'}, {DRAIN, 0, 0, 0, 0});
}

static void test_base_and_guaranteed(void **state) {
    uint8_t base[2 * MODEL_LINE_SIZE];
    struct generation *generation = generation_new(GENERATION_X86);
    (void)state;
    memset(base, 'x', sizeof base);
    generation_base(generation, 0, 0, base, sizeof base);
    check_line(generation, "xxxxxxxx");
    perform(generation, &(struct step){STORE, 0, 8, 8, 'a'});
    generation_base(generation, 0, 0, (const uint8_t[MODEL_LINE_SIZE]){0}, MODEL_LINE_SIZE);
    check_line(generation, "xxxxxxxx xaxxxxxx");
    assert_true(generation_guaranteed(generation, 0, 0, 8));
    assert_false(generation_guaranteed(generation, 0, 0, 9));
    assert_true(generation_guaranteed(generation, 0, 16, UINT64_MAX));
    assert_true(generation_guaranteed(generation, 1, 0, 64));
    generation_free(generation);
}

/* A counter that nobody flushes takes bounded memory, and keeps its last values possible. */
static void test_memory_is_bounded(void **state) {
    struct generation *generation = generation_new(GENERATION_X86);
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        generation_store(generation, &(struct generation_store){.length = 8, .bytes = &i});
    const struct generation_line *line = generation_line(generation, 0);
    assert_true(line->count < 5000 && line->count > 0);
    uint8_t bytes[MODEL_LINE_SIZE];
    uint64_t last = 0;
    generation_content(line, generation_fullest(line), bytes);
    memcpy(&last, bytes, sizeof last);
    assert_int_equal(last, 99999);
    generation_free(generation);
}

/* Random histories. */
static void random_event(struct generation *generation, struct machine *machine,
                         struct chance *chance) {
    static const enum generation_kind kinds[] = {GENERATION_CACHED, GENERATION_CACHED,
                                                 GENERATION_STREAM, GENERATION_STREAM,
                                                 GENERATION_DIRECT, GENERATION_UNSEEN};
    static const uint64_t anchors[] = {0, 0, 64, 4032};
    const struct generation_store store = {
        .thread = (uint32_t)chance_below(chance, 2),
        .kind = kinds[chance_below(chance, 6)],
        .offset = anchors[chance_below(chance, 4)] + chance_below(chance, 64),
        .length = 1 + chance_below(chance, chance_below(chance, 2) ? 8 : 40),
    };
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)chance_next(chance);
    struct generation_store told = store;
    told.bytes = bytes;
    switch (chance_below(chance, 8)) {
    case 0:
    case 1:
        machine_flush(machine, store.thread, store.offset, store.length);
        generation_flush(generation, store.thread, 0, store.offset, store.length);
        break;
    case 2:
        machine_drain(machine, store.thread);
        generation_drain(generation, store.thread);
        break;
    default:
        if (machine_store(machine, &told))
            generation_store(generation, &told);
    }
}

static void collect_machine(void *context, const uint8_t bytes[MODEL_LINE_SIZE]) {
    add(context, bytes);
}

/* Every random choice lies in the set, and all of a small set are met. */
static void check_random(const struct generation_line *line, const struct contents *contents,
                         struct chance *chance) {
    uint8_t bytes[MODEL_LINE_SIZE];
    static bool met[CONTENTS_MAX];
    size_t missing = contents->count;
    memset(met, 0, sizeof met);
    for (size_t i = 0; i < 4000 && missing != 0; i++) {
        generation_content(line, generation_random(line, chance), bytes);
        const uint8_t(*found)[MODEL_LINE_SIZE] =
            bsearch(bytes, contents->bytes, contents->count, MODEL_LINE_SIZE, compare);
        assert_non_null(found);
        missing -= !met[found - contents->bytes];
        met[found - contents->bytes] = true;
    }
    if (contents->count <= 16)
        assert_int_equal(missing, 0);
}

static void test_random_histories(void **state) {
    static struct contents found, expected;
    static struct machine machine;
    const char *setting = getenv("NVRTL_TEST_SEED");
    uint64_t seed = setting != NULL ? strtoull(setting, NULL, 10) : 1, images = 0;
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < 30000; round++) {
        struct chance chance = chance_seeded(seed, round);
        enum generation_model model = (enum generation_model)(round % 3);
        struct generation *generation = generation_new(model);
        machine_start(&machine, model);
        for (uint64_t events = 1 + chance_below(&chance, 14); events != 0; events--)
            random_event(generation, &machine, &chance);
        for (uint64_t offset = 0; offset < MACHINE_SIZE; offset += MODEL_LINE_SIZE) {
            const struct generation_line *line = line_at(generation, 0, offset);
            if (line == NULL && machine_is_untouched(&machine, offset))
                continue;
            contents_of(generation, offset, &found);
            expected.count = 0;
            machine_images(&machine, offset, collect_machine, &expected);
            sort(&expected);
            if (found.count != expected.count ||
                memcmp(found.bytes, expected.bytes, found.count * MODEL_LINE_SIZE) != 0)
                fail_msg("seed %llu, round %llu, line %llu: %zu images, not %zu",
                         (unsigned long long)seed, (unsigned long long)round,
                         (unsigned long long)offset, found.count, expected.count);
            images += found.count;
            if (line != NULL)
                check_random(line, &found, &chance);
        }
        generation_free(generation);
    }
    printf("%llu images of lines\n", (unsigned long long)images);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_keeps_its_order),
        cmocka_unit_test(test_a_copy_is_torn_at_words),
        cmocka_unit_test(test_a_store_across_a_boundary_is_torn),
        cmocka_unit_test(test_lines_are_independent),
        cmocka_unit_test(test_flush_and_drain_guarantee),
        cmocka_unit_test(test_a_drain_is_its_threads_own),
        cmocka_unit_test(test_streaming_stores_are_noted_and_join),
        cmocka_unit_test(test_what_does_not_join),
        cmocka_unit_test(test_a_generation_half_guaranteed),
        cmocka_unit_test(test_unseen_stores_stay_together),
        cmocka_unit_test(test_eadr),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_base_and_guaranteed),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
