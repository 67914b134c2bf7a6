/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/load.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/member.h"
#include "report/profile.h"
#include "report/report.h"
#include "report/utf8.h"

#define SCHEMA "nvrtl-report/1"

static bool read_frame(struct members *members, const json_t *object, void *item) {
    struct source_frame *frame = item;
    uint64_t line = 0;
    frame->inlined = json_is_true(json_object_get(object, "inlined"));
    if (!member_copy(members, object, "function", false, &frame->function) ||
        !member_copy(members, object, "file", false, &frame->file) ||
        !member_number(members, object, "line", 1, INT_MAX, false, &line) ||
        !member_copy(members, object, "module", false, &frame->module) ||
        !member_number(members, object, "offset", 0, INT64_MAX, false, &frame->offset))
        return false;
    if (line != 0 && frame->file == NULL)
        return member_fail(members, "line", "there is no file that it is of");
    frame->line = (int)line;
    return true;
}

/* The stack of an object. One that is not told has the object's own frame at least. */
static bool read_stack(struct members *members, const json_t *object, const json_t *own,
                       struct source_stack *stack) {
    void *frames = NULL;
    bool good = member_array(members, object, "stack", false, sizeof *stack->frames, read_frame,
                             &frames, &stack->count);
    stack->frames = frames;
    if (!good || stack->count > 0)
        return good;
    struct source_frame frame = {0};
    free(frames);
    stack->frames = calloc(1, sizeof *stack->frames);
    if (stack->frames == NULL)
        return member_fail(members, "stack", "there is no memory for it");
    good = read_frame(members, own, &frame);
    stack->frames[0] = frame;
    stack->count = 1;
    if (good && frame.function == NULL && frame.file == NULL && frame.module == NULL)
        stack->count = 0;
    return good;
}

bool load_place(struct members *members, const json_t *object, struct source_stack *stack) {
    return read_stack(members, object, object, stack);
}

static bool read_source(struct members *members, const json_t *object,
                        struct source_excerpt *source) {
    const json_t *found = NULL;
    uint64_t first = 0;
    if (!member_object(members, object, "source", false, &found))
        return false;
    if (found == NULL)
        return true;
    size_t mark = member_enter(members, "source", -1);
    source->changed = json_is_true(json_object_get(found, "changed"));
    bool good = source->changed ||
                (member_number(members, found, "first", 1, INT_MAX / 2, true, &first) &&
                 member_texts(members, found, "lines", 1, &source->lines, &source->count));
    source->first = (int)first;
    if (good && source->count > INT_MAX / 2)
        good = member_fail(members, "lines", "are too many");
    member_leave(members, mark);
    return good;
}

static bool read_range(struct members *members, const json_t *object, void *item) {
    struct byte_range *range = item;
    return member_number(members, object, "offset", 0, INT64_MAX, true, &range->offset) &&
           member_number(members, object, "length", 0, INT64_MAX, true, &range->length);
}

static bool read_edit(struct members *members, const json_t *object, void *item) {
    struct source_edit *edit = item;
    const struct {
        const char *key;
        int *to;
    } numbers[] = {{"line", &edit->line},
                   {"column", &edit->column},
                   {"endLine", &edit->end_line},
                   {"endColumn", &edit->end_column}};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        uint64_t number = 0;
        if (!member_number(members, object, numbers[i].key, 1, INT_MAX, true, &number))
            return false;
        *numbers[i].to = (int)number;
    }
    return member_copy(members, object, "text", true, &edit->text);
}

/* 16 hexadecimal digits. */
static bool read_word(struct members *members, const json_t *object, const char *key, bool required,
                      uint64_t *word) {
    const char *text = NULL;
    if (!member_text(members, object, key, required, &text))
        return false;
    if (text == NULL)
        return true;
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return member_fail(members, key, "'%.32s' is not 16 hexadecimal digits", text);
    *word = strtoull(text, NULL, 16);
    return true;
}

