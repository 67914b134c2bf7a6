/* SPDX-License-Identifier: BSD-2-Clause */
/* Recorded machines: every folder of tests/fixtures that has a file "expected" is one. A line of it
   is ADDRESS+LENGTH RESULT DOMAIN NOTES REASON in hexadecimal; DOMAIN and NOTES are "-" when there
   is none; NOTES are parted by commas, and "sync" among them means MAP_SYNC. Each case is asked
   twice: the second time with a work area that holds the rests of the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>

#include "base/bits.h"
#include "map/map.h"

static const char *const result_words[] = {
    [RESULT_OK] = "ok",
    [RESULT_INVALID] = "invalid",
    [RESULT_NOT_MAPPED] = "not-mapped",
    [RESULT_DENIED] = "denied",
    [RESULT_NOT_SUPPORTED] = "not-supported",
    [RESULT_NO_MEMORY] = "no-memory",
};

static struct map_region region;

static void describe(enum result result, char *text, size_t size) {
    const struct map_answer *answer = &region.answer;
    char notes[256] = "";
    if (result == RESULT_OK && answer->synchronous)
        strcat(notes, "sync,");
    for (unsigned i = 0; result == RESULT_OK && i < MAP_NOTE_COUNT; i++) {
        if (answer->notes >> i & 1) {
            strcat(notes, map_note_name((enum map_note)(1u << i)));
            strcat(notes, ",");
        }
    }
    if (notes[0] == '\0')
        strcpy(notes, "-,");
    notes[strlen(notes) - 1] = '\0';
    snprintf(text, size, "%s %s %s %s", result_words[result],
             result == RESULT_OK ? map_domain_name(answer->domain) : "-", notes, answer->reason);
}

/* One line of a machine's "expected". */
static void check_case(const char *root, char *line) {
    const struct map_system system = {.root = root, .live = false};
    char *rest, got[512];
    uintptr_t address = strtoull(line, &rest, 16);
    assert_int_equal(*rest, '+');
    size_t length = strtoull(rest + 1, &rest, 16);
    assert_int_equal(*rest, ' ');
    rest[strcspn(rest, "\n")] = '\0';
    for (int time = 0; time < 2; time++) {
        errno = EXFULL;
        describe(map_probe(&system, address, length, &region), got, sizeof got);
        assert_int_equal(errno, EXFULL);
        if (strcmp(got, rest + 1) != 0)
            fail_msg("%s, %lx+%lx\n  expected: %s\n  got:      %s", root, (unsigned long)address,
                     (unsigned long)length, rest + 1, got);
    }
}

static bool check_machine(const char *root) {
    char path[600], line[1024];
    unsigned cases = 0;
    snprintf(path, sizeof path, "%s/expected", root);
    FILE *expected = fopen(path, "r");
    if (expected == NULL)
        return false;
    for (; fgets(line, sizeof line, expected) != NULL; cases++)
        check_case(root, line);
    fclose(expected);
    print_message("%s: %u cases\n", root, cases);
    assert_int_not_equal(cases, 0);
    return true;
}

static void test_machines(void **state) {
    (void)state;
    struct dirent **folders;
    char root[512];
    unsigned machines = 0;
    int count = scandir(NVRTL_TEST_FIXTURES, &folders, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        snprintf(root, sizeof root, "%s/%s", NVRTL_TEST_FIXTURES, folders[i]->d_name);
        machines += check_machine(root);
        free(folders[i]);
    }
    free(folders);
    assert_true(machines >= 20);
}

#define LAPTOP_DATA 0x7f0000000000u

static void test_path_and_identity(void **state) {
    (void)state;
    const struct map_system system = {.root = NVRTL_TEST_FIXTURES "/laptop", .live = false};
    assert_int_equal(map_probe(&system, LAPTOP_DATA + 0x14000, 1, &region), RESULT_OK);
    assert_string_equal(region.answer.path, "/home/u/new\nline and spaces");
    assert_int_equal(region.answer.inode, 132);
    assert_int_equal(map_probe(&system, LAPTOP_DATA + 0x28000, 1, &region), RESULT_OK);
    assert_string_equal(region.answer.path, "/tmp/#8912");
}

/* Where the laptop's "/home/u/one" begins: three views of 0x4000, the last two contiguous. */
static uintptr_t find_one(const struct map_system *system) {
    for (uintptr_t at = LAPTOP_DATA;; at += 0x1000) {
        if (map_probe(system, at, 1, &region) == RESULT_OK &&
            strcmp(region.answer.path, "/home/u/one") == 0)
            return at;
    }
}

