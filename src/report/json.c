/* SPDX-License-Identifier: BSD-2-Clause */
#include <jansson.h>
#include <stdlib.h>

#include "report/report.h"
#include "report/utf8.h"

/* Every function here that makes a value returns NULL when memory is out, and jansson's _new calls
   take NULL for "fail": so a failure anywhere surfaces as NULL at the top, or as false here. */

static json_t *text(const char *string) {
    char *clean = utf8_clean(string);
    json_t *value = clean != NULL ? json_string(clean) : NULL;
    free(clean);
    return value;
}

static json_t *number(uint64_t value) {
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static bool put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

/* What is not known is left out. */
static bool put_text(json_t *object, const char *key, const char *string) {
    return string == NULL || put(object, key, text(string));
}

static bool put_frame(json_t *object, const struct source_frame *frame) {
    if (!put_text(object, "function", frame->function))
        return false;
    if (frame->file == NULL)
        return frame->module == NULL || (put_text(object, "module", frame->module) &&
                                         put(object, "offset", number(frame->offset)));
    return put_text(object, "file", frame->file) &&
           (frame->line <= 0 || put(object, "line", number((uint64_t)frame->line))) &&
           (!frame->inlined || put(object, "inlined", json_true()));
}

/* Returns object, or NULL with object released. */
static json_t *or_nothing(json_t *object, bool complete) {
    if (complete)
        return object;
    json_decref(object);
    return NULL;
}

/* An array with one value for each of count items. */
typedef json_t *make_item(const void *items, size_t index);

static json_t *array_of(const void *items, size_t count, make_item *make) {
    json_t *array = json_array();
    bool complete = true;
    for (size_t i = 0; i < count && complete; i++)
        complete = json_array_append_new(array, make(items, i)) == 0;
    return or_nothing(array, complete);
}

static json_t *make_text(const void *items, size_t index) {
    return text(((char *const *)items)[index]);
}

static json_t *make_frame(const void *items, size_t index) {
    json_t *object = json_object();
    return or_nothing(object, put_frame(object, &((const struct source_frame *)items)[index]));
}

static json_t *make_range(const void *items, size_t index) {
    const struct byte_range *range = &((const struct byte_range *)items)[index];
    json_t *object = json_object();
    return or_nothing(object, put(object, "offset", number(range->offset)) &&
                                  put(object, "length", number(range->length)));
}

static bool put_stack(json_t *object, const struct source_stack *stack) {
    return put(object, "stack", array_of(stack->frames, stack->count, make_frame));
}

static bool put_source(json_t *object, const struct source_excerpt *excerpt) {
    if (excerpt->count == 0 && !excerpt->changed)
        return true;
    json_t *source = json_object();
    bool complete = excerpt->changed ? put(source, "changed", json_true())
                                     : put(source, "first", number((uint64_t)excerpt->first)) &&
                                           put(source, "lines",
                                               array_of(excerpt->lines, excerpt->count, make_text));
    return put(object, "source", or_nothing(source, complete));
}

static json_t *make_related(const void *items, size_t index) {
    const struct related *related = &((const struct related *)items)[index];
    json_t *object = json_object();
    return or_nothing(
        object, put_text(object, "role", related->role) &&
                    (related->stack.count == 0 || put_frame(object, &related->stack.frames[0])) &&
                    put_source(object, &related->source) && put_stack(object, &related->stack));
}

static json_t *make_finding(const void *items, size_t index) {
    const struct finding *finding = &((const struct finding *)items)[index];
    char code[REPORT_CODE_SIZE];
    json_t *object = json_object();
    return or_nothing(
        object,
        put_text(object, "kind", kind_facts[finding->kind].name) &&
            put_text(object, "code", report_code(finding->kind, code)) &&
            put_text(object, "severity", report_severity_name(finding->severity)) &&
            put(object, "count", number(finding->count)) &&
            (finding->region == 0 || put(object, "region", number(finding->region))) &&
            put(object, "ranges", array_of(finding->ranges, finding->range_count, make_range)) &&
            (!finding->more_ranges || put(object, "more_ranges", json_true())) &&
            put_text(object, "message", finding->message) &&
            put_text(object, "mend", finding->mend) &&
            put_text(object, "rescued_by", finding->rescued_by) &&
            put(object, "at",
                finding->at.count > 0 ? make_frame(finding->at.frames, 0) : json_object()) &&
            put_source(object, &finding->source) && put_stack(object, &finding->at) &&
            put(object, "related",
                array_of(finding->related, finding->related_count, make_related)));
}

static json_t *make_region(const void *items, size_t index) {
    const struct report_region *region = &((const struct report_region *)items)[index];
    json_t *object = json_object();
    return or_nothing(object, put(object, "id", number(region->id)) &&
                                  put_text(object, "path", region->path) &&
                                  put(object, "size", number(region->size)) &&
                                  put_text(object, "domain", region->domain) &&
                                  put_text(object, "reason", region->reason));
}

static json_t *summary(const struct report *report) {
    struct report_tally tally = report_count(report);
    json_t *object = json_object();
    bool complete = true;
    for (int i = 0; i < REPORT_SEVERITIES && complete; i++)
        complete = put(object, report_severity_name((enum severity)i), number(tally.of[i]));
    return or_nothing(object, complete);
}

bool report_json(FILE *out, const struct report *report) {
    size_t arguments = 0;
    while (report->program != NULL && report->program[arguments] != NULL)
        arguments++;
    json_t *object = json_object();
    object = or_nothing(
        object,
        put_text(object, "schema", "nvrtl-report/1") &&
            put(object, "program", array_of(report->program, arguments, make_text)) &&
            put_text(object, "directory", report->directory) &&
            put(object, "exit", json_integer(report->exit)) &&
            put_text(object, "stores", report->stores) &&
            put_text(object, "judge", report->judge) &&
            (!report->incomplete || put(object, "incomplete", json_true())) &&
            put(object, "summary", summary(report)) &&
            put(object, "regions", array_of(report->regions, report->region_count, make_region)) &&
            put(object, "findings",
                array_of(report->findings, report->finding_count, make_finding)) &&
            (report->remark_count == 0 ||
             put(object, "remarks", array_of(report->remarks, report->remark_count, make_text))));
    /* Whole or not at all: half of a report is worse than none. */
    char *written = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    bool complete =
        written != NULL && fputs(written, out) >= 0 && fputc('\n', out) != EOF && fflush(out) == 0;
    free(written);
    return complete;
}
