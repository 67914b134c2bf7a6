/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers on the command line, against arithmetic that cannot overflow. */
#include "cli/number.h"
#include "fuzz.h"

/* The digits at the front as a number, or all ones when it has more than fit. */
static __uint128_t count_digits(const char *text, size_t *digits) {
    __uint128_t number = 0;
    for (*digits = 0; text[*digits] >= '0' && text[*digits] <= '9'; ++*digits) {
        number = number * 10 + (unsigned)(text[*digits] - '0');
        if (number > UINT64_MAX)
            number = (__uint128_t)UINT64_MAX + 1;
    }
    return number;
}

static bool reference(const char *text, uint64_t *bytes) {
    static const struct {
        const char *suffix;
        unsigned shift;
    } suffixes[] = {{"", 0}, {"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}};
    size_t digits;
    __uint128_t number = count_digits(text, &digits);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (digits == 0 || strcmp(text + digits, suffixes[i].suffix) != 0)
            continue;
        number <<= suffixes[i].shift;
        *bytes = (uint64_t)number;
        return number <= UINT64_MAX;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    char *text = fuzz_string(&input, 0);
    uint64_t bytes = 5, expected = 0;
    bool is = reference(text, &expected);
    FUZZ_CHECK(number_parse_bytes(text, &bytes) == is);
    FUZZ_CHECK(bytes == (is ? expected : 5));

    uint32_t process = 7;
    size_t digits;
    __uint128_t number = count_digits(text, &digits);
    is = digits > 0 && text[0] != '0' && text[digits] == '\0' && number <= INT32_MAX;
    FUZZ_CHECK(number_parse_process(text, &process) == is);
    FUZZ_CHECK(process == (is ? (uint32_t)number : 7));
    free(text);
    return 0;
}