static void test_segments(void **state) {
    (void)state;
    const struct map_system system = {.root = NVRTL_TEST_FIXTURES "/laptop", .live = false};
    uintptr_t one = find_one(&system);
    assert_int_equal(map_probe(&system, one + 0x1800, 0xa000, &region), RESULT_OK);
    assert_int_equal(region.segments_missed, 0);
    assert_int_equal(region.segment_count, 2);
    assert_int_equal(region.segments[0].address, one + 0x1800);
    assert_int_equal(region.segments[0].length, 0x2800);
    assert_int_equal(region.segments[0].offset, 0x1800);
    assert_int_equal(region.segments[1].address, one + 0x4000);
    assert_int_equal(region.segments[1].length, 0x7800);
    assert_int_equal(region.segments[1].offset, 0x8000);
}

static void test_extent_and_same(void **state) {
    (void)state;
    const struct map_system system = {.root = NVRTL_TEST_FIXTURES "/laptop", .live = false};
    uintptr_t start;
    size_t length;
    assert_int_equal(map_extent(&system, LAPTOP_DATA + 0x3fff, &start, &length), RESULT_OK);
    assert_int_equal(start, LAPTOP_DATA);
    assert_int_equal(length, 0x4000);
    assert_int_equal(map_extent(&system, LAPTOP_DATA + 0x4000, &start, &length), RESULT_NOT_MAPPED);
    assert_int_equal(map_probe(&system, start, length, &region), RESULT_OK);
    struct map_identity same = {start, length, region.answer.device, region.answer.inode, 0};
    assert_int_equal(map_same(&system, &same), RESULT_OK);
    struct map_identity others[] = {same, same, same, same, same};
    others[0].start++;
    others[1].length++;
    others[2].device++;
    others[3].inode++;
    others[4].offset++;
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_int_equal(map_same(&system, &others[i]), RESULT_INVALID);
    /* A part of it, by its own offset. */
    struct map_identity part = same;
    part.start += 4096;
    part.length -= 4096;
    assert_int_equal(map_same(&system, &part), RESULT_INVALID);
    part.offset += 4096;
    assert_int_equal(map_same(&system, &part), RESULT_OK);
}

static void test_nothing_to_read(void **state) {
    (void)state;
    const struct map_system system = {.root = NVRTL_TEST_FIXTURES "/absent", .live = false};
    uintptr_t start;
    size_t length;
    struct map_identity identity = {0};
    assert_int_equal(map_probe(&system, 0x1000, 1, &region), RESULT_NO_MEMORY);
    assert_int_equal(map_extent(&system, 0x1000, &start, &length), RESULT_NO_MEMORY);
    assert_int_equal(map_same(&system, &identity), RESULT_NO_MEMORY);
}

static void count_regions(void *context, const char *name, const char *persistence,
                          enum map_domain domain, const char *why) {
    char *seen = context;
    sprintf(seen + strlen(seen), "%s=%s=%s=%s ", name, persistence, map_domain_name(domain), why);
}

static void test_regions(void **state) {
    (void)state;
    struct map_system system = {.root = NVRTL_TEST_FIXTURES "/fsdax", .live = false};
    char seen[1024] = "";
    assert_int_equal(map_each_region(&system, count_regions, seen), RESULT_OK);
    assert_non_null(strstr(seen, "region0=memory_controller=memory= "));
    assert_non_null(strstr(seen, "region1=cpu_cache=cpu-cache= "));
    assert_non_null(strstr(seen, "region2==memory= "));
    assert_non_null(strstr(seen, "region3==memory= "));
    system.root = NVRTL_TEST_FIXTURES "/emulated";
    seen[0] = '\0';
    assert_int_equal(map_each_region(&system, count_regions, seen), RESULT_OK);
    assert_non_null(
        strstr(seen, "region0==volatile=may be RAM that the kernel's parameter memmap="));
    assert_non_null(strstr(seen, "region2==volatile=is volatile memory (nd_volatile) "));
    assert_non_null(strstr(seen, "region3=memory_controller=memory= "));
    assert_non_null(strstr(seen, "region4=cpu_cache=volatile=is RAM of a kernel test module "));
    system.root = NVRTL_TEST_FIXTURES "/guest";
    seen[0] = '\0';
    assert_int_equal(map_each_region(&system, count_regions, seen), RESULT_OK);
    assert_non_null(strstr(seen, "region0==page-cache=has a host that has to be told "));
    assert_non_null(strstr(seen, "region1=memory_controller=page-cache=has a host "));
    assert_non_null(strstr(seen, "region3=memory_controller=memory= "));
    system.root = NVRTL_TEST_FIXTURES "/no-sys";
    assert_int_equal(map_each_region(&system, count_regions, seen), RESULT_NOT_SUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),        cmocka_unit_test(test_path_and_identity),
        cmocka_unit_test(test_segments),        cmocka_unit_test(test_extent_and_same),
        cmocka_unit_test(test_nothing_to_read), cmocka_unit_test(test_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
