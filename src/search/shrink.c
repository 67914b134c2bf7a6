/* SPDX-License-Identifier: BSD-2-Clause */
/* From an image that fails to the least that makes it fail. First as much as may be becomes
   durable, then what need not be durable is taken away: what is left on either side is the
   cause. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "search/nested.h"

#define FUTURE_MOST 256 /* stores after the point that are tried */
#define CONTENTS_TRIED 64u

struct shrinking {
    const struct search_failure *failure;
    struct search_cause *cause;
    struct sandbox_verdict last;
    uint16_t *picks, *missing, *other; /* of each line; of those that matter; for a trial */
    unsigned future;                   /* stores after the point so far */
    size_t begun, acked;
    bool done, failed;
    bool gone; /* it has failed because the image does not any more */
    char *met; /* the image that the failure was met with, in words */
    search_keep *keep;
    void *context;
};

static bool note_verdict(void *context, const struct queue_image *image, const uint16_t *picks,
                         size_t number, struct sandbox_verdict verdict) {
    struct search *search = context;
    (void)picks, (void)verdict;
    search->shrinking->last = search_verdict(search, image, number);
    return true;
}

/* Does the image fail, in the way that the failure does? */
static bool fails(struct search *search, struct walk *walk, const uint16_t *picks) {
    struct shrinking *shrinking = search->shrinking;
    if (shrinking->failed ||
        !queue_add(&search->queue, &search->space, walk, picks, (struct queue_image){0}) ||
        !queue_run(&search->queue)) {
        shrinking->failed = true;
        return false;
    }
    return shrinking->last.outcome == shrinking->failure->verdict.outcome;
}

/* Keeps the change of one line if the image goes on failing. */
static bool try_pick(struct search *search, struct walk *walk, size_t line, uint16_t pick) {
    uint16_t *picks = search->shrinking->picks, before = picks[line];
    picks[line] = pick;
    if (fails(search, walk, picks))
        return true;
    picks[line] = before;
    return false;
}

static uint32_t kept_by(const struct space *space, const struct space_line *line, uint16_t pick) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < line->line->count; i++)
        kept += generation_keeps(line->line, space->choices[line->first + pick], i);
    return kept;
}

/* The line's content with the most pieces with which the image still fails. */
static void settle_line(struct search *search, struct walk *walk, size_t index) {
    const struct space *space = &search->space;
    const struct space_line *line = &space->lines[index];
    uint16_t *pick = &search->shrinking->picks[index];
    for (uint16_t i = 0; i < line->count && i < CONTENTS_TRIED; i++) {
        if (kept_by(space, line, i) > kept_by(space, line, *pick))
            try_pick(search, walk, index, i);
    }
}

/* What is taken away must not become a reason of its own: with the missing lines back, the image is
   to be sound. */
static bool take_line(struct search *search, struct walk *walk, size_t index, uint16_t pick,
                      const uint16_t *missing, bool any) {
    uint16_t *picks = search->shrinking->picks, before = picks[index];
    if (!try_pick(search, walk, index, pick))
        return false;
    if (!any)
        return true;
    for (size_t i = 0; i < search->space.line_count; i++)
        search->shrinking->other[i] = missing[i] != 0 ? 0 : picks[i];
    if (!fails(search, walk, search->shrinking->other))
        return true;
    picks[index] = before;
    return false;
}

static void shrink_lines(struct search *search, struct walk *walk) {
    const struct space *space = &search->space;
    struct shrinking *shrinking = search->shrinking;
    const uint16_t *picks = shrinking->picks;
    bool any = false;
    for (size_t i = 0; i < space->line_count; i++) {
        if (picks[i] != 0 && !try_pick(search, walk, i, 0))
            settle_line(search, walk, i);
        any = any || picks[i] != 0;
    }
    memcpy(shrinking->missing, picks, space->line_count * sizeof *picks);
    for (size_t i = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        if (picks[i] != 0 || line->count < 2 ||
            take_line(search, walk, i, 1, shrinking->missing, any))
            continue;
        for (uint16_t p = 2; p < line->count && p < CONTENTS_TRIED; p++) {
            if (kept_by(space, line, p) < kept_by(space, line, picks[i]))
                take_line(search, walk, i, p, shrinking->missing, any);
        }
    }
}

