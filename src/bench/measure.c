/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/measure.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double measure_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static struct bench_spread spread_of(double *values, unsigned count) {
    qsort(values, count, sizeof *values, compare);
    return (struct bench_spread){
        .median = values[count / 2], .low = values[count / 4], .high = values[count * 3 / 4]};
}

void measure_row(struct bench_row *row, unsigned rounds, measure_sample *sample, void *context) {
    static double nanos[BENCH_LANES][MEASURE_ROUNDS_MAX];
    double ratios[MEASURE_ROUNDS_MAX];
    for (size_t lane = 0; lane < row->lane_count; lane++)
        sample(context, lane);
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t turn = 0; turn < row->lane_count; turn++) {
            size_t lane = (turn + round) % row->lane_count;
            nanos[lane][round] = sample(context, lane);
        }
    }
    for (size_t lane = row->lane_count; lane-- > 0;) {
        for (unsigned round = 0; round < rounds; round++)
            ratios[round] = nanos[lane][round] / nanos[0][round];
        row->lanes[lane].ratio = spread_of(ratios, rounds);
        if (lane != 0) /* ours in the order of the rounds until the others were divided by it */
            row->lanes[lane].nanos = spread_of(nanos[lane], rounds);
    }
    row->lanes[0].nanos = spread_of(nanos[0], rounds);
}

void measure_and_tell(struct bench_ground *ground, struct bench_row *row, unsigned rounds,
                      measure_sample *sample, void *context) {
    measure_row(row, ground->wish->quick ? 3 : rounds, sample, context);
    ground->listener->row(ground->listener->context, row);
}

void measure_give_up(struct bench_ground *ground, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ground->listener->complain("%s", text);
    ground->failed = true;
}