static bool read_met(struct members *members, const json_t *object, void *item) {
    struct finding_met *met = item;
    return member_number(members, object, "pass", 0, INT64_MAX, true, &met->pass) &&
           member_number(members, object, "point", 0, INT64_MAX, true, &met->point) &&
           member_number(members, object, "number", 0, INT64_MAX, true, &met->number) &&
           read_word(members, object, "look", true, &met->look);
}

static bool read_related(struct members *members, const json_t *object, void *item) {
    static const char *const roles[] = {"store", "flush", "read",  "dependent", "commit", "data",
                                        "freed", "got",   "early", "missing",   "ack"};
    struct related *related = item;
    size_t role;
    related->role = roles[0];
    if (!member_choice(members, object, "role", roles, ARRAY_LENGTH(roles), "role", &role))
        return false;
    related->role = roles[role];
    return read_stack(members, object, object, &related->stack) &&
           read_source(members, object, &related->source);
}

static bool read_kind(struct members *members, const json_t *object, struct finding *finding) {
    const char *kinds[KIND_COUNT], *severities[REPORT_SEVERITIES];
    size_t kind = 0, severity = 0;
    for (unsigned i = 0; i < KIND_COUNT; i++)
        kinds[i] = kind_facts[i].name;
    for (unsigned i = 0; i < REPORT_SEVERITIES; i++)
        severities[i] = report_severity_name((enum severity)i);
    if (!member_choice(members, object, "kind", kinds, KIND_COUNT, "kind of finding", &kind) ||
        !member_choice(members, object, "severity", severities, REPORT_SEVERITIES, "severity",
                       &severity))
        return false;
    finding->kind = (enum kind)kind;
    finding->severity = (enum severity)severity;
    return true;
}

static bool read_finding(struct members *members, const json_t *object, void *item) {
    struct finding *finding = item;
    const json_t *at = NULL;
    void *ranges = NULL, *related = NULL, *fix = NULL, *met = NULL;
    uint64_t region = 0;
    bool good = read_kind(members, object, finding) &&
                member_number(members, object, "count", 1, INT64_MAX, true, &finding->count) &&
                member_number(members, object, "region", 1, UINT32_MAX, false, &region) &&
                member_copy(members, object, "message", true, &finding->message) &&
                member_copy(members, object, "mend", false, &finding->mend) &&
                member_copy(members, object, "image", false, &finding->image) &&
                member_copy(members, object, "replay", false, &finding->replay) &&
                member_text(members, object, "rescued_by", false, &finding->rescued_by) &&
                member_object(members, object, "at", true, &at) &&
                read_stack(members, object, at, &finding->at) &&
                read_source(members, object, &finding->source);
    finding->region = (uint32_t)region;
    finding->more_ranges = json_is_true(json_object_get(object, "more_ranges"));
    good = good && member_array(members, object, "ranges", false, sizeof *finding->ranges,
                                read_range, &ranges, &finding->range_count);
    finding->ranges = ranges;
    good = good && member_array(members, object, "related", false, sizeof *finding->related,
                                read_related, &related, &finding->related_count);
    finding->related = related;
    good = good && member_array(members, object, "fix", false, sizeof *finding->fix, read_edit,
                                &fix, &finding->fix_count);
    finding->fix = fix;
    good = good && member_array(members, object, "met", false, sizeof *finding->met, read_met, &met,
                                &finding->met_count);
    finding->met = met;
    return good;
}

static bool read_suppressed(struct members *members, const json_t *object, void *item) {
    struct finding *finding = item;
    const json_t *suppression = NULL;
    return read_finding(members, object, finding) &&
           member_object(members, object, "suppression", true, &suppression) &&
           member_copy(members, suppression, "reason", true, &finding->suppression) &&
           member_copy(members, suppression, "place", true, &finding->suppressor);
}

