/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl bench: what the routines take on this machine, and what others do. */
#include "bench/bench.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/cli.h"

#define ROWS_MAX 512
#define NAMES_MAX 32

struct arguments {
    struct bench_wish wish;
    bool csv, calibrate;
    const char *svg;
    char *names[NAMES_MAX + 1];
    size_t name_count;
};

enum { OPTION_CALIBRATE = 256, OPTION_CSV, OPTION_DIRECTORY, OPTION_QUICK, OPTION_SVG, OPTION_VS };

static bool is_question(const char *name) {
    const char *asked, *title;
    for (size_t i = 0; (asked = bench_question(i, &title)) != NULL; i++) {
        if (strcmp(asked, name) == 0)
            return true;
    }
    return false;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_CALIBRATE:
        arguments->calibrate = true;
        break;
    case OPTION_CSV:
        arguments->csv = true;
        break;
    case OPTION_DIRECTORY:
        arguments->wish.folder = text;
        break;
    case OPTION_QUICK:
        arguments->wish.quick = true;
        break;
    case OPTION_SVG:
        arguments->svg = text;
        break;
    case OPTION_VS:
        if (strcmp(text, "libpmem") != 0)
            argp_error(state, "'%s' is nobody to measure against; libpmem is", text);
        arguments->wish.libpmem = true;
        break;
    case ARGP_KEY_ARG:
        if (!is_question(text))
            argp_error(state, "'%s' is no question", text);
        else if (arguments->name_count == NAMES_MAX)
            argp_error(state, "so many questions are not there");
        else
            arguments->names[arguments->name_count++] = text;
        break;
    case ARGP_KEY_END:
        if (arguments->calibrate && state->argc != 2)
            argp_error(state, "--calibrate goes with nothing else");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* The list of questions, in the place of the text that is marked for it. */
static char *filter_help(int key, const char *text, void *input) {
    const char *name, *title;
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    char *list = NULL;
    size_t size;
    FILE *to = open_memstream(&list, &size);
    if (to == NULL)
        return (char *)text;
    fprintf(to, "%s\n\nThe questions:\n", text);
    for (size_t i = 0; (name = bench_question(i, &title)) != NULL; i++)
        fprintf(to, "  %-13s  %s\n", name, title);
    fclose(to);
    return list;
}

struct told {
    const struct arguments *arguments;
    struct bench_row rows[ROWS_MAX];
    size_t count;
    const char *remark;
};

static void tell(void *context, const struct bench_row *row) {
    struct told *told = (struct told *)context;
    const struct bench_row *before = told->count > 0 ? &told->rows[told->count - 1] : NULL;
    if (told->arguments->csv)
        bench_print_csv(stdout, row, before);
    else
        bench_print_text(stdout, row, before);
    if (told->remark == NULL)
        told->remark = bench_remark(row);
    if (told->count < ROWS_MAX)
        told->rows[told->count++] = *row;
}

/* Opened before anything is measured: who mistyped a path need not wait for that. */
static FILE *open_picture(const char *path) {
    FILE *to = fopen(path, "we");
    if (to == NULL)
        cli_complain("cannot write %s: %s", path, strerror(errno));
    return to;
}

static bool draw(FILE *to, const struct told *told, const char *machine) {
    bench_print_svg(to, told->rows, told->count, machine);
    bool wrong = ferror(to) != 0;
    if (fclose(to) == 0 && !wrong)
        return true;
    cli_complain("cannot write %s: %s", told->arguments->svg, strerror(errno));
    return false;
}

static int measure(const struct arguments *arguments) {
    static struct told told;
    char machine[256];
    FILE *picture = arguments->svg != NULL ? open_picture(arguments->svg) : NULL;
    if (arguments->svg != NULL && picture == NULL)
        return EXIT_FAILURE;
    told.arguments = arguments;
    bench_machine(machine, sizeof machine);
    if (!arguments->csv)
        printf("%s\n", machine);
    const struct bench_listener listener = {
        .row = tell, .complain = cli_complain, .context = &told};
    bool good = bench_run(&arguments->wish, &listener);
    if (told.remark != NULL && !arguments->csv)
        printf("\n%s\n", told.remark);
    bool drawn = picture == NULL || draw(picture, &told, machine);
    return drawn && good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cli_bench(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"calibrate", OPTION_CALIBRATE, NULL, 0,
         "Print what the library's table of kernels should say of this CPU", 0},
        {"csv", OPTION_CSV, NULL, 0, "Print comma-separated values, a line a lane", 0},
        {"directory", OPTION_DIRECTORY, "DIR", 0, "Put the files of pages and commits there (.)",
         0},
        {"quick", OPTION_QUICK, NULL, 0, "Try everything in seconds; the figures say nothing", 0},
        {"svg", OPTION_SVG, "FILE", 0, "Draw throughput against size into FILE", 0},
        {"vs", OPTION_VS, "LIBRARY", 0, "Measure LIBRARY beside: libpmem, if it is installed", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[QUESTION...]",
        .doc = "Measure the routines on this machine, in turn with the bare instructions and with "
               "libc; all questions, if none is named.\v"
               "Medians, quartiles in brackets, and behind x how often our time fits into "
               "another's. What differs by less than 6% is no result.",
        .help_filter = filter_help,
    };
    static struct arguments arguments = {.wish.folder = "."};
    arguments.wish.names = arguments.names;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.calibrate) {
        if (bench_calibrate(stdout, stderr))
            return EXIT_SUCCESS;
        cli_complain("this CPU has no kernels to choose from, or the machine no memory");
        return EXIT_FAILURE;
    }
    return measure(&arguments);
}