static void add_store(struct search_store *stores, size_t *count, uint64_t tag) {
    uint64_t place = WALK_PLACE(tag);
    for (size_t i = 0; i < *count; i++) {
        if (stores[i].place == place)
            return;
    }
    if (*count < SEARCH_CAUSES)
        stores[(*count)++] = (struct search_store){.place = place, .stack = WALK_STACK(tag)};
}

/* What the line's content has, and lacks. */
static void name_line(struct search *search, struct walk *walk, size_t index) {
    const struct space *space = &search->space;
    const struct space_line *line = &space->lines[index];
    struct search_cause *cause = search->shrinking->cause;
    uint16_t pick = search->shrinking->picks[index];
    struct generation_choice choice = space->choices[line->first + pick];
    bool least = pick == 1 || line->count < 2;
    /* Where the fullest fails too, what is not durable does not matter. */
    uint16_t *picks = search->shrinking->picks;
    bool matters = false, durable = false;
    if (pick != 0) {
        picks[index] = 0;
        matters = !fails(search, walk, picks);
    }
    if (!least) {
        picks[index] = 1;
        durable = !fails(search, walk, picks);
    }
    picks[index] = pick;
    uint64_t last = 0;
    for (uint32_t i = 0; i < line->line->count; i++) {
        bool keeps = generation_keeps(line->line, choice, i);
        if (!keeps && matters)
            add_store(cause->missing, &cause->missing_count, line->line->pieces[i].tag);
        if (keeps)
            last = line->line->pieces[i].tag;
    }
    if (durable && last != 0)
        add_store(cause->early, &cause->early_count, last);
}

/* Is it that something acknowledged is not there? The first acknowledgement with which it fails. */
static void find_lost(struct search *search, struct walk *walk) {
    const struct shrinking *shrinking = search->shrinking;
    size_t acked = walk->acked, low = 0, high = acked;
    walk->acked = 0;
    bool lost = acked != 0 && !fails(search, walk, shrinking->picks) && !shrinking->failed;
    while (lost && low + 1 < high) {
        walk->acked = low + (high - low) / 2;
        if (fails(search, walk, shrinking->picks))
            high = walk->acked;
        else
            low = walk->acked;
    }
    walk->acked = acked;
    shrinking->cause->lost = lost;
    shrinking->cause->mark.place = lost ? high : 0; /* its number, until it is looked up */
    if (lost)
        shrinking->cause->operation = sandbox_marks(search->queue.sandbox).ids[1][high - 1];
}

/* The image as it is, and what the checker says of it in a fresh process. */
static void keep_image(struct search *search, struct walk *walk) {
    struct shrinking *shrinking = search->shrinking;
    struct search_cause *cause = shrinking->cause;
    int output = memfd_create("nvrtl-output", MFD_CLOEXEC);
    char said[4096];
    bool again = fails(search, walk, shrinking->picks);
    shrinking->gone = !again && !shrinking->failed;
    if (!again || !sandbox_run_again(search->queue.sandbox, 0, output, search->stop))
        shrinking->failed = true;
    const struct queue_image image = {.begun = walk->begun, .acked = walk->acked};
    cause->verdict = search_verdict(search, &image, 0);
    /* What was taken away was judged by processes in which the checker had kept something. */
    if (!shrinking->failed && cause->verdict.outcome == SANDBOX_FINE)
        shrinking->gone = shrinking->failed = true;
    ssize_t size = output >= 0 ? pread(output, said, sizeof said, 0) : 0;
    if (size > 0)
        cause->output = strndup(said, (size_t)size);
    if (output >= 0)
        close(output);
    cause->image = queue_hash(&search->queue, &search->space, walk, shrinking->picks);
    for (size_t i = 0; i < search->space.line_count; i++) {
        const struct space_line *line = &search->space.lines[i];
        uint32_t content = line->first + shrinking->picks[i];
        sandbox_set(search->queue.sandbox, line->region, line->offset,
                    search->space.bytes + (size_t)content * SPACE_LINE, line->size);
    }
    queue_spoil(&search->queue);
    for (size_t i = 0; i < search->facts->region_count; i++)
        shrinking->keep(shrinking->context, i, sandbox_base(search->queue.sandbox, i),
                        search->facts->regions[i].size);
}

