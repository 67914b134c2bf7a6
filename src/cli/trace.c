/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl trace: a trace as text, in numbers, or in its binary form. */
#include "cli/trace.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "cli/cli.h"

enum { OPTION_IMPORT = 256 };

static const struct argp_option option_table[] = {
    {"import-pmemcheck", OPTION_IMPORT, "LOG", 0, "a store log of pmemcheck as the trace", 0},
    {"output", 'o', "FILE", 0, "where the trace goes (default: standard output)", 0},
    {0}};

enum action { ACTION_NONE, ACTION_DUMP, ACTION_STAT, ACTION_PACK };

struct arguments {
    enum action action;
    const char *file, *output;
    bool imports;
};

static enum action action_named(const char *name) {
    static const char *const names[] = {"", "dump", "stat", "pack"};
    for (size_t i = 1; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum action)i;
    }
    return ACTION_NONE;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case OPTION_IMPORT:
        arguments->imports = true;
        arguments->file = text;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->action = action_named(text);
        if (arguments->action == ACTION_NONE)
            argp_error(state, "what is to be done? (dump, stat, pack)");
        if (state->arg_num > 1 || (state->arg_num == 1 && arguments->file != NULL))
            argp_error(state, "'%s' is one argument too many", text);
        if (state->arg_num == 1)
            arguments->file = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file == NULL)
            argp_error(state, "an action and a trace are needed");
        if (arguments->action == ACTION_NONE)
            arguments->action = arguments->output != NULL ? ACTION_PACK : ACTION_DUMP;
        if (arguments->action == ACTION_STAT && arguments->output != NULL)
            argp_error(state, "stat makes no trace");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool dump(struct trace_reader *reader, FILE *output) {
    struct trace_event event;
    bool good = trace_text_head(output, trace_head(reader));
    while (good && trace_next(reader, &event) == TRACE_EVENT)
        good = trace_text_event(output, &event);
    return good;
}

static bool pack(struct trace_reader *reader, FILE *output) {
    struct trace_writer *writer = trace_write(output, trace_head(reader));
    struct trace_event event;
    bool good = writer != NULL;
    while (good && trace_next(reader, &event) == TRACE_EVENT)
        good = trace_put(writer, &event);
    return writer != NULL && trace_finish(writer) && good;
}

/* What is sound of the trace has been told; is the rest of it? */
static bool tell_end(struct trace_reader *reader, const char *file) {
    struct trace_event event;
    if (trace_next(reader, &event) != TRACE_WRONG) {
        if (trace_remark(reader) != NULL)
            cli_complain("%s: %s", file, trace_remark(reader));
        return true;
    }
    cli_complain("%s: %s%s", file, trace_is_damaged(reader) ? "read up to the damage: " : "",
                 trace_problem(reader));
    return trace_is_damaged(reader);
}

FILE *trace_import(FILE *log, const char *name) {
    struct trace_reader *reader = trace_read_pmemcheck(log);
    FILE *trace = tmpfile();
    errno = ENOMEM;
    bool good = reader != NULL && trace != NULL && pack(reader, trace);
    if (!good)
        cli_complain("%s cannot be read: %s", name, strerror(errno));
    good = good && tell_end(reader, name);
    trace_end(reader);
    if (good)
        rewind(trace);
    else if (trace != NULL)
        fclose(trace);
    return good ? trace : NULL;
}

static bool act(const struct arguments *arguments, struct trace_reader *reader, FILE *output) {
    errno = ENOMEM;
    if (arguments->action == ACTION_STAT)
        return trace_stat(reader);
    return arguments->action == ACTION_DUMP ? dump(reader, output) : pack(reader, output);
}

static int read_trace(const struct arguments *arguments, struct trace_reader *reader,
                      FILE *output) {
    if (!act(arguments, reader, output) || fflush(output) != 0) {
        cli_complain("%s: %s", arguments->output != NULL ? arguments->output : "standard output",
                     strerror(errno));
        return CLI_RUN_FAILED;
    }
    return tell_end(reader, arguments->file) ? EXIT_SUCCESS : CLI_USAGE;
}

/* Nothing is written, and nothing written over, before it is known that there is a trace. NULL: a
   sentence has said what there is instead. */
static struct trace_reader *begin(const struct arguments *arguments, FILE *input) {
    struct stat from, to;
    struct trace_reader *reader =
        arguments->imports ? trace_read_pmemcheck(input) : trace_read(input);
    bool same = arguments->output != NULL && stat(arguments->output, &to) == 0 &&
                fstat(fileno(input), &from) == 0 && S_ISREG(to.st_mode) &&
                from.st_dev == to.st_dev && from.st_ino == to.st_ino;
    const char *problem = reader == NULL ? "there is no memory" : trace_problem(reader);
    if (same)
        problem = "it cannot be read and written over at once";
    else if (problem == NULL || problem[0] == '\0' || trace_is_damaged(reader))
        return reader;
    cli_complain("%s: %s", arguments->file, problem);
    trace_end(reader);
    return NULL;
}

static int convert(const struct arguments *arguments, FILE *input) {
    struct trace_reader *reader = begin(arguments, input);
    int status = CLI_RUN_FAILED;
    if (reader == NULL)
        return CLI_USAGE;
    FILE *output = arguments->output != NULL ? fopen(arguments->output, "we") : stdout;
    if (output == NULL)
        cli_complain("cannot write %s: %s", arguments->output, strerror(errno));
    else
        status = read_trace(arguments, reader, output);
    trace_end(reader);
    if (output != NULL && output != stdout && fclose(output) != 0 && status == EXIT_SUCCESS) {
        cli_complain("cannot write %s: %s", arguments->output, strerror(errno));
        status = CLI_RUN_FAILED;
    }
    return status;
}

int cli_trace(int argc, char **argv) {
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "dump|stat|pack TRACE",
        .doc = "Print a trace, or make one.\v"
               "dump writes TRACE as text, which every command reads too, stat prints it in\n"
               "numbers, and pack writes it in the binary form. --import-pmemcheck stands in\n"
               "place of TRACE, and of the action: with an output it packs, else it dumps.\n\n"
               "A trace that is cut short, or damaged, is read up to there, and that is said.\n"
               "Exits with 0; 2: wrong usage, or no trace; 125: nvrtl failed."};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    FILE *input = fopen(arguments.file, "re");
    if (input == NULL) {
        cli_complain("cannot open %s: %s", arguments.file, strerror(errno));
        return CLI_USAGE;
    }
    int status = convert(&arguments, input);
    fclose(input);
    return status;
}
