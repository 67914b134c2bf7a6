/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "search/nested.h"
#include "search/state.h"

/* The first members of a group go first: so many of each. */
#define FIRST_MEMBERS 4
#define CONTENTS_MOST 4096u /* of one line */

uint64_t search_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

bool search_is_over(struct search *search) {
    const struct search_options *options = search->options;
    struct search_outcome *outcome = search->outcome;
    uint64_t images = outcome->images - search->images_before;
    if ((options->images != 0 && images >= options->images) ||
        (options->seconds != 0 && search_now() - options->began >= options->seconds))
        outcome->over = true;
    return outcome->over;
}

static bool is_failing(struct sandbox_verdict verdict) {
    return verdict.outcome > SANDBOX_FINE && verdict.outcome < SANDBOX_UNUSABLE;
}

static void keep_failure(struct search *search, const struct queue_image *image,
                         const uint16_t *picks, struct sandbox_verdict verdict, uint64_t key) {
    struct search_outcome *outcome = search->outcome;
    if (outcome->failure_count == SEARCH_FAILURES)
        return;
    uint16_t *kept = calloc(image->line_count + 1, sizeof *kept);
    if (kept == NULL)
        return;
    memcpy(kept, picks, image->line_count * sizeof *kept);
    outcome->failures[outcome->failure_count++] =
        (struct search_failure){.place = image->place,
                                .key = key,
                                .begun = image->begun,
                                .acked = image->acked,
                                .line_count = image->line_count,
                                .picks = kept,
                                .verdict = verdict};
}

/* A failure counts for those that look like it only once it was met in a fresh process: else a
   checker that keeps something for the next image would make all the others failures. false: it was
   interrupted. */
static bool confirm_failure(struct search *search, const struct queue_image *image,
                            const uint16_t *picks, size_t number, uint64_t key) {
    uint64_t *alike = groups_count(&search->alike, key);
    if (*alike >= SEARCH_ALIKE) {
        ++*alike;
        return true;
    }
    if (!sandbox_run_again(search->queue.sandbox, number, -1, search->stop))
        return false;
    struct sandbox_verdict again = search_verdict(search, image, number);
    bool failing = is_failing(again);
    *alike += failing;
    search->outcome->unconfirmed += !failing;
    if (failing)
        keep_failure(search, image, picks, again, key);
    return true;
}

void search_come_to(struct search *search, struct search_place place) {
    if (search->at.pass != place.pass || search->at.point != place.point)
        search->at = (struct search_place){place.pass, place.point, 0};
}

static bool see_verdict(void *context, const struct queue_image *image, const uint16_t *picks,
                        size_t number, struct sandbox_verdict verdict) {
    struct search *search = context;
    struct search_outcome *outcome = search->outcome;
    verdict = search_verdict(search, image, number);
    if (verdict.outcome == SANDBOX_UNUSABLE) {
        snprintf(outcome->problem, sizeof outcome->problem, "%s",
                 sandbox_problem(search->queue.sandbox));
        return false;
    }
    bool failing = is_failing(verdict);
    uint64_t key =
        space_mix(image->key + space_mix(verdict.outcome * 4096u + (uint32_t)verdict.status));
    /* Before it counts: a search that goes on has to try again what was interrupted here. */
    if (failing && !confirm_failure(search, image, picks, number, key))
        return false;
    outcome->images++;
    outcome->failing += failing;
    outcome->counts = image->counts;
    outcome->unjudged = search->history.unjudged;
    search_come_to(search, image->place);
    search->at.number++;
    if (failing)
        search->guided.exact = search->guided.exact && !search->guided.confirming;
    return !search_is_over(search);
}

/* What the failures of a point have in common with those of others: the stacks of what is in
   flight, and of the event that the point lies at. Without stacks each store is its own. */
static uint64_t key_of(const struct search *search, const struct walk *walk) {
    uint64_t set[2] = {0, 0};
    for (size_t i = 0; i < search->space.line_count; i++) {
        const struct generation_line *line = search->space.lines[i].line;
        for (uint32_t p = 0; p < line->count; p++) {
            uint64_t stack = WALK_STACK(line->pieces[p].tag);
            uint64_t name = stack != 0 ? stack : line->pieces[p].tag;
            set[name & 1] |= UINT64_C(1) << space_mix(name) % 64;
        }
    }
    uint64_t event = walk->event == NULL ? 1 : walk->event->kind * UINT64_C(2) + 2;
    if (walk->event != NULL && walk->event->kind != TRACE_MARK)
        event ^= (uint64_t)walk->event->stack << 8;
    return space_mix(set[0] ^ space_mix(set[1] ^ space_mix(event * 4 + walk->cause)));
}

