/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/nested.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "search/plan.h"

/* So many images of a point, those near the fullest and the least. */
#define NESTED_IMAGES 32
#define SCRATCH_PATH 1024
#define NESTED_PASS 2 /* after those of the search itself */

/* The images that the picks say. */
static bool compose(const struct search *outer, const uint16_t *picks, struct nested *nested) {
    const struct space *space = &outer->space;
    static const uint8_t zeros[SANDBOX_PAGE];
    for (size_t r = 0; r < outer->facts->region_count; r++) {
        const struct walk_region *region = &outer->facts->regions[r];
        uint8_t *image = mmap(NULL, region->room, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (image == MAP_FAILED)
            return false;
        nested->images[r] = image;
        nested->rooms[r] = region->room;
        nested->region_count = r + 1;
        for (uint64_t at = 0; at < region->room; at += SANDBOX_PAGE) {
            if (memcmp(region->visible + at, zeros, SANDBOX_PAGE) != 0)
                memcpy(image + at, region->visible + at, SANDBOX_PAGE);
        }
    }
    for (size_t i = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        memcpy(nested->images[line->region] + line->offset,
               space->bytes + (size_t)(line->first + picks[i]) * SPACE_LINE, line->size);
    }
    return true;
}

static struct sandbox_options judge_of(const struct search *search) {
    return (struct sandbox_options){.judge = search->options->judge,
                                    .check = search->options->check,
                                    .program = search->options->program,
                                    .regions = search->regions,
                                    .region_count = search->facts->region_count};
}

static bool write_image(const char *path, const uint8_t *image, uint64_t size) {
    static const uint8_t zeros[SANDBOX_PAGE];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = file >= 0 && ftruncate(file, (off_t)size) == 0;
    for (uint64_t at = 0; good && at < size; at += SANDBOX_PAGE) {
        uint64_t part = size - at < SANDBOX_PAGE ? size - at : SANDBOX_PAGE;
        if (memcmp(image + at, zeros, part) != 0)
            good = pwrite(file, image + at, part, (off_t)at) == (ssize_t)part;
    }
    return (file < 0 || close(file) == 0) && good;
}

static bool write_all(const struct search *outer, const struct walk *walk,
                      const struct nested *nested, const char *folder) {
    struct plan plan = {.region_count = outer->facts->region_count};
    const struct sandbox_options judge = judge_of(outer);
    char images[SCRATCH_PATH + 16], path[PATH_MAX];
    memcpy(plan.regions, outer->regions, sizeof plan.regions);
    plan.marks = sandbox_marks(outer->queue.sandbox);
    plan.marks.counts[0] = walk->begun;
    plan.marks.counts[1] = walk->acked;
    snprintf(images, sizeof images, "%.1023s/" PLAN_IMAGES, folder);
    bool good = plan_write(&plan, folder) && (mkdir(images, 0700) == 0 || errno == EEXIST);
    for (size_t r = 0; good && r < outer->facts->region_count; r++) {
        sandbox_image_path(&judge, images, r, path, sizeof path);
        good = write_image(path, nested->images[r], outer->facts->regions[r].size);
    }
    return good;
}

/* The regions of recovery's trace are those of the run, known by the names of their files. false:
   it has others as well. */
static bool match_regions(const struct search *outer, struct nested *nested, const char *folder) {
    const struct sandbox_options judge = judge_of(outer);
    struct walk_facts *facts = &nested->facts;
    struct walk_region own[SANDBOX_REGIONS] = {{.path = NULL}};
    char images[SCRATCH_PATH + 16], path[PATH_MAX];
    size_t matched = 0;
    snprintf(images, sizeof images, "%.1023s/" PLAN_IMAGES, folder);
    for (size_t r = 0; r < outer->facts->region_count; r++) {
        own[r] = outer->facts->regions[r];
        own[r].path = strdup(own[r].path);
        own[r].number = UINT32_MAX - (uint32_t)r;
        own[r].visible = NULL;
        own[r].initial = nested->images[r];
        sandbox_image_path(&judge, images, r, path, sizeof path);
        for (size_t i = 0; i < facts->region_count; i++) {
            if (strcmp(facts->regions[i].path, path) != 0 || facts->regions[i].size > own[r].size)
                continue;
            own[r].number = facts->regions[i].number;
            matched++;
        }
    }
    bool all = matched == facts->region_count;
    for (size_t i = 0; i < facts->region_count; i++)
        free(facts->regions[i].path);
    facts->region_count = outer->facts->region_count;
    memcpy(facts->regions, own, facts->region_count * sizeof *own);
    return all;
}

/* Reads what was recorded. */
static enum nested_result look(struct search *outer, const struct walk *walk, struct nested *nested,
                               const char *folder) {
    struct walk_facts *facts = &nested->facts;
    rewind(nested->trace);
    bool told = walk_look(nested->trace, facts);
    bool ordered = facts->head.ordered;
    if (!told || facts->stores == 0)
        return NESTED_PASSED; /* it has changed nothing */
    if (!match_regions(outer, nested, folder)) {
        outer->outcome->unrecorded++;
        return NESTED_PASSED;
    }
    facts->head = outer->facts->head;
    facts->head.ordered = ordered;
    facts->is_recovery = true;
    facts->begun_before = walk->begun;
    facts->acked_before = walk->acked;
    return NESTED_OPEN;
}

static enum nested_result record(struct search *outer, const struct walk *walk,
                                 const uint16_t *picks, bool names, struct nested *nested) {
    const struct search_options *options = outer->options;
    char folder[SCRATCH_PATH], *real = sandbox_scratch(outer->queue.sandbox, "nested");
    if (real != NULL && strlen(real) < sizeof folder)
        memcpy(folder, real, strlen(real) + 1);
    else
        folder[0] = '\0';
    free(real);
    nested->trace = tmpfile();
    if (folder[0] == '\0' || nested->trace == NULL || !compose(outer, picks, nested) ||
        !write_all(outer, walk, nested, folder)) {
        snprintf(outer->outcome->problem, sizeof outer->outcome->problem,
                 "no room for an image of recovery: %s", strerror(errno));
        return NESTED_STOPPED;
    }
    const struct search_recovery recovery = {folder, names};
    int result = options->record(options->record_context, &recovery, nested->trace);
    outer->outcome->unrecorded += result < 0;
    return *outer->stop != 0 ? NESTED_STOPPED
           : result != 0     ? NESTED_PASSED
                             : look(outer, walk, nested, folder);
}

/* What both searches know together: images that were tried, the history, failures by their looks.
   */
static void exchange(struct search *outer, struct nested *nested) {
    struct search *inner = nested->search;
    struct seen seen = outer->seen;
    struct history history = outer->history;
    struct groups alike = outer->alike;
    outer->seen = inner->seen;
    outer->history = inner->history;
    outer->alike = inner->alike;
    inner->seen = seen;
    inner->history = history;
    inner->alike = alike;
}

enum nested_result nested_open(struct search *outer, const struct walk *walk, const uint16_t *picks,
                               bool names, struct nested *nested) {
    *nested = (struct nested){.options = *outer->options};
    enum nested_result result = record(outer, walk, picks, names, nested);
    if (result != NESTED_OPEN)
        return result;
    nested->options.nested = false;
    nested->options.resume = NULL;
    nested->options.shards = 0;
    nested->options.images = 0; /* what is begun is done, or not counted at all */
    nested->search =
        search_new(nested->trace, &nested->facts, &nested->options, &nested->outcome, outer->stop);
    if (nested->search == NULL) {
        snprintf(outer->outcome->problem, sizeof outer->outcome->problem, "%s",
                 nested->outcome.problem);
        return NESTED_STOPPED;
    }
    struct sandbox_marks marks = sandbox_marks(outer->queue.sandbox);
    size_t counts[2] = {walk->begun, walk->acked};
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < counts[kind]; i++)
            sandbox_mark(nested->search->queue.sandbox, kind != 0, marks.ids[kind][i]);
        nested->search->queue.marks[kind] = counts[kind];
    }
    nested->search->history.kind = outer->history.kind;
    return NESTED_OPEN;
}

