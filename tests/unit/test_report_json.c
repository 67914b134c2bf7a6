/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON report, read back. With two arguments this program writes two reports there instead, for
   check_schema.py: one with everything, one with nothing that may be left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "unit/report_sample.h"

static struct source_frame bare_frames[] = {{0}};
static struct related bare_related[] = {{.role = "got"},
                                        {.role = "store", .stack = STACK(bare_frames)}};
static struct finding bare_findings[] = {
    {.kind = KIND_REDUNDANT_DRAIN,
     .severity = SEVERITY_PERFORMANCE,
     .count = 1,
     .message = "m",
     .related = bare_related,
     .related_count = ARRAY_LENGTH(bare_related)},
};
static struct report_region bare_regions[] = {{.id = 1, .path = "p", .domain = "volatile"}};
static char *bare_program[] = {"p", NULL};
static const struct report bare = {.program = bare_program,
                                   .exit = 139,
                                   .stores = "api",
                                   .judge = "actual",
                                   .regions = bare_regions,
                                   .region_count = ARRAY_LENGTH(bare_regions),
                                   .findings = bare_findings,
                                   .finding_count = ARRAY_LENGTH(bare_findings)};

static json_t *write_and_read(const struct report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(report_json(out, report));
    fclose(out);
    assert_int_equal(text[size - 1], '\n');
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    free(text);
    return value;
}

/* Does object have exactly the members named, separated by spaces? */
static void check_members(const json_t *object, const char *names) {
    char copy[256];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", names);
    assert_true(json_is_object(object));
    for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " ")) {
        if (json_object_get(object, name) == NULL)
            fail_msg("%s is missing", name);
        count++;
    }
    assert_int_equal(json_object_size(object), count);
}

static void check_text(const json_t *object, const char *key, const char *wanted) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    assert_string_equal(text, wanted);
}

static void check_number(const json_t *object, const char *key, json_int_t wanted) {
    const json_t *number = json_object_get(object, key);
    assert_true(json_is_integer(number));
    assert_int_equal(json_integer_value(number), wanted);
}

static const json_t *item(const json_t *object, const char *key, size_t index) {
    const json_t *array = json_object_get(object, key);
    assert_true(json_is_array(array));
    assert_true(index < json_array_size(array));
    return json_array_get(array, index);
}

static size_t items(const json_t *object, const char *key) {
    const json_t *array = json_object_get(object, key);
    assert_true(json_is_array(array));
    return json_array_size(array);
}

static void test_run(void **state) {
    (void)state;
    json_t *report = write_and_read(&sample_full);
    check_members(report, "schema program exit stores judge summary regions findings remarks");
    check_text(report, "schema", "nvrtl-report/1");
    assert_int_equal(items(report, "program"), 2);
    assert_string_equal(json_string_value(item(report, "program", 0)), "./ledger");
    check_number(report, "exit", 0);
    check_text(report, "stores", "hooks");
    check_text(report, "judge", "strict");
    const json_t *summary = json_object_get(report, "summary");
    check_members(summary, "error warning performance note");
    check_number(summary, "error", 2);
    check_number(summary, "warning", 2);
    check_number(summary, "performance", 1);
    check_number(summary, "note", 1);
    assert_int_equal(items(report, "regions"), 2);
    const json_t *region = item(report, "regions", 1);
    check_members(region, "id path size domain reason");
    check_number(region, "id", 2);
    check_text(region, "path", "/dev/shm/scratch.nv");
    check_number(region, "size", 5000);
    check_text(region, "domain", "volatile");
    check_text(region, "reason", sample_regions[1].reason);
    assert_int_equal(items(report, "remarks"), 2);
    assert_string_equal(json_string_value(item(report, "remarks", 1)), sample_remarks[1]);
    json_decref(report);
}

static void test_finding(void **state) {
    (void)state;
    json_t *report = write_and_read(&sample_full);
    assert_int_equal(items(report, "findings"), ARRAY_LENGTH(sample_findings));
    const json_t *finding = item(report, "findings", 0);
    check_members(finding, "kind code severity count region ranges message mend at stack related");
    check_text(finding, "kind", "unflushed-write");
    check_text(finding, "code", "0x0B00");
    check_text(finding, "severity", "error");
    check_number(finding, "count", 102);
    check_number(finding, "region", 1);
    check_text(finding, "message", sample_findings[0].message);
    check_text(finding, "mend", sample_findings[0].mend);
    const json_t *range = item(finding, "ranges", 0);
    check_members(range, "offset length");
    check_number(range, "offset", 0);
    check_number(range, "length", 8);

    const json_t *at = json_object_get(finding, "at");
    check_members(at, "function file line inlined");
    check_text(at, "function", "append");
    check_text(at, "file", SAMPLE_FILE);
    check_number(at, "line", 37);
    assert_int_equal(items(finding, "stack"), 5);
    assert_true(json_equal(item(finding, "stack", 0), at));
    check_number(item(finding, "stack", 1), "line", 67);
    check_members(item(finding, "stack", 2), "function module offset");
    check_members(item(finding, "stack", 3), "module offset");
    check_number(item(finding, "stack", 3), "offset", 0x27304);
    const json_t *related = item(finding, "related", 0);
    check_members(related, "role function file line stack");
    check_text(related, "role", "freed");
    check_number(related, "line", 76);
    assert_int_equal(items(related, "stack"), 4);

    const json_t *rescued = item(report, "findings", 2);
    check_text(rescued, "rescued_by", "page");
    assert_true(json_is_true(json_object_get(rescued, "more_ranges")));
    assert_int_equal(items(rescued, "ranges"), ARRAY_LENGTH(sample_many));
    json_decref(report);
}

