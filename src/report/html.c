/* SPDX-License-Identifier: BSD-2-Clause */
/* One page that needs nothing but itself: no script, nothing loaded, light or dark as the reader
   has it, fit for paper. */
#include "report/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/markup.h"
#include "report/place.h"
#include "report/profile.h"
#include "report/text.h"

/* More than this is for programs to read. */
#define FRAMES_SHOWN 16
#define RANGES_SHOWN 20
#define RELATED_SHOWN 8

struct html {
    FILE *out;
    const struct report *report;
    const struct report_style *style;
};

static void put(const struct html *html, const char *markup) {
    fputs(markup, html->out);
}

/* <name class="class">text</name>, class may be NULL */
static void put_element(const struct html *html, const char *name, const char *class,
                        const char *text) {
    fprintf(html->out, "<%s", name);
    if (class != NULL)
        markup_attribute(html->out, "class", class);
    put(html, ">");
    markup_text(html->out, text);
    fprintf(html->out, "</%s>", name);
}

static const char *verdict_class(const struct report *report) {
    struct report_tally tally = report_count(report);
    return tally.of[SEVERITY_ERROR] > 0     ? "error"
           : tally.of[SEVERITY_WARNING] > 0 ? "warning"
           : report->incomplete             ? "warning"
           : tally.of[SEVERITY_NOTE] > 0    ? "note"
           : report->suppressed_count > 0   ? "note"
           : report->region_count > 0       ? "good"
                                            : "dim";
}

static void put_head(const struct html *html) {
    put(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" "
              "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>nvrtl: ");
    markup_text(html->out, report_program_name(html->report));
    put(html, "</title>\n<style>\n");
    put(html, html_style);
    put(html, "</style>\n</head>\n<body>\n<main>\n");
}

static void put_verdict(const struct html *html) {
    const struct report *report = html->report;
    char *verdict = text_verdict_line(report);
    put(html, "<header>\n");
    put_element(html, "h1", verdict_class(report), verdict != NULL ? verdict : "");
    put(html, "\n<p><code>");
    for (size_t i = 0; i < report_arguments(report); i++) {
        put(html, i > 0 ? " " : "");
        markup_text(html->out, report->program[i]);
    }
    fprintf(html->out, "</code></p>\n<p class=\"dim\">Exit status %d; stores: ", report->exit);
    markup_text(html->out, report->stores != NULL ? report->stores : "unknown");
    put(html, "; judge: ");
    markup_text(html->out, report->judge != NULL ? report->judge : "unknown");
    put(html, "</p>\n</header>\n");
    free(verdict);
}

/* Findings of one kind and severity follow each other: a table of the kinds, with a link to the
   first of each. */
static void put_kinds(const struct html *html) {
    const struct report *report = html->report;
    if (report->finding_count < 2)
        return;
    put(html, "<h2>Kinds</h2>\n<table>\n<tr><th>kind</th><th>severity</th>"
              "<th class=\"number\">findings</th><th class=\"number\">times</th></tr>\n");
    for (size_t i = 0, next; i < report->finding_count; i = next) {
        const struct finding *first = &report->findings[i];
        uint64_t times = 0;
        for (next = i; next < report->finding_count && report->findings[next].kind == first->kind &&
                       report->findings[next].severity == first->severity;
             next++)
            times += report->findings[next].count;
        fprintf(html->out, "<tr class=\"%s\"><td><a href=\"#f%zu\">",
                report_severity_name(first->severity), i + 1);
        markup_text(html->out, kind_facts[first->kind].name);
        put(html, "</a></td><td>");
        put_element(html, "span", "severity", report_severity_name(first->severity));
        fprintf(html->out,
                "</td><td class=\"number\">%zu</td><td class=\"number\">%" PRIu64 "</td></tr>\n",
                next - i, times);
    }
    put(html, "</table>\n");
}

/* The blanks before a line, as they are, so that a caret behind them stands below its text. */
static void put_indent(const struct html *html, const char *line) {
    for (; *line == ' ' || *line == '\t'; line++)
        fputc(*line, html->out);
}

