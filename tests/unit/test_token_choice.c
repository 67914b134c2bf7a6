/* SPDX-License-Identifier: BSD-2-Clause */
/* token/: what the environment may change, and what a token will do: every domain with every subset
   of the CPU's features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "event/event.h"
#include "observe/observe.h"
#include "token/table.h"

static enum map_domain true_domain;

enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region);
enum result __wrap_map_probe(const struct map_system *system, uintptr_t address, size_t length,
                             struct map_region *region) {
    (void)system;
    region->answer.domain = true_domain;
    strcpy(region->answer.reason, "made up");
    region->segments[0] = (struct event_segment){address, length, 0};
    region->segment_count = 1;
    return RESULT_OK;
}

static void test_words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool has_domain, raise;
        enum map_domain domain;
    } cases[] = {
        {"volatile", true, false, MAP_DOMAIN_VOLATILE},
        {"page-cache", true, false, MAP_DOMAIN_PAGE_CACHE},
        {"memory", true, false, MAP_DOMAIN_MEMORY},
        {"cpu-cache", true, false, MAP_DOMAIN_CPU_CACHE},
        {"volatile!", true, true, MAP_DOMAIN_VOLATILE},
        {"page-cache!", true, true, MAP_DOMAIN_PAGE_CACHE},
        {"memory!", true, true, MAP_DOMAIN_MEMORY},
        {"cpu-cache!", true, true, MAP_DOMAIN_CPU_CACHE},
        /* What is not understood must not make memory look more durable than it is. */
        {NULL, false, false, 0},
        {"", false, false, 0},
        {"!", false, false, 0},
        {"memory!!", false, false, 0},
        {"memory ", false, false, 0},
        {" memory!", false, false, 0},
        {"MEMORY!", false, false, 0},
        {"mem!", false, false, 0},
        {"memory!cpu-cache!", false, false, 0},
        {"3!", false, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct token_settings settings = token_settings_parse(cases[i].text);
        assert_int_equal(settings.has_domain, cases[i].has_domain);
        assert_int_equal(settings.raise, cases[i].raise);
        if (settings.has_domain)
            assert_int_equal(settings.domain, cases[i].domain);
    }
}

/* A domain is lowered by its name, raised with a "!" alone, and the reason says so. */
static void test_override(void **state) {
    (void)state;
    static const char *const words[] = {"volatile", "page-cache", "memory", "cpu-cache"};
    for (unsigned i = 0; i < 4 * 4 * 2; i++) {
        unsigned truth = i % 4, wish = i / 4 % 4;
        bool loud = i / 16 != 0;
        char word[32];
        strcpy(word, words[wish]);
        strcat(word, loud ? "!" : "");
        struct token_settings settings = token_settings_parse(word);
        struct map_answer answer = {.domain = (enum map_domain)truth, .reason = "made up"};
        bool changed = token_settings_apply(&settings, &answer);
        assert_int_equal(changed, wish < truth || (wish > truth && loud));
        assert_int_equal(answer.domain, changed ? wish : truth);
        assert_non_null(strstr(answer.reason, "made up"));
        assert_int_equal(strcmp(answer.reason, "made up") == 0, wish == truth);
        assert_int_equal(strstr(answer.reason, "NVRTL_DOMAIN") != NULL, wish != truth);
        if (changed && wish > truth)
            assert_non_null(strstr(answer.reason, "raised"));
    }
    struct token_settings none = token_settings_parse(NULL);
    struct map_answer answer = {.domain = MAP_DOMAIN_PAGE_CACHE, .reason = "made up"};
    assert_false(token_settings_apply(&none, &answer));
    assert_string_equal(answer.reason, "made up");
}

/* A reason of any length stays a string that begins with what was changed. */
static void test_long_reason(void **state) {
    (void)state;
    struct token_settings settings = token_settings_parse("volatile");
    for (size_t length = 0; length < MAP_REASON_SIZE; length++) {
        struct {
            struct map_answer answer;
            char behind[8];
        } it = {.answer.domain = MAP_DOMAIN_MEMORY, .behind = "behind"};
        memset(it.answer.path, 'p', sizeof it.answer.path);
        memset(it.answer.reason, 'x', length);
        assert_true(token_settings_apply(&settings, &it.answer));
        size_t now = strnlen(it.answer.reason, MAP_REASON_SIZE);
        assert_true(now < MAP_REASON_SIZE);
        assert_int_equal(strncmp(it.answer.reason, "NVRTL_DOMAIN lowered", 20), 0);
        size_t kept = 0;
        while (now > 0 && it.answer.reason[now - 1] == 'x')
            now--, kept++;
        assert_true(kept == length || now + kept == MAP_REASON_SIZE - 1);
        assert_int_equal(it.answer.path[0], 'p');
        assert_string_equal(it.behind, "behind");
    }
}