char *search_image_words(const struct search *search, uint64_t point, const uint16_t *picks) {
    size_t size = 0, fullest = 0;
    char *words = NULL;
    for (size_t i = 0; i < search->space.line_count; i++)
        fullest += picks[i] == 0;
    bool full = 2 * fullest >= search->space.line_count;
    FILE *out = open_memstream(&words, &size);
    if (out == NULL)
        return NULL;
    fprintf(out, "%" PRIu64 ":%s", point, full ? "full" : "least");
    for (size_t i = 0; i < search->space.line_count; i++) {
        const struct space_line *line = &search->space.lines[i];
        uint16_t usual = !full && line->count > 1;
        if (picks[i] != usual)
            fprintf(out, ",%zu+0x%" PRIx64 "=%u", line->region, line->offset, picks[i]);
    }
    return fclose(out) == 0 ? words : NULL;
}

static bool shrink_here(void *context, struct walk *walk) {
    struct search *search = context;
    struct shrinking *shrinking = search->shrinking;
    if (walk->point != shrinking->failure->place.point || shrinking->done)
        return !shrinking->done || shrinking->cause->future;
    search_fill(search, walk);
    shrinking->done = true;
    if (search->space.line_count == shrinking->failure->line_count && !search->space.failed)
        shrinking->met = search_image_words(search, walk->point, shrinking->picks);
    if (shrinking->met == NULL || !queue_follow(&search->queue) ||
        !fails(search, walk, shrinking->picks)) {
        shrinking->gone = !shrinking->failed;
        shrinking->failed = true;
        return false;
    }
    shrinking->begun = walk->begun;
    shrinking->acked = walk->acked;
    shrink_lines(search, walk);
    for (size_t i = 0; i < search->space.line_count; i++)
        name_line(search, walk, i);
    find_lost(search, walk);
    struct search_cause *cause = shrinking->cause;
    cause->replay = search_image_words(search, walk->point, shrinking->picks);
    /* All that has been stored may be durable, and it fails: something is stored too late. */
    cause->future = cause->missing_count == 0 && walk->cause != WALK_END;
    keep_image(search, walk);
    return cause->future && !shrinking->failed;
}

/* Behind the point: is this the store that was missing? The image then has all that is stored so
   far. */
static bool look_ahead(void *context, struct walk *walk, const struct trace_event *event) {
    struct search *search = context;
    struct shrinking *shrinking = search->shrinking;
    size_t begun = walk->begun, acked = walk->acked;
    if (!shrinking->done || !trace_stores(event->kind))
        return true;
    if (shrinking->failed || ++shrinking->future > FUTURE_MOST)
        return false;
    search->space.line_count = 0;
    walk->begun = shrinking->begun;
    walk->acked = shrinking->acked;
    bool good = queue_follow(&search->queue) && !fails(search, walk, NULL) && !shrinking->failed;
    walk->begun = begun;
    walk->acked = acked;
    if (good)
        add_store(shrinking->cause->missing, &shrinking->cause->missing_count, event->place);
    return !good;
}

/* Looks up what the stores' events say. */
static bool look_up(void *context, struct walk *walk, const struct trace_event *event) {
    struct search_cause *cause = ((struct search *)context)->shrinking->cause;
    struct search_store *all[] = {cause->early, cause->missing};
    const size_t counts[] = {cause->early_count, cause->missing_count};
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < counts[side]; i++) {
            struct search_store *store = &all[side][i];
            if (store->place != WALK_PLACE(event->place) || !trace_stores(event->kind))
                continue;
            store->offset = event->offset;
            store->length = event->length;
            store->thread = event->thread;
            store->found = event->kind == TRACE_FOUND;
            for (size_t r = 0; r < walk->facts->region_count; r++)
                store->region = walk->facts->regions[r].number == event->region ? r : store->region;
        }
    }
    if (event->kind == TRACE_MARK && event->mark == TRACE_ACK && cause->lost &&
        walk->acked == cause->mark.place && cause->mark.length == 0) {
        cause->mark = (struct search_store){.place = cause->mark.place,
                                            .length = 1,
                                            .stack = WALK_STACK(event->place),
                                            .thread = event->thread};
    }
    return true;
}

static bool pass_by(void *context, struct walk *walk) {
    (void)context, (void)walk;
    return true;
}