static void put_source(const struct html *html, const struct source_excerpt *source, int line) {
    if (source->changed)
        put(html, "<p class=\"dim\">This file is newer than the program: its lines are not "
                  "shown.</p>\n");
    if (source->count == 0 || !html->style->source)
        return;
    put(html, "<pre>");
    for (size_t i = 0; i < source->count; i++) {
        int number = source->first + (int)i;
        const char *text = source->lines[i];
        fprintf(html->out, "<span%s><i>%d</i>", number == line ? " class=\"blamed\"" : "", number);
        put_element(html, "b", NULL, text);
        put(html, "</span>");
        if (number == line && text[strspn(text, " \t")] != '\0') {
            put(html, "<span class=\"caret\"><i></i><b>");
            put_indent(html, text);
            put(html, "^</b></span>");
        }
    }
    put(html, "</pre>\n");
}

static void put_frame(const struct html *html, const struct source_frame *frame) {
    char buffer[PLACE_SIZE];
    const char *place = place_frame(frame, html->style->base, buffer);
    if (frame->function != NULL) {
        put_element(html, "code", NULL, frame->function);
        put(html, frame->file != NULL ? " at " : " in ");
    }
    put_element(html, "span", "place", place != NULL ? place : "an unknown place");
    if (frame->inlined)
        put(html, " <span class=\"dim\">(inlined)</span>");
}

static void put_stack(const struct html *html, const struct source_stack *stack) {
    size_t count = place_visible(stack);
    if (count == 0)
        return;
    put(html, "<dt>stack</dt><dd><ol class=\"stack\">");
    for (size_t i = 0; i < count && i < FRAMES_SHOWN; i++) {
        put(html, "<li>");
        put_frame(html, &stack->frames[i]);
        put(html, "</li>");
    }
    if (count > FRAMES_SHOWN)
        fprintf(html->out, "<li class=\"dim\">and %zu more</li>", count - FRAMES_SHOWN);
    put(html, "</ol></dd>\n");
}

static void put_ranges(const struct html *html, const struct finding *finding) {
    const struct report_region *region = report_find_region(html->report, finding->region);
    size_t count = finding->range_count < RANGES_SHOWN ? finding->range_count : RANGES_SHOWN;
    char path[PLACE_SIZE];
    if (count == 0)
        return;
    put(html, region != NULL ? "<dt>file</dt><dd>" : "<dt>bytes</dt><dd>");
    if (region != NULL) {
        put_element(html, "span", "place", place_path(region->path, html->style->base, path));
        put(html, ": ");
    }
    for (size_t i = 0; i < count; i++) {
        const struct byte_range *range = &finding->ranges[i];
        put(html, i > 0 ? ", " : "");
        if (i == 0 || range->length != range[-1].length)
            fprintf(html->out, "%" PRIu64 " byte%s at ", range->length,
                    range->length == 1 ? "" : "s");
        fprintf(html->out, "<code>0x%" PRIx64 "</code>", range->offset);
    }
    put(html,
        finding->more_ranges || count < finding->range_count ? " and more</dd>\n" : "</dd>\n");
}

static void put_related(const struct html *html, const struct related *related) {
    static const struct source_frame nowhere = {0};
    const struct source_frame *frame =
        related->stack.count > 0 ? &related->stack.frames[0] : &nowhere;
    put(html, "<h4>");
    markup_text(html->out, report_role_text(related->role));
    put(html, ": ");
    put_frame(html, frame);
    put(html, "</h4>\n");
    put_source(html, &related->source, frame->line);
    if (place_visible(&related->stack) > 1) {
        put(html, "<dl>\n");
        put_stack(html, &related->stack);
        put(html, "</dl>\n");
    }
}

static void put_heading(const struct html *html, const struct finding *finding) {
    const struct report_region *region = report_find_region(html->report, finding->region);
    char buffer[PLACE_SIZE];
    const char *place = NULL;
    if (finding->at.count > 0)
        place = place_frame(&finding->at.frames[0], html->style->base, buffer);
    if (place == NULL && region != NULL)
        place = place_path(region->path, html->style->base, buffer);
    put(html, "<h3>");
    put_element(html, "span", "place", place != NULL ? place : "nvrtl");
    put(html, ": ");
    put_element(html, "span", "severity", report_severity_name(finding->severity));
    put(html, ": ");
    markup_text(html->out, finding->message);
    if (finding->count > 1)
        fprintf(html->out, " (%" PRIu64 " times)", finding->count);
    put(html, " <span class=\"kind\">[");
    markup_text(html->out, kind_facts[finding->kind].name);
    put(html, "]</span></h3>\n");
}

