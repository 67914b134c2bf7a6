/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl crash: what power cuts could leave of a recorded run. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/crash.h"
#include "cli/number.h"
#include "cli/trace.h"
#include "crash/enumerate.h"

enum {
    OPTION_ENUMERATE = 256,
    OPTION_EXPLAIN,
    OPTION_IMPORT,
    OPTION_IMAGE,
    OPTION_MODEL,
    OPTION_STREAMS,
    OPTION_DIRECT64,
    OPTION_STABLE_PAGES,
    OPTION_MEMORY,
    OPTION_STORES,
    OPTION_WATCH
};

static const struct argp_option option_table[] = {
    {"enumerate", OPTION_ENUMERATE, NULL, 0, "print every image that a cut could leave", 0},
    {"explain", OPTION_EXPLAIN, "IMAGE", 0, "say why a cut could leave it, or not", 0},
    {"import-pmemcheck", OPTION_IMPORT, "LOG", 0, "a store log of pmemcheck as the trace", 0},
    {"image", OPTION_IMAGE, "FILE", 0, "what the regions held at first", 0},
    {"model", OPTION_MODEL, "MODEL", 0, "x86, arm, eadr, page (default: the trace's)", 0},
    {"streams", OPTION_STREAMS, "HOW", 0, "streaming stores: drain, inplace", 0},
    {"direct64", OPTION_DIRECT64, "HOW", 0, "direct stores of 64 bytes: atomic, pieces", 0},
    {"stable-pages", OPTION_STABLE_PAGES, NULL, 0, "page model: sectors keep their order", 0},
    {"stores", OPTION_STORES, "SOURCE", 0, "of PROGRAM: auto, api, hooks, pages=interval", 0},
    {"watch", OPTION_WATCH, "PATH", 0, "views of these files are PROGRAM's regions", 0},
    {"memory", OPTION_MEMORY, "SIZE", 0, "for the images (default 1G)", 0},
    {0}};

static void set_streams(struct crash_arguments *arguments, const char *how,
                        struct argp_state *state) {
    if (strcmp(how, "drain") != 0 && strcmp(how, "inplace") != 0)
        argp_error(state, "streaming stores are not '%s' (drain, inplace)", how);
    arguments->wish.streams =
        strcmp(how, "drain") == 0 ? TRACE_STREAMS_DRAIN : TRACE_STREAMS_INPLACE;
}

static void set_direct64(struct crash_arguments *arguments, const char *how,
                         struct argp_state *state) {
    if (strcmp(how, "atomic") != 0 && strcmp(how, "pieces") != 0)
        argp_error(state, "direct stores of 64 bytes are not '%s' (atomic, pieces)", how);
    arguments->wish.direct64_atomic = strcmp(how, "atomic") == 0;
}

static void set_trace(struct crash_arguments *arguments, const char *trace,
                      struct argp_state *state) {
    if (arguments->trace != NULL)
        argp_error(state, "'%s' is one trace too many", trace);
    arguments->trace = trace;
}

/* The trace, and a program that recovers. Without a trace, behind "--", a program to be recorded,
   which recovers itself where nothing else judges. */
static void set_words(struct crash_arguments *arguments, const char *text,
                      struct argp_state *state) {
    bool told = arguments->enumerate || arguments->explain != NULL;
    if (arguments->trace == NULL && state->quoted != 0 && !told) {
        arguments->record.program = state->argv + state->next - 1;
        state->next = state->argc;
        return;
    }
    if (arguments->trace == NULL) {
        arguments->trace = text;
        return;
    }
    arguments->explore.search.program = state->argv + state->next - 1;
    arguments->explore.search.judge = SANDBOX_PROGRAM;
    state->next = state->argc;
}

/* A program in place of a trace. */
static void settle_program(struct crash_arguments *arguments, struct argp_state *state) {
    struct search_options *search = &arguments->explore.search;
    if (arguments->record.program == NULL) {
        if (arguments->record.stores != NULL || arguments->record.watch != NULL)
            argp_error(state, "--stores and --watch are for a program that is to be recorded");
        return;
    }
    if (arguments->explore.replay != NULL)
        argp_error(state, "an image is of a trace: --replay needs that");
    record_choose_stores(&arguments->record, state);
    if (search->check != NULL)
        return;
    search->program = arguments->record.program;
    search->judge = SANDBOX_PROGRAM;
}

