/* SPDX-License-Identifier: BSD-2-Clause */
/* How far a search has come, as a file: where it goes on, and the failures so far. What was tried
   before is not kept: the walk up to there finds it again without running it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "search/state.h"

#define MAGIC "nvrtl-crash-resume/1"

static bool wrong(struct search *search) {
    snprintf(search->outcome->problem, sizeof search->outcome->problem,
             "%s is of another trace, or of other options", search->options->resume);
    return false;
}

static bool read_failure(struct search *search, FILE *in) {
    struct search_outcome *outcome = search->outcome;
    struct search_failure failure = {0};
    uint32_t kind;
    if (fscanf(in, " %" SCNu64 " %" SCNu64 " %zu %zu %" SCNu32 " %" SCNd32 " %zu", &failure.point,
               &failure.key, &failure.begun, &failure.acked, &kind, &failure.verdict.status,
               &failure.line_count) != 7 ||
        failure.line_count > UINT16_MAX || outcome->failure_count == SEARCH_FAILURES)
        return false;
    failure.verdict.outcome = kind;
    failure.picks = calloc(failure.line_count + 1, sizeof *failure.picks);
    bool good = failure.picks != NULL;
    for (size_t i = 0; good && i < failure.line_count; i++)
        good = fscanf(in, " %" SCNu16, &failure.picks[i]) == 1;
    if (!good) {
        free(failure.picks);
        return false;
    }
    (*groups_count(&search->alike, failure.key))++;
    outcome->failures[outcome->failure_count++] = failure;
    return true;
}

bool resume_read(struct search *search) {
    struct search_outcome *outcome = search->outcome;
    uint64_t events = 0, seed = 0, exhaustive = 0, shard = 0, shards = 0;
    size_t failures = 0;
    FILE *in = search->options->resume != NULL ? fopen(search->options->resume, "re") : NULL;
    if (in == NULL)
        return true; /* it begins */
    bool good = fscanf(in,
                       MAGIC " events %" SCNu64 " seed %" SCNu64 " exhaustive %" SCNu64
                             " shard %" SCNu64 "/%" SCNu64 " pass %u point %" SCNu64
                             " done %" SCNu64 " points %" SCNu64 " exhausted %" SCNu64
                             " bounded %" SCNu64 " images %" SCNu64 " repeated %" SCNu64
                             " failing %" SCNu64 " unconfirmed %" SCNu64 " failures %zu",
                       &events, &seed, &exhaustive, &shard, &shards, &search->from_pass,
                       &search->from_point, &search->from_done, &outcome->points,
                       &outcome->exhausted, &outcome->bounded, &outcome->images, &outcome->repeated,
                       &outcome->failing, &outcome->unconfirmed, &failures) == 16 &&
                events == search->facts->events && seed == search->options->seed &&
                exhaustive == search->options->exhaustive && shard == search->options->shard &&
                shards == search->options->shards;
    for (size_t i = 0; good && i < failures; i++)
        good = read_failure(search, in);
    fclose(in);
    search->images_before = outcome->images;
    search->at_pass = search->from_pass;
    search->at_point = search->from_point;
    search->at_done = search->from_done;
    return good || wrong(search);
}

static void write_failure(FILE *out, const struct search_failure *failure) {
    fprintf(out, "%" PRIu64 " %" PRIu64 " %zu %zu %" PRIu32 " %" PRId32 " %zu", failure->point,
            failure->key, failure->begun, failure->acked, failure->verdict.outcome,
            failure->verdict.status, failure->line_count);
    for (size_t i = 0; i < failure->line_count; i++)
        fprintf(out, " %u", failure->picks[i]);
    putc('\n', out);
}

void resume_write(struct search *search, bool done) {
    const struct search_options *options = search->options;
    struct search_outcome *outcome = search->outcome;
    FILE *out = options->resume != NULL ? fopen(options->resume, "we") : NULL;
    if (options->resume == NULL)
        return;
    bool good = out != NULL;
    if (good) {
        fprintf(out,
                MAGIC " events %" PRIu64 " seed %" PRIu64 " exhaustive %" PRIu64 " shard %" PRIu64
                      "/%" PRIu64 "\npass %u point %" PRIu64 " done %" PRIu64 "\npoints %" PRIu64
                      " exhausted %" PRIu64 " bounded %" PRIu64 " images %" PRIu64
                      " repeated %" PRIu64 " failing %" PRIu64 " unconfirmed %" PRIu64
                      "\nfailures %zu\n",
                search->facts->events, options->seed, options->exhaustive, options->shard,
                options->shards, done ? 2 : search->at_pass, done ? 0 : search->at_point,
                done ? 0 : search->at_done, outcome->points, outcome->exhausted, outcome->bounded,
                outcome->images, outcome->repeated, outcome->failing, outcome->unconfirmed,
                outcome->failure_count);
        for (size_t i = 0; i < outcome->failure_count; i++)
            write_failure(out, &outcome->failures[i]);
        good = fclose(out) == 0;
    }
    if (!good)
        snprintf(outcome->problem, sizeof outcome->problem, "cannot write %s", options->resume);
}

bool resume_is_behind(const struct search *search, uint64_t point) {
    return search->pass < search->from_pass ||
           (search->pass == search->from_pass && point < search->from_point);
}

uint64_t resume_done(const struct search *search, uint64_t point) {
    bool here = search->pass == search->from_pass && point == search->from_point;
    return here ? search->from_done : 0;
}
