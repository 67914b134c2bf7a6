/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings from the environment. Input: the domain told by the system, features of the CPU, the
   reason, and the values of NVRTL_DOMAIN, NVRTL_FLUSH and NVRTL_STORES, each up to a byte 0. */
#include "fuzz.h"
#include "isa/isa.h"
#include "token/settings.h"

/* The domain that a word names, or -1. */
static int domain_of(const char *word, bool *raise) {
    static const char *const words[][2] = {{"volatile", "volatile!"},
                                           {"page-cache", "page-cache!"},
                                           {"memory", "memory!"},
                                           {"cpu-cache", "cpu-cache!"}};
    for (int i = 0; i < 4; i++) {
        *raise = strcmp(word, words[i][1]) == 0;
        if (*raise || strcmp(word, words[i][0]) == 0)
            return i;
    }
    return -1;
}

static void check_domain(const char *setting, enum map_domain told, const char *reason) {
    bool raise;
    int named = domain_of(setting, &raise);
    struct token_settings settings = token_settings_parse(setting);
    FUZZ_CHECK(settings.has_domain == (named >= 0));
    FUZZ_CHECK(named < 0 || (settings.domain == (enum map_domain)named && settings.raise == raise));

    struct map_answer answer = {.domain = told};
    snprintf(answer.reason, sizeof answer.reason, "%s", reason);
    char before[MAP_REASON_SIZE];
    memcpy(before, answer.reason, sizeof before);
    bool changed = token_settings_apply(&settings, &answer);
    /* Nothing is ever raised without the "!". */
    bool allowed = named >= 0 && (raise || (enum map_domain)named < told);
    FUZZ_CHECK(answer.domain == (allowed ? (enum map_domain)named : told));
    FUZZ_CHECK(changed == (answer.domain != told));
    FUZZ_CHECK(strnlen(answer.reason, sizeof answer.reason) < sizeof answer.reason);
    /* A setting that does something, or is not obeyed, is told of; the reason goes on behind it. */
    bool silent = named < 0 || (enum map_domain)named == told;
    FUZZ_CHECK(silent == (strcmp(answer.reason, before) == 0));
    FUZZ_CHECK(silent || strncmp(answer.reason, "NVRTL_DOMAIN ", 13) == 0);
    const char *rest = strstr(answer.reason, "; ");
    FUZZ_CHECK(silent || strncmp(rest + 2, before, strlen(rest + 2)) == 0);
}

static void check_flush(const struct isa_choice *choice, uint32_t features, const char *setting) {
    static const uint32_t needed[] = {0, ISA_CLFLUSH, ISA_CLFLUSHOPT, ISA_CLWB};
    static const char *const names[] = {"none", "clflush", "clflushopt", "clwb"};
    unsigned best = 0, wished = 0;
    for (unsigned i = 1; i < 4; i++) {
        best = features & needed[i] ? i : best;
        wished = (features & needed[i]) && strcmp(setting, names[i]) == 0 ? i : wished;
    }
    FUZZ_CHECK((unsigned)choice->flush == (wished != 0 ? wished : best));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    enum map_domain told = (enum map_domain)(fuzz_byte(&input) % 4);
    uint32_t features = (uint32_t)fuzz_number(&input, 4);
    char *reason = fuzz_string(&input, 0), *domain = fuzz_string(&input, 0);
    char *flush = fuzz_string(&input, 0), *stores = fuzz_string(&input, 0);
    check_domain(domain, told, reason);
    FUZZ_CHECK(!token_settings_parse(NULL).has_domain);
    struct isa_choice choice = isa_choose(features, 64, flush, stores);
    check_flush(&choice, features, flush);
    bool cached = strcmp(stores, "cached") == 0;
    FUZZ_CHECK(choice.stream == (!cached && (features & ISA_SSE2)));
    FUZZ_CHECK(choice.direct == (choice.lines && !cached && (features & ISA_MOVDIRI) &&
                                 (features & ISA_MOVDIR64B) && !(features & ISA_EVICTS)));
    FUZZ_CHECK(choice.claims == (choice.lines && (features & ISA_EVICTS)));
    FUZZ_CHECK(choice.past == (choice.lines && !cached && (features & ISA_EVICTS)));
    free(reason);
    free(domain);
    free(flush);
    free(stores);
    return 0;
}