/* A failure that two processes have met is not to be lost because a third one does not. */
static void tell_as_met(struct shrinking *shrinking) {
    struct search_cause *cause = shrinking->cause;
    free(cause->output);
    free(cause->replay);
    *cause = (struct search_cause){.facts = cause->facts,
                                   .verdict = shrinking->failure->verdict,
                                   .replay = shrinking->met,
                                   .unknown = shrinking->gone
                                                  ? "it does not fail each time"
                                                  : "no process could be had to look for it"};
    shrinking->met = NULL;
}

static bool shrink(struct search *search, const struct search_failure *failure,
                   struct search_cause *cause, search_keep *keep, void *context) {
    const struct walk_visitor shrinks = {.point = shrink_here, .after = look_ahead};
    const struct walk_visitor looks = {.point = pass_by, .after = look_up};
    struct shrinking shrinking = {.failure = failure,
                                  .cause = cause,
                                  .picks = failure->picks,
                                  .keep = keep,
                                  .context = context};
    queue_judge *judge = search->queue.judge;
    *cause = (struct search_cause){.facts = search->facts};
    shrinking.missing = calloc(failure->line_count + 1, sizeof *shrinking.missing);
    shrinking.other = calloc(failure->line_count + 1, sizeof *shrinking.other);
    search->shrinking = &shrinking;
    search->queue.judge = note_verdict;
    bool good = shrinking.missing != NULL && shrinking.other != NULL;
    good = good && search_walk(search, &shrinks) && shrinking.done && !shrinking.failed;
    search->queue.judge = judge;
    good = good && search_walk(search, &looks);
    search->shrinking = NULL;
    if (!good && shrinking.met != NULL)
        tell_as_met(&shrinking);
    good = good || cause->unknown != NULL;
    free(shrinking.met);
    free(shrinking.missing);
    free(shrinking.other);
    cause->torn = cause->early_count != 0 && cause->missing_count != 0 &&
                  cause->early[0].place == cause->missing[0].place;
    return good;
}

/* Of a failure after a second cut: recovery is recorded once more, with names. */
struct reopening {
    const struct search_failure *failure;
    struct search_cause *cause;
    search_keep *keep;
    void *context;
    struct nested *nested;
    bool shrunk;
};
static struct reopening *reopening;

static bool reopen_here(void *context, struct walk *walk) {
    struct search *search = context;
    const struct search_failure *failure = reopening->failure;
    struct nested *nested = reopening->nested;
    if (walk->point != failure->place.point)
        return true;
    search_fill(search, walk);
    if (search->space.failed || search->space.line_count != failure->outer_count ||
        nested_open(search, walk, failure->outer_picks, true, nested) != NESTED_OPEN)
        return false;
    struct search_failure inner = *failure;
    inner.place.point = failure->inner_point;
    nested->search->history = search->history; /* lent */
    reopening->shrunk =
        shrink(nested->search, &inner, reopening->cause, reopening->keep, reopening->context);
    nested->search->history = (struct history){0};
    char *outer = search_image_words(search, walk->point, failure->outer_picks), *both = NULL;
    if (outer == NULL || asprintf(&both, "%s/%s", outer, reopening->cause->replay) < 0)
        both = NULL;
    free(outer);
    free(reopening->cause->replay);
    reopening->cause->replay = both;
    return false;
}

static bool shrink_inner(struct search *search, const struct search_failure *failure,
                         struct search_cause *cause, search_keep *keep, void *context) {
    const struct walk_visitor visitor = {.point = reopen_here};
    struct reopening here = {failure, cause, keep, context, calloc(1, sizeof *here.nested), false};
    *cause = (struct search_cause){.nested = here.nested};
    if (here.nested == NULL)
        return false;
    sandbox_rest(search->queue.sandbox);
    reopening = &here;
    bool walked = search_walk(search, &visitor);
    reopening = NULL;
    cause->nested = here.nested;
    return walked && here.shrunk && cause->replay != NULL;
}

bool search_shrink(struct search *search, const struct search_failure *failure,
                   struct search_cause *cause, search_keep *keep, void *context) {
    return failure->outer_picks != NULL ? shrink_inner(search, failure, cause, keep, context)
                                        : shrink(search, failure, cause, keep, context);
}

void search_forget_cause(struct search_cause *cause) {
    free(cause->output);
    free(cause->replay);
    cause->output = cause->replay = NULL;
    if (cause->nested != NULL)
        nested_close(cause->nested);
    free(cause->nested);
    cause->nested = NULL;
}
