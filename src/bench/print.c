/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows as text and as comma-separated values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static bool same(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static const struct bench_lane *goal_lane(const struct bench_row *row) {
    for (size_t i = 1; row->goal_lane != NULL && i < row->lane_count; i++) {
        if (same(row->lanes[i].name, row->goal_lane))
            return &row->lanes[i];
    }
    return NULL;
}

/* What is a limit to everybody stands last. */
static const char *judge(const struct bench_row *row, const struct bench_lane *lane) {
    const struct bench_lane *limit = &row->lanes[row->lane_count - 1];
    if (lane->ratio.median >= row->goal)
        return "reached";
    if (limit != lane && lane->nanos.median / limit->nanos.median < row->goal)
        return "beyond the limit of the last column";
    return "not reached";
}

static void print_nanos(FILE *to, const struct bench_lane *lane) {
    const struct bench_spread *nanos = &lane->nanos;
    const char *unit = "ns";
    double scale = 1;
    if (nanos->median >= 1e6)
        unit = "ms", scale = 1e6;
    else if (nanos->median >= 1e4)
        unit = "us", scale = 1e3;
    fprintf(to, "  %s%s %.*f %s (%.*f-%.*f)", lane->name, lane->undocumented ? "*" : "",
            nanos->median / scale < 100 ? 1 : 0, nanos->median / scale, unit,
            nanos->low / scale < 100 ? 1 : 0, nanos->low / scale, nanos->high / scale < 100 ? 1 : 0,
            nanos->high / scale);
}

void bench_print_text(FILE *to, const struct bench_row *row, const struct bench_row *before) {
    if (before == NULL || !same(before->question, row->question))
        fprintf(to, "\n%s: %s\n", row->question, row->title);
    fprintf(to, "%-10s %-7s %8zu", row->set, row->alignment, row->length);
    for (size_t i = 0; i < row->lane_count; i++) {
        const struct bench_lane *lane = &row->lanes[i];
        print_nanos(to, lane);
        if (i != 0)
            fprintf(to, " x%.2f", lane->ratio.median);
    }
    const struct bench_lane *lane = goal_lane(row);
    if (lane != NULL)
        fprintf(to, "  goal %.2f of %s: %s", row->goal, lane->name, judge(row, lane));
    fputc('\n', to);
    fflush(to);
}

void bench_print_csv(FILE *to, const struct bench_row *row, const struct bench_row *before) {
    if (before == NULL)
        fputs("question,set,alignment,length,lane,documented,nanos,nanos_q1,nanos_q3,ratio,"
              "ratio_q1,ratio_q3,goal\n",
              to);
    const struct bench_lane *goal = goal_lane(row);
    for (size_t i = 0; i < row->lane_count; i++) {
        const struct bench_lane *lane = &row->lanes[i];
        fprintf(to, "%s,%s,%s,%zu,%s,%s,%.2f,%.2f,%.2f,%.3f,%.3f,%.3f,", row->question, row->set,
                row->alignment, row->length, lane->name, lane->undocumented ? "no" : "yes",
                lane->nanos.median, lane->nanos.low, lane->nanos.high, lane->ratio.median,
                lane->ratio.low, lane->ratio.high);
        if (lane == goal)
            fprintf(to, "%.2f", row->goal);
        fputc('\n', to);
    }
    fflush(to);
}
