/* SPDX-License-Identifier: BSD-2-Clause */
/* How far a search has come, as a file: where it goes on, and the failures so far. What was tried
   before is not kept: the walk up to there finds it again without running it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "search/state.h"

#define MAGIC "nvrtl-crash-resume/1"

static bool wrong(struct search *search) {
    snprintf(search->outcome->problem, sizeof search->outcome->problem,
             "%s is of another trace, or of other options", search->options->resume);
    return false;
}

/* The next number, as large as that at most; a word before it is its name. */
static bool read_number(FILE *in, const char *name, uint64_t most, uint64_t *number) {
    char word[32], *end;
    if (name != NULL && (fscanf(in, "%31s", word) != 1 || strcmp(word, name) != 0))
        return false;
    if (fscanf(in, "%31s", word) != 1 || *word < '0' || *word > '9')
        return false;
    *number = strtoull(word, &end, 10);
    return *end == '\0' && *number <= most;
}

static bool read_picks(struct search_failure *failure, FILE *in) {
    uint16_t *picks = calloc(failure->line_count + 1, sizeof *picks);
    if (picks == NULL)
        return false;
    for (size_t i = 0; i < failure->line_count; i++) {
        uint64_t pick;
        if (!read_number(in, NULL, UINT16_MAX, &pick)) {
            free(picks);
            return false;
        }
        picks[i] = (uint16_t)pick;
    }
    failure->picks = picks;
    return true;
}

static bool read_failure(struct search *search, FILE *in) {
    struct search_outcome *outcome = search->outcome;
    uint64_t numbers[7];
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        if (!read_number(in, NULL, UINT64_MAX, &numbers[i]))
            return false;
    }
    struct search_failure failure = {.point = numbers[0],
                                     .key = numbers[1],
                                     .begun = numbers[2],
                                     .acked = numbers[3],
                                     .line_count = numbers[6]};
    failure.verdict.outcome = (uint32_t)numbers[4];
    failure.verdict.status = (int32_t)numbers[5];
    if (failure.line_count > UINT16_MAX || numbers[4] > UINT8_MAX || numbers[5] > INT32_MAX ||
        outcome->failure_count == SEARCH_FAILURES || !read_picks(&failure, in))
        return false;
    (*groups_count(&search->alike, failure.key))++;
    outcome->failures[outcome->failure_count++] = failure;
    return true;
}

/* What the file begins with; *failures follow. */
static bool read_head(struct search *search, FILE *in, uint64_t *failures) {
    struct search_outcome *outcome = search->outcome;
    const struct search_options *options = search->options;
    char magic[sizeof MAGIC];
    uint64_t events, seed, exhaustive, shard, shards, pass;
    const struct {
        const char *name;
        uint64_t *number, most;
    } numbers[] = {{"events", &events, UINT64_MAX},
                   {"seed", &seed, UINT64_MAX},
                   {"exhaustive", &exhaustive, UINT64_MAX},
                   {"shard", &shard, UINT64_MAX},
                   {"of", &shards, UINT64_MAX},
                   {"pass", &pass, 2},
                   {"point", &search->from_point, UINT64_MAX},
                   {"done", &search->from_done, UINT64_MAX},
                   {"points", &outcome->points, UINT64_MAX},
                   {"exhausted", &outcome->exhausted, UINT64_MAX},
                   {"bounded", &outcome->bounded, UINT64_MAX},
                   {"images", &outcome->images, UINT64_MAX},
                   {"repeated", &outcome->repeated, UINT64_MAX},
                   {"failing", &outcome->failing, UINT64_MAX},
                   {"unconfirmed", &outcome->unconfirmed, UINT64_MAX},
                   {"failures", failures, UINT16_MAX}};
    bool good = fgets(magic, sizeof magic, in) != NULL && strcmp(magic, MAGIC) == 0;
    for (size_t i = 0; good && i < ARRAY_LENGTH(numbers); i++)
        good = read_number(in, numbers[i].name, numbers[i].most, numbers[i].number);
    if (good)
        search->from_pass = (unsigned)pass;
    return good && events == search->facts->events && seed == options->seed &&
           exhaustive == options->exhaustive && shard == options->shard &&
           shards == options->shards;
}

bool resume_read(struct search *search) {
    struct search_outcome *outcome = search->outcome;
    uint64_t failures = 0;
    FILE *in = search->options->resume != NULL ? fopen(search->options->resume, "re") : NULL;
    if (in == NULL)
        return true; /* it begins */
    bool good = read_head(search, in, &failures);
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
                      " of %" PRIu64 "\npass %u point %" PRIu64 " done %" PRIu64 "\npoints %" PRIu64
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
