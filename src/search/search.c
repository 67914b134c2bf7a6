/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "search/state.h"

/* The first members of a group go first: so many of each. */
#define FIRST_MEMBERS 4
/* So many failures with the same look are kept to be told, and confirmed; others are counted. */
#define ALIKE_MOST 2
#define CONTENTS_MOST 4096u /* of one line */

static uint64_t now_in_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static bool is_over(struct search *search) {
    const struct search_options *options = search->options;
    struct search_outcome *outcome = search->outcome;
    uint64_t images = outcome->images - search->images_before;
    if ((options->images != 0 && images >= options->images) ||
        (options->seconds != 0 && now_in_seconds() - search->began >= options->seconds))
        outcome->over = true;
    return outcome->over;
}

static bool is_failing(struct sandbox_verdict verdict) {
    return verdict.outcome > SANDBOX_FINE && verdict.outcome < SANDBOX_UNUSABLE;
}

/* How many failures have had this look before. */
static uint64_t count_alike(struct search *search, uint64_t key) {
    return (*groups_count(&search->alike, key))++;
}

static void keep_failure(struct search *search, const struct queue_image *image,
                         const uint16_t *picks, struct sandbox_verdict verdict, uint64_t key) {
    struct search_outcome *outcome = search->outcome;
    if (outcome->failure_count == SEARCH_FAILURES)
        return;
    for (size_t i = 0; i < outcome->failure_count; i++) { /* before the search was resumed */
        const struct search_failure *known = &outcome->failures[i];
        if (known->point == image->point && known->line_count == image->line_count &&
            memcmp(known->picks, picks, image->line_count * sizeof *picks) == 0)
            return;
    }
    uint16_t *kept = calloc(image->line_count + 1, sizeof *kept);
    if (kept == NULL)
        return;
    memcpy(kept, picks, image->line_count * sizeof *kept);
    outcome->failures[outcome->failure_count++] =
        (struct search_failure){.point = image->point,
                                .key = key,
                                .begun = image->begun,
                                .acked = image->acked,
                                .line_count = image->line_count,
                                .picks = kept,
                                .verdict = verdict};
}

