/* SPDX-License-Identifier: BSD-2-Clause */
/* JUnit's XML, as continuous integration reads it: each finding is a test case, a program without
   any is one that passes. Errors fail; warnings, performance and notes are told, and pass. */
#include <stdlib.h>
#include <string.h>

#include "report/key.h"
#include "report/markup.h"
#include "report/place.h"
#include "report/text.h"

struct suite {
    FILE *out;
    const struct report *report;
    const struct report_style *style;
    const struct key *keys;
    char *class_name; /* the program's, without dots: they separate packages */
};

/* The finding at a place: those that are suppressed follow the others. */
static const struct finding *finding_at(const struct suite *suite, size_t index) {
    const struct report *report = suite->report;
    return index < report->finding_count ? &report->findings[index]
                                         : &report->suppressed[index - report->finding_count];
}

/* Names a finding by what stays when lines move, so that a history of it can be kept. */
static void put_name(const struct suite *suite, size_t index) {
    const struct finding *finding = finding_at(suite, index);
    const struct source_frame *frame = finding->at.count > 0 ? &finding->at.frames[0] : NULL;
    const char *where = frame == NULL             ? NULL
                        : frame->function != NULL ? frame->function
                        : frame->file != NULL     ? place_name(frame->file)
                        : frame->module != NULL   ? place_name(frame->module)
                                                  : NULL;
    char number[32] = "", *name = NULL;
    if (suite->keys[index].number > 1)
        snprintf(number, sizeof number, " (%zu)", suite->keys[index].number);
    if (asprintf(&name, "%s %s %s%s", kind_facts[finding->kind].name, where != NULL ? "in" : "at",
                 where != NULL ? where : "an unknown place", number) < 0)
        return;
    markup_attribute(suite->out, "name", name);
    free(name);
}

/* The finding as the text report has it. */
static void put_finding(const struct suite *suite, const struct finding *finding) {
    struct report_style plain = *suite->style;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL)
        return;
    plain.colour = false;
    struct text page = {
        .page = {.out = memory, .fresh = true}, .report = suite->report, .style = &plain};
    text_finding(&page, finding);
    if (fclose(memory) == 0)
        markup_text(suite->out, text);
    free(text);
}

static void put_case(const struct suite *suite, size_t index) {
    const struct finding *finding = finding_at(suite, index);
    FILE *out = suite->out;
    fputs("    <testcase", out);
    put_name(suite, index);
    markup_attribute(out, "classname", suite->class_name);
    fputs(" time=\"0\">\n", out);
    if (finding->suppression != NULL) {
        fputs("      <skipped", out);
        markup_attribute(out, "message", finding->suppression);
        fputs("/>\n", out);
    } else if (finding->severity == SEVERITY_ERROR) {
        fputs("      <failure", out);
        markup_attribute(out, "type", kind_facts[finding->kind].name);
        markup_attribute(out, "message", finding->message);
        fputc('>', out);
        put_finding(suite, finding);
        fputs("</failure>\n", out);
    } else {
        fputs("      <system-out>", out);
        put_finding(suite, finding);
        fputs("</system-out>\n", out);
    }
    fputs("    </testcase>\n", out);
}

static bool nothing_was_judged(const struct report *report) {
    return report->incomplete || report->region_count == 0;
}

/* The only case of a program of which there is nothing to tell. */
static void put_clean(const struct suite *suite) {
    FILE *out = suite->out;
    const struct report *report = suite->report;
    fputs("    <testcase name=\"no findings\"", out);
    markup_attribute(out, "classname", suite->class_name);
    fputs(" time=\"0\"", out);
    if (nothing_was_judged(report)) {
        fputs(">\n      <skipped", out);
        markup_attribute(out, "message",
                         !report->incomplete ? "there was nothing to judge"
                         : report->stores != NULL && strcmp(report->stores, "trace") == 0
                             ? "the search was not finished"
                             : "not all of the program was seen");
        fputs("/>\n    </testcase>\n", out);
    } else {
        fputs("/>\n", out);
    }
}

static void put_property(FILE *out, const char *name, const char *value) {
    if (value == NULL)
        return;
    fputs("      <property", out);
    markup_attribute(out, "name", name);
    markup_attribute(out, "value", value);
    fputs("/>\n", out);
}

static void put_properties(const struct suite *suite) {
    char status[16];
    snprintf(status, sizeof status, "%d", suite->report->exit);
    fputs("    <properties>\n", suite->out);
    put_property(suite->out, "exit", status);
    put_property(suite->out, "stores", suite->report->stores);
    put_property(suite->out, "judge", suite->report->judge);
    fputs("    </properties>\n", suite->out);
}

/* The verdict, and what was remarked. */
static void put_talk(const struct suite *suite) {
    char *verdict = text_verdict_line(suite->report);
    fputs("    <system-out>", suite->out);
    markup_text(suite->out, verdict != NULL ? verdict : "");
    for (size_t i = 0; i < suite->report->remark_count; i++) {
        fputs("\n- ", suite->out);
        markup_text(suite->out, suite->report->remarks[i]);
    }
    fputs("</system-out>\n", suite->out);
    free(verdict);
}

static void put_suite(const struct suite *suite) {
    const struct report *report = suite->report;
    struct report_tally tally = report_count(report);
    size_t cases = report->finding_count + report->suppressed_count;
    bool clean = cases == 0;
    size_t tests = clean ? 1 : cases, failures = tally.of[SEVERITY_ERROR];
    size_t skipped = report->suppressed_count + (clean && nothing_was_judged(report) ? 1 : 0);
    fprintf(suite->out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuites name=\"nvrtl\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n"
            "  <testsuite",
            tests, failures);
    markup_attribute(suite->out, "name", report_program_name(report));
    fprintf(suite->out,
            " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"0\">\n", tests,
            failures, skipped);
    put_properties(suite);
    for (size_t i = 0; i < cases; i++)
        put_case(suite, i);
    if (clean)
        put_clean(suite);
    put_talk(suite);
    fputs("  </testsuite>\n</testsuites>\n", suite->out);
}

bool report_junit(FILE *out, const struct report *report, const struct report_style *style) {
    struct key *keys = key_all(report);
    char *name = strdup(report_program_name(report));
    for (char *dot = name; dot != NULL && *dot != '\0'; dot++)
        *dot = *dot == '.' ? '_' : *dot;
    const struct suite suite = {out, report, style, keys, name};
    bool complete = keys != NULL && name != NULL;
    if (complete)
        put_suite(&suite);
    free(keys);
    free(name);
    return complete && fflush(out) == 0 && ferror(out) == 0;
}
