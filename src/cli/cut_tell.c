/* SPDX-License-Identifier: BSD-2-Clause */
/* A cut that recovery did not survive, in words. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shell.h"
#include "cli/cli.h"
#include "cli/cut.h"

/* Without a reset the files begin as the runs before have left them: the replay puts back the copy,
   and touches no file of which there is none and that may have been there. */
static char *own_reset(const struct cut_failure *failure, const char *folder) {
    char *text = NULL;
    size_t size = 0;
    bool any = false;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < failure->before->count; i++) {
        const struct cut_before *before = &failure->before->list[i];
        if (!before->known)
            continue;
        fputs(any ? " && " : "", out);
        any = true;
        if (before->copy < 0) {
            fputs("rm -f ", out);
        } else {
            char copy[4200];
            snprintf(copy, sizeof copy, "%s/before-%zu", folder, i + 1);
            fputs("cp ", out);
            shell_put_word(out, copy);
            putc(' ', out);
        }
        shell_put_word(out, before->path);
    }
    return fclose(out) == 0 ? text : NULL;
}

static void put_option(FILE *out, const char *name, const char *value) {
    if (value == NULL)
        return;
    fprintf(out, " --%s ", name);
    shell_put_word(out, value);
}

/* The patterns, one a line. */
static void put_watch(FILE *out, const char *patterns) {
    while (patterns != NULL && *patterns != '\0') {
        size_t length = strcspn(patterns, "\n");
        char *one = strndup(patterns, length);
        put_option(out, "watch", one);
        free(one);
        patterns += length + (patterns[length] != '\0');
    }
}

static void put_replay(FILE *out, const struct cut_failure *failure, const char *folder) {
    const struct cut_options *options = failure->options;
    char *reset = options->reset == NULL ? own_reset(failure, folder) : NULL;
    fprintf(out, "nvrtl cut --seed %" PRIu64 " --first %" PRIu64 " --at %" PRIu64, options->seed,
            failure->run, failure->records + failure->ended);
    if (options->model != GENERATION_X86)
        put_option(out, "model", options->model_name);
    put_option(out, "stores", options->stores_name);
    put_watch(out, options->watch);
    if (options->timeout != CUT_TIMEOUT)
        fprintf(out, " --timeout %" PRIu64, options->timeout);
    put_option(out, "reset", options->reset != NULL ? options->reset : reset);
    put_option(out, "check", options->check);
    fputs(" --", out);
    for (char **word = options->program; *word != NULL; word++) {
        putc(' ', out);
        shell_put_word(out, *word);
    }
    putc('\n', out);
    free(reset);
}

static void tell_outcome(FILE *out, const struct cut_failure *failure) {
    const struct cut_outcome *outcome = failure->outcome;
    uint64_t open = outcome->lost + outcome->torn + outcome->kept;
    fprintf(out,
            "  Of %" PRIu64 " store%s that no drain covered %" PRIu64 " lost, %" PRIu64
            " kept in part, %" PRIu64 " kept.\n",
            open, open == 1 ? "" : "s", outcome->lost, outcome->torn, outcome->kept);
    if (outcome->example_count != 0)
        fputs("  Cut off, the newest last:\n", out);
    for (size_t i = 0; i < outcome->example_count; i++) {
        const struct cut_fate *fate = &outcome->examples[i];
        fprintf(out, "    record %" PRIu64 ": %" PRIu64 " bytes at 0x%" PRIx64 " of %s%s\n",
                fate->record, fate->length, fate->offset, fate->path,
                fate->kept != 0 ? ", in part" : "");
    }
}

/* Shows what the check said, its last lines if it is long. */
static void tell_output(FILE *out, int descriptor) {
    char text[4096];
    off_t size = descriptor >= 0 ? lseek(descriptor, 0, SEEK_END) : 0;
    off_t from = size > (off_t)sizeof text ? size - (off_t)sizeof text : 0;
    ssize_t length = size > 0 ? pread(descriptor, text, sizeof text, from) : 0;
    bool start = true;
    for (ssize_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (start)
            fputs("    | ", out);
        start = byte == '\n';
        putc(byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 127) ? byte : '?', out);
    }
    if (!start)
        putc('\n', out);
}

/* The ids of marks: their number and the last ones, if they are many. */
static void put_ids(FILE *out, const char *name, const char *ids) {
    const size_t most = 16;
    size_t count = ids[0] != '\0', from = strlen(ids), shown = 0;
    for (const char *at = ids; *at != '\0'; at++)
        count += *at == ' ';
    while (from > 0 && shown < most)
        shown += ids[--from] == ' ';
    if (count > most)
        fprintf(out, "%s: %zu, the last of them%s", name, count, ids + from);
    else
        fprintf(out, "%s: %s", name, count != 0 ? ids : "none");
}

/* Files that this run was the first to name were not copied before it. */
static void tell_unknown(FILE *out, const struct cut_failure *failure) {
    for (size_t i = 0; failure->options->reset == NULL && i < failure->before->count; i++) {
        if (!failure->before->list[i].known)
            fprintf(out,
                    "  This cut was the first to name %s: what it held before is not known,\n"
                    "  and the replay does not put it back.\n",
                    failure->before->list[i].path);
    }
}

static void tell(FILE *out, const struct cut_failure *failure, const char *folder, bool kept) {
    fprintf(out, "cut %" PRIu64 " of seed %" PRIu64 ": the power was cut after ", failure->run,
            failure->options->seed);
    if (failure->ended)
        fputs("the program's end\n", out);
    else
        fprintf(out, "record %" PRIu64 "\n", failure->records);
    tell_outcome(out, failure);
    put_ids(out, "  Begun", failure->begun);
    put_ids(out, "; acknowledged", failure->acked);
    fputs(".\n", out);
    fprintf(out, "  %s\n", failure->what);
    tell_output(out, failure->output);
    if (kept)
        fprintf(out, "  The image, and the file before the run: %s\n", folder);
    tell_unknown(out, failure);
    fputs("  Again exactly this cut:\n    ", out);
    put_replay(out, failure, folder);
}

void cut_tell(const struct cut_failure *failure, FILE *out) {
    char made[96], real[PATH_MAX], path[PATH_MAX + 16];
    const char *folder = failure->options->keep;
    snprintf(made, sizeof made, "nvrtl-cut-%" PRIu64 "-%" PRIu64, failure->options->seed,
             failure->run);
    folder = folder != NULL ? folder : made;
    bool kept = cut_keep_files(failure->before, "before", folder) &&
                cut_keep_files(failure->image, "image", folder);
    if (realpath(folder, real) != NULL)
        folder = real;
    tell(out, failure, folder, kept);
    snprintf(path, sizeof path, "%s/report.txt", folder);
    FILE *file = kept ? fopen(path, "we") : NULL;
    if (file != NULL) {
        tell(file, failure, folder, kept);
        fclose(file);
    }
}