bool search_is_first(struct search *search, const struct walk *walk) {
    search->key = key_of(search, walk);
    return (*groups_count(&search->ranks, search->key))++ < FIRST_MEMBERS;
}

/* An image of the point is new. Is it to be run by this part of the work, and was it not? */
bool search_add(struct search *search, const struct walk *walk) {
    const bool here = search->pass == search->from.pass && walk->point == search->from.point;
    const struct queue_image image = {.place = {search->pass, walk->point, ++search->number},
                                      .key = search->key,
                                      .counts = search->counts};
    if (++search->own <= (here ? search->from.number : 0))
        return true;
    return queue_add(&search->queue, &search->space, walk, search->picks, image);
}

/* Which part of the work has this? */
bool search_is_own(const struct search *search, uint64_t number) {
    const struct search_options *options = search->options;
    return options->shards <= 1 || number % options->shards == options->shard - 1;
}

/* All images of the point, but for those that were tried before; of these goes through all parts of
   the work alike. behind: it was tried by an earlier search. false: it ends here. */
static bool try_whole(struct search *search, const struct walk *walk, bool behind) {
    struct space_turn turn = space_begin(false, 0);
    while (space_next(&search->space, &turn, search->picks)) {
        uint64_t hash = queue_hash(&search->queue, &search->space, walk, search->picks);
        if (!seen_add(&search->seen, hash) || behind)
            continue;
        if (!search_is_own(search, hash))
            search->number++;
        else if (!search_add(search, walk))
            return false;
    }
    return true;
}

bool search_make_room(struct search *search) {
    if (search->space.failed)
        return false;
    if (search->picks_room >= search->space.line_count)
        return true;
    free(search->picks);
    search->picks_room = 2 * search->space.line_count;
    search->picks = calloc(search->picks_room, sizeof *search->picks);
    return search->picks != NULL;
}

static void tell_now_and_then(struct search *search, const struct walk *walk) {
    if (search->tell == NULL || search->facts->events == 0)
        return;
    uint64_t place = walk->event != NULL ? WALK_PLACE(walk->event->place) : search->facts->events;
    double part = (double)place / (double)search->facts->events;
    search->tell(search->context, search->outcome, part < 1 ? part : 1);
}

void search_fill(struct search *search, const struct walk *walk) {
    uint64_t most = search->options->exhaustive + 1;
    most = most < 2 ? 2 : most < CONTENTS_MOST ? most : CONTENTS_MOST;
    space_fill(&search->space, walk, (uint32_t)most, search->options->seed);
}

/* Can all images be tried? */
static bool is_small(const struct search *search) {
    const struct space *space = &search->space;
    bool small =
        space_images(space, search->options->exhaustive + 1) <= search->options->exhaustive;
    for (size_t i = 0; i < space->line_count; i++)
        small = small && !space->lines[i].cut_down;
    return small;
}

/* All of it, or what recovery looks at. false: it ends here. */
static bool try_point(struct search *search, const struct walk *walk) {
    struct search_counts *counts = &search->counts;
    bool behind = resume_is_behind(search, walk->point), whole = is_small(search);
    if (!whole && !search_is_own(search, walk->point))
        return true;
    search->number = search->own = 0;
    search->outcome->left_out |= generation_left_out(walk->lines);
    counts->points++;
    counts->bounded++; /* until all of it was tried */
    if (whole && !try_whole(search, walk, behind))
        return false;
    if (!whole && !behind && !guided_try(search, walk))
        return false;
    if (whole && !search->outcome->left_out) {
        counts->exhausted++;
        counts->bounded--;
    }
    return true;
}

static bool visit_point(void *context, struct walk *walk) {
    struct search *search = context;
    struct search_outcome *outcome = search->outcome;
    search_fill(search, walk);
    if (!search_make_room(search)) {
        snprintf(outcome->problem, sizeof outcome->problem, "there is no memory");
        return false;
    }
    if (search_is_first(search, walk) != (search->pass == 0))
        return true;
    tell_now_and_then(search, walk);
    return try_point(search, walk) && !search_is_over(search);
}

static void see_change(void *context, struct walk *walk, size_t region, uint64_t offset,
                       uint64_t length) {
    struct search *search = context;
    (void)walk;
    queue_changed(&search->queue, region, offset, length);
}