static bool see_verdict(void *context, const struct queue_image *image, const uint16_t *picks,
                        size_t number, struct sandbox_verdict verdict) {
    struct search *search = context;
    struct search_outcome *outcome = search->outcome;
    outcome->images++;
    bool same = search->at_pass == search->pass && search->at_point == image->point;
    search->at_done = same ? search->at_done + 1 : 1;
    search->at_pass = search->pass;
    search->at_point = image->point;
    if (verdict.outcome == SANDBOX_UNUSABLE) {
        snprintf(outcome->problem, sizeof outcome->problem, "%s",
                 sandbox_problem(search->queue.sandbox));
        return false;
    }
    if (is_failing(verdict)) {
        uint64_t key =
            space_mix(image->key + space_mix(verdict.outcome * 4096u + (uint32_t)verdict.status));
        outcome->failing++;
        if (count_alike(search, key) < ALIKE_MOST) {
            if (!sandbox_run_again(search->queue.sandbox, number, -1, search->stop))
                return false;
            struct sandbox_verdict again = sandbox_verdict(search->queue.sandbox, number);
            if (is_failing(again))
                keep_failure(search, image, picks, again, key);
            else
                outcome->unconfirmed++;
        }
    }
    return !is_over(search);
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

/* Tries the images of the space as it is varied now, no more than most. false: it ends here.
   *joined: recovery has looked at a line that was not varied. */
static bool try_images(struct search *search, const struct walk *walk, bool bounded, uint64_t most,
                       bool *joined) {
    struct space *space = &search->space;
    struct space_turn turn = space_begin(bounded, search->options->seed + walk->point);
    uint64_t repeated = 0, tried = 0;
    while (tried < most && repeated < 4 * most && space_next(space, &turn, search->picks)) {
        if (!seen_add(&search->seen, queue_hash(&search->queue, space, walk, search->picks))) {
            search->outcome->repeated++;
            repeated += bounded;
            continue;
        }
        tried++;
        if (tried <= resume_done(search, walk->point) && joined == NULL)
            continue;
        if (!queue_add(&search->queue, space, walk, search->picks, search->key))
            return false;
        if (joined != NULL && search->queue.count == 64) {
            if (!queue_run(&search->queue))
                return false;
            *joined = search_join_lines(search);
            if (*joined)
                return true;
        }
    }
    return true;
}

bool search_join_lines(struct search *search) {
    bool joined = false;
    for (size_t i = 0; i < search->space.line_count; i++) {
        struct space_line *line = &search->space.lines[i];
        const uint64_t *touched = sandbox_touched(search->queue.sandbox, line->region);
        uint64_t page = line->offset / SANDBOX_PAGE;
        bool touches = touched == NULL || (touched[page / 64] >> page % 64 & 1) != 0;
        joined = joined || (touches && !line->varied);
        line->varied = line->varied || touches;
    }
    return joined;
}

/* Too many images: those lines are varied that recovery looks at, beginning with what it looks at
   in the least and the fullest. */
static bool try_guided(struct search *search, const struct walk *walk) {
    struct queue *queue = &search->queue;
    struct space *space = &search->space;
    uint64_t most = search->options->exhaustive;
    bool joined = true;
    if (!queue_follow(queue))
        return false;
    queue->traced = true;
    bool go_on = true;
    for (unsigned least = 0; least < 2 && go_on; least++) {
        for (size_t i = 0; i < space->line_count; i++)
            search->picks[i] = (uint16_t)(least != 0 && space->lines[i].count > 1);
        seen_add(&search->seen, queue_hash(queue, space, walk, search->picks));
        go_on = queue_add(queue, space, walk, search->picks, search->key);
    }
    go_on = go_on && queue_run(queue);
    for (size_t i = 0; i < space->line_count; i++)
        space->lines[i].varied = false;
    search_join_lines(search);
    while (go_on && joined) {
        joined = false;
        bool bounded = space_images(space, most + 1) > most;
        go_on = try_images(search, walk, bounded, most, &joined) && queue_run(queue);
        if (go_on && !joined)
            joined = search_join_lines(search);
    }
    queue->traced = false;
    return go_on;
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

/* They were tried before: none of them is tried again. */
static void note_images(struct search *search, const struct walk *walk, bool whole) {
    struct space_turn turn = space_begin(false, 0);
    while (whole && space_next(&search->space, &turn, search->picks))
        seen_add(&search->seen, queue_hash(&search->queue, &search->space, walk, search->picks));
}

static bool visit_point(void *context, struct walk *walk) {
    struct search *search = context;
    const struct search_options *options = search->options;
    struct search_outcome *outcome = search->outcome;
    if (options->shards > 1 && walk->point % options->shards != options->shard - 1)
        return true;
    search_fill(search, walk);
    if (!search_make_room(search)) {
        snprintf(outcome->problem, sizeof outcome->problem, "there is no memory");
        return false;
    }
    search->key = key_of(search, walk);
    uint64_t rank = (*groups_count(&search->ranks, search->key))++;
    if ((rank < FIRST_MEMBERS) != (search->pass == 0))
        return true;
    bool whole = space_images(&search->space, options->exhaustive + 1) <= options->exhaustive;
    for (size_t i = 0; i < search->space.line_count; i++)
        whole = whole && !search->space.lines[i].cut_down;
    if (resume_is_behind(search, walk->point)) {
        note_images(search, walk, whole);
        return true;
    }
    outcome->points++;
    outcome->exhausted += whole;
    outcome->bounded += !whole;
    tell_now_and_then(search, walk);
    return (whole ? try_images(search, walk, false, UINT64_MAX, NULL) : try_guided(search, walk)) &&
           !is_over(search);
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
    search->began = now_in_seconds();
    bool more = resume_read(search);
    for (search->pass = 0; search->pass < 2 && more; search->pass++) {
        groups_clear(&search->ranks);
        more = search_walk(search, &visitor) && outcome->problem[0] == '\0' && !outcome->over &&
               queue_run(&search->queue);
    }
    outcome->interrupted = *search->stop != 0;
    if (outcome->problem[0] == '\0')
        resume_write(search, more && !outcome->over && !outcome->interrupted);
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
                                         .isolate = options->isolate};
    *search = (struct search){.trace = trace,
                              .facts = facts,
                              .options = options,
                              .outcome = outcome,
                              .stop = stop,
                              .queue = {.facts = facts, .stop = stop, .judge = see_verdict}};
    memcpy(search->regions, regions, sizeof regions);
    search->queue.context = search;
    search->queue.sandbox = sandbox_new(&wish);
    seen_start(&search->seen, options->memory / 2);
    if (search->queue.sandbox != NULL && queue_start(&search->queue))
        return search;
    snprintf(outcome->problem, sizeof outcome->problem, "no memory or processes for the images: %s",
             strerror(errno));
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

void search_forget(struct search_outcome *outcome) {
    for (size_t i = 0; i < outcome->failure_count; i++)
        free(outcome->failures[i].picks);
    outcome->failure_count = 0;
}
