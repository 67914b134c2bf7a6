/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/profile.h"
#include "report/report.h"
#include "report/value.h"

static bool put_frame(json_t *object, const struct source_frame *frame) {
    if (!value_put_text(object, "function", frame->function))
        return false;
    if (frame->file == NULL)
        return frame->module == NULL || (value_put_text(object, "module", frame->module) &&
                                         value_put(object, "offset", value_number(frame->offset)));
    return value_put_text(object, "file", frame->file) &&
           (frame->line <= 0 || value_put(object, "line", value_number((uint64_t)frame->line))) &&
           (!frame->inlined || value_put(object, "inlined", json_true()));
}

static json_t *make_frame(const void *items, size_t index) {
    json_t *object = json_object();
    return value_or_nothing(object,
                            put_frame(object, &((const struct source_frame *)items)[index]));
}

static json_t *make_range(const void *items, size_t index) {
    const struct byte_range *range = &((const struct byte_range *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object, value_put(object, "offset", value_number(range->offset)) &&
                                        value_put(object, "length", value_number(range->length)));
}

static bool put_stack(json_t *object, const struct source_stack *stack) {
    return value_put(object, "stack", value_array(stack->frames, stack->count, make_frame));
}

static bool put_source(json_t *object, const struct source_excerpt *excerpt) {
    if (excerpt->count == 0 && !excerpt->changed)
        return true;
    json_t *source = json_object();
    bool complete =
        excerpt->changed
            ? value_put(source, "changed", json_true())
            : value_put(source, "first", value_number((uint64_t)excerpt->first)) &&
                  value_put(source, "lines",
                            value_array(excerpt->lines, excerpt->count, value_item_text));
    return value_put(object, "source", value_or_nothing(source, complete));
}

static json_t *make_related(const void *items, size_t index) {
    const struct related *related = &((const struct related *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(
        object, value_put_text(object, "role", related->role) &&
                    (related->stack.count == 0 || put_frame(object, &related->stack.frames[0])) &&
                    put_source(object, &related->source) && put_stack(object, &related->stack));
}

static json_t *make_edit(const void *items, size_t index) {
    const struct source_edit *edit = &((const struct source_edit *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object,
                            value_put(object, "line", json_integer(edit->line)) &&
                                value_put(object, "column", json_integer(edit->column)) &&
                                value_put(object, "endLine", json_integer(edit->end_line)) &&
                                value_put(object, "endColumn", json_integer(edit->end_column)) &&
                                value_put_text(object, "text", edit->text));
}

/* What has 64 bits is text: not every reader has such numbers. */
static bool put_word(json_t *object, const char *key, uint64_t word) {
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, word);
    return value_put_text(object, key, text);
}

static json_t *make_met(const void *items, size_t index) {
    const struct finding_met *met = &((const struct finding_met *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object, value_put(object, "pass", value_number(met->pass)) &&
                                        value_put(object, "point", value_number(met->point)) &&
                                        value_put(object, "number", value_number(met->number)) &&
                                        put_word(object, "look", met->look));
}

/* Why it does not count. */
static bool put_suppression(json_t *object, const struct finding *finding) {
    if (finding->suppression == NULL)
        return true;
    json_t *suppression = json_object();
    bool complete = value_put_text(suppression, "reason", finding->suppression) &&
                    value_put_text(suppression, "place", finding->suppressor);
    return value_put(object, "suppression", value_or_nothing(suppression, complete));
}

json_t *json_frame(const struct source_frame *frame) {
    return frame != NULL ? make_frame(frame, 0) : json_object();
}

json_t *json_finding(const struct finding *finding) {
    char code[REPORT_CODE_SIZE];
    json_t *object = json_object();
    return value_or_nothing(
        object,
        value_put_text(object, "kind", kind_facts[finding->kind].name) &&
            value_put_text(object, "code", report_code(finding->kind, code)) &&
            value_put_text(object, "severity", report_severity_name(finding->severity)) &&
            value_put(object, "count", value_number(finding->count)) &&
            (finding->region == 0 || value_put(object, "region", value_number(finding->region))) &&
            value_put(object, "ranges",
                      value_array(finding->ranges, finding->range_count, make_range)) &&
            (!finding->more_ranges || value_put(object, "more_ranges", json_true())) &&
            value_put_text(object, "message", finding->message) &&
            value_put_text(object, "mend", finding->mend) &&
            value_put_text(object, "image", finding->image) &&
            value_put_text(object, "replay", finding->replay) &&
            (finding->fix_count == 0 ||
             value_put(object, "fix", value_array(finding->fix, finding->fix_count, make_edit))) &&
            (finding->met_count == 0 ||
             value_put(object, "met", value_array(finding->met, finding->met_count, make_met))) &&
            value_put_text(object, "rescued_by", finding->rescued_by) &&
            value_put(object, "at",
                      finding->at.count > 0 ? make_frame(finding->at.frames, 0) : json_object()) &&
            put_source(object, &finding->source) && put_stack(object, &finding->at) &&
            value_put(object, "related",
                      value_array(finding->related, finding->related_count, make_related)) &&
            put_suppression(object, finding));
}

static json_t *make_finding(const void *items, size_t index) {
    return json_finding(&((const struct finding *)items)[index]);
}

static json_t *make_region(const void *items, size_t index) {
    const struct report_region *region = &((const struct report_region *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object, value_put(object, "id", value_number(region->id)) &&
                                        value_put_text(object, "path", region->path) &&
                                        value_put(object, "size", value_number(region->size)) &&
                                        value_put_text(object, "domain", region->domain) &&
                                        value_put_text(object, "reason", region->reason));
}

static json_t *summary(const struct report *report) {
    struct report_tally tally = report_count(report);
    json_t *object = json_object();
    bool complete = true;
    for (int i = 0; i < REPORT_SEVERITIES && complete; i++)
        complete =
            value_put(object, report_severity_name((enum severity)i), value_number(tally.of[i]));
    return value_or_nothing(object, complete);
}

bool report_json(FILE *out, const struct report *report) {
    json_t *object = json_object();
    object = value_or_nothing(
        object,
        value_put_text(object, "schema", "nvrtl-report/1") &&
            value_put(object, "program",
                      value_array(report->program, report_arguments(report), value_item_text)) &&
            value_put_text(object, "directory", report->directory) &&
            value_put(object, "exit", json_integer(report->exit)) &&
            value_put_text(object, "stores", report->stores) &&
            value_put_text(object, "judge", report->judge) &&
            (report->search == 0 || put_word(object, "search", report->search)) &&
            (!report->incomplete || value_put(object, "incomplete", json_true())) &&
            (!report->unasked || value_put(object, "unasked", json_true())) &&
            value_put(object, "summary", summary(report)) &&
            value_put(object, "regions",
                      value_array(report->regions, report->region_count, make_region)) &&
            value_put(object, "findings",
                      value_array(report->findings, report->finding_count, make_finding)) &&
            (report->suppressed_count == 0 ||
             value_put(object, "suppressed",
                       value_array(report->suppressed, report->suppressed_count, make_finding))) &&
            (!report->profile.wanted ||
             value_put(object, "profile", report_profile_json(&report->profile))) &&
            (report->remark_count == 0 ||
             value_put(object, "remarks",
                       value_array(report->remarks, report->remark_count, value_item_text))));
    return value_write(out, object);
}
