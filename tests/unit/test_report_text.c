/* SPDX-License-Identifier: BSD-2-Clause */
/* The text report against pictures of it in tests/fixtures/report (NVRTL_UPDATE=1 draws them anew:
   then look at them), and against strings and source files that mean it no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/place.h"
#include "report/report.h"
#include "report/utf8.h"
#include "unit/report_sample.h"

static const struct report_style plain_style = {.source = true, .base = SAMPLE_FOLDER};

/* The report as a string, to be freed. */
static char *print(const struct report *report, const struct report_style *style) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(report_text(out, report, style));
    fclose(out);
    assert_int_equal(strlen(text), size);
    return text;
}

static void compare(const char *name, const struct report *report,
                    const struct report_style *style) {
    char path[4096], wanted[16384];
    char *text = print(report, style);
    snprintf(path, sizeof path, "%s/%s", SAMPLE_FOLDER, name);
    if (getenv("NVRTL_UPDATE") != NULL) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    wanted[fread(wanted, 1, sizeof wanted - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_pictures(void **state) {
    (void)state;
    struct report one = sample_full;
    assert_true(report_read_sources(&one));
    one.finding_count = 1;
    one.remark_count = 0;
    struct report_style colour = plain_style, bare = plain_style;
    colour.colour = true;
    bare.source = false;
    compare("one.txt", &one, &plain_style);
    compare("colour.txt", &one, &colour);
    compare("full.txt", &sample_full, &plain_style);
    compare("no-source.txt", &sample_full, &bare);
    compare("clean.txt", &sample_clean, &plain_style);
}

/* Without its escape sequences a coloured report is the plain one. */
static void test_colour_adds_nothing(void **state) {
    (void)state;
    struct report_style style = plain_style;
    char *plain = print(&sample_full, &style);
    style.colour = true;
    char *coloured = print(&sample_full, &style);
    char *to = coloured;
    for (const char *from = coloured; *from != '\0';) {
        if (*from == '\033')
            from += strcspn(from, "m") + 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
    assert_string_equal(plain, coloured);
    assert_null(strchr(plain, '\033'));
    free(plain);
    free(coloured);
}

static void check_verdict(const struct report *report, const char *verdict) {
    char *text = print(report, &plain_style);
    text[strcspn(text, "\n")] = '\0';
    assert_string_equal(text, verdict);
    free(text);
}

static void test_verdicts(void **state) {
    (void)state;
    struct finding findings[2] = {
        {.kind = KIND_UNFLUSHED_WRITE, .severity = SEVERITY_ERROR, .count = 7, .message = "m"},
        {.kind = KIND_REDUNDANT_FLUSH,
         .severity = SEVERITY_PERFORMANCE,
         .count = 1,
         .message = "m"},
    };
    struct report report = sample_clean;
    report.findings = findings;
    report.finding_count = 1;
    check_verdict(&report, "nvrtl: 1 error, 0 warnings: ledger can lose data in a power cut");
    findings[0].kind = KIND_BAD_TOKEN;
    check_verdict(
        &report, "nvrtl: 1 error, 0 warnings: ledger calls the routines with bad tokens or ranges");
    findings[0].kind = KIND_UNFLUSHED_WRITE;
    findings[0].severity = SEVERITY_WARNING;
    check_verdict(&report, "nvrtl: 0 errors, 1 warning in ledger");
    /* What was in flight when a program was killed: no error, and not clean. */
    findings[0].severity = SEVERITY_NOTE;
    check_verdict(&report, "nvrtl: 0 errors, 0 warnings, 1 note in ledger");
    /* Slow is clean. */
    report.findings = &findings[1];
    check_verdict(&report,
                  "nvrtl: clean: every store that hooks saw to 2 regions was flushed and drained, "
                  "with 1 performance finding");
    report.finding_count = 0;
    report.region_count = 1;
    check_verdict(&report,
                  "nvrtl: clean: every store that hooks saw to 1 region was flushed and drained");
    report.remarks = sample_remarks;
    report.remark_count = 1;
    check_verdict(&report,
                  "nvrtl: clean: every store that hooks saw to 1 region was flushed and drained; "
                  "see the remark");
    /* No more is claimed than was seen. */
    report.remark_count = 0;
    report.stores = "api";
    check_verdict(&report,
                  "nvrtl: clean: every Write and Fill to 1 region was flushed and drained");
    report.stores = "pages";
    check_verdict(&report, "nvrtl: clean: every store to 1 region was flushed and drained");
    report.unasked = true;
    check_verdict(&report, "nvrtl: clean: nothing of the kinds that were asked for in 1 region");
    report.unasked = false;
    report.stores = "api";
    report.region_count = 0;
    check_verdict(&report,
                  "nvrtl: nothing to judge: ledger was not seen to use non-volatile memory");
    report.remark_count = 1;
    check_verdict(&report, "nvrtl: nothing to judge: ledger was not seen to use non-volatile memory"
                           "; see the remark");
    /* Where stores may have escaped, nothing found is not clean. */
    report.incomplete = true;
    check_verdict(&report, "nvrtl: incomplete: nothing was seen of how ledger uses non-volatile "
                           "memory; see the remark");
    report.region_count = 1;
    check_verdict(&report, "nvrtl: incomplete: of what was seen every Write and Fill to 1 region "
                           "was flushed and drained; see the remark");
    check_verdict(&(struct report){0},
                  "nvrtl: nothing to judge: the program was not seen to use non-volatile memory");
}

static void test_lines_fit(void **state) {
    (void)state;
    char *text = print(&sample_full, &plain_style);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strlen(line) > 100 && strspn(line, " 0123456789") != strcspn(line, "|"))
            fail_msg("%zu columns: %s", strlen(line), line);
        assert_true(strlen(line) <= 108);
        assert_int_not_equal(line[strlen(line) - 1], ' ');
    }
    free(text);
}

static void check_path(const char *path, const char *base, const char *wanted) {
    char buffer[PLACE_SIZE];
    assert_string_equal(place_path(path, base, buffer), wanted);
}

static void test_paths(void **state) {
    (void)state;
    check_path("/home/u/p/a.c", "/home/u/p", "a.c");
    check_path("/home/u/p/a.c", "/home/u/p/", "a.c");
    check_path("/home/u/p/s/a.c", "/home/u/p", "s/a.c");
    check_path("/home/u/p/a.c", "/home/u/p/build", "../a.c");
    check_path("/home/u/p/a.c", "/home/u/p/build/x", "../../a.c");
    check_path("/home/u/p/a.c", "/home/u/p/build/x/y", "/home/u/p/a.c");
    check_path("/home/u/pq/a.c", "/home/u/p", "../pq/a.c");
    check_path("/home/u/p", "/home/u/pq", "../p");
    check_path("/home/u/p", "/home/u/p", "../p");
    check_path("/home/u/a.c", "/home/u2/x", "/home/u/a.c");
    check_path("/usr/include/x.h", "/home/u", "/usr/include/x.h");
    check_path("/a/x.c", "/a/b/c", "/a/x.c"); /* a climb would be longer */
    check_path("/a.c", "/", "/a.c");
    check_path("/a.c", "", "/a.c");
    check_path("/a.c", NULL, "/a.c");
    check_path("a.c", "/home", "a.c");
    check_path("", "/home", "");
}

/* What a finding at the line of the file prints between its heading and its stack. */
static char *excerpt_of(char *file, int line, char *module) {
    struct source_frame frame = {
        .function = "f", .file = file, .line = line, .module = module, .offset = 1};
    struct finding finding = {.kind = KIND_UNFLUSHED_WRITE,
                              .severity = SEVERITY_ERROR,
                              .count = 1,
                              .message = "m",
                              .at = {&frame, 1}};
    struct report report = {.findings = &finding, .finding_count = 1};
    assert_true(report_read_sources(&report));
    char *text = print(&report, &plain_style);
    verify_free_excerpt(&finding.source);
    char *start = strstr(text, "[unflushed-write]\n"), *end = strstr(text, "      = stack");
    assert_non_null(start);
    assert_non_null(end);
    *end = '\0';
    start = strchr(start, '\n') + 1;
    memmove(text, start, strlen(start) + 1);
    return text;
}

static void check_excerpt(char *file, int line, char *module, const char *wanted) {
    char *text = excerpt_of(file, line, module);
    assert_string_equal(text, wanted);
    free(text);
}

static void write_bytes(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void test_source_lines(void **state) {
    (void)state;
    char path[] = "/tmp/nvrtl-report-XXXXXX";
    close(mkstemp(path));
    static const char text[] = "one\n\t two\t;\n\nfour\r\n  \nsix";
    write_bytes(path, text, sizeof text - 1);
    check_excerpt(path, 1, NULL,
                  "    1 | one\n"
                  "      | ^\n"
                  "    2 |          two    ;\n");
    check_excerpt(path, 2, NULL,
                  "    1 | one\n"
                  "    2 |          two    ;\n"
                  "      |          ^\n"
                  "    3 |\n"
                  "    4 | four\n");
    check_excerpt(path, 3, NULL,
                  "    1 | one\n"
                  "    2 |          two    ;\n"
                  "    3 |\n"
                  "    4 | four\n");
    check_excerpt(path, 6, NULL,
                  "    4 | four\n"
                  "    5 |\n"
                  "    6 | six\n"
                  "      | ^\n");
    check_excerpt(path, 7, NULL, "");
    check_excerpt(path, 1 << 30, NULL, "");
    check_excerpt(path, 0, NULL, "");

    static const char hostile[] = "a\0b\033[31mc\xff\xc3(\xe2\x80\xae|\xc3\xa9\xc2\x9b\x7f;\n";
    write_bytes(path, hostile, sizeof hostile - 1);
    check_excerpt(path, 1, NULL,
                  "    1 | a?b?[31mc?\?(?|\xc3\xa9??;\n"
                  "      | ^\n");

    char wide[4096];
    memset(wide, 'x', sizeof wide);
    write_bytes(path, wide, sizeof wide);
    char *shown = excerpt_of(path, 1, NULL);
    assert_int_equal(strcspn(shown, "\n"), 108);
    assert_memory_equal(shown + 105, "...", 3);
    free(shown);
    write_bytes(path, wide, 100);
    shown = excerpt_of(path, 1, NULL);
    assert_int_equal(strcspn(shown, "\n"), 108);
    assert_memory_equal(shown + 105, "xxx", 3);
    free(shown);
    memset(wide, ' ', sizeof wide - 1);
    write_bytes(path, wide, sizeof wide);
    free(excerpt_of(path, 1, NULL));
    unlink(path);
}

static void test_source_files(void **state) {
    (void)state;
    char source[] = "/tmp/nvrtl-report-XXXXXX", module[] = "/tmp/nvrtl-report-XXXXXX";
    close(mkstemp(source));
    close(mkstemp(module));
    write_bytes(source, "one\n", 4);
    const struct timespec old[2] = {{1000, 5}, {1000, 5}}, new[2] = {{1000, 6}, {1000, 6}};
    assert_int_equal(utimensat(AT_FDCWD, source, old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, module, old, 0), 0);
    check_excerpt(source, 1, module, "    1 | one\n      | ^\n");
    assert_int_equal(utimensat(AT_FDCWD, source, new, 0), 0);
    check_excerpt(source, 1, module,
                  "      | (this file is newer than the program: its lines are not shown)\n");
    unlink(module);
    check_excerpt(source, 1, module, "");
    unlink(source);
    check_excerpt(source, 1, NULL, "");
    assert_int_equal(mkfifo(source, 0600), 0);
    check_excerpt(source, 1, NULL, "");
    unlink(source);
    check_excerpt("/tmp", 1, NULL, "");
    check_excerpt("", 1, NULL, "");
}

static void test_hostile_strings(void **state) {
    (void)state;
    char evil[] = "a\nb\tc\033[2J\x9b\xff\xf8\xed\xa0\x80 \xe2\x80\xae.c";
    struct source_frame frames[] = {{.function = evil, .file = evil, .line = 1},
                                    {.function = evil, .module = evil, .offset = 1}};
    struct related related = {.role = evil, .stack = {frames, 2}};
    struct report_region region = {1, evil, 1, evil, evil};
    struct byte_range range = {0, 1};
    struct finding finding = {.message = evil,
                              .mend = evil,
                              .rescued_by = evil,
                              .region = 1,
                              .ranges = &range,
                              .range_count = 1,
                              .at = {frames, 2},
                              .related = &related,
                              .related_count = 1};
    char *evils[] = {evil, NULL};
    struct report report = {.program = evils,
                            .stores = evil,
                            .judge = evil,
                            .regions = &region,
                            .region_count = 1,
                            .findings = &finding,
                            .finding_count = 1,
                            .remarks = evils,
                            .remark_count = 1};
    char *text = print(&report, &plain_style);
    size_t size = strlen(text);
    for (size_t i = 0; i < size;) {
        uint32_t point;
        i += utf8_decode(text + i, size - i, &point);
        assert_true(point == '\n' || (utf8_printable(point) && point != UTF8_REPLACEMENT));
    }
    free(text);
}

static void test_many_frames(void **state) {
    (void)state;
    struct source_frame frames[1000];
    for (int i = 0; i < 1000; i++)
        frames[i] = (struct source_frame){.function = "recurse", .file = "r.c", .line = i + 1};
    struct related related[20];
    for (size_t i = 0; i < ARRAY_LENGTH(related); i++)
        related[i] = (struct related){.role = "store", .stack = {frames, 1}};
    struct finding finding = {.message = "m",
                              .at = {frames, 1000},
                              .related = related,
                              .related_count = ARRAY_LENGTH(related)};
    struct report report = {.findings = &finding, .finding_count = 1};
    char *text = print(&report, &plain_style);
    assert_non_null(strstr(text, "recurse at r.c:16\n               984 more frames\n"));
    assert_null(strstr(text, "r.c:17"));
    assert_non_null(strstr(text, "stored here, in recurse\n12 more places\n"));
    free(text);
}

/* Frames that start programs are left out at the end of a stack only, and never all of them. */
static void test_visible_frames(void **state) {
    (void)state;
    struct source_frame frames[] = {
        {.function = "f", .file = "f.c", .line = 1},
        {.function = "qsort", .module = "/lib/libc.so.6"},
        {.function = "main", .file = "f.c", .line = 2},
        {.function = "__libc_start_call_main", .module = "/lib/libc.so.6"},
        {.module = "/lib/libc.so.6"},
        {.function = "_start", .module = "/bin/f"},
    };
    assert_int_equal(place_visible(&(struct source_stack){frames, 6}), 3);
    assert_int_equal(place_visible(&(struct source_stack){frames + 3, 3}), 1);
    assert_int_equal(place_visible(&(struct source_stack){NULL, 0}), 0);
    struct source_frame thread[] = {{.function = "work", .file = "f.c", .line = 1},
                                    {.function = "start_thread", .module = "/bin/static"},
                                    {.function = "clone3", .module = "/bin/static"}};
    assert_int_equal(place_visible(&(struct source_stack){thread, 3}), 1);
}

static void check_decode(const char *bytes, size_t size, uint32_t point, size_t length) {
    uint32_t found;
    assert_int_equal(utf8_decode(bytes, size, &found), length);
    assert_int_equal(found, point);
}

static void test_utf8(void **state) {
    (void)state;
    check_decode("a", 1, 'a', 1);
    check_decode("\0", 1, 0, 1);
    check_decode("\xc3\xa9", 2, 0xe9, 2);
    check_decode("\xe2\x82\xac", 3, 0x20ac, 3);
    check_decode("\xf4\x8f\xbf\xbf", 4, 0x10ffff, 4);
    check_decode("\xc3\xa9", 1, UTF8_REPLACEMENT, 1);         /* cut */
    check_decode("\xc3(", 2, UTF8_REPLACEMENT, 1);            /* no continuation */
    check_decode("\x80", 1, UTF8_REPLACEMENT, 1);             /* nothing to continue */
    check_decode("\xc1\xbf", 2, UTF8_REPLACEMENT, 1);         /* longer than needed */
    check_decode("\xe0\x9f\xbf", 3, UTF8_REPLACEMENT, 1);     /* longer than needed */
    check_decode("\xed\xa0\x80", 3, UTF8_REPLACEMENT, 1);     /* half of a pair */
    check_decode("\xf4\x90\x80\x80", 4, UTF8_REPLACEMENT, 1); /* beyond the last */
    check_decode("\xf8\x88\x80\x80\x80", 5, UTF8_REPLACEMENT, 1);
}

static void test_write_failure(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_false(report_text(full, &sample_clean, &plain_style)); /* when it is flushed */
    fclose(full);
    full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    assert_false(report_text(full, &sample_clean, &plain_style)); /* at once */
    fclose(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),     cmocka_unit_test(test_colour_adds_nothing),
        cmocka_unit_test(test_verdicts),     cmocka_unit_test(test_lines_fit),
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_source_lines),
        cmocka_unit_test(test_source_files), cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_many_frames),  cmocka_unit_test(test_visible_frames),
        cmocka_unit_test(test_utf8),         cmocka_unit_test(test_write_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
