/* SPDX-License-Identifier: BSD-2-Clause */
/* How far a search has come, as a file: where it goes on, and the failures so far. What was tried
   before is not kept: the walk up to there finds it again without running it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "search/state.h"

#define MAGIC "nvrtl-crash-resume/2"

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

static bool read_picks(FILE *in, size_t count, uint16_t **to) {
    uint16_t *picks = calloc(count + 1, sizeof *picks);
    if (picks == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t pick;
        if (!read_number(in, NULL, UINT16_MAX, &pick)) {
            free(picks);
            return false;
        }
        picks[i] = (uint16_t)pick;
    }
    *to = picks;
    return true;
}

static bool read_failure(struct search *search, FILE *in) {
    struct search_outcome *outcome = search->outcome;
    uint64_t numbers[11];
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        if (!read_number(in, NULL, UINT64_MAX, &numbers[i]))
            return false;
    }
    struct search_failure failure = {.place = {(uint32_t)numbers[0], numbers[1], numbers[2]},
                                     .key = numbers[3],
                                     .begun = numbers[4],
                                     .acked = numbers[5],
                                     .line_count = numbers[8],
                                     .inner_point = numbers[9],
                                     .outer_count = numbers[10]};
    failure.verdict.outcome = (uint32_t)numbers[6];
    failure.verdict.status = (int32_t)numbers[7];
    if (numbers[0] > 2 || failure.outer_count > UINT16_MAX || failure.line_count > UINT16_MAX ||
        numbers[6] > UINT8_MAX || numbers[7] > INT32_MAX ||
        outcome->failure_count == SEARCH_FAILURES ||
        !read_picks(in, failure.line_count, &failure.picks))
        return false;
    if (failure.inner_point != 0 && !read_picks(in, failure.outer_count, &failure.outer_picks)) {
        free(failure.picks);
        return false;
    }
    outcome->failures[outcome->failure_count++] = failure;
    return true;
}

/* So many places of lines, in rising order. */
static bool read_lines(FILE *in, struct guided_stretch *stretch, size_t count) {
    uint64_t line, least = 0;
    for (stretch->count = 0; stretch->count < count; stretch->count++) {
        if (!read_number(in, NULL, UINT32_MAX, &line) || line < least)
            return false;
        stretch->lines[stretch->count] = (uint32_t)line;
        least = line + 1;
    }
    return true;
}

/* The stretches of the point where the search has come to; behind them what was looked at. */
static bool read_stretches(struct search *search, FILE *in, uint64_t stretches) {
    struct guided *guided = &search->guided;
    uint64_t tried, count, confirms;
    for (uint64_t i = 0; i <= stretches; i++) {
        if (!read_number(in, "tried", UINT64_MAX, &tried) ||
            !read_number(in, "confirms", 1, &confirms) ||
            !read_number(in, "lines", UINT16_MAX, &count))
            return false;
        struct guided_stretch *stretch = &guided->looked;
        if (i < stretches)
            stretch = guided_grow(guided, (size_t)count);
        else
            stretch->lines = calloc((size_t)count + 1, sizeof *stretch->lines);
        if (stretch == NULL || stretch->lines == NULL || !read_lines(in, stretch, (size_t)count))
            return false;
        stretch->tried = tried;
        stretch->confirms = confirms != 0;
    }
    guided->pass = search->from.pass;
    guided->point = search->from.point;
    return true;
}

static bool read_looks(struct search *search, FILE *in, uint64_t looks) {
    for (uint64_t i = 0; i < looks; i++) {
        uint64_t key, count;
        if (!read_number(in, "look", UINT64_MAX, &key) ||
            !read_number(in, NULL, UINT64_MAX, &count))
            return false;
        *groups_count(&search->alike, key) = count;
    }
    return true;
}

uint64_t search_identity(const struct walk_facts *facts, const struct search_options *options) {
    const struct crash_wish *wish = &options->wish;
    const uint64_t numbers[] = {facts->events,         facts->marks,      facts->stack_count,
                                facts->region_count,   options->seed,     options->exhaustive,
                                options->judge,        options->atomic,   options->nested,
                                wish->model_said,      wish->model,       wish->streams,
                                wish->direct64_atomic, wish->stable_pages};
    uint64_t hash = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        hash = space_mix(hash + numbers[i]);
    for (const char *at = options->check; at != NULL && *at != '\0'; at++)
        hash = space_mix(hash + (uint8_t)*at);
    return hash + (hash == 0);
}

/* And of this part of the work. */
static uint64_t options_hash(const struct search *search) {
    const struct search_options *options = search->options;
    return space_mix(search_identity(search->facts, options) + options->shard * 4096 +
                     options->shards);
}

