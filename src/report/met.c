/* SPDX-License-Identifier: BSD-2-Clause */
/* Each part keeps the first failures of a look that it meets itself. The whole search would have
   kept the first of all: those of the parts, put in order, begin with them. */
#include "report/met.h"

#include <stdlib.h>
#include <string.h>

/* One failure, and the place of its finding in the report. */
struct failure {
    struct finding_met met;
    size_t finding;
};

static int compare(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int by_order(const void *left, const void *right) {
    const struct failure *a = left, *b = right;
    int order = compare(a->met.pass, b->met.pass);
    if (order == 0)
        order = compare(a->met.point, b->met.point);
    if (order == 0)
        order = compare(a->met.number, b->met.number);
    return order != 0 ? order : compare(a->finding, b->finding);
}

static struct failure *gather(const struct report *report, size_t *count) {
    size_t room = 0;
    for (size_t i = 0; i < report->finding_count; i++)
        room += report->findings[i].met_count;
    struct failure *failures = calloc(room + 1, sizeof *failures);
    *count = 0;
    for (size_t i = 0; failures != NULL && i < report->finding_count; i++) {
        for (size_t m = 0; m < report->findings[i].met_count; m++)
            failures[(*count)++] = (struct failure){report->findings[i].met[m], i};
    }
    if (failures != NULL && *count != 0)
        qsort(failures, *count, sizeof *failures, by_order);
    return failures;
}

/* Leaves those that the whole search would have told; returns how many. */
static size_t choose(struct failure *failures, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < FINDING_MET; i++) {
        unsigned alike = 0;
        bool twice = kept != 0 &&
                     memcmp(&failures[kept - 1].met, &failures[i].met, sizeof failures[i].met) == 0;
        for (size_t k = 0; k < kept; k++)
            alike += failures[k].met.look == failures[i].met.look;
        if (alike < FINDING_ALIKE && !twice)
            failures[kept++] = failures[i];
    }
    return kept;
}

/* The finding among those that were made that has the failure's sentence; it is made if there is
   none. NULL: out of memory. */
static struct finding *finding_for(struct finding *made, size_t *count, struct finding *own) {
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(made[i].message, own->message) == 0)
            return &made[i];
    }
    struct finding_met *met = calloc(FINDING_MET, sizeof *met);
    if (met == NULL)
        return NULL;
    struct finding *finding = &made[(*count)++];
    *finding = *own;
    free(finding->met);
    finding->met = met;
    finding->met_count = finding->count = 0;
    *own = (struct finding){.kind = KIND_COUNT};
    return finding;
}

/* The sentence of one whose finding was taken stands in the one that took it. */
static struct finding *own_of(struct finding *findings, const size_t *taken, size_t number,
                              struct finding *made) {
    return taken[number] != 0 ? &made[taken[number] - 1] : &findings[number];
}

static bool make(struct report *report, const struct failure *failures, size_t kept,
                 struct finding *made, size_t *taken) {
    size_t count = 0;
    bool complete = true;
    for (size_t i = 0; i < kept && complete; i++) {
        size_t number = failures[i].finding;
        struct finding *own = own_of(report->findings, taken, number, made);
        struct finding *finding = finding_for(made, &count, own);
        complete = finding != NULL;
        if (!complete)
            break;
        taken[number] = (size_t)(finding - made) + 1;
        finding->met[finding->met_count++] = failures[i].met;
        finding->count++;
    }
    for (size_t i = 0; i < report->finding_count; i++)
        verify_free_finding(&report->findings[i]);
    free(report->findings);
    report->findings = made;
    report->finding_count = count;
    return complete;
}

bool met_fold(struct report *report) {
    size_t count = 0;
    struct failure *failures = gather(report, &count);
    size_t kept = failures != NULL ? choose(failures, count) : 0;
    struct finding *made = calloc(kept + 1, sizeof *made);
    size_t *taken = calloc(report->finding_count + 1, sizeof *taken);
    bool complete = failures != NULL && made != NULL && taken != NULL;
    if (complete)
        complete = make(report, failures, kept, made, taken);
    else
        free(made);
    verify_sort_findings(report);
    free(failures);
    free(taken);
    return complete;
}