void nested_close(struct nested *nested) {
    search_forget(&nested->outcome);
    search_end(nested->search);
    walk_forget(&nested->facts);
    if (nested->trace != NULL)
        fclose(nested->trace);
    for (size_t r = 0; r < nested->region_count; r++)
        munmap(nested->images[r], nested->rooms[r]);
}

/* What a search of recovery has found is the outer one's. */
static void take_failure(struct search *search, struct search_failure *failure,
                         const struct walk *walk, uint64_t image) {
    struct search_outcome *outcome = search->outcome;
    uint16_t *outer = calloc(search->space.line_count + 1, sizeof *outer);
    if (outcome->failure_count == SEARCH_FAILURES || outer == NULL) {
        free(outer);
        return;
    }
    memcpy(outer, search->picks, search->space.line_count * sizeof *outer);
    struct search_failure *own = &outcome->failures[outcome->failure_count++];
    *own = *failure;
    own->inner_point = failure->place.point;
    own->place = (struct search_place){
        NESTED_PASS, walk->point, image << 40 | failure->place.point << 20 | failure->place.number};
    own->outer_picks = outer;
    own->outer_count = search->space.line_count;
    failure->picks = NULL;
}

static bool take_outcome(struct search *search, struct nested *nested, const struct walk *walk,
                         uint64_t image) {
    struct search_outcome *outcome = search->outcome, *inner = &nested->outcome;
    if (inner->problem[0] != '\0')
        memcpy(outcome->problem, inner->problem, sizeof outcome->problem);
    outcome->over |= inner->over;
    if (inner->problem[0] != '\0' || inner->over || *search->stop != 0)
        return false;
    outcome->recoveries++;
    outcome->images += inner->images;
    outcome->failing += inner->failing;
    outcome->unconfirmed += inner->unconfirmed;
    outcome->unjudged = search->history.unjudged;
    outcome->left_out |= inner->left_out;
    for (size_t i = 0; i < inner->failure_count; i++)
        take_failure(search, &inner->failures[i], walk, image);
    return true;
}