/* What the file begins with; *failures, *looks and *stretches follow. */
static bool read_head(struct search *search, FILE *in, uint64_t *failures, uint64_t *looks,
                      uint64_t *stretches) {
    struct search_outcome *outcome = search->outcome;
    char magic[sizeof MAGIC];
    uint64_t options, pass, exact = 0;
    const struct {
        const char *name;
        uint64_t *number, most;
    } numbers[] = {{"options", &options, UINT64_MAX},
                   {"pass", &pass, 3},
                   {"point", &search->from.point, UINT64_MAX},
                   {"done", &search->from.number, UINT64_MAX},
                   {"images", &outcome->images, UINT64_MAX},
                   {"lazy", &search->counts.lazy, UINT64_MAX},
                   {"failing", &outcome->failing, UINT64_MAX},
                   {"unconfirmed", &outcome->unconfirmed, UINT64_MAX},
                   {"recoveries", &outcome->recoveries, UINT64_MAX},
                   {"unrecorded", &outcome->unrecorded, UINT64_MAX},
                   {"exact", &exact, 1},
                   {"failures", failures, UINT16_MAX},
                   {"looks", looks, UINT64_MAX},
                   {"stretches", stretches, UINT16_MAX}};
    bool good = fgets(magic, sizeof magic, in) != NULL && strcmp(magic, MAGIC) == 0;
    for (size_t i = 0; good && i < ARRAY_LENGTH(numbers); i++)
        good = read_number(in, numbers[i].name, numbers[i].most, numbers[i].number);
    if (good)
        search->from.pass = (uint32_t)pass;
    search->guided.exact = exact != 0;
    return good && options == options_hash(search);
}

bool resume_read(struct search *search) {
    struct search_outcome *outcome = search->outcome;
    uint64_t failures = 0, looks = 0, stretches = 0;
    FILE *in = search->options->resume != NULL ? fopen(search->options->resume, "re") : NULL;
    if (in == NULL)
        return true; /* it begins */
    bool good = read_head(search, in, &failures, &looks, &stretches);
    for (size_t i = 0; good && i < failures; i++)
        good = read_failure(search, in);
    good = good && read_looks(search, in, looks) && read_stretches(search, in, stretches);
    fclose(in);
    search->images_before = outcome->images;
    search->at = search->from;
    return good || wrong(search);
}

static void write_picks(FILE *out, const uint16_t *picks, size_t count) {
    for (size_t i = 0; i < count; i++)
        fprintf(out, " %u", picks[i]);
}

static void write_failure(FILE *out, const struct search_failure *failure) {
    fprintf(out, "%" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu %zu %" PRIu32 " %" PRId32,
            failure->place.pass, failure->place.point, failure->place.number, failure->key,
            failure->begun, failure->acked, failure->verdict.outcome, failure->verdict.status);
    fprintf(out, " %zu %" PRIu64 " %zu", failure->line_count, failure->inner_point,
            failure->outer_count);
    write_picks(out, failure->picks, failure->line_count);
    write_picks(out, failure->outer_picks, failure->outer_count);
    putc('\n', out);
}

static void write_stretch(FILE *out, const struct guided_stretch *stretch) {
    fprintf(out, "tried %" PRIu64 " confirms %d lines %zu", stretch->tried, stretch->confirms,
            stretch->count);
    for (size_t i = 0; i < stretch->count; i++)
        fprintf(out, " %" PRIu32, stretch->lines[i]);
    putc('\n', out);
}

static void write_look(void *context, uint64_t key, uint64_t count) {
    fprintf(context, "look %" PRIu64 " %" PRIu64 "\n", key, count);
}

static void write_all(struct search *search, FILE *out, bool done) {
    const struct search_outcome *outcome = search->outcome;
    const struct guided *guided = &search->guided;
    static const struct guided_stretch none;
    bool here = !done && guided->pass == search->at.pass && guided->point == search->at.point;
    size_t stretches = here ? guided->count : 0;
    fprintf(out, MAGIC " options %" PRIu64 "\n", options_hash(search));
    fprintf(out, "pass %" PRIu32 " point %" PRIu64 " done %" PRIu64 "\n",
            done ? search->options->nested ? 3 : 2 : search->at.pass, done ? 0 : search->at.point,
            done ? 0 : search->at.number);
    fprintf(out,
            "images %" PRIu64 " lazy %" PRIu64 " failing %" PRIu64 " unconfirmed %" PRIu64
            "\nrecoveries %" PRIu64 " unrecorded %" PRIu64 " exact %d"
            "\nfailures %zu looks %zu stretches %zu\n",
            outcome->images, outcome->counts.lazy, outcome->failing, outcome->unconfirmed,
            outcome->recoveries, outcome->unrecorded, search->guided.exact, outcome->failure_count,
            search->alike.count, stretches);
    for (size_t i = 0; i < outcome->failure_count; i++)
        write_failure(out, &outcome->failures[i]);
    groups_each(&search->alike, write_look, out);
    for (size_t i = 0; i < stretches; i++)
        write_stretch(out, &guided->stretches[i]);
    write_stretch(out, here ? &guided->looked : &none);
}

/* What was there stays until all of the new one is written. */
void resume_write(struct search *search, bool done) {
    const char *path = search->options->resume;
    char *fresh = NULL;
    if (path == NULL)
        return;
    FILE *out = asprintf(&fresh, "%s.new", path) > 0 ? fopen(fresh, "we") : NULL;
    if (out != NULL)
        write_all(search, out, done);
    if (out == NULL || fclose(out) != 0 || rename(fresh, path) != 0)
        snprintf(search->outcome->problem, sizeof search->outcome->problem, "cannot write %s",
                 path);
    free(fresh);
}

bool resume_is_behind(const struct search *search, uint64_t point) {
    return search->pass < search->from.pass ||
           (search->pass == search->from.pass && point < search->from.point);
}
