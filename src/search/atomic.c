/* SPDX-License-Identifier: BSD-2-Clause */
/* The states of the recorded run, one walk before the search begins, and the verdict about the
   state that recovery makes of an image. */
#include <stdlib.h>

#include "search/state.h"

/* Who has stored since no operation was under way: thread + 1; 0: nobody. */
struct collecting {
    uint32_t thread;
    bool several_threads;
};

static struct collecting *current;

static bool take_state(void *context, const struct queue_image *image, const uint16_t *picks,
                       size_t number, struct sandbox_verdict verdict) {
    struct search *search = context;
    const struct sandbox *sandbox = search->queue.sandbox;
    struct history_moment moment = {.begun = image->begun,
                                    .acked = image->acked,
                                    .state = sandbox_state(sandbox, number),
                                    .known = verdict.outcome == SANDBOX_FINE};
    size_t count = 0;
    const struct sandbox_record *records = NULL;
    (void)picks;
    if (verdict.outcome == SANDBOX_UNUSABLE) {
        snprintf(search->outcome->problem, sizeof search->outcome->problem, "%s",
                 sandbox_problem(sandbox));
        return false;
    }
    if (search->history.kind == HISTORY_SET)
        records = sandbox_records(sandbox, &count);
    history_state(&search->history, moment, records, count, current->several_threads);
    return true;
}

/* Of a set each image is run by itself: the next mark changes what its records mean. */
static bool look(struct search *search, const struct walk *walk) {
    return queue_add(&search->queue, &search->space, walk, search->picks,
                     (struct queue_image){0}) &&
           (search->history.kind != HISTORY_SET || queue_run(&search->queue));
}

/* The image with all that was stored up to here. */
static bool look_at_fullest(struct search *search, const struct walk *walk) {
    search->space.line_count = 0;
    return look(search, walk);
}

/* What was there before the first store is a state too. */
static bool look_at_least(struct search *search, const struct walk *walk) {
    search_fill(search, walk);
    if (!search_make_room(search))
        return false;
    for (size_t i = 0; i < search->space.line_count; i++)
        search->picks[i] = search->space.lines[i].count > 1;
    return look(search, walk);
}

static void see_mark(struct search *search, const struct walk *walk) {
    const struct trace_event *event = walk->event;
    if (event->mark == TRACE_BEGIN)
        history_begun(&search->history, event->id);
    else
        history_acked(&search->history, event->id);
    if (walk->begun == walk->acked)
        *current = (struct collecting){0};
}

static bool visit(void *context, struct walk *walk) {
    struct search *search = context;
    bool is_mark = walk->event != NULL && walk->event->kind == TRACE_MARK;
    if (walk->point == 1 && !look_at_least(search, walk))
        return false;
    if (!is_mark && walk->event != NULL && walk->begun != 0)
        return true;
    if (!look_at_fullest(search, walk))
        return false;
    if (is_mark)
        see_mark(search, walk);
    return !search->history.failed;
}

static bool see_store(void *context, struct walk *walk, const struct trace_event *event) {
    (void)context, (void)walk;
    if (!trace_stores(event->kind))
        return true;
    current->several_threads =
        current->several_threads || (current->thread != 0 && current->thread != event->thread + 1);
    current->thread = event->thread + 1;
    return true;
}

bool atomic_collect(struct search *search) {
    const struct walk_visitor visitor = {.point = visit, .after = see_store};
    struct collecting collecting = {0};
    struct search_outcome *outcome = search->outcome;
    queue_judge *judge = search->queue.judge;
    if (search->options->atomic == HISTORY_NONE || search->history.kind != HISTORY_NONE)
        return true; /* of recovery the outer search has it */
    search->history.kind = search->options->atomic;
    current = &collecting;
    search->queue.judge = take_state;
    search->queue.records = search->history.kind == HISTORY_SET;
    bool good = search_walk(search, &visitor) && queue_run(&search->queue);
    search->queue.records = false;
    search->queue.judge = judge;
    current = NULL;
    if ((search->history.failed || !good) && *search->stop == 0 && outcome->problem[0] == '\0')
        snprintf(outcome->problem, sizeof outcome->problem, "there is no memory for the history");
    return good && outcome->problem[0] == '\0';
}

struct sandbox_verdict search_verdict(struct search *search, const struct queue_image *image,
                                      size_t number) {
    const struct sandbox *sandbox = search->queue.sandbox;
    struct sandbox_verdict verdict = sandbox_verdict(sandbox, number);
    struct history *history = &search->history;
    if (verdict.outcome != SANDBOX_FINE || history->kind == HISTORY_NONE ||
        history_allows(history, image->begun, image->acked, sandbox_state(sandbox, number),
                       sandbox_sum(sandbox, number)))
        return verdict;
    return (struct sandbox_verdict){SANDBOX_STRANGE, (int32_t)history->kind};
}