/* The strongest flush that a subset of the features allows. */
static enum isa_flush best_flush(uint32_t features) {
    return features & ISA_CLWB         ? ISA_FLUSH_CLWB
           : features & ISA_CLFLUSHOPT ? ISA_FLUSH_CLFLUSHOPT
           : features & ISA_CLFLUSH    ? ISA_FLUSH_CLFLUSH
                                       : ISA_FLUSH_NONE;
}

static void check_operations(enum map_domain domain, uint32_t features,
                             const struct token_operations *operations) {
    bool lines = domain == MAP_DOMAIN_MEMORY || domain == MAP_DOMAIN_VOLATILE;
    bool past_cache = domain != MAP_DOMAIN_PAGE_CACHE;
    assert_int_equal(operations->domain, domain);
    assert_int_equal(operations->flush, lines ? best_flush(features) : ISA_FLUSH_NONE);
    assert_int_equal((operations->flags & TOKEN_STREAM) != 0, past_cache && features & ISA_SSE2);
    assert_int_equal(operations->flags & (TOKEN_INTERNAL | TOKEN_EVERY | TOKEN_OVERRIDDEN), 0);
}

/* Nothing is run here, so the features need not be those of this CPU. */
static void test_operations(void **state) {
    (void)state;
    const uint32_t every = ISA_CLFLUSH | ISA_CLFLUSHOPT | ISA_CLWB | ISA_SSE2 | ISA_MOVDIRI |
                           ISA_MOVDIR64B | ISA_CLZERO | ISA_AVX2 | ISA_AVX512F | ISA_EVICTS;
    struct event event = {.kind = EVENT_GET, .address = 0x1000, .length = 1};
    assert_int_equal(token_make(&event, 0), RESULT_OK);
    token_table.settings = token_settings_parse(NULL);
    for (uint32_t features = 0; features <= every; features++) {
        for (unsigned shift = 4; shift < 9; shift++) {
            true_domain = (enum map_domain)((features + shift) % 4);
            token_table.choice = isa_choose(features, 1u << shift, NULL, NULL);
            event.token = 0;
            enum result result = token_make(&event, 0);
            if (true_domain == MAP_DOMAIN_MEMORY && best_flush(features) == ISA_FLUSH_NONE) {
                /* A flush that does nothing would be a lie. */
                assert_int_equal(result, RESULT_NOT_SUPPORTED);
                assert_int_equal(event.token, 0);
                continue;
            }
            struct token_view view;
            assert_int_equal(result, RESULT_OK);
            assert_true(token_find(event.token, &view));
            assert_int_equal(view.operations.line_shift, shift);
            check_operations(true_domain, features, &view.operations);
            assert_int_equal(token_free(&event), RESULT_OK);
        }
    }
}

static void ignore(const struct event *event) {
    (void)event;
}

static bool has_short_way(void) {
    struct event event = {.kind = EVENT_GET, .address = 0x1000, .length = 64};
    assert_int_equal(token_make(&event, 0), RESULT_OK);
    bool has = token_quick(TOKEN_KEY_STORES, event.token, event.address, 8);
    assert_int_equal(token_free(&event), RESULT_OK);
    assert_false(token_quick(TOKEN_KEY_STORES, event.token, event.address, 8));
    return has;
}

/* A short way tells nobody: a token has one only where it is certain that nobody listens, which it
   is not before a verifier was looked for. */
static void test_short_way(void **state) {
    (void)state;
    true_domain = MAP_DOMAIN_VOLATILE;
    assert_false(has_short_way());
    observe_attach();
    assert_true(has_short_way());
    atomic_store(&observe_current, ignore);
    assert_false(has_short_way());
    atomic_store(&observe_current, NULL);
    assert_true(has_short_way());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),       cmocka_unit_test(test_override),
        cmocka_unit_test(test_long_reason), cmocka_unit_test(test_operations),
        cmocka_unit_test(test_short_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
