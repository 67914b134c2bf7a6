/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl report: reports of runs in other formats, several as one, a new one against an old one. */
#include "cli/report.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "report/merge.h"
#include "report/patch.h"
#include "report/place.h"
#include "report/report.h"
#include "report/suppress.h"
#include "report/utf8.h"

struct report_options {
    const char *base; /* directory that paths are told from */
    enum severity severity;
    bool json;
    struct suppressions suppressions;
    char **files;
    size_t count;
    const struct action *action;
    const struct report_format *format; /* NULL: the action is none */
};

/* What is done with the reports that were read. Returns the exit status. */
struct action {
    const char *name;
    size_t least, most; /* files */
    int (*act)(const struct report_options *options, struct loaded *loaded,
               const struct report_style *style);
};

/* What was told of findings without a fix. */
struct fix_told {
    const char *base;
    bool *unfixed;
};

enum { OPTION_BASE = 256, OPTION_JSON, OPTION_SEVERITY, OPTION_SUPPRESSIONS };
enum { REPORT_NEW = 1 }; /* exit status: there is something new */

#define REPORT_ACTIONS "text, json, sarif, junit, html, merge, diff, fix, suppressions"

static const struct argp_option option_table[] = {
    {"base", OPTION_BASE, "DIR", 0, "tell paths from there (default: the working directory)", 0},
    {"json", OPTION_JSON, NULL, 0, "diff: answer as a JSON object", 0},
    {"severity", OPTION_SEVERITY, "SEVERITY", 0,
     "diff: exit with 1 for what is new and at least so bad: error, warning, performance "
     "(default), note",
     0},
    {"suppressions", OPTION_SUPPRESSIONS, "FILE", 0, "leave out what the file says is no mistake",
     0},
    {0}};

/* Several reports are told as one. false: they cannot be, told with a sentence. */
static bool make_one(const struct report_options *options, struct loaded *loaded,
                     struct report *report) {
    char *wrong;
    bool done = report_merge(loaded, options->count, report, &wrong);
    if (!done) {
        cli_complain("the reports cannot be told as one: %s",
                     wrong != NULL ? wrong : "out of memory");
        verify_free_report(report);
    }
    free(wrong);
    return done;
}

static int write_as(const struct report_format *format, const struct report_options *options,
                    struct loaded *loaded, const struct report_style *style) {
    struct report report;
    if (!make_one(options, loaded, &report))
        return CLI_USAGE;
    int status = format->write(stdout, &report, style) ? 0 : EXIT_FAILURE;
    verify_free_report(&report);
    return status;
}

static int write_format(const struct report_options *options, struct loaded *loaded,
                        const struct report_style *style) {
    return write_as(options->format, options, loaded, style);
}

static int merge(const struct report_options *options, struct loaded *loaded,
                 const struct report_style *style) {
    return write_as(report_format("json"), options, loaded, style);
}

static int diff(const struct report_options *options, struct loaded *loaded,
                const struct report_style *style) {
    struct diff diff;
    int status = CLI_RUN_FAILED;
    if (!diff_make(&loaded[0].report, &loaded[1].report, &diff))
        cli_complain("out of memory");
    else if (options->json ? diff_json(stdout, &diff) : diff_text(stdout, &diff, style))
        status = 0;
    for (size_t i = 0; i < diff.count && status == 0; i++) {
        const struct difference *difference = &diff.differences[i];
        enum diff_class group = diff_class(difference);
        if ((group == DIFF_NEW || group == DIFF_WORSE) &&
            difference->now->severity <= options->severity)
            status = REPORT_NEW;
    }
    diff_free(&diff);
    return status;
}

static void tell_unfixed(void *context, const struct finding *finding, const char *why) {
    char place[PLACE_SIZE];
    const struct fix_told *told = context;
    const struct source_frame *frame = finding->at.count > 0 ? &finding->at.frames[0] : NULL;
    if (frame == NULL || place_frame(frame, told->base, place) == NULL)
        strcpy(place, "an unknown place");
    utf8_tame(place);
    cli_complain("%s: no fix for %s: %s", place, kind_facts[finding->kind].name, why);
    *told->unfixed = true;
}