static void free_sources(struct report *report) {
    for (size_t i = 0; i < report->finding_count; i++) {
        struct finding *finding = &report->findings[i];
        verify_free_excerpt(&finding->source);
        for (size_t r = 0; r < finding->related_count; r++)
            verify_free_excerpt(&finding->related[r].source);
    }
}

/* Source lines go along, so that a report can be read where the files are not. */
static void test_sources(void **state) {
    (void)state;
    struct report with = sample_full;
    assert_true(report_read_sources(&with));
    verify_free_excerpt(&sample_findings[1].related[0].source);
    sample_findings[1].related[0].source.changed = true;
    with.directory = "/mnt/books";
    json_t *report = write_and_read(&with);
    check_text(report, "directory", "/mnt/books");
    const json_t *source = json_object_get(item(report, "findings", 0), "source");
    check_members(source, "first lines");
    /* The lines 35 and 39 are blank. */
    check_number(source, "first", 36);
    assert_int_equal(items(source, "lines"), 3);
    assert_non_null(strstr(json_string_value(item(source, "lines", 1)), "count"));
    const json_t *related = item(item(report, "findings", 0), "related", 0);
    source = json_object_get(related, "source");
    check_number(source, "first", 76);
    assert_int_equal(items(source, "lines"), 1);
    check_members(json_object_get(item(item(report, "findings", 1), "related", 0), "source"),
                  "changed");
    /* Of a place without source there is none. */
    assert_null(json_object_get(item(report, "findings", 3), "source"));
    json_decref(report);
    free_sources(&with);
}

/* What is not known is left out, but the places and lists that are always there. */
static void test_bare(void **state) {
    (void)state;
    json_t *report = write_and_read(&bare);
    check_members(report, "schema program exit stores judge summary regions findings");
    check_number(report, "exit", 139);
    check_members(item(report, "regions", 0), "id path size domain");
    const json_t *finding = item(report, "findings", 0);
    check_members(finding, "kind code severity count ranges message at stack related");
    check_text(finding, "code", "0x0B0C");
    check_members(json_object_get(finding, "at"), "");
    assert_int_equal(items(finding, "stack"), 0);
    assert_int_equal(items(finding, "ranges"), 0);
    check_members(item(finding, "related", 0), "role stack");
    check_members(item(finding, "related", 1), "role stack");
    json_decref(report);

    report = write_and_read(&(struct report){0});
    check_members(report, "schema program exit summary regions findings");
    json_decref(report);
}

/* The published codes do not move. */
static void test_codes(void **state) {
    (void)state;
    static const char *const published[] = {
        "unflushed-write",       "undrained-flush",     "unordered-commit", "torn-commit",
        "outside-region",        "bad-token",           "unflushed-stream", "unpersisted-read",
        "overwritten-unflushed", "overlapping-write",   "leaked-token",     "redundant-flush",
        "redundant-drain",       "crash-inconsistency",
    };
    assert_true(KIND_COUNT >= ARRAY_LENGTH(published));
    for (unsigned i = 0; i < ARRAY_LENGTH(published); i++) {
        char code[REPORT_CODE_SIZE], wanted[16];
        snprintf(wanted, sizeof wanted, "0x%04X", 0x0B00 + i);
        assert_string_equal(kind_facts[i].name, published[i]);
        assert_string_equal(report_code((enum kind)i, code), wanted);
    }
}

static void test_strings_and_numbers(void **state) {
    (void)state;
    struct source_frame frame = {.function = "f\xff\"\\\n\xc3\xa9", .file = "", .line = 0};
    struct byte_range range = {UINT64_MAX, INT64_MAX};
    struct finding finding = bare_findings[0];
    finding.count = UINT64_MAX;
    finding.at = (struct source_stack){&frame, 1};
    finding.ranges = &range;
    finding.range_count = 1;
    struct report report = bare;
    report.findings = &finding;
    json_t *value = write_and_read(&report);
    const json_t *written = item(value, "findings", 0);
    check_number(written, "count", INT64_MAX);
    check_number(item(written, "ranges", 0), "offset", INT64_MAX);
    check_text(json_object_get(written, "at"), "function", "f\xef\xbf\xbd\"\\\n\xc3\xa9");
    assert_null(json_object_get(json_object_get(written, "at"), "line"));
    json_decref(value);
}

static int allocations_left;

static void *failing_malloc(size_t size) {
    return allocations_left-- != 0 ? malloc(size) : NULL;
}

/* When just its k-th allocation fails a report fails and writes nothing, for every k. */
static void test_out_of_memory(void **state) {
    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    bool written = false;
    int failures = 0;
    for (int allowed = 0; !written; allowed++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        allocations_left = allowed;
        written = report_json(out, &sample_full);
        fclose(out);
        failures += !written;
        if (!written && size != 0)
            fail_msg("%zu bytes were written after %d allocations", size, allowed);
        free(text);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failures > 100);
}

static void test_write_failure(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_false(report_json(full, &bare)); /* when it is flushed */
    fclose(full);
    full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    assert_false(report_json(full, &bare)); /* at once */
    fclose(full);
}

static int write_files(char **paths) {
    struct report full = sample_full;
    if (!report_read_sources(&full))
        return 1;
    full.directory = "/mnt/books";
    const struct report *const reports[] = {&full, &bare};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "w");
        if (file == NULL || !report_json(file, reports[i]) || fclose(file) != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3)
        return write_files(argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),           cmocka_unit_test(test_finding),
        cmocka_unit_test(test_bare),          cmocka_unit_test(test_sources),
        cmocka_unit_test(test_codes),         cmocka_unit_test(test_strings_and_numbers),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_write_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
