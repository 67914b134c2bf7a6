/* SPDX-License-Identifier: BSD-2-Clause */
/* The litmus files, inside of one process: what tests/litmus does with the command, for the
   sanitizers. Every image of a file can be explained, and one that it does not have cannot be. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crash/enumerate.h"
#include "crash/explain.h"

#define MARK "# image "

/* The image as a line of --enumerate. */
static void write_image(const struct crash_scan *scan, const uint8_t *image, char *line) {
    for (size_t r = 0; r < scan->region_count; r++) {
        if (r != 0)
            *line++ = ' ';
        for (uint64_t i = 0; i < scan->regions[r].size; i++, line += 2)
            snprintf(line, 3, "%02x", image[scan->regions[r].start + i]);
    }
    *line = '\0';
}

/* The next line of the file that has an image; false: there is none. */
static bool next_image(FILE *file, char *line, size_t size) {
    while (fgets(line, (int)size, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, MARK, strlen(MARK)) != 0)
            continue;
        memmove(line, line + strlen(MARK), strlen(line + strlen(MARK)) + 1);
        return true;
    }
    return false;
}

static void check_explained(FILE *trace, const struct crash_scan *scan, const uint8_t *image,
                            bool possible) {
    static const struct crash_wish wish;
    struct explanation explanation;
    rewind(trace);
    assert_true(explain(trace, scan, &wish, image, &explanation));
    assert_int_equal(explanation.why == EXPLAIN_POSSIBLE, possible);
    explain_free(&explanation);
}

static void check_file(const char *path) {
    static char expected[4 * ENUMERATE_MOST], found[4 * ENUMERATE_MOST];
    static const struct crash_wish wish;
    struct crash_scan scan;
    struct images images;
    const char *problem = NULL;
    FILE *trace = fopen(path, "re"), *list = fopen(path, "re");
    assert_true(trace != NULL && list != NULL);
    assert_true(scan_trace(trace, ENUMERATE_MOST, NULL, &scan));
    images_start(&images, (size_t)scan.total, 1 << 26);
    rewind(trace);
    if (!enumerate(trace, &scan, &wish, &images, &problem))
        fail_msg("%s: %s", path, problem);
    for (size_t i = 0; i < images.count; i++) {
        uint8_t *image = images.bytes + i * images.size;
        assert_true(next_image(list, expected, sizeof expected));
        write_image(&scan, image, found);
        if (strcmp(found, expected) != 0)
            fail_msg("%s: %s, not %s", path, found, expected);
        check_explained(trace, &scan, image, true);
    }
    assert_false(next_image(list, expected, sizeof expected));
    images.bytes[0] ^= 0x80; /* no file stores such a byte first */
    check_explained(trace, &scan, images.bytes, false);
    images_free(&images);
    scan_free(&scan);
    fclose(trace);
    fclose(list);
}

static void test_files(void **state) {
    DIR *folder = opendir(NVRTL_TEST_LITMUS);
    size_t files = 0;
    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[1024];
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".trace") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", NVRTL_TEST_LITMUS, entry->d_name);
        check_file(path);
        files++;
    }
    closedir(folder);
    assert_true(files > 80);
}

/* The trace, from a text. */
static FILE *open_text(const char *text) {
    FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(stream);
    return stream;
}

static void test_limits(void **state) {
    static const char head[] = "nvrtl-trace-text/1\nregion 1 size 4096\n";
    static char text[256 * 64];
    static const struct crash_wish wish;
    struct crash_scan scan;
    struct images images;
    const char *problem = NULL;
    (void)state;
    size_t used = (size_t)snprintf(text, sizeof text, "%s", head);
    for (unsigned i = 0; i < 64; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "1 store 1 %u 1 01\n", 64 * i);
    FILE *trace = open_text(text);
    assert_true(scan_trace(trace, ENUMERATE_MOST, NULL, &scan));
    rewind(trace);
    images_start(&images, 4096, 1 << 20);
    assert_false(enumerate(trace, &scan, &wish, &images, &problem));
    assert_non_null(problem);
    images_free(&images);
    scan_free(&scan);
    rewind(trace);
    assert_false(scan_trace(trace, 4095, NULL, &scan));
    scan_free(&scan);
    fclose(trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