static int fix(const struct report_options *options, struct loaded *loaded,
               const struct report_style *style) {
    struct report report;
    bool unfixed = false;
    struct fix_told told = {style->base, &unfixed};
    struct patch_style patch = {.base = style->base, .tell = tell_unfixed, .context = &told};
    if (!make_one(options, loaded, &report))
        return CLI_USAGE;
    int status = !report_patch(stdout, &report, &patch) ? CLI_RUN_FAILED : unfixed ? REPORT_NEW : 0;
    if (status == CLI_RUN_FAILED)
        cli_complain("out of memory");
    verify_free_report(&report);
    return status;
}

static int suppressions(const struct report_options *options, struct loaded *loaded,
                        const struct report_style *style) {
    static const struct report_format format = {"suppressions", NULL, suppress_write};
    return write_as(&format, options, loaded, style);
}

/* Every format is an action too. */
static const struct action format_action = {"format", 1, SIZE_MAX, write_format};
static const struct action actions[] = {{"merge", 1, SIZE_MAX, merge},
                                        {"diff", 2, 2, diff},
                                        {"fix", 1, SIZE_MAX, fix},
                                        {"suppressions", 1, SIZE_MAX, suppressions}};

static void set_severity(struct report_options *options, const char *name,
                         struct argp_state *state) {
    for (int i = 0; i < REPORT_SEVERITIES; i++) {
        options->severity = (enum severity)i;
        if (strcmp(report_severity_name(options->severity), name) == 0)
            return;
    }
    argp_error(state, "there is no severity '%s' (error, warning, performance, note)", name);
}

static void set_action(struct report_options *options, struct argp_state *state) {
    char **arguments = state->argv + state->next;
    options->files = arguments + 1;
    options->count = (size_t)(state->argc - state->next) - 1;
    options->format = report_format(arguments[0]);
    options->action = options->format != NULL ? &format_action : NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, arguments[0]) == 0)
            options->action = &actions[i];
    }
    if (options->action == NULL)
        argp_error(state, "what is '%s'? (" REPORT_ACTIONS ")", arguments[0]);
    else if (options->count < options->action->least)
        argp_error(state, "%s needs %zu report%s", arguments[0], options->action->least,
                   options->action->least == 1 ? "" : "s");
    else if (options->count > options->action->most)
        argp_error(state, "%s takes %zu report%s", arguments[0], options->action->most,
                   options->action->most == 1 ? "" : "s");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct report_options *options = state->input;
    switch (key) {
    case OPTION_BASE:
        options->base = argument;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_SEVERITY:
        set_severity(options, argument, state);
        return 0;
    case OPTION_SUPPRESSIONS:
        if (!cli_suppressions(&options->suppressions, argument))
            exit(CLI_USAGE);
        return 0;
    case ARGP_KEY_ARGS:
        set_action(options, state);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "what is to be done? (" REPORT_ACTIONS ")");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_report(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "FORMAT REPORT...\nmerge REPORT...\ndiff OLD NEW\nfix REPORT...\nsuppressions "
                    "REPORT...",
        .doc = "Turn JSON reports of nvrtl run into FORMAT: text, json, sarif, junit, html; "
               "several are told as one. merge: several as one, in JSON. diff: what is new, gone "
               "and the same in NEW. fix: the calls that are missing, as a patch. suppressions: an "
               "entry "
               "for each finding.\v"
               "A REPORT of - is standard input. diff exits with 0 if nothing is new, fix if all "
               "is fixed, else with 1; 2: wrong usage, or a report could not be read."};
    char folder[PATH_MAX];
    struct report_options options = {.severity = SEVERITY_PERFORMANCE};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct report_style style = {.source = true, .colour = cli_colour(STDOUT_FILENO)};
    style.base =
        options.base != NULL ? realpath(options.base, folder) : getcwd(folder, sizeof folder);
    if (options.base != NULL && style.base == NULL) {
        cli_complain("%s: %s", options.base, strerror(errno));
        return CLI_USAGE;
    }
    struct loaded *loaded = report_open(options.files, options.count);
    if (loaded == NULL)
        return CLI_USAGE;
    int status = CLI_RUN_FAILED;
    bool applied = true;
    for (size_t i = 0; i < options.count && applied; i++)
        applied = suppress_apply(&options.suppressions, &loaded[i].report);
    if (applied && suppress_remark(&options.suppressions, &loaded[options.count - 1].report))
        status = options.action->act(&options, loaded, &style);
    else
        cli_complain("out of memory");
    report_close(loaded, options.count);
    suppress_free(&options.suppressions);
    return status;
}
