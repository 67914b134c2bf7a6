/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8 of reports: what is decoded, encoded again, is what was there; what was cleaned is
   clean. */
#include "fuzz.h"
#include "report/utf8.h"

static size_t encode(uint32_t point, char bytes[4]) {
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    unsigned more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    bytes[0] = (char)(lead[more] | point >> (6 * more));
    for (unsigned i = 1; i <= more; i++)
        bytes[i] = (char)(0x80 | (point >> (6 * (more - i)) & 0x3F));
    return more + 1;
}

static bool is_text(uint32_t point) {
    return point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
}

/* Walks over size bytes and returns how many points there are. */
static size_t check_points(const char *bytes, size_t size, bool clean) {
    size_t points = 0;
    for (size_t at = 0; at < size; points++) {
        uint32_t point;
        char again[4];
        size_t taken = utf8_decode(bytes + at, size - at, &point);
        FUZZ_CHECK(taken >= 1 && taken <= 4 && taken <= size - at && is_text(point));
        bool same = encode(point, again) == taken && memcmp(again, bytes + at, taken) == 0;
        /* What is no character takes one byte, and then the replacement is not what was there. */
        FUZZ_CHECK(same || (!clean && point == UTF8_REPLACEMENT && taken == 1));
        FUZZ_CHECK(!utf8_printable(point) || point >= ' ');
        at += taken;
    }
    return points;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    char *block = (char *)malloc(size > 0 ? size : 1);
    FUZZ_CHECK(block != NULL);
    memcpy(block, data, size);
    check_points(block, size, false);
    free(block);

    char *string = fuzz_string(&input, 0);
    size_t points = check_points(string, strlen(string), false);
    char *clean = utf8_clean(string);
    FUZZ_CHECK(clean != NULL);
    FUZZ_CHECK(check_points(clean, strlen(clean), true) == points);
    char *twice = utf8_clean(clean);
    FUZZ_CHECK(twice != NULL && strcmp(clean, twice) == 0);
    free(twice);
    free(clean);
    free(string);
    return 0;
}
