/* SPDX-License-Identifier: BSD-2-Clause */
/* A picture of throughput against size: a panel for each question, set and alignment, in it a line
   for each lane. Both axes are logarithmic. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "bench/bench.h"

#define WIDTH 420
#define HEIGHT 260
#define LEFT 56
#define TOP 34
#define RIGHT 96
#define BOTTOM 30
#define COLUMNS 2

static const char *const colours[BENCH_LANES] = {"#0b6e4f", "#c8553d", "#3d5a80",
                                                 "#8d6a9f", "#b8860b", "#555555"};

struct panel {
    const struct bench_row *rows;
    size_t count;
    double least, most; /* bytes a nanosecond, powers of ten around all lanes */
};

static bool same_panel(const struct bench_row *a, const struct bench_row *b) {
    return strcmp(a->question, b->question) == 0 && strcmp(a->set, b->set) == 0 &&
           strcmp(a->alignment, b->alignment) == 0;
}

static double throughput(const struct bench_row *row, size_t lane) {
    return (double)row->length / row->lanes[lane].nanos.median;
}

/* The rows at the start that belong together; one alone makes no line. */
static struct panel next_panel(const struct bench_row *rows, size_t count) {
    struct panel panel = {.rows = rows, .least = 1e9, .most = 0};
    while (panel.count < count && same_panel(rows, &rows[panel.count])) {
        const struct bench_row *row = &rows[panel.count++];
        for (size_t lane = 0; lane < row->lane_count; lane++) {
            double value = throughput(row, lane);
            panel.least = value < panel.least ? value : panel.least;
            panel.most = value > panel.most ? value : panel.most;
        }
    }
    panel.least = pow(10, floor(log10(panel.least)));
    panel.most = pow(10, ceil(log10(panel.most)));
    return panel;
}

static double x_of(const struct panel *panel, size_t length) {
    double first = log2((double)panel->rows[0].length);
    double last = log2((double)panel->rows[panel->count - 1].length);
    return LEFT + (log2((double)length) - first) / (last - first) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct panel *panel, double value) {
    double share = log10(value / panel->least) / log10(panel->most / panel->least);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static void print_size(FILE *to, size_t length) {
    if (length >= 1 << 20)
        fprintf(to, "%zuM", length >> 20);
    else if (length >= 1 << 10)
        fprintf(to, "%zuK", length >> 10);
    else
        fprintf(to, "%zu", length);
}

static void draw_axes(FILE *to, const struct panel *panel) {
    const struct bench_row *row = panel->rows;
    fprintf(to, "<text x='%d' y='20' class='t'>%s, %s%s%s</text>\n", LEFT, row->title, row->set,
            *row->alignment != '\0' ? ", " : "", row->alignment);
    int decades = (int)lround(log10(panel->most / panel->least));
    for (int i = 0; i <= decades; i++) {
        double value = panel->least * pow(10, i), y = y_of(panel, value);
        fprintf(to, "<path d='M%d %.1fH%d' class='g'/><text x='%d' y='%.1f' class='y'>%g</text>\n",
                LEFT, y, WIDTH - RIGHT, LEFT - 5, y + 4, value);
    }
    for (size_t i = 0; i < panel->count; i++) {
        fprintf(to, "<text x='%.1f' y='%d' class='x'>", x_of(panel, row[i].length),
                HEIGHT - BOTTOM + 15);
        print_size(to, row[i].length);
        fputs("</text>\n", to);
    }
}

static void draw_lane(FILE *to, const struct panel *panel, size_t lane, double *free_y) {
    const struct bench_row *last = &panel->rows[panel->count - 1];
    for (size_t i = 0; i < panel->count; i++)
        fprintf(to, "%s%.1f %.1f", i == 0 ? "<path d='M" : "L", x_of(panel, panel->rows[i].length),
                y_of(panel, throughput(&panel->rows[i], lane)));
    fprintf(to, "' class='l' stroke='%s'%s/>\n", colours[lane],
            last->lanes[lane].undocumented ? " stroke-dasharray='4 3'" : "");
    fprintf(to, "<text x='%d' y='%.1f' fill='%s'>%s%s</text>\n", WIDTH - RIGHT + 6, *free_y,
            colours[lane], last->lanes[lane].name, last->lanes[lane].undocumented ? "*" : "");
    *free_y += 15;
}

void bench_print_svg(FILE *to, const struct bench_row *rows, size_t count, const char *machine) {
    size_t panels = 0, number = 0;
    for (size_t at = 0; at < count; at += next_panel(rows + at, count - at).count)
        panels += next_panel(rows + at, count - at).count > 1;
    fprintf(to,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%zu' font-family="
            "'sans-serif' font-size='11'>\n<style>.t{font-weight:bold}.g{stroke:#ddd}"
            ".y{text-anchor:end}.x{text-anchor:middle}.l{fill:none;stroke-width:1.8}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n"
            "<text x='8' y='16'>GB/s against bytes; %s; *, dashed: not documented as durable"
            "</text>\n",
            COLUMNS * WIDTH, 24 + (panels + COLUMNS - 1) / COLUMNS * HEIGHT, machine);
    for (size_t at = 0; at < count;) {
        struct panel panel = next_panel(rows + at, count - at);
        at += panel.count;
        if (panel.count < 2)
            continue;
        double free_y = TOP + 12;
        fprintf(to, "<g transform='translate(%zu,%zu)'>\n", number % COLUMNS * WIDTH,
                24 + number / COLUMNS * HEIGHT);
        draw_axes(to, &panel);
        for (size_t lane = 0; lane < panel.rows[0].lane_count; lane++)
            draw_lane(to, &panel, lane, &free_y);
        fputs("</g>\n", to);
        number++;
    }
    fputs("</svg>\n", to);
}
