/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the reports of a run go. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "report/merge.h"

#define FORMATS "text, json, sarif, junit, html"

bool run_make_output(const struct run_reports *reports) {
    if (reports->output == NULL)
        return true;
    int error = mkdir(reports->output, 0777) == 0 || errno == EEXIST ? 0 : errno;
    struct stat status;
    if (error == 0 && stat(reports->output, &status) == 0 && !S_ISDIR(status.st_mode))
        error = ENOTDIR;
    if (error == 0 && access(reports->output, W_OK | X_OK) != 0)
        error = errno;
    if (error != 0)
        cli_complain("cannot write reports to the directory %s: %s", reports->output,
                     strerror(error));
    return error == 0;
}

void run_set_formats(struct run_reports *reports, char *formats, struct argp_state *state) {
    bool *wanted = reports->wanted, any = false;
    memset(wanted, 0, sizeof reports->wanted);
    for (char *rest, *name = strtok_r(formats, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        const struct report_format *format = report_format(name);
        if (format == NULL)
            argp_error(state, "there is no report format '%s' (" FORMATS ")", name);
        else
            wanted[format - report_formats] = any = true;
    }
    if (!any)
        argp_error(state, "--report needs a format: " FORMATS);
}

/* Writes one report to a file of the directory. */
static bool write_file(const char *directory, const struct report_format *format,
                       const struct report *report, const struct report_style *style) {
    char path[PATH_MAX];
    FILE *out = NULL;
    if (snprintf(path, sizeof path, "%s/%s", directory, format->file) < (int)sizeof path)
        out = fopen(path, "we");
    bool written = out != NULL && format->write(out, report, style);
    if (out != NULL && fclose(out) != 0)
        written = false;
    if (!written)
        cli_complain("cannot write %s to %s: %s", format->file, directory, strerror(errno));
    return written;
}

/* In one piece: standard error has no buffer, and other processes may write there too. */
static bool write_at_once(const struct report_format *format, const struct report *report,
                          const struct report_style *style) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    bool made = memory != NULL && format->write(memory, report, style);
    if (memory != NULL && fclose(memory) != 0)
        made = false;
    bool written = made && fwrite(text, 1, size, stderr) == size;
    free(text);
    return written;
}

bool run_tell(struct run_reports *reports, struct report *report) {
    static const struct report_format entries = {"suppressions", NULL, suppress_write};
    char folder[PATH_MAX];
    struct report_style style = {.source = true, .base = getcwd(folder, sizeof folder)};
    report->directory = style.base;
    /* Calls that stand on one line are one for a reader. */
    bool told = report_fold(report, KEY_REGION) && report_read_sources(report) &&
                report_find_fixes(report) && suppress_apply(&reports->suppressions, report) &&
                suppress_remark(&reports->suppressions, report);
    for (size_t i = 0; i < REPORT_FORMATS && told && reports->output != NULL; i++)
        told =
            !reports->wanted[i] || write_file(reports->output, &report_formats[i], report, &style);
    style.colour = cli_colour(STDERR_FILENO);
    for (size_t i = 0; i < REPORT_FORMATS; i++) {
        bool text = report_formats[i].write == report_text;
        if (reports->wanted[i] && (text || reports->output == NULL))
            told = write_at_once(&report_formats[i], report, &style) && told;
    }
    if (reports->entries)
        told = write_at_once(&entries, report, &style) && told;
    report->directory = NULL;
    return told;
}
