/* SPDX-License-Identifier: BSD-2-Clause */
/* Points with more images than are tried: recovery says which lines matter. The images come in
   stretches; in each of them the same lines are varied, and the next one has those more that
   recovery has looked at meanwhile. Which images a stretch has follows from its lines, so that a
   search that goes on needs to know no more than those. */
#include <stdlib.h>

#include "search/state.h"

/* So many images after one another are tried before it is asked what recovery has looked at. */
#define GUIDED_IMAGES 64

static void forget_stretches(struct guided *guided) {
    guided->point = 0;
    guided->exact = true;
    for (size_t i = 0; i < guided->count; i++)
        free(guided->stretches[i].lines);
    guided->count = guided->looked.count = 0;
}

void guided_free(struct guided *guided) {
    forget_stretches(guided);
    free(guided->stretches);
    free(guided->looked.lines);
    seen_free(&guided->seen);
    *guided = (struct guided){0};
}

static void say_no_memory(struct search *search) {
    snprintf(search->outcome->problem, sizeof search->outcome->problem, "there is no memory");
}

void guided_look(void *context) {
    struct search *search = context;
    struct guided_stretch *looked = &search->guided.looked;
    const struct space *space = &search->space;
    uint32_t *lines = calloc(space->line_count + 1, sizeof *lines);
    size_t count = 0;
    if (lines == NULL) {
        say_no_memory(search);
        return;
    }
    for (size_t i = 0, next = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        bool known = next < looked->count && looked->lines[next] == i;
        next += known;
        if (known || sandbox_looked(search->queue.sandbox, line->region, line->offset, line->size))
            lines[count++] = (uint32_t)i;
    }
    free(looked->lines);
    looked->lines = lines;
    looked->count = count;
    search->guided.exact = search->guided.exact && sandbox_is_exact(search->queue.sandbox);
}

static struct guided_stretch *last_of(struct search *search) {
    return &search->guided.stretches[search->guided.count - 1];
}

struct guided_stretch *guided_grow(struct guided *guided, size_t lines) {
    size_t room = guided->room != 0 ? 2 * guided->room : 8;
    if (guided->count == guided->room) {
        struct guided_stretch *larger = realloc(guided->stretches, room * sizeof *larger);
        if (larger == NULL)
            return NULL;
        guided->stretches = larger;
        guided->room = room;
    }
    struct guided_stretch *stretch = &guided->stretches[guided->count];
    *stretch = (struct guided_stretch){.lines = calloc(lines + 1, sizeof *stretch->lines)};
    if (stretch->lines == NULL)
        return NULL;
    guided->count++;
    return stretch;
}

/* In the next one the lines are varied that the last one has, and those looked at. */
static bool begin_stretch(struct search *search) {
    struct guided *guided = &search->guided;
    struct space *space = &search->space;
    struct guided_stretch *stretch = guided_grow(guided, space->line_count);
    if (stretch == NULL) {
        say_no_memory(search);
        return false;
    }
    for (size_t i = 0; i < guided->looked.count; i++)
        space->lines[guided->looked.lines[i]].varied = true;
    for (size_t i = 0; i < space->line_count; i++) {
        if (space->lines[i].varied)
            stretch->lines[stretch->count++] = (uint32_t)i;
    }
    guided->looked.count = 0;
    return true;
}

static void vary(struct search *search, const struct guided_stretch *stretch) {
    for (size_t i = 0; i < search->space.line_count; i++)
        search->space.lines[i].varied = false;
    for (size_t i = 0; i < stretch->count; i++)
        search->space.lines[stretch->lines[i]].varied = true;
}

/* Has recovery looked at a line that is not varied? */
static bool has_more_lines(const struct search *search) {
    const struct guided_stretch *looked = &search->guided.looked;
    for (size_t i = 0; i < looked->count; i++) {
        if (!search->space.lines[looked->lines[i]].varied)
            return true;
    }
    return false;
}

/* Has a line that is varied more contents than are tried? */
static bool is_cut_down(const struct space *space) {
    bool cut_down = false;
    for (size_t i = 0; i < space->line_count; i++)
        cut_down = cut_down || (space->lines[i].varied && space->lines[i].cut_down);
    return cut_down;
}

static bool is_new(struct search *search, const struct walk *walk) {
    uint64_t hash = queue_hash(&search->queue, &search->space, walk, search->picks);
    return !seen_has(&search->seen, hash) && seen_add(&search->guided.seen, hash);
}

