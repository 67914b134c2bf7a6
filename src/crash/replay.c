/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct crash_replay {
    struct generation *lines;
    enum trace_model model;
    uint32_t regions[TRACE_REGIONS]; /* their numbers */
    uint32_t region_count;
    uint32_t threads[TRACE_THREADS]; /* by number: + 1, in the order of their first events */
    uint32_t thread_count;
};

/* CPUs that update a cached line in place when a streaming store hits it, and whose vendor does not
   document more. */
static bool stores_in_place(const char *cpu) {
    return strncmp(cpu, "AuthenticAMD", 12) == 0 || strncmp(cpu, "HygonGenuine", 12) == 0;
}

static bool streams_in_place(enum trace_model model, enum trace_streams wish,
                             const struct trace_head *head) {
    enum trace_streams streams = wish != TRACE_STREAMS_UNSAID ? wish : head->streams;
    if (streams != TRACE_STREAMS_UNSAID)
        return streams == TRACE_STREAMS_INPLACE;
    return model == TRACE_ARM || stores_in_place(head->cpu);
}

struct crash_replay *replay_new(const struct trace_head *head, const struct crash_wish *wish,
                                uint32_t line_size, const char **problem) {
    static const enum generation_model models[TRACE_MODELS] = {[TRACE_X86] = GENERATION_X86,
                                                               [TRACE_ARM] = GENERATION_ARM,
                                                               [TRACE_EADR] = GENERATION_EADR,
                                                               [TRACE_PAGE] = GENERATION_PAGE};
    struct crash_replay *replay = calloc(1, sizeof *replay);
    enum trace_model model = wish->model_said ? wish->model : head->model;
    const struct generation_rules rules = {
        .model = models[model],
        .inplace = streams_in_place(model, wish->streams, head),
        .direct64_atomic = wish->direct64_atomic || head->direct64_atomic,
        .stable_pages = wish->stable_pages || head->stable_pages,
        .ordered = head->ordered,
        .line_size = line_size,
    };
    if (model == TRACE_ARM && line_size != MODEL_LINE_SIZE) {
        *problem = "under arm lines have 64 bytes";
        free(replay);
        return NULL;
    }
    *problem = "there is no memory";
    if (replay == NULL)
        return NULL;
    replay->model = model;
    replay->lines = generation_make(&rules);
    if (replay->lines != NULL)
        return replay;
    free(replay);
    return NULL;
}

void replay_free(struct crash_replay *replay) {
    if (replay == NULL)
        return;
    generation_free(replay->lines);
    free(replay);
}

struct generation *replay_lines(const struct crash_replay *replay) {
    return replay->lines;
}

bool replay_raises(const struct crash_replay *replay, const struct trace_event *event) {
    switch (event->kind) {
    case TRACE_CLFLUSH:
    case TRACE_DRAIN:
    case TRACE_MSYNC_END:
        return true;
    case TRACE_ATOMIC:
        return replay->model != TRACE_ARM;
    default:
        return false;
    }
}

bool replay_is_apart(const struct crash_replay *replay, const struct trace_event *event) {
    return replay->model == TRACE_EADR && trace_stores(event->kind);
}

static uint32_t region_of(const struct crash_replay *replay, uint32_t number) {
    uint32_t index = 0;
    while (index < replay->region_count && replay->regions[index] != number)
        index++;
    return index;
}

/* Few threads of many possible numbers do anything. */
static uint32_t thread_of(struct crash_replay *replay, uint32_t number) {
    if (replay->threads[number] == 0)
        replay->threads[number] = ++replay->thread_count;
    return replay->threads[number] - 1;
}

static struct generation_store store_of(struct crash_replay *replay,
                                        const struct trace_event *event) {
    return (struct generation_store){
        .thread = thread_of(replay, event->thread),
        .file = region_of(replay, event->region),
        .kind = event->kind == TRACE_STREAM   ? GENERATION_STREAM
                : event->kind == TRACE_DIRECT ? GENERATION_DIRECT
                : event->kind == TRACE_FOUND  ? GENERATION_UNSEEN
                                              : GENERATION_CACHED,
        .offset = event->offset,
        .length = event->length,
        .bytes = event->bytes,
        .tag = event->place,
    };
}

bool replay_begin(struct crash_replay *replay, const struct trace_event *event) {
    if (!trace_stores(event->kind))
        return true;
    const struct generation_store store = store_of(replay, event);
    if (event->kind == TRACE_ATOMIC)
        generation_atomic(replay->lines, store.thread);
    generation_storing(replay->lines, &store);
    return !generation_failed(replay->lines);
}

/* What is no store. */
static void act(struct crash_replay *replay, const struct trace_event *event, uint32_t thread,
                uint32_t file) {
    struct generation *lines = replay->lines;
    switch (event->kind) {
    case TRACE_FLUSH:
        generation_flush(lines, thread, file, event->offset, event->length);
        return;
    case TRACE_CLFLUSH:
        generation_clflush(lines, thread, file, event->offset, event->length);
        return;
    case TRACE_DRAIN:
        generation_drain(lines, thread);
        return;
    case TRACE_BARRIER:
        generation_barrier(lines, thread);
        return;
    case TRACE_MSYNC_BEGIN:
        generation_sync_begin(lines, thread, file, event->offset, event->length);
        return;
    case TRACE_MSYNC_END:
        generation_sync_end(lines, thread);
        return;
    case TRACE_RELEASE:
        generation_release(lines, thread, event->id);
        return;
    case TRACE_ACQUIRE:
        generation_acquire(lines, thread, event->id);
        return;
    default:
        return;
    }
}

bool replay_end(struct crash_replay *replay, const struct trace_event *event) {
    if (event->kind == TRACE_REGION) {
        if (region_of(replay, event->region) < replay->region_count)
            return true; /* it has grown */
        replay->regions[replay->region_count++] = event->region;
    } else if (event->kind == TRACE_BASE) {
        generation_base(replay->lines, region_of(replay, event->region), event->offset,
                        event->bytes, event->length);
    } else if (trace_stores(event->kind)) {
        const struct generation_store store = store_of(replay, event);
        generation_stored(replay->lines, &store);
    } else if (trace_has_thread(event->kind)) {
        act(replay, event, thread_of(replay, event->thread), region_of(replay, event->region));
    }
    return !generation_failed(replay->lines);
}
