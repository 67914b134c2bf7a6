/* SPDX-License-Identifier: BSD-2-Clause */
/* A first pass looks for a moment at which all lines can be as in the image. If there is none, a
   second one follows the line that stands in the way: once as it was, to see when what the image
   lacks became durable, and once without any guarantee, to see what it lacks. */
#include "crash/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct line_state {
    bool legal, ever;
    uint64_t first, last; /* moments: when it could be so first, and when no longer */
    uint64_t store;       /* at first: the place of the newest store that it has in flight */
};

struct work {
    const struct crash_scan *scan;
    const struct crash_wish *wish;
    const uint8_t *image;
    FILE *trace;
    struct explanation *answer;
    struct crash_replay *replay;
    struct line_state *lines;
    size_t line_count, illegal;
    uint32_t *watch; /* lines that were in flight at the last moment */
    size_t watch_count;
    uint64_t moment; /* moments so far */
    bool stored;
};

static bool fail(struct work *work, const char *problem) {
    if (work->answer->problem == NULL)
        work->answer->problem = problem;
    return false;
}

static uint32_t size_of(const struct work *work, const struct generation_line *line) {
    uint64_t rest = work->scan->regions[line->file].size - line->offset;
    return rest < line->size ? (uint32_t)rest : line->size;
}

static bool match(const struct work *work, const struct generation_line *line,
                  struct generation_choice *choice) {
    const uint8_t *wanted = work->image + work->scan->regions[line->file].start + line->offset;
    return generation_match(line, wanted, size_of(work, line), choice);
}

static int compare(const void *left, const void *right) {
    const struct explain_fate *a = left, *b = right;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* What became of the stores in flight, in this image. */
static bool tell_fates(struct work *work) {
    struct explanation *answer = work->answer;
    struct generation *lines = replay_lines(work->replay);
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < generation_flight_count(lines); i++)
        count += generation_flight(lines, i)->count;
    answer->fates = calloc(count + 1, sizeof *answer->fates);
    if (answer->fates == NULL)
        return fail(work, "there is no memory for the stores in flight");
    count = 0;
    for (size_t i = 0; i < generation_flight_count(lines); i++) {
        const struct generation_line *line = generation_flight(lines, i);
        struct generation_choice choice;
        match(work, line, &choice);
        for (uint32_t p = 0; p < line->count; p++) {
            bool keeps = generation_keeps(line, choice, p);
            answer->fates[count++] =
                (struct explain_fate){line->pieces[p].tag, keeps ? 1 : 0, keeps ? 0 : 1};
        }
    }
    qsort(answer->fates, count, sizeof *answer->fates, compare);
    for (size_t i = 0; i < count; i++) {
        const struct explain_fate fate = answer->fates[i];
        if (kept == 0 || answer->fates[kept - 1].place != fate.place)
            answer->fates[kept++] = (struct explain_fate){.place = fate.place};
        answer->fates[kept - 1].kept += fate.kept;
        answer->fates[kept - 1].lost += fate.lost;
    }
    answer->fate_count = kept;
    return true;
}

static void check_line(struct work *work, size_t index) {
    struct line_state *state = &work->lines[index];
    const struct generation_line *line = generation_line(replay_lines(work->replay), index);
    struct generation_choice choice;
    bool legal = match(work, line, &choice);
    work->illegal += (size_t)state->legal - (size_t)legal;
    if (state->legal && !legal)
        state->last = work->moment;
    if (legal && !state->ever) {
        state->first = work->moment;
        for (uint32_t p = 0; p < line->count; p++) {
            if (generation_keeps(line, choice, p) && line->pieces[p].tag > state->store)
                state->store = line->pieces[p].tag;
        }
    }
    if (legal)
        state->last = UINT64_MAX;
    state->ever = state->ever || legal;
    state->legal = legal;
}

/* Those that may have changed. */
static void check_lines(struct work *work) {
    const struct generation *lines = replay_lines(work->replay);
    for (size_t i = 0; i < work->watch_count; i++)
        check_line(work, work->watch[i]);
    work->watch_count = 0;
    for (size_t i = 0; i < generation_flight_count(lines); i++) {
        size_t index = (size_t)(generation_flight(lines, i) - generation_line(lines, 0));
        work->watch[work->watch_count++] = (uint32_t)index;
        check_line(work, index);
    }
}

