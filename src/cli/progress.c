/* SPDX-License-Identifier: BSD-2-Clause */
/* The progress bar: one line on a terminal, redrawn ten times a second at most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

#define MIB (1024.0 * 1024.0)
#define ERASE_LINE "\r\033[K"
enum { BAR_CELLS = 20, LINE_COLUMNS = 79 };

static double seconds_between(const struct timespec *from, const struct timespec *to) {
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

/* A line that wraps could not be redrawn, so a narrow terminal gets no bar. */
static bool terminal_can_show(void) {
    struct winsize size;
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0 &&
           ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 &&
           (size.ws_col == 0 || size.ws_col > LINE_COLUMNS);
}

void cli_progress_start(struct cli_progress *progress, uint64_t total) {
    const char *no_colour = getenv("NO_COLOR");
    *progress = (struct cli_progress){.total = total,
                                      .shown = total > 0 && terminal_can_show(),
                                      .colour = no_colour == NULL || no_colour[0] == '\0'};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->drawn = progress->start;
}

void cli_progress_show(struct cli_progress *progress, uint64_t done) {
    struct timespec now;
    if (!progress->shown)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (seconds_between(&progress->drawn, &now) < 0.1)
        return;
    progress->drawn = now;
    double part = (double)done / (double)progress->total;
    double elapsed = seconds_between(&progress->start, &now);
    char bar[BAR_CELLS + 1] = {0};
    memset(bar, ' ', BAR_CELLS);
    memset(bar, '#', (size_t)(part * BAR_CELLS));
    double scale = progress->things != NULL ? 1 : MIB;
    const char *things = progress->things != NULL ? progress->things : "MiB";
    fprintf(stderr, "\r%3.0f%% [%s%s%s] %.0f of %.0f %s, %.*f %s/s, %.0f s left\033[K", part * 100,
            progress->colour ? "\033[32m" : "", bar, progress->colour ? "\033[0m" : "",
            (double)done / scale, (double)progress->total / scale, things, progress->things != NULL,
            (double)done / scale / elapsed, things, done == 0 ? 0 : elapsed / part - elapsed);
    fflush(stderr);
}

void cli_progress_say(struct cli_progress *progress, const char *words) {
    if (!progress->shown)
        return;
    fprintf(stderr, ERASE_LINE "%s", words);
    fflush(stderr);
}

void cli_progress_end(struct cli_progress *progress) {
    cli_progress_say(progress, "");
    progress->shown = false;
}