static void check_wish(const struct crash_arguments *arguments, struct argp_state *state) {
    const struct search_options *search = &arguments->explore.search;
    bool judged = search->check != NULL || search->program != NULL;
    bool told = arguments->enumerate || arguments->explain != NULL;
    if (!told && !judged)
        argp_error(state, "what with it? --enumerate, --explain, --check, or a program");
    if (arguments->enumerate && arguments->explain != NULL)
        argp_error(state, "what with it? (--enumerate or --explain)");
    if (!told && arguments->image != NULL)
        argp_error(state, "--image is for --enumerate and --explain");
    if (told && search->program != NULL)
        argp_error(state, "'%s' is one trace too many", search->program[0]);
    if (!told && arguments->imports)
        argp_error(state, "make a trace of the log first: nvrtl trace --import-pmemcheck");
    if (told && (judged || arguments->explore.asked))
        argp_error(state, "--enumerate and --explain check nothing");
    if (search->check != NULL && search->program != NULL)
        argp_error(state, "'%s' is one trace too many: --check judges", search->program[0]);
    if (search->check != NULL && search->judge == SANDBOX_COMMAND &&
        strstr(search->check, "{}") == NULL)
        argp_error(state,
                   "'%s' is no checker that can be read, and as a command it does not name "
                   "the image: {} becomes that",
                   search->check);
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct crash_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->explore;
        return 0;
    case OPTION_ENUMERATE:
        arguments->enumerate = true;
        return 0;
    case OPTION_EXPLAIN:
        arguments->explain = text;
        return 0;
    case OPTION_IMPORT:
        arguments->imports = true;
        set_trace(arguments, text, state);
        return 0;
    case OPTION_IMAGE:
        arguments->image = text;
        return 0;
    case OPTION_MODEL:
        if (!trace_model_named(text, &arguments->wish.model))
            argp_error(state, "there is no model '%s' (x86, arm, eadr, page)", text);
        arguments->wish.model_said = true;
        return 0;
    case OPTION_STREAMS:
        set_streams(arguments, text, state);
        return 0;
    case OPTION_DIRECT64:
        set_direct64(arguments, text, state);
        return 0;
    case OPTION_STABLE_PAGES:
        arguments->wish.stable_pages = true;
        return 0;
    case OPTION_MEMORY:
        if (!number_parse_bytes(text, &arguments->memory))
            argp_error(state, "'%s' is no size", text);
        return 0;
    case ARGP_KEY_ARG:
        set_words(arguments, text, state);
        return 0;
    case OPTION_STORES:
        arguments->record.stores = text;
        return 0;
    case OPTION_WATCH:
        run_add_watch(&arguments->record.watch, text);
        return 0;
    case ARGP_KEY_END:
        if (arguments->explore.recover != NULL)
            return 0;
        if (arguments->trace == NULL && arguments->record.program == NULL)
            argp_error(state, "which trace, or -- which program?");
        settle_program(arguments, state);
        check_wish(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One image as a line: the regions in hexadecimal, a space between them. */
static void print_image(const struct crash_scan *scan, const uint8_t *image) {
    static const char digits[] = "0123456789abcdef";
    char line[2 * ENUMERATE_MOST + TRACE_REGIONS + 1];
    size_t used = 0;
    for (size_t r = 0; r < scan->region_count; r++) {
        const struct crash_region *region = &scan->regions[r];
        if (r != 0)
            line[used++] = ' ';
        for (uint64_t i = region->start; i < region->start + region->size; i++) {
            line[used++] = digits[image[i] >> 4];
            line[used++] = digits[image[i] & 15];
        }
    }
    line[used++] = '\n';
    fwrite(line, 1, used, stdout);
}

static int print_images(FILE *trace, const struct crash_arguments *arguments,
                        const struct crash_scan *scan) {
    struct images images;
    const char *problem;
    images_start(&images, (size_t)scan->total, arguments->memory);
    bool good = enumerate(trace, scan, &arguments->wish, &images, &problem);
    if (!good)
        cli_complain("%s: %s", arguments->trace, problem);
    for (size_t i = 0; good && i < images.count; i++)
        print_image(scan, images.bytes + i * images.size);
    images_free(&images);
    return good ? EXIT_SUCCESS : CLI_RUN_FAILED;
}

FILE *crash_open(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        cli_complain("cannot open %s: %s", path, strerror(errno));
    return file;
}

/* A trace that is read more than once. */
static FILE *open_trace(const struct crash_arguments *arguments) {
    FILE *log = crash_open(arguments->trace);
    if (log == NULL || !arguments->imports)
        return log;
    FILE *trace = trace_import(log, arguments->trace);
    fclose(log);
    return trace;
}

static int look(FILE *trace, const struct crash_arguments *arguments, FILE *image) {
    struct crash_scan scan;
    uint64_t most = arguments->enumerate ? ENUMERATE_MOST : arguments->memory;
    int status = CLI_USAGE;
    if (!scan_trace(trace, most, image, &scan))
        cli_complain("%s: %s", arguments->trace, scan.problem);
    else if (fseek(trace, 0, SEEK_SET) != 0)
        cli_complain("%s cannot be read twice", arguments->trace);
    else if (scan.total == 0)
        cli_complain("%s: no region is told of", arguments->trace);
    else
        status = arguments->enumerate ? print_images(trace, arguments, &scan)
                                      : crash_explain(trace, arguments, &scan);
    if (status != CLI_USAGE && scan.damaged)
        cli_complain("%s: read up to the damage: %s", arguments->trace, scan.problem);
    scan_free(&scan);
    return status;
}

static int explore_trace(FILE *trace, struct crash_arguments *arguments) {
    struct crash_explore *explore = &arguments->explore;
    explore->trace = arguments->trace;
    explore->search.wish = arguments->wish;
    explore->search.memory = arguments->memory;
    if (!run_make_output(&explore->reports))
        return CLI_RUN_FAILED;
    return crash_explore(trace, explore);
}

/* Records the program; its trace stays with the images, if there are any. */
static int record_and_explore(struct crash_arguments *arguments) {
    struct crash_explore *explore = &arguments->explore;
    static char path[PATH_MAX]; /* the arguments refer to it */
    int status = 0;
    crash_choose_folder(explore);
    bool made = mkdir(explore->keep, 0777) == 0;
    snprintf(path, sizeof path, "%s/trace", explore->keep);
    arguments->trace = arguments->record.output = path;
    int result = record_program(&arguments->record, &status);
    if (result == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        cli_complain("the program %s %d: what it has done until then is looked at",
                     WIFEXITED(status) ? "ended with status" : "was killed by signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    explore->recorded = arguments->record.program;
    explore->exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    FILE *trace = result == 0 ? crash_open(path) : NULL;
    if (trace != NULL) {
        result = explore_trace(trace, arguments);
        fclose(trace);
    }
    if (result != CRASH_FOUND) {
        unlink(path);
        if (made)
            rmdir(explore->keep);
    }
    return result;
}

int cli_crash(int argc, char **argv) {
    static const struct argp_child children[] = {{&crash_explore_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .children = children,
        .args_doc = "TRACE [-- PROGRAM...]\n-- PROGRAM...",
        .doc = "Tell what power cuts could leave of a recorded run.\v"
               "--enumerate prints every distinct image of the regions that a power cut at any\n"
               "moment could leave, one a line, in hexadecimal and sorted; the regions\n"
               "together have at most 4096 bytes. --explain takes one of these, or a file.\n\n"
               "--check, or PROGRAM that must not crash, meets what a cut could leave. Of the\n"
               "words of PROGRAM those that name a file of the run name its image. Without a\n"
               "TRACE the run of PROGRAM is recorded first.\n\n"
               "Exits with 0: nothing was found; 1: an image that recovery does not survive,\n"
               "or that no cut leaves; 2: wrong usage, or a trace that cannot be read; 3: the\n"
               "budget is used up; 125: too many images, a check that cannot be run, or nvrtl\n"
               "failed."};
    struct crash_arguments arguments = {
        .memory = UINT64_C(1) << 30,
        .explore = {.search = {.exhaustive = 4096, .timeout = SEARCH_TIMEOUT, .seed = UINT64_MAX}}};
    arguments.explore.reports.wanted[report_format("text") - report_formats] = true;
    /* In order: what stands before "--" is a trace, what behind it a program. */
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
    if (arguments.explore.recover != NULL)
        return crash_recover(&arguments.explore);
    if (arguments.record.program != NULL) {
        int result = record_and_explore(&arguments);
        free(arguments.record.watch);
        return result;
    }
    FILE *trace = open_trace(&arguments), *image = NULL;
    if (trace != NULL && arguments.image != NULL)
        image = crash_open(arguments.image);
    int status = CLI_USAGE;
    if (trace != NULL && (image != NULL || arguments.image == NULL))
        status = arguments.enumerate || arguments.explain != NULL
                     ? look(trace, &arguments, image)
                     : explore_trace(trace, &arguments);
    if (trace != NULL)
        fclose(trace);
    if (image != NULL)
        fclose(image);
    return status;
}
