/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports read from any bytes. What is a report can be written in every format; its JSON, read
   again, says the same; against itself nothing is new; its own entries suppress it. */
#include "fuzz.h"
#include "report/load.h"
#include "report/merge.h"
#include "report/report.h"
#include "report/suppress.h"
#include "report/utf8.h"

static const struct report_style style = {.source = true, .base = "/src"};

static char *write_as(const char *format, const struct report *report, size_t *size) {
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    FUZZ_CHECK(out != NULL && report_format(format)->write(out, report, &style));
    FUZZ_CHECK(fclose(out) == 0);
    return text;
}

/* Nothing that a terminal or a browser must not get. */
static void check_printable(const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        uint32_t point;
        at += utf8_decode(text + at, size - at, &point);
        FUZZ_CHECK(point == '\n' || point == '\t' || utf8_printable(point));
    }
}

/* Every element is closed in its turn, and no quote is left open. */
static void check_markup(const char *text, size_t size) {
    size_t open = 0;
    for (size_t at = 0; at < size; at++) {
        if (text[at] != '<')
            continue;
        FUZZ_CHECK(at + 1 < size);
        bool closes = text[at + 1] == '/', alone = text[at + 1] == '?' || text[at + 1] == '!';
        bool quoted = false;
        size_t start = at;
        for (at++; at < size && (text[at] != '>' || quoted); at++) {
            quoted ^= text[at] == '"';
            FUZZ_CHECK(text[at] != '<');
        }
        FUZZ_CHECK(at < size);
        alone = alone || text[at - 1] == '/' || strncmp(text + start, "<meta", 5) == 0;
        FUZZ_CHECK(!closes || open > 0);
        open += closes ? (size_t)-1 : !alone;
    }
    FUZZ_CHECK(open == 0);
}

static void check_formats(const struct report *report) {
    static const char *const plain[] = {"text", "junit", "html"};
    size_t size;
    for (size_t i = 0; i < 3; i++) {
        char *text = write_as(plain[i], report, &size);
        check_printable(text, size);
        if (i > 0)
            check_markup(text, size);
        free(text);
    }
    char *text = write_as("sarif", report, &size);
    json_t *log = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(log != NULL);
    const json_t *run = json_array_get(json_object_get(log, "runs"), 0);
    FUZZ_CHECK(json_array_size(json_object_get(run, "results")) ==
               report->finding_count + report->suppressed_count);
    json_decref(log);
    free(text);
}

static struct loaded load(const char *bytes, size_t size) {
    struct loaded loaded;
    char *wrong;
    FUZZ_CHECK(report_load(bytes, size, &loaded, &wrong) && wrong == NULL);
    return loaded;
}

static void check_again(const struct report *report) {
    size_t size, again_size, text_size;
    char *bytes = write_as("json", report, &size), *text = write_as("text", report, &text_size);
    struct loaded loaded = load(bytes, size);
    char *again = write_as("json", &loaded.report, &again_size);
    FUZZ_CHECK(again_size == size && memcmp(bytes, again, size) == 0);
    free(again);
    again = write_as("text", &loaded.report, &again_size);
    FUZZ_CHECK(again_size == text_size && memcmp(text, again, text_size) == 0);
    free(again);
    free(text);
    report_unload(&loaded);
    free(bytes);
}

static uint64_t count(const struct report *report) {
    uint64_t sum = 0;
    for (size_t i = 0; i < report->finding_count; i++) {
        uint64_t larger = sum + report->findings[i].count;
        sum = larger < sum ? UINT64_MAX : larger;
    }
    return sum;
}

static void check_against_itself(const char *bytes, size_t size) {
    struct loaded two[2] = {load(bytes, size), load(bytes, size)};
    struct diff diff;
    FUZZ_CHECK(diff_make(&two[0].report, &two[1].report, &diff));
    FUZZ_CHECK(diff.of[DIFF_NEW] == 0 && diff.of[DIFF_WORSE] == 0 && diff.of[DIFF_GONE] == 0);
    diff_free(&diff);
    report_unload(&two[0]);
    report_unload(&two[1]);

    struct loaded parts[2] = {load(bytes, size), load(bytes, size)};
    struct report merged;
    char *wrong;
    uint64_t counted = count(&parts[0].report);
    FUZZ_CHECK(report_merge(parts, 2, &merged, &wrong));
    FUZZ_CHECK(counted > UINT64_MAX / 4 || count(&merged) == 2 * counted);
    check_formats(&merged);
    verify_free_report(&merged);
    report_unload(&parts[0]);
    report_unload(&parts[1]);
}

static bool is_empty(const char *string) {
    return string == NULL || string[0] == '\0';
}

static void check_suppressions(struct report *report) {
    struct suppressions suppressions = {0};
    char *text = NULL, *wrong;
    size_t size, unnamed = 0;
    FILE *out = open_memstream(&text, &size);
    FUZZ_CHECK(out != NULL && suppress_write(out, report, &style) && fclose(out) == 0);
    FUZZ_CHECK(suppress_read(&suppressions, "entries", text, size, &wrong));
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct source_stack *at = &report->findings[i].at;
        unnamed +=
            at->count == 0 ||
            (is_empty(at->frames[0].function) &&
             is_empty(at->frames[0].file != NULL ? at->frames[0].file : at->frames[0].module));
    }
    FUZZ_CHECK(suppress_apply(&suppressions, report));
    FUZZ_CHECK(report->finding_count <= unnamed);
    suppress_free(&suppressions);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct loaded loaded;
    char *wrong;
    if (!report_load((const char *)data, size, &loaded, &wrong)) {
        FUZZ_CHECK(wrong != NULL && loaded.root == NULL);
        check_printable(wrong, strlen(wrong));
        free(wrong);
        return 0;
    }
    check_formats(&loaded.report);
    check_again(&loaded.report);
    check_against_itself((const char *)data, size);
    check_suppressions(&loaded.report);
    report_unload(&loaded);
    return 0;
}