static bool read_region(struct members *members, const json_t *object, void *item) {
    static const char *const domains[] = {"volatile", "page-cache", "memory", "cpu-cache"};
    struct report_region *region = item;
    uint64_t id = 0;
    size_t domain = 0;
    bool good = member_number(members, object, "id", 1, UINT32_MAX, true, &id) &&
                member_copy(members, object, "path", true, &region->path) &&
                member_number(members, object, "size", 0, INT64_MAX, true, &region->size) &&
                member_choice(members, object, "domain", domains, ARRAY_LENGTH(domains), "domain",
                              &domain) &&
                member_copy(members, object, "reason", false, &region->reason);
    region->id = (uint32_t)id;
    region->domain = domains[good ? domain : 0];
    return good;
}

static bool read_run(struct members *members, const json_t *root, struct report *report) {
    static const char *const sources[] = {"api", "pages=interval", "pages", "hooks", "trace"};
    static const char *const judges[] = {"strict", "actual", "memory", "page-cache",
                                         "x86",    "arm",    "eadr",   "page"};
    uint64_t status = 0;
    size_t source = 0, judge = 0, words = 0;
    bool good =
        member_texts(members, root, "program", 1, &report->program, &words) &&
        member_text(members, root, "directory", false, &report->directory) &&
        member_number(members, root, "exit", 0, 255, true, &status) &&
        member_choice(members, root, "stores", sources, ARRAY_LENGTH(sources), "source of stores",
                      &source) &&
        member_choice(members, root, "judge", judges, ARRAY_LENGTH(judges), "judge", &judge) &&
        read_word(members, root, "search", false, &report->search);
    report->exit = (int)status;
    report->incomplete = json_is_true(json_object_get(root, "incomplete"));
    report->unasked = json_is_true(json_object_get(root, "unasked"));
    report->stores = sources[good ? source : 0];
    report->judge = judges[good ? judge : 0];
    return good;
}

static bool read_report(struct members *members, const json_t *root, struct report *report) {
    const char *schema = "";
    void *regions = NULL, *findings = NULL, *suppressed = NULL;
    if (!json_is_object(root))
        return member_fail(members, "", "this is no " SCHEMA);
    if (!member_text(members, root, "schema", true, &schema))
        return false;
    if (strcmp(schema, SCHEMA) != 0)
        return member_fail(members, "schema", "'%.64s' is not " SCHEMA, schema);
    bool good = read_run(members, root, report) &&
                member_array(members, root, "regions", true, sizeof *report->regions, read_region,
                             &regions, &report->region_count);
    report->regions = regions;
    good = good && member_array(members, root, "findings", true, sizeof *report->findings,
                                read_finding, &findings, &report->finding_count);
    report->findings = findings;
    good = good && member_array(members, root, "suppressed", false, sizeof *report->suppressed,
                                read_suppressed, &suppressed, &report->suppressed_count);
    report->suppressed = suppressed;
    return good && report_profile_load(members, root, &report->profile) &&
           member_texts(members, root, "remarks", 0, &report->remarks, &report->remark_count);
}

void report_unload(struct loaded *loaded) {
    char **program = loaded->report.program;
    verify_free_report(&loaded->report);
    for (size_t i = 0; program != NULL && program[i] != NULL; i++)
        free(program[i]);
    free(program);
    json_decref(loaded->root);
    *loaded = (struct loaded){0};
}

bool report_load(const char *bytes, size_t size, struct loaded *loaded, char **wrong) {
    struct members members = {.wrong = NULL};
    json_error_t error;
    *wrong = NULL;
    *loaded = (struct loaded){.root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error)};
    if (loaded->root == NULL) {
        if (json_error_code(&error) != json_error_out_of_memory &&
            asprintf(wrong, "line %d: this is no JSON: %s", error.line, error.text) < 0)
            *wrong = NULL;
        if (*wrong != NULL)
            utf8_tame(*wrong);
        return false;
    }
    bool good = read_report(&members, loaded->root, &loaded->report);
    *wrong = members.wrong;
    if (!good)
        report_unload(loaded);
    return good;
}