/* How many images a stretch has at most: to confirm something those near the fullest and the least,
   and some by chance. */
static uint64_t most_of(const struct search *search, const struct guided_stretch *stretch) {
    uint64_t most = search->options->exhaustive, near = GUIDED_IMAGES;
    for (size_t i = 0; i < search->space.line_count; i++)
        near += 2 * (uint64_t)(search->space.lines[i].count - 1);
    return stretch->confirms && near < most ? near : most;
}

/* The images of a stretch; known: it was tried before, and is only gone through. *whole: it has all
   images of its lines. */
static bool try_stretch(struct search *search, const struct walk *walk,
                        struct guided_stretch *stretch, bool known, bool *whole) {
    const uint64_t most = most_of(search, stretch);
    bool bounded = space_images(&search->space, most + 1) > most;
    struct space_turn turn = space_begin(bounded, search->options->seed + walk->point);
    uint64_t repeated = 0, tried = 0, before = stretch->tried;
    search->guided.confirming = stretch->confirms;
    if (!stretch->confirms)
        *whole = !bounded && !is_cut_down(&search->space);
    while (tried < (known ? before : most) && repeated < 4 * most &&
           space_next(&search->space, &turn, search->picks)) {
        if (!is_new(search, walk)) {
            repeated += bounded;
            continue;
        }
        tried++;
        if (!search_add(search, walk))
            return false;
        stretch->tried = tried > before ? tried : before;
        if (known || tried % GUIDED_IMAGES != 0 || tried < before)
            continue;
        if (!queue_run(&search->queue))
            return false;
        if (has_more_lines(search))
            return true;
    }
    return known || queue_run(&search->queue);
}

/* With the least and the fullest image it begins. */
static bool try_ends(struct search *search, const struct walk *walk) {
    const struct space *space = &search->space;
    for (unsigned least = 0; least < 2; least++) {
        for (size_t i = 0; i < space->line_count; i++)
            search->picks[i] = (uint16_t)(least != 0 && space->lines[i].count > 1);
        if (is_new(search, walk) && !search_add(search, walk))
            return false;
    }
    return queue_run(&search->queue);
}

/* Goes through what an earlier search has tried of the point. */
static bool go_through(struct search *search, const struct walk *walk, bool *whole) {
    struct guided *guided = &search->guided;
    for (size_t i = 0; i < guided->known; i++) {
        vary(search, &guided->stretches[i]);
        if (i + 1 < guided->known && !try_stretch(search, walk, &guided->stretches[i], true, whole))
            return false;
    }
    return true;
}

/* Code without hooks may read where code with hooks does as well, which nobody sees. */
static bool confirm(struct search *search, const struct walk *walk) {
    bool whole = true;
    for (size_t i = 0; i < search->space.line_count; i++)
        search->space.lines[i].varied = true;
    if (!begin_stretch(search))
        return false;
    last_of(search)->confirms = true;
    return try_stretch(search, walk, last_of(search), false, &whole);
}

static bool try_all(struct search *search, const struct walk *walk, bool *whole) {
    for (size_t i = 0; i < search->space.line_count; i++)
        search->space.lines[i].varied = false;
    if (!try_ends(search, walk) || !go_through(search, walk, whole))
        return false;
    bool goes_on = search->guided.known != 0;
    while (goes_on || search->guided.count == 0 || has_more_lines(search)) {
        if (!goes_on && !begin_stretch(search))
            return false;
        goes_on = false;
        if (!try_stretch(search, walk, last_of(search), false, whole))
            return false;
    }
    return !*whole || !search->guided.exact || last_of(search)->confirms || confirm(search, walk);
}

bool guided_try(struct search *search, const struct walk *walk) {
    struct guided *guided = &search->guided;
    bool whole = false;
    if (!queue_follow(&search->queue))
        return false;
    if (guided->pass != search->pass || guided->point != walk->point)
        forget_stretches(guided);
    guided->known = guided->count;
    guided->pass = search->pass;
    guided->point = walk->point;
    seen_clear(&guided->seen);
    search_come_to(search, (struct search_place){search->pass, walk->point, 0});
    search->queue.traced = true;
    bool go_on = try_all(search, walk, &whole);
    search->queue.traced = search->guided.confirming = false;
    if (go_on && whole && guided->exact && !search->outcome->left_out)
        search->counts.lazy++;
    return go_on;
}
