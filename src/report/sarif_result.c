/* SPDX-License-Identifier: BSD-2-Clause */
/* A finding as a result of SARIF: where it is, how it came to that, and what it is known by. */
#include <stdlib.h>
#include <string.h>

#include "report/key.h"
#include "report/place.h"
#include "report/sarif.h"
#include "report/uri.h"

static json_t *make_artifact(const char *path, const char *base) {
    const char *below = uri_below(path, base);
    char *uri = uri_of(below != NULL ? below : path, false);
    json_t *artifact = json_object();
    bool complete = uri != NULL && value_put_text(artifact, "uri", uri) &&
                    (below == NULL || value_put_text(artifact, "uriBaseId", SARIF_ROOT));
    free(uri);
    return value_or_nothing(artifact, complete);
}

/* Lines first to last of an excerpt as a region with its text. */
static json_t *make_lines(const struct source_excerpt *excerpt, int first, int last) {
    json_t *region = json_object();
    size_t size = 1;
    for (int line = first; line <= last; line++)
        size += strlen(excerpt->lines[line - excerpt->first]) + 1;
    char *text = malloc(size), *to = text;
    for (int line = first; line <= last && text != NULL; line++) {
        to = stpcpy(to, excerpt->lines[line - excerpt->first]);
        to = stpcpy(to, line < last ? "\n" : "");
    }
    bool complete = text != NULL && value_put(region, "snippet", sarif_message(text)) &&
                    value_put(region, "startLine", value_number((uint64_t)first)) &&
                    (first == last || value_put(region, "endLine", value_number((uint64_t)last)));
    free(text);
    return value_or_nothing(region, complete);
}

static json_t *make_line(int line) {
    json_t *region = json_object();
    return value_or_nothing(region, value_put(region, "startLine", value_number((uint64_t)line)));
}

/* Does the excerpt (or NULL) have that line? */
static bool has_line(const struct source_excerpt *excerpt, int line) {
    return excerpt != NULL && line >= excerpt->first && line - excerpt->first < (int)excerpt->count;
}

static bool put_lines(json_t *physical, const struct source_excerpt *excerpt, int line) {
    if (line <= 0)
        return true;
    if (!has_line(excerpt, line))
        return value_put(physical, "region", make_line(line));
    int last = excerpt->first + (int)excerpt->count - 1;
    return value_put(physical, "region", make_lines(excerpt, line, line)) &&
           (excerpt->count == 1 ||
            value_put(physical, "contextRegion", make_lines(excerpt, excerpt->first, last)));
}

static json_t *make_physical(const struct source_frame *frame, const struct source_excerpt *excerpt,
                             const char *base) {
    json_t *physical = json_object();
    bool complete = true;
    if (frame->file != NULL) {
        complete = value_put(physical, "artifactLocation", make_artifact(frame->file, base)) &&
                   put_lines(physical, excerpt, frame->line);
    } else {
        json_t *address = json_object();
        bool told = value_put(address, "relativeAddress", value_number(frame->offset));
        complete = value_put(physical, "artifactLocation", make_artifact(frame->module, base));
        complete = value_put(physical, "address", value_or_nothing(address, told)) && complete;
    }
    return value_or_nothing(physical, complete);
}

static json_t *make_functions(const char *function) {
    json_t *functions = json_array(), *logical = json_object();
    bool complete =
        value_put_text(logical, "name", function) && value_put_text(logical, "kind", "function");
    complete = json_array_append_new(functions, value_or_nothing(logical, complete)) == 0;
    return value_or_nothing(functions, complete);
}

/* message: what is there, or NULL. */
static json_t *make_location(const struct source_frame *frame, const struct source_excerpt *excerpt,
                             const char *message, const char *base) {
    json_t *location = json_object();
    bool complete = (frame->file == NULL && frame->module == NULL) ||
                    value_put(location, "physicalLocation", make_physical(frame, excerpt, base));
    return value_or_nothing(
        location, complete &&
                      (frame->function == NULL ||
                       value_put(location, "logicalLocations", make_functions(frame->function))) &&
                      (message == NULL || value_put(location, "message", sarif_message(message))));
}

static json_t *make_stack(const struct source_stack *stack, const char *message, const char *base) {
    json_t *object = json_object(), *frames = json_array();
    bool complete = true;
    for (size_t i = 0; i < stack->count && complete; i++) {
        const struct source_frame *frame = &stack->frames[i];
        json_t *item = json_object();
        bool told = value_put(item, "location", make_location(frame, NULL, NULL, base)) &&
                    (frame->file != NULL || frame->module == NULL ||
                     value_put_text(item, "module", place_name(frame->module)));
        complete = json_array_append_new(frames, value_or_nothing(item, told)) == 0;
    }
    complete = value_put(object, "frames", value_or_nothing(frames, complete));
    return value_or_nothing(object,
                            complete && value_put(object, "message", sarif_message(message)));
}

