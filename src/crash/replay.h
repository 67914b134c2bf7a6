/* SPDX-License-Identifier: BSD-2-Clause */
/* From the events of a trace to what of them a power cut leaves, moment by moment. */
#ifndef CRASH_REPLAY_H
#define CRASH_REPLAY_H

#include "model/generation.h"
#include "trace/trace.h"

/* What the user says of the model; it goes before what the trace says. */
struct crash_wish {
    bool model_said;
    enum trace_model model;
    enum trace_streams streams;
    bool direct64_atomic, stable_pages;
};

struct crash_replay;

/* NULL, with *problem: there is no such model for this trace, or no memory. pre: line_size is that
   of the trace's regions */
struct crash_replay *replay_new(const struct trace_head *head, const struct crash_wish *wish,
                                uint32_t line_size, const char **problem);
void replay_free(struct crash_replay *replay);

/* The lines: a region is a file, numbered in the order of the regions. Every piece of a store has
   the place of its event as tag. */
struct generation *replay_lines(const struct crash_replay *replay);

/* Could the event make anything durable? Then the moment before it has images that those after it
   have not; all other moments have no image that a later one lacks. */
bool replay_raises(const struct crash_replay *replay, const struct trace_event *event);

/* Does a store make itself durable? Then the moment between begin and end has images of its own. */
bool replay_is_apart(const struct crash_replay *replay, const struct trace_event *event);

/* The event happens, in two steps. false: no memory. */
bool replay_begin(struct crash_replay *replay, const struct trace_event *event);
bool replay_end(struct crash_replay *replay, const struct trace_event *event);

#endif