/* true: the image is possible now, or something failed. */
static bool try_moment(struct work *work, uint64_t place) {
    struct explanation *answer = work->answer;
    if (work->moment != 0 && !work->stored)
        return false;
    work->stored = false;
    for (size_t i = 0; i < work->line_count && work->moment == 0; i++)
        check_line(work, i);
    check_lines(work);
    work->moment++;
    if (work->illegal != 0)
        return false;
    answer->why = EXPLAIN_POSSIBLE;
    answer->place = place;
    tell_fates(work);
    return true;
}

/* Makes the replay of a pass, and its lines. */
static bool begin(struct work *work, const struct trace_reader *reader,
                  struct crash_replay **replay) {
    const struct crash_scan *scan = work->scan;
    const char *problem;
    uint32_t line_size = scan->region_count != 0 ? scan->regions[0].line_size : 64;
    *replay = replay_new(trace_head(reader), work->wish, line_size, &problem);
    if (*replay == NULL)
        return fail(work, problem);
    for (size_t r = 0; r < scan->region_count; r++)
        generation_base(replay_lines(*replay), (uint32_t)r, 0,
                        scan->content + scan->regions[r].start, scan->regions[r].size);
    return true;
}

static bool step(struct work *work, struct crash_replay *replay, const struct trace_event *event) {
    return event->kind == TRACE_BASE ||
           (replay_begin(replay, event) && replay_end(replay, event)) ||
           fail(work, "there is no memory for the states of the trace");
}

/* Looks for a moment. false: there is none; problem may be set. */
static bool find_moment(struct work *work, struct trace_reader *reader) {
    struct trace_event event;
    work->line_count = generation_line_count(replay_lines(work->replay));
    work->lines = calloc(work->line_count + 1, sizeof *work->lines);
    work->watch = calloc(work->line_count + 1, sizeof *work->watch);
    work->illegal = work->line_count;
    if (work->lines == NULL || work->watch == NULL)
        return fail(work, "there is no memory for the lines");
    while (trace_next(reader, &event) == TRACE_EVENT) {
        if (replay_raises(work->replay, &event) && try_moment(work, event.place))
            return true;
        work->stored = work->stored || trace_stores(event.kind);
        bool apart = replay_is_apart(work->replay, &event);
        if (apart && !replay_begin(work->replay, &event))
            return fail(work, "there is no memory for the states of the trace");
        if (apart && try_moment(work, event.place))
            return true;
        if (apart ? !replay_end(work->replay, &event) : !step(work, work->replay, &event))
            return fail(work, "there is no memory for the states of the trace");
    }
    return try_moment(work, 0);
}

/* The second pass: one line, `index`. */
struct second {
    struct work *work;
    struct crash_replay *real, *free; /* free: nothing is ever guaranteed */
    size_t index;
    uint64_t flushes[TRACE_THREADS]; /* the place of each thread's last flush of the line */
    uint64_t *lacking;               /* numbers of pieces that the image lacks */
    uint64_t *places;                /* of their stores */
    size_t count;
};

static bool covers(const struct second *second, const struct trace_event *event) {
    const struct crash_scan *scan = second->work->scan;
    const struct generation_line *line = generation_line(replay_lines(second->real), second->index);
    return scan->regions[line->file].number == event->region &&
           event->offset < line->offset + line->size &&
           event->offset + event->length > line->offset;
}

/* The pieces that the line's stores have left and the image lacks. */
static bool list_lacking(struct second *second, const struct generation_line *line,
                         struct generation_choice choice) {
    free(second->lacking);
    free(second->places);
    second->lacking = calloc(line->count + 1, sizeof *second->lacking);
    second->places = calloc(line->count + 1, sizeof *second->places);
    second->count = 0;
    if (second->lacking == NULL || second->places == NULL)
        return fail(second->work, "there is no memory for the stores of a line");
    for (uint32_t i = 0; i < line->count; i++) {
        if (generation_keeps(line, choice, i))
            continue;
        second->places[second->count] = line->pieces[i].tag;
        second->lacking[second->count++] = line->pieces[i].number;
    }
    return true;
}