static void see_mark(void *context, bool acked, uint64_t id) {
    struct search *search = context;
    queue_marked(&search->queue, &search->walk, acked, id);
}

bool search_walk(struct search *search, const struct walk_visitor *wish) {
    struct walk_visitor visitor = *wish;
    visitor.changed = see_change;
    visitor.marked = see_mark;
    visitor.context = search;
    queue_restart(&search->queue);
    search->walk.stop = search->stop;
    bool good =
        walk_through(search->trace, search->facts, &search->options->wish, &visitor, &search->walk);
    if (!good && *search->stop == 0)
        snprintf(search->outcome->problem, sizeof search->outcome->problem, "%s",
                 search->walk.problem);
    return good;
}

bool search_run(struct search *search, search_tell *tell, void *context) {
    const struct walk_visitor visitor = {.point = visit_point};
    struct search_outcome *outcome = search->outcome;
    search->tell = tell;
    search->context = context;
    bool more = resume_read(search) && atomic_collect(search);
    for (search->pass = 0; search->pass < 2 && more; search->pass++) {
        groups_clear(&search->ranks);
        more = search_walk(search, &visitor) && outcome->problem[0] == '\0' && !outcome->over &&
               queue_run(&search->queue);
    }
    if (more)
        outcome->counts = search->counts;
    if (more && search->options->nested && search->options->record != NULL &&
        search->from.pass <= 2)
        more = nested_explore(search);
    outcome->interrupted = *search->stop != 0;
    bool done = more && !outcome->over && !outcome->interrupted;
    if (outcome->problem[0] == '\0')
        resume_write(search, done);
    return outcome->problem[0] == '\0';
}

struct search *search_new(FILE *trace, struct walk_facts *facts,
                          const struct search_options *options, struct search_outcome *outcome,
                          const volatile int *stop) {
    struct sandbox_region regions[SANDBOX_REGIONS];
    struct search *search = calloc(1, sizeof *search);
    *outcome = (struct search_outcome){0};
    for (size_t i = 0; i < facts->region_count; i++)
        regions[i] = (struct sandbox_region){facts->regions[i].path, facts->regions[i].address,
                                             facts->regions[i].size};
    if (search == NULL) {
        snprintf(outcome->problem, sizeof outcome->problem, "there is no memory");
        return NULL;
    }
    const struct sandbox_options wish = {.judge = options->judge,
                                         .check = options->check,
                                         .program = options->program,
                                         .regions = search->regions,
                                         .region_count = facts->region_count,
                                         .workers = options->workers,
                                         .timeout = options->timeout,
                                         .respawn = options->respawn,
                                         .memory = options->memory,
                                         .isolate = options->isolate,
                                         .states = options->atomic != HISTORY_NONE};
    *search = (struct search){
        .trace = trace,
        .facts = facts,
        .options = options,
        .outcome = outcome,
        .stop = stop,
        .queue = {.facts = facts, .stop = stop, .judge = see_verdict, .looks = guided_look}};
    memcpy(search->regions, regions, sizeof regions);
    search->queue.context = search;
    search->queue.sandbox = sandbox_new(&wish);
    seen_start(&search->seen, options->memory / 2);
    seen_start(&search->guided.seen, options->memory / 8);
    if (search->queue.sandbox != NULL && queue_start(&search->queue))
        return search;
    snprintf(outcome->problem, sizeof outcome->problem,
             "no memory or processes for the images, or no folder in %s: %s",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", strerror(errno));
    search_end(search);
    return NULL;
}

void search_end(struct search *search) {
    if (search == NULL)
        return;
    sandbox_end(search->queue.sandbox);
    queue_end(&search->queue);
    space_free(&search->space);
    seen_free(&search->seen);
    guided_free(&search->guided);
    history_free(&search->history);
    groups_free(&search->ranks);
    groups_free(&search->alike);
    free(search->picks);
    free(search);
}

void search_go_on(struct search *search, const volatile int *stop) {
    search->stop = search->queue.stop = stop;
}

const char *search_remark(const struct search *search) {
    return sandbox_remark(search->queue.sandbox);
}

static void forget_failure(const struct search_failure *failure) {
    free(failure->picks);
    free(failure->outer_picks);
}

void search_forget(struct search_outcome *outcome) {
    for (size_t i = 0; i < outcome->failure_count; i++)
        forget_failure(&outcome->failures[i]);
    outcome->failure_count = 0;
}