/* Recovery of the image that search->picks say. */
static bool explore_image(struct search *search, const struct walk *walk, uint64_t image) {
    struct nested nested;
    enum nested_result result = nested_open(search, walk, search->picks, false, &nested);
    bool go_on = result != NESTED_STOPPED;
    if (result == NESTED_OPEN) {
        exchange(search, &nested);
        search_run(nested.search, NULL, NULL);
        exchange(search, &nested);
        go_on = take_outcome(search, &nested, walk, image);
    }
    nested_close(&nested);
    if (go_on)
        search->at = (struct search_place){NESTED_PASS, walk->point, image};
    return go_on && !search_is_over(search);
}

static bool visit(void *context, struct walk *walk) {
    struct search *search = context;
    struct space_turn turn = space_begin(true, search->options->seed);
    if (!search_is_own(search, walk->point))
        return true;
    search_fill(search, walk);
    if (!search_make_room(search))
        return false;
    if (!search_is_first(search, walk) || walk->point < search->from.point)
        return true;
    bool here = walk->point == search->from.point;
    uint64_t done = here ? search->from.number : 0, image = 0;
    while (image < NESTED_IMAGES && turn.stage < SPACE_BY_CHANCE) {
        if (!space_next(&search->space, &turn, search->picks))
            break;
        uint64_t hash = queue_hash(&search->queue, &search->space, walk, search->picks);
        if (turn.stage > SPACE_BY_CHANCE || !seen_add(&search->guided.seen, hash))
            continue;
        if (++image > done && !explore_image(search, walk, image))
            return false;
    }
    return true;
}

bool nested_explore(struct search *search) {
    const struct walk_visitor visitor = {.point = visit};
    sandbox_rest(search->queue.sandbox);
    seen_clear(&search->guided.seen);
    groups_clear(&search->ranks);
    search->pass = NESTED_PASS;
    if (search->from.pass != NESTED_PASS)
        search->from = (struct search_place){NESTED_PASS, 0, 0};
    return search_walk(search, &visitor) && search->outcome->problem[0] == '\0' &&
           !search->outcome->over;
}