static void put_finding(const struct html *html, size_t index) {
    const struct finding *finding = &html->report->findings[index];
    fprintf(html->out, "<article id=\"f%zu\" class=\"%s\">\n", index + 1,
            report_severity_name(finding->severity));
    put_heading(html, finding);
    put_source(html, &finding->source, finding->at.count > 0 ? finding->at.frames[0].line : 0);
    put(html, "<dl>\n");
    put_stack(html, &finding->at);
    put_ranges(html, finding);
    if (finding->rescued_by != NULL) {
        put(html, "<dt>saved</dt><dd>only by ");
        markup_text(html->out, report_rescue_text(finding->rescued_by));
        put(html, "</dd>\n");
    }
    if (finding->mend != NULL) {
        put(html, "<dt>mend</dt>");
        put_element(html, "dd", "mend", finding->mend);
        put(html, "\n");
    }
    if (finding->replay != NULL) {
        put(html, "<dt>again</dt><dd><code>");
        markup_text(html->out, finding->replay);
        put(html, "</code></dd>\n");
    }
    put(html, "</dl>\n");
    for (size_t i = 0; i < finding->related_count && i < RELATED_SHOWN; i++)
        put_related(html, &finding->related[i]);
    if (finding->related_count > RELATED_SHOWN)
        fprintf(html->out, "<p class=\"dim\">and %zu more places</p>\n",
                finding->related_count - RELATED_SHOWN);
    put(html, "</article>\n");
}

static void put_suppressed(const struct html *html) {
    const struct report *report = html->report;
    if (report->suppressed_count == 0)
        return;
    put(html, "<h2>Suppressed</h2>\n<table>\n<tr><th>finding</th><th>kind</th>"
              "<th class=\"number\">times</th><th>why</th><th>said in</th></tr>\n");
    for (size_t i = 0; i < report->suppressed_count; i++) {
        const struct finding *finding = &report->suppressed[i];
        put(html, "<tr>");
        put_element(html, "td", NULL, finding->message);
        put_element(html, "td", NULL, kind_facts[finding->kind].name);
        fprintf(html->out, "<td class=\"number\">%" PRIu64 "</td>", finding->count);
        put_element(html, "td", NULL, finding->suppression);
        put_element(html, "td", "place", finding->suppressor);
        put(html, "</tr>\n");
    }
    put(html, "</table>\n");
}

static void put_regions(const struct html *html) {
    const struct report *report = html->report;
    char path[PLACE_SIZE];
    if (report->region_count == 0)
        return;
    put(html, "<h2>Regions</h2>\n<table>\n<tr><th>file</th><th class=\"number\">bytes</th>"
              "<th>domain</th><th>why</th></tr>\n");
    for (size_t i = 0; i < report->region_count; i++) {
        const struct report_region *region = &report->regions[i];
        put(html, "<tr><td>");
        put_element(html, "span", "place", place_path(region->path, html->style->base, path));
        fprintf(html->out, "</td><td class=\"number\">%" PRIu64 "</td>", region->size);
        put_element(html, "td", NULL, region->domain);
        put_element(html, "td", NULL, region->reason != NULL ? region->reason : "");
        put(html, "</tr>\n");
    }
    put(html, "</table>\n");
}

static void put_remarks(const struct html *html) {
    const struct report *report = html->report;
    if (report->remark_count == 0)
        return;
    put(html, "<h2>Remarks</h2>\n<ul>\n");
    for (size_t i = 0; i < report->remark_count; i++) {
        put_element(html, "li", NULL, report->remarks[i]);
        put(html, "\n");
    }
    put(html, "</ul>\n");
}

bool report_html(FILE *out, const struct report *report, const struct report_style *style) {
    const struct html html = {out, report, style};
    put_head(&html);
    put_verdict(&html);
    put_kinds(&html);
    if (report->finding_count > 0)
        put(&html, "<h2>Findings</h2>\n");
    for (size_t i = 0; i < report->finding_count; i++)
        put_finding(&html, i);
    put_suppressed(&html);
    report_profile_html(out, report, style);
    put_regions(&html);
    put_remarks(&html);
    put(&html, "</main>\n</body>\n</html>\n");
    return fflush(out) == 0 && ferror(out) == 0;
}