/* What the place of a finding itself is. */
static const char *at_text(const struct finding *finding) {
    switch (finding->kind) {
    case KIND_UNFLUSHED_WRITE:
    case KIND_TORN_COMMIT:
    case KIND_UNFLUSHED_STREAM:
    case KIND_OVERWRITTEN_UNFLUSHED:
        return report_role_text("store");
    case KIND_CRASH_INCONSISTENCY:
        return "the store that a power cut makes the difference of";
    case KIND_UNDRAINED_FLUSH:
    case KIND_REDUNDANT_FLUSH:
        return report_role_text("flush");
    case KIND_UNORDERED_COMMIT:
        return report_role_text("commit");
    case KIND_UNPERSISTED_READ:
        return report_role_text("read");
    case KIND_LEAKED_TOKEN:
        return report_role_text("got");
    default:
        return "called here";
    }
}

static bool put_stacks(json_t *result, const struct finding *finding, const char *base) {
    json_t *stacks = json_array();
    bool complete =
        finding->at.count == 0 ||
        json_array_append_new(stacks, make_stack(&finding->at, at_text(finding), base)) == 0;
    for (size_t i = 0; i < finding->related_count && complete; i++) {
        const struct related *related = &finding->related[i];
        complete =
            related->stack.count == 0 ||
            json_array_append_new(
                stacks, make_stack(&related->stack, report_role_text(related->role), base)) == 0;
    }
    return value_put(result, "stacks", value_or_nothing(stacks, complete));
}

static json_t *make_related(const struct related *related, size_t id, const char *base) {
    json_t *location = make_location(&related->stack.frames[0], &related->source,
                                     report_role_text(related->role), base);
    json_t *properties = json_object();
    bool complete = value_put_text(properties, "role", related->role);
    complete = value_put(location, "properties", value_or_nothing(properties, complete)) &&
               value_put(location, "id", value_number(id));
    return value_or_nothing(location, complete);
}

static bool put_related(json_t *result, const struct finding *finding, const char *base) {
    json_t *locations = json_array();
    bool complete = true;
    for (size_t i = 0; i < finding->related_count && complete; i++) {
        const struct related *related = &finding->related[i];
        complete = related->stack.count == 0 ||
                   json_array_append_new(locations, make_related(related, i + 1, base)) == 0;
    }
    return value_put(result, "relatedLocations", value_or_nothing(locations, complete));
}

/* Did what happened at the related place come before the finding's own? */
static bool came_before(const struct finding *finding, const struct related *related) {
    return strcmp(related->role, "dependent") != 0 &&
           (strcmp(related->role, "freed") != 0 || finding->kind == KIND_BAD_TOKEN);
}

static bool add_step(json_t *steps, json_t *location) {
    json_t *step = json_object();
    bool complete = value_put(step, "location", location);
    return json_array_append_new(steps, value_or_nothing(step, complete)) == 0;
}

static bool add_steps(json_t *steps, const struct finding *finding, bool before, const char *base) {
    bool complete = true;
    for (size_t i = 0; i < finding->related_count && complete; i++) {
        const struct related *related = &finding->related[i];
        if (related->stack.count != 0 && came_before(finding, related) == before)
            complete = add_step(steps, make_location(&related->stack.frames[0], NULL,
                                                     report_role_text(related->role), base));
    }
    return complete;
}

/* One thing after the other: stored, flushed, freed. The lines stand with the places. */
static bool put_flow(json_t *result, const struct finding *finding, const char *base) {
    json_t *steps = json_array(), *thread = json_object(), *threads = json_array();
    json_t *flow = json_object(), *flows = json_array();
    bool complete =
        add_steps(steps, finding, true, base) &&
        (finding->at.count == 0 ||
         add_step(steps, make_location(&finding->at.frames[0], NULL, at_text(finding), base))) &&
        add_steps(steps, finding, false, base);
    bool any = json_array_size(steps) > 1;
    complete = value_put(thread, "locations", value_or_nothing(steps, complete));
    complete = json_array_append_new(threads, value_or_nothing(thread, complete)) == 0;
    complete = value_put(flow, "threadFlows", value_or_nothing(threads, complete));
    complete = json_array_append_new(flows, value_or_nothing(flow, complete)) == 0;
    if (complete && !any) {
        json_decref(flows);
        return true;
    }
    return value_put(result, "codeFlows", value_or_nothing(flows, complete));
}

static bool put_message(json_t *result, const struct finding *finding) {
    char *text = NULL;
    int length = finding->mend != NULL
                     ? asprintf(&text, "%s. Mend: %s.", finding->message, finding->mend)
                     : asprintf(&text, "%s.", finding->message);
    bool complete = length >= 0 && value_put(result, "message", sarif_message(text));
    if (length >= 0)
        free(text);
    return complete;
}

static bool put_key(json_t *result, struct key key) {
    char text[KEY_SIZE];
    json_t *prints = json_object();
    bool complete = value_put_text(prints, "nvrtl/v1", key_text(key, text));
    return value_put(result, "partialFingerprints", value_or_nothing(prints, complete));
}

