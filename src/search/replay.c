/* SPDX-License-Identifier: BSD-2-Clause */
/* One image of a report, checked again. */
#include <stdlib.h>
#include <string.h>

#include "search/nested.h"

struct replaying {
    struct search *search;
    const char *changes; /* ",REGION+0xOFFSET=CONTENT" for each line that is not as usual */
    uint64_t point;
    bool least, found;
    const char *inner; /* the image that a second cut leaves; NULL: there is none */
    int output;
    struct sandbox_verdict *verdict;
};

static struct replaying *current;

static bool pick(struct search *search, size_t region, uint64_t offset, uint64_t content) {
    for (size_t i = 0; i < search->space.line_count; i++) {
        const struct space_line *line = &search->space.lines[i];
        if (line->region != region || line->offset != offset || content >= line->count)
            continue;
        search->picks[i] = (uint16_t)content;
        return true;
    }
    return false;
}

static bool pick_all(struct search *search, const struct replaying *replaying) {
    for (size_t i = 0; i < search->space.line_count; i++)
        search->picks[i] = replaying->least && search->space.lines[i].count > 1;
    char *at = (char *)replaying->changes;
    while (*at == ',') {
        uint64_t region = strtoull(at + 1, &at, 10);
        uint64_t offset = *at == '+' ? strtoull(at + 1, &at, 16) : 0;
        uint64_t content = *at == '=' ? strtoull(at + 1, &at, 10) : UINT64_MAX;
        if (!pick(search, (size_t)region, offset, content))
            return false;
    }
    return *at == '\0' || *at == '/';
}

static bool take(void *context, const struct queue_image *image, const uint16_t *picks,
                 size_t number, struct sandbox_verdict verdict) {
    struct search *search = context;
    (void)picks;
    *current->verdict = verdict;
    if (!sandbox_run_again(search->queue.sandbox, number, current->output, search->stop))
        return false;
    *current->verdict = search_verdict(search, image, number);
    current->found = true;
    return false;
}

/* Recovery of the image, and what a second cut leaves of it. */
static bool replay_inner(struct search *search, const struct walk *walk) {
    struct replaying *outer = current;
    struct nested nested;
    bool found = false;
    if (nested_open(search, walk, search->picks, false, &nested) == NESTED_OPEN) {
        nested.search->history = search->history; /* lent */
        found = search_replay(nested.search, outer->inner, outer->output, outer->verdict);
        nested.search->history = (struct history){0};
    }
    nested_close(&nested);
    current = outer;
    return found;
}

static bool replay_here(void *context, struct walk *walk) {
    struct search *search = context;
    if (walk->point != current->point)
        return true;
    search_fill(search, walk);
    bool picked = search_make_room(search) && pick_all(search, current);
    if (picked && current->inner != NULL)
        current->found = replay_inner(search, walk);
    else if (picked && queue_follow(&search->queue) &&
             queue_add(&search->queue, &search->space, walk, search->picks,
                       (struct queue_image){0}))
        queue_run(&search->queue);
    return false;
}

bool search_replay(struct search *search, const char *image, int output,
                   struct sandbox_verdict *verdict) {
    char *at;
    struct replaying replaying = {.search = search, .output = output, .verdict = verdict};
    const struct walk_visitor visitor = {.point = replay_here};
    const char *slash = strchr(image, '/');
    replaying.inner = slash != NULL ? slash + 1 : NULL;
    replaying.point = strtoull(image, &at, 10);
    replaying.least = strncmp(at, ":least", 6) == 0;
    replaying.changes = at + (replaying.least ? 6 : strncmp(at, ":full", 5) == 0 ? 5 : 0);
    current = &replaying;
    bool good = atomic_collect(search);
    search->queue.judge = take;
    good = good && replaying.changes != at && search_walk(search, &visitor) && replaying.found;
    current = NULL;
    if (!good && search->outcome->problem[0] == '\0')
        snprintf(search->outcome->problem, sizeof search->outcome->problem,
                 "the trace has no image '%s' under these options", image);
    return good;
}
