/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace in numbers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/trace.h"

struct counts {
    uint64_t kinds[TRACE_KINDS], marks[TRACE_ACK + 1];
    uint64_t events, stored, threads;
    bool seen[TRACE_THREADS];
};

static void count(struct counts *counts, const struct trace_event *event) {
    counts->events++;
    counts->kinds[event->kind]++;
    if (event->kind == TRACE_MARK)
        counts->marks[event->mark]++;
    if (trace_stores(event->kind))
        counts->stored += event->length;
    if (trace_has_thread(event->kind)) {
        counts->threads += !counts->seen[event->thread];
        counts->seen[event->thread] = true;
    }
}

static void print_head(const struct trace_head *head) {
    static const char *const streams[] = {"", ", streams=drain", ", streams=inplace"};
    printf("model        %s%s%s%s\n", trace_model_name(head->model), streams[head->streams],
           head->direct64_atomic ? ", direct64=atomic" : "",
           head->stable_pages ? ", stable-pages" : "");
    printf("order        %s\n", head->ordered ? "what happened before what" : "of visibility");
    if (head->cpu[0] != '\0')
        printf("cpu          %s\n", head->cpu);
}

static void print_region(const struct trace_event *event) {
    printf("region %-5" PRIu32 " %" PRIu64 " bytes, %s, lines of %" PRIu32 "%s%s\n", event->region,
           event->length, trace_domain_name(event->domain), event->line_size,
           event->text[0] != '\0' ? ": " : "", event->text);
}

bool trace_stat(struct trace_reader *reader) {
    struct counts *counts = calloc(1, sizeof *counts);
    struct trace_event event;
    if (counts == NULL)
        return false;
    print_head(trace_head(reader));
    while (trace_next(reader, &event) == TRACE_EVENT) {
        count(counts, &event);
        if (event.kind == TRACE_REGION)
            print_region(&event);
    }
    printf("events       %" PRIu64 "\nthreads      %" PRIu64 "\nbytes stored %" PRIu64 "\n",
           counts->events, counts->threads, counts->stored);
    for (int kind = 0; kind < TRACE_KINDS; kind++) {
        if (counts->kinds[kind] != 0 && kind != TRACE_MARK)
            printf("%-12s %" PRIu64 "\n", trace_kind_name((enum trace_kind)kind),
                   counts->kinds[kind]);
    }
    for (int mark = 0; mark <= TRACE_ACK; mark++) {
        if (counts->marks[mark] != 0)
            printf("mark %-7s %" PRIu64 "\n", trace_mark_name((enum trace_mark)mark),
                   counts->marks[mark]);
    }
    free(counts);
    return true;
}