static json_t *make_range(const void *items, size_t index) {
    const struct byte_range *range = &((const struct byte_range *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object, value_put(object, "offset", value_number(range->offset)) &&
                                        value_put(object, "length", value_number(range->length)));
}

static bool put_properties(json_t *result, const struct report *report,
                           const struct finding *finding) {
    json_t *properties = json_object();
    const struct report_region *region = report_find_region(report, finding->region);
    bool complete =
        value_put_text(properties, "kind", kind_facts[finding->kind].name) &&
        value_put_text(properties, "severity", report_severity_name(finding->severity)) &&
        value_put_text(properties, "rescued_by", finding->rescued_by) &&
        value_put_text(properties, "image", finding->image) &&
        value_put_text(properties, "replay", finding->replay) &&
        (region == NULL || value_put_text(properties, "region", region->path)) &&
        (finding->range_count == 0 ||
         value_put(properties, "ranges",
                   value_array(finding->ranges, finding->range_count, make_range)));
    return value_put(result, "properties", value_or_nothing(properties, complete));
}

static bool put_places(json_t *result, const struct finding *finding, const char *base) {
    json_t *locations = json_array();
    bool complete =
        finding->at.count == 0 ||
        json_array_append_new(
            locations, make_location(&finding->at.frames[0], &finding->source, NULL, base)) == 0;
    return value_put(result, "locations", value_or_nothing(locations, complete)) &&
           put_related(result, finding, base) && put_stacks(result, finding, base) &&
           put_flow(result, finding, base);
}

static json_t *make_replacement(const void *items, size_t index) {
    const struct source_edit *edit = &((const struct source_edit *)items)[index];
    json_t *replacement = json_object(), *region = json_object();
    bool complete = value_put(region, "startLine", json_integer(edit->line)) &&
                    value_put(region, "startColumn", json_integer(edit->column)) &&
                    value_put(region, "endLine", json_integer(edit->end_line)) &&
                    value_put(region, "endColumn", json_integer(edit->end_column));
    complete = value_put(replacement, "deletedRegion", value_or_nothing(region, complete));
    return value_or_nothing(replacement, complete && value_put(replacement, "insertedContent",
                                                               sarif_message(edit->text)));
}

/* What mends it, to the letter. */
static bool put_fix(json_t *result, const struct finding *finding, const char *base) {
    if (finding->fix_count == 0 || finding->at.count == 0 || finding->at.frames[0].file == NULL)
        return true;
    json_t *change = json_object(), *changes = json_array();
    json_t *fix = json_object(), *fixes = json_array();
    bool complete =
        value_put(change, "artifactLocation", make_artifact(finding->at.frames[0].file, base)) &&
        value_put(change, "replacements",
                  value_array(finding->fix, finding->fix_count, make_replacement));
    complete = json_array_append_new(changes, value_or_nothing(change, complete)) == 0;
    complete =
        value_put(fix, "artifactChanges", value_or_nothing(changes, complete)) &&
        (finding->mend == NULL || value_put(fix, "description", sarif_message(finding->mend)));
    complete = json_array_append_new(fixes, value_or_nothing(fix, complete)) == 0;
    return value_put(result, "fixes", value_or_nothing(fixes, complete));
}

static bool put_suppression(json_t *result, const struct finding *finding) {
    if (finding->suppression == NULL)
        return true;
    json_t *suppression = json_object(), *suppressions = json_array();
    bool complete = value_put_text(suppression, "kind", "external") &&
                    value_put_text(suppression, "justification", finding->suppression);
    complete = json_array_append_new(suppressions, value_or_nothing(suppression, complete)) == 0;
    return value_put(result, "suppressions", value_or_nothing(suppressions, complete));
}

static json_t *make_result(const struct report *report, const struct finding *finding,
                           struct key key, const char *base) {
    char code[REPORT_CODE_SIZE];
    json_t *result = json_object();
    return value_or_nothing(
        result, value_put_text(result, "ruleId", report_code(finding->kind, code)) &&
                    value_put(result, "ruleIndex", value_number(finding->kind)) &&
                    value_put_text(result, "level", sarif_level(finding->severity)) &&
                    put_message(result, finding) && put_places(result, finding, base) &&
                    (finding->count == 0 ||
                     value_put(result, "occurrenceCount", value_number(finding->count))) &&
                    put_key(result, key) && put_fix(result, finding, base) &&
                    put_suppression(result, finding) && put_properties(result, report, finding));
}

bool sarif_put_results(FILE *out, const struct report *report, const struct report_style *style) {
    struct key *keys = key_all(report);
    bool complete = keys != NULL;
    size_t found = report->finding_count, count = found + report->suppressed_count;
    for (size_t i = 0; i < count && complete; i++) {
        const struct finding *finding =
            i < found ? &report->findings[i] : &report->suppressed[i - found];
        json_t *result = make_result(report, finding, keys[i], style->base);
        char *text = result != NULL ? json_dumps(result, JSON_INDENT(1)) : NULL;
        json_decref(result);
        complete = text != NULL;
        if (complete)
            fprintf(out, "%s\n%s", i > 0 ? "," : "", text);
        free(text);
    }
    free(keys);
    return complete;
}
