/* SPDX-License-Identifier: BSD-2-Clause */
/* Static Analysis Results Interchange Format, version 2.1.0 (OASIS). */
#include "report/sarif.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "report/uri.h"

#define SCHEMA_URI                                                                                 \
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

const char *sarif_level(enum severity severity) {
    return severity == SEVERITY_ERROR ? "error" : severity == SEVERITY_WARNING ? "warning" : "note";
}

json_t *sarif_message(const char *text) {
    json_t *message = json_object();
    return value_or_nothing(message, value_put_text(message, "text", text));
}

static json_t *make_rule(const void *items, size_t index) {
    const struct kind_fact *fact = &((const struct kind_fact *)items)[index];
    char code[REPORT_CODE_SIZE];
    json_t *rule = json_object(), *usual = json_object(), *properties = json_object();
    bool complete = value_put_text(usual, "level", sarif_level(fact->severity)) &&
                    value_put(usual, "enabled", json_boolean(fact->on));
    complete =
        value_put(rule, "defaultConfiguration", value_or_nothing(usual, complete)) && complete;
    bool told = value_put_text(properties, "severity", report_severity_name(fact->severity));
    return value_or_nothing(
        rule,
        value_put(rule, "properties", value_or_nothing(properties, told)) && complete &&
            value_put_text(rule, "id", report_code((enum kind)index, code)) &&
            value_put_text(rule, "name", fact->name) &&
            value_put(rule, "shortDescription", sarif_message(report_kind_text((enum kind)index))));
}

static json_t *make_tool(void) {
    json_t *tool = json_object(), *driver = json_object();
    bool complete = value_put_text(driver, "name", "nvrtl") &&
                    value_put_text(driver, "version", NVRTL_VERSION) &&
                    value_put_text(driver, "semanticVersion", NVRTL_VERSION) &&
                    value_put(driver, "rules", value_array(kind_facts, KIND_COUNT, make_rule));
    return value_or_nothing(tool, value_put(tool, "driver", value_or_nothing(driver, complete)));
}

static json_t *make_remark(const void *items, size_t index) {
    json_t *remark = json_object();
    return value_or_nothing(
        remark, value_put_text(remark, "level", "note") &&
                    value_put(remark, "message", sarif_message(((char *const *)items)[index])));
}

/* The run of the verifier itself. */
static json_t *make_invocation(const struct report *report) {
    json_t *invocation = json_object();
    return value_or_nothing(
        invocation,
        value_put(invocation, "executionSuccessful", json_boolean(!report->incomplete)) &&
            value_put(invocation, "toolExecutionNotifications",
                      value_array(report->remarks, report->remark_count, make_remark)));
}

static json_t *make_bases(const char *base) {
    char *uri = uri_of(base, true);
    json_t *bases = json_object(), *root = json_object();
    bool complete = uri != NULL && value_put_text(root, "uri", uri);
    free(uri);
    return value_or_nothing(bases, value_put(bases, SARIF_ROOT, value_or_nothing(root, complete)));
}

static json_t *make_region(const void *items, size_t index) {
    const struct report_region *region = &((const struct report_region *)items)[index];
    json_t *object = json_object();
    return value_or_nothing(object, value_put_text(object, "path", region->path) &&
                                        value_put(object, "size", value_number(region->size)) &&
                                        value_put_text(object, "domain", region->domain) &&
                                        value_put_text(object, "reason", region->reason));
}

/* What SARIF has no place for: the program that ran. */
static json_t *make_properties(const struct report *report) {
    json_t *properties = json_object();
    return value_or_nothing(
        properties,
        value_put(properties, "program",
                  value_array(report->program, report_arguments(report), value_item_text)) &&
            value_put(properties, "exit", json_integer(report->exit)) &&
            value_put_text(properties, "stores", report->stores) &&
            value_put_text(properties, "judge", report->judge) &&
            value_put(properties, "regions",
                      value_array(report->regions, report->region_count, make_region)));
}

static json_t *make_run(const struct report *report, const struct report_style *style) {
    json_t *run = json_object(), *invocations = json_array();
    bool complete = json_array_append_new(invocations, make_invocation(report)) == 0;
    complete = value_put(run, "invocations", value_or_nothing(invocations, complete));
    return value_or_nothing(run, complete && value_put(run, "tool", make_tool()) &&
                                     (style->base == NULL || value_put(run, "originalUriBaseIds",
                                                                       make_bases(style->base))) &&
                                     value_put_text(run, "columnKind", "utf16CodeUnits") &&
                                     value_put(run, "properties", make_properties(report)) &&
                                     value_put(run, "results", json_array()));
}

bool report_sarif(FILE *out, const struct report *report, const struct report_style *style) {
    static const char empty[] = "\"results\": []";
    json_t *log = json_object(), *runs = json_array();
    bool complete = json_array_append_new(runs, make_run(report, style)) == 0;
    complete = value_put_text(log, "$schema", SCHEMA_URI) &&
               value_put_text(log, "version", "2.1.0") &&
               value_put(log, "runs", value_or_nothing(runs, complete));
    char *text = complete ? json_dumps(log, JSON_INDENT(1)) : NULL;
    json_decref(log);
    /* The results are the last member of the run: nothing follows them but brackets. */
    char *results = text != NULL ? strrchr(text, '[') : NULL;
    complete = results != NULL && results - text >= (ptrdiff_t)sizeof empty &&
               memcmp(results + 3 - sizeof empty, empty, sizeof empty - 1) == 0;
    if (complete) {
        fwrite(text, 1, (size_t)(results - text) + 1, out);
        complete = sarif_put_results(out, report, style);
        fprintf(out, "%s\n", results + 1);
    }
    free(text);
    return complete && fflush(out) == 0 && ferror(out) == 0;
}
