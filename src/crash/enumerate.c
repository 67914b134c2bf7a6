/* SPDX-License-Identifier: BSD-2-Clause */
/* At a moment the lines are independent: its images are all combinations of the contents that each
   line can have. From one moment to the next only those are made that have a content which its line
   could not have before. */
#include "crash/enumerate.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define LINES_MOST (ENUMERATE_MOST / 64 + TRACE_REGIONS)
#define CHOICES_MOST (UINT64_C(1) << 20) /* of a line, at a moment */

struct content {
    uint8_t bytes[GENERATION_LINE_MAX];
    uint64_t hash;
    bool fresh; /* its line could not have it before */
};

/* The contents that a line can have, and those that it could have at the moment before, sorted. */
struct choices {
    struct content *now, *before;
    size_t count, room, before_count, before_room;
    uint64_t start; /* in the image */
    size_t size;    /* of the line, in the image */
};

struct work {
    const struct crash_scan *scan;
    struct crash_replay *replay;
    struct images *images;
    struct choices lines[LINES_MOST];
    size_t line_count;
    uint8_t image[ENUMERATE_MOST];
    bool begun;  /* a moment has been done */
    bool stored; /* since the last moment */
    const char *problem;
};

static bool fail(struct work *work, const char *problem) {
    if (work->problem == NULL)
        work->problem = problem;
    return false;
}

/* Lines' hashes are summed up to that of the image. */
static uint64_t hash_of(uint64_t start, const uint8_t *bytes, size_t size) {
    uint64_t hash = start + 1;
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i < sizeof word ? size - i : sizeof word);
        hash ^= word;
        hash = chance_mix(&hash);
    }
    return hash;
}

static int compare(const void *left, const void *right, void *size) {
    return memcmp(((const struct content *)left)->bytes, ((const struct content *)right)->bytes,
                  *(const size_t *)size);
}

/* Sorts the line's contents and keeps one of each. */
static void unite(struct choices *choices) {
    size_t kept = 0;
    qsort_r(choices->now, choices->count, sizeof *choices->now, compare, &choices->size);
    for (size_t i = 0; i < choices->count; i++) {
        if (kept == 0 ||
            memcmp(choices->now[kept - 1].bytes, choices->now[i].bytes, choices->size) != 0)
            choices->now[kept++] = choices->now[i];
    }
    choices->count = kept;
}

struct collecting {
    struct work *work;
    const struct generation_line *line;
    struct choices *choices;
};

static bool add_content(struct work *work, struct choices *choices, const uint8_t *bytes) {
    if (choices->count == choices->room) {
        if (choices->count != 0)
            unite(choices);
        if (choices->count * 2 >= choices->room) {
            size_t room = choices->room == 0 ? 16 : choices->room * 2;
            struct content *grown = realloc(choices->now, room * sizeof *grown);
            if (grown == NULL)
                return fail(work, "there is no memory for the contents of a line");
            choices->now = grown;
            choices->room = room;
        }
    }
    struct content *content = &choices->now[choices->count++];
    memcpy(content->bytes, bytes, choices->size);
    return true;
}

static void collect(void *context, struct generation_choice choice) {
    const struct collecting *collecting = context;
    uint8_t bytes[GENERATION_LINE_MAX];
    generation_content(collecting->line, choice, bytes);
    if (collecting->work->problem == NULL)
        add_content(collecting->work, collecting->choices, bytes);
}

static bool could_have(const struct choices *choices, const struct content *content) {
    size_t low = 0, high = choices->before_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(content->bytes, choices->before[middle].bytes, choices->size);
        if (order == 0)
            return true;
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return false;
}

/* The line's contents at this moment; those of the last one become its past. */
static bool list_line(struct work *work, struct choices *choices,
                      const struct generation_line *line) {
    struct collecting collecting = {work, line, choices};
    struct content *past = choices->before;
    size_t past_room = choices->before_room;
    choices->before = choices->now;
    choices->before_room = choices->room;
    choices->before_count = choices->count;
    choices->now = past;
    choices->room = past_room;
    choices->count = 0;
    if (generation_choice_count(line, CHOICES_MOST) == CHOICES_MOST)
        return fail(work, "a line has too many stores in flight to try all of their sets");
    generation_each(line, collect, &collecting);
    if (work->problem != NULL)
        return false;
    unite(choices);
    for (size_t i = 0; i < choices->count; i++) {
        struct content *content = &choices->now[i];
        content->hash = hash_of(choices->start, content->bytes, choices->size);
        content->fresh = !could_have(choices, content);
    }
    return true;
}