/* Has one of the lacking pieces become durable? Then the event is to blame. */
static bool blame(struct second *second, const struct trace_event *event) {
    const struct generation_line *line = generation_line(replay_lines(second->real), second->index);
    struct explanation *answer = second->work->answer;
    for (size_t i = 0; i < second->count; i++) {
        bool waits = second->lacking[i] > line->stored;
        for (uint32_t p = 0; p < line->count && !waits; p++)
            waits = line->pieces[p].number == second->lacking[i];
        if (waits)
            continue;
        answer->why = EXPLAIN_GUARANTEE;
        answer->store = second->places[i];
        answer->guarantee = event->place;
        answer->flush = event->kind == TRACE_DRAIN || event->kind == TRACE_ATOMIC
                            ? second->flushes[event->thread]
                            : 0;
        return true;
    }
    return false;
}

/* What the event does where nothing is guaranteed. */
static bool step_free(struct second *second, const struct trace_event *event) {
    struct trace_event store = *event;
    if (event->kind == TRACE_ATOMIC)
        store.kind = TRACE_STORE; /* that drains nothing */
    bool good = event->kind == TRACE_REGION ? replay_end(second->free, event)
                                            : replay_begin(second->free, &store);
    return good || fail(second->work, "there is no memory for the states of the trace");
}

/* Follows the line: from when on could it be so but for guarantees, which of its stores did it lack
   then, and when was the first of those durable? */
static bool follow(struct second *second, struct trace_reader *reader) {
    struct trace_event event;
    struct generation_choice choice;
    const struct generation *lines = replay_lines(second->free);
    while (trace_next(reader, &event) == TRACE_EVENT) {
        if (event.kind == TRACE_FLUSH && covers(second, &event))
            second->flushes[event.thread] = event.place;
        if (!step(second->work, second->real, &event) || !step_free(second, &event))
            return false;
        const struct generation_line *line = generation_line(lines, second->index);
        if (second->count == 0 && trace_stores(event.kind) && covers(second, &event) &&
            match(second->work, line, &choice) && !list_lacking(second, line, choice))
            return false;
        if (second->count != 0 && blame(second, &event))
            return true;
    }
    return true;
}

/* Runs the second pass. */
static bool follow_line(struct work *work, size_t index) {
    struct second *second = calloc(1, sizeof *second);
    rewind(work->trace);
    struct trace_reader *reader = trace_read(work->trace);
    bool good = second != NULL && reader != NULL;
    if (good) {
        second->work = work;
        second->index = index;
        good = begin(work, reader, &second->real) && begin(work, reader, &second->free) &&
               follow(second, reader);
        replay_free(second->real);
        replay_free(second->free);
        free(second->lacking);
        free(second->places);
    } else {
        fail(work, "there is no memory");
    }
    free(second);
    trace_end(reader);
    return good;
}

/* The line that stands in the way: one that never could be so, else the one that stopped first. */
static size_t culprit(const struct work *work) {
    size_t index = 0;
    for (size_t i = 0; i < work->line_count; i++) {
        if (!work->lines[i].ever)
            return i;
        if (work->lines[i].last < work->lines[index].last)
            index = i;
    }
    return index;
}

static bool explain_impossible(struct work *work) {
    struct explanation *answer = work->answer;
    size_t index = culprit(work);
    const struct generation_line *line = generation_line(replay_lines(work->replay), index);
    answer->region = line->file;
    answer->offset = line->offset;
    answer->why = work->lines[index].ever ? EXPLAIN_NEVER : EXPLAIN_ORDER;
    if (!follow_line(work, index))
        return false;
    for (size_t i = 0; i < work->line_count && work->lines[index].ever; i++) {
        if (work->lines[i].first >= work->lines[index].last && work->lines[i].store > answer->later)
            answer->later = work->lines[i].store;
    }
    return true;
}

bool explain(FILE *trace, const struct crash_scan *scan, const struct crash_wish *wish,
             const uint8_t *image, struct explanation *explanation) {
    *explanation = (struct explanation){0};
    struct work work = {.scan = scan, .wish = wish, .image = image, .trace = trace};
    struct trace_reader *reader = trace_read(trace);
    work.answer = explanation;
    if (reader == NULL)
        return fail(&work, "there is no memory");
    if (begin(&work, reader, &work.replay) && !find_moment(&work, reader) &&
        explanation->problem == NULL)
        explain_impossible(&work);
    trace_end(reader);
    replay_free(work.replay);
    free(work.lines);
    free(work.watch);
    return explanation->problem == NULL;
}

void explain_free(struct explanation *explanation) {
    free(explanation->fates);
    *explanation = (struct explanation){0};
}
