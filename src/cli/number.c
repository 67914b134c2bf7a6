/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/number.h"

#include <stddef.h>
#include <string.h>

/* Takes the digits at the front of text; false when there are none, or too many. */
static bool take_digits(const char **text, uint64_t *number) {
    const char *at = *text;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
            __builtin_add_overflow(*number, (uint64_t)(*at - '0'), number))
            return false;
    }
    bool any = at != *text;
    *text = at;
    return any;
}

bool number_parse_bytes(const char *text, uint64_t *bytes) {
    static const char suffixes[] = "KMGT";
    uint64_t count;
    unsigned shift = 0;
    if (!take_digits(&text, &count))
        return false;
    const char *suffix = text[0] == '\0' ? NULL : strchr(suffixes, text[0]);
    if (suffix != NULL) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        text++;
    }
    if (text[0] != '\0' || count > UINT64_MAX >> shift)
        return false;
    *bytes = count << shift;
    return true;
}

bool number_parse(const char *text, uint64_t *value) {
    return take_digits(&text, value) && text[0] == '\0';
}

bool number_parse_process(const char *text, uint32_t *process) {
    uint64_t number;
    if (text[0] == '0' || !take_digits(&text, &number) || text[0] != '\0' || number > INT32_MAX)
        return false;
    *process = (uint32_t)number;
    return true;
}