/* Goes through the lines from number `index` on. pivot: the line that has a fresh content; those
   before it have none, those behind it any. */
static bool combine(struct work *work, size_t index, size_t pivot, uint64_t hash) {
    if (index == work->line_count)
        return images_add(work->images, work->image, hash) ||
               fail(work, "there are more images than the memory allows (--memory)");
    const struct choices *choices = &work->lines[index];
    for (size_t i = 0; i < choices->count; i++) {
        const struct content *content = &choices->now[i];
        if ((index < pivot && content->fresh) || (index == pivot && !content->fresh))
            continue;
        memcpy(work->image + choices->start, content->bytes, choices->size);
        if (!combine(work, index + 1, pivot, hash + content->hash))
            return false;
    }
    return true;
}

/* The images of a moment are so many, all different: is there room for them at all? */
static bool fits(struct work *work) {
    uint64_t count = 1;
    for (size_t i = 0; i < work->line_count; i++) {
        if (__builtin_mul_overflow(count, work->lines[i].count, &count) ||
            count > work->images->most)
            return fail(work, "there are more images than the memory allows (--memory)");
    }
    return true;
}

static bool do_moment(struct work *work) {
    if (work->begun && !work->stored)
        return true;
    for (size_t i = 0; i < work->line_count; i++) {
        if (!list_line(work, &work->lines[i], generation_line(replay_lines(work->replay), i)))
            return false;
    }
    if (!fits(work))
        return false;
    /* At first every content is fresh, and the lines behind the first one have all of them. */
    for (size_t pivot = 0; pivot < (work->begun ? work->line_count : 1); pivot++) {
        if (!combine(work, 0, pivot, 0))
            return false;
    }
    work->begun = true;
    work->stored = false;
    return true;
}

static bool do_event(struct work *work, const struct trace_event *event) {
    if (replay_raises(work->replay, event) && !do_moment(work))
        return false;
    bool good = event->kind == TRACE_BASE || replay_begin(work->replay, event);
    work->stored = work->stored || trace_stores(event->kind);
    if (good && replay_is_apart(work->replay, event) && !do_moment(work))
        return false;
    if (!good || (event->kind != TRACE_BASE && !replay_end(work->replay, event)))
        return fail(work, "there is no memory for the states of the trace");
    return !generation_left_out(replay_lines(work->replay)) ||
           fail(work, "a line has too many stores in flight to try all of their sets");
}

/* Every line of every region, with what it held at first. */
static void make_lines(struct work *work) {
    const struct crash_scan *scan = work->scan;
    struct generation *lines = replay_lines(work->replay);
    for (size_t r = 0; r < scan->region_count; r++) {
        const struct crash_region *region = &scan->regions[r];
        generation_base(lines, (uint32_t)r, 0, scan->content + region->start, region->size);
    }
    work->line_count = generation_line_count(lines);
    for (size_t i = 0; i < work->line_count; i++) {
        const struct generation_line *line = generation_line(lines, i);
        const struct crash_region *region = &scan->regions[line->file];
        uint64_t rest = region->size - line->offset;
        work->lines[i].start = region->start + line->offset;
        work->lines[i].size = rest < line->size ? (size_t)rest : line->size;
    }
}

static bool run(struct work *work, struct trace_reader *reader) {
    struct trace_event event;
    while (trace_next(reader, &event) == TRACE_EVENT) {
        if (!do_event(work, &event))
            return false;
    }
    return do_moment(work);
}

bool enumerate(FILE *trace, const struct crash_scan *scan, const struct crash_wish *wish,
               struct images *images, const char **problem) {
    struct work *work = calloc(1, sizeof *work);
    struct trace_reader *reader = trace_read(trace);
    bool good = false;
    *problem = "there is no memory";
    if (work != NULL && reader != NULL) {
        uint32_t line_size = scan->region_count != 0 ? scan->regions[0].line_size : 64;
        work->scan = scan;
        work->images = images;
        work->replay = replay_new(trace_head(reader), wish, line_size, problem);
        if (work->replay != NULL) {
            make_lines(work);
            good = run(work, reader);
            *problem = work->problem;
        }
        replay_free(work->replay);
        for (size_t i = 0; i < LINES_MOST; i++) {
            free(work->lines[i].now);
            free(work->lines[i].before);
        }
    }
    free(work);
    trace_end(reader);
    if (good)
        images_sort(images);
    return good;
}
