/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

static bool learn_region(struct walk_facts *facts, const struct trace_event *event) {
    struct walk_region *region = &facts->regions[facts->region_count];
    for (size_t i = 0; i < facts->region_count; i++) {
        if (facts->regions[i].number != event->region)
            continue;
        facts->regions[i].size = event->length; /* it has grown */
        facts->regions[i].room = align_up(event->length, SANDBOX_PAGE);
        return true;
    }
    if (facts->region_count == SANDBOX_REGIONS) {
        snprintf(facts->problem, sizeof facts->problem, "more than %d regions", SANDBOX_REGIONS);
        return false;
    }
    *region = (struct walk_region){.number = event->region,
                                   .line_size = event->line_size,
                                   .domain = event->domain,
                                   .address = event->address,
                                   .size = event->length,
                                   .room = align_up(event->length, SANDBOX_PAGE),
                                   .path = strdup(event->text)};
    facts->region_count += region->path != NULL;
    if (region->path == NULL || facts->regions[0].line_size == region->line_size)
        return region->path != NULL;
    snprintf(facts->problem, sizeof facts->problem, "the regions have lines of several sizes");
    return false;
}

static bool learn_stack(struct walk_facts *facts, const struct trace_event *event) {
    if ((facts->stack_count & (facts->stack_count + 1)) == 0) {
        size_t room = 2 * (facts->stack_count + 1);
        struct walk_stack *stacks = realloc(facts->stacks, room * sizeof *stacks);
        if (stacks == NULL)
            return false;
        facts->stacks = stacks;
    }
    struct walk_stack *stack = &facts->stacks[facts->stack_count];
    *stack = (struct walk_stack){event->stack, strdup(event->text)};
    facts->stack_count += stack->text != NULL;
    return stack->text != NULL;
}

static bool learn(struct walk_facts *facts, const struct trace_event *event) {
    facts->events++;
    facts->stores += trace_stores(event->kind);
    facts->marks += event->kind == TRACE_MARK;
    facts->begun += event->kind == TRACE_MARK && event->mark == TRACE_BEGIN;
    facts->acked += event->kind == TRACE_MARK && event->mark == TRACE_ACK;
    if (event->kind == TRACE_REGION)
        return learn_region(facts, event);
    return event->kind != TRACE_STACK || learn_stack(facts, event);
}

static int by_number(const void *a, const void *b) {
    const struct walk_stack *first = a, *second = b;
    return (first->number > second->number) - (first->number < second->number);
}

bool walk_look(FILE *trace, struct walk_facts *facts) {
    struct trace_event event;
    enum trace_result result = TRACE_END;
    *facts = (struct walk_facts){.problem = "there is no memory"};
    struct trace_reader *reader = trace_read(trace);
    if (reader == NULL)
        return false;
    facts->head = *trace_head(reader);
    bool learned = true;
    while (learned && (result = trace_next(reader, &event)) == TRACE_EVENT)
        learned = learn(facts, &event);
    if (result == TRACE_WRONG)
        snprintf(trace_is_damaged(reader) ? facts->damage : facts->problem, sizeof facts->damage,
                 "%s", trace_problem(reader));
    learned = learned && (result != TRACE_WRONG || trace_is_damaged(reader));
    if (learned && facts->region_count == 0) {
        snprintf(facts->problem, sizeof facts->problem, "no region is told of");
        learned = false;
    }
    trace_end(reader);
    if (facts->stack_count != 0)
        qsort(facts->stacks, facts->stack_count, sizeof *facts->stacks, by_number);
    return learned;
}

void walk_forget(struct walk_facts *facts) {
    for (size_t i = 0; i < facts->region_count; i++)
        free(facts->regions[i].path);
    for (size_t i = 0; i < facts->stack_count; i++)
        free(facts->stacks[i].text);
    free(facts->stacks);
    *facts = (struct walk_facts){0};
}

const char *walk_stack_text(const struct walk_facts *facts, uint32_t number) {
    const struct walk_stack wish = {.number = number};
    const struct walk_stack *found =
        facts->stack_count != 0
            ? bsearch(&wish, facts->stacks, facts->stack_count, sizeof wish, by_number)
            : NULL;
    return found != NULL ? found->text : NULL;
}

/* One walk. */
struct going {
    struct walk *walk;
    struct walk_facts *facts;
    const struct walk_visitor *visitor;
    bool stored; /* since the last point */
    bool ended;  /* by the visitor */
};

static size_t region_of(const struct walk_facts *facts, uint32_t number) {
    size_t index = 0;
    while (facts->regions[index].number != number)
        index++;
    return index;
}

static void point(struct going *going, enum walk_cause cause, const struct trace_event *event) {
    struct walk *walk = going->walk;
    walk->point++;
    walk->cause = cause;
    walk->event = event;
    going->stored = false;
    if (going->visitor->point != NULL && !going->visitor->point(going->visitor->context, walk))
        going->ended = true;
}

static void show(struct going *going, const struct trace_event *event) {
    size_t index = region_of(going->facts, event->region);
    memcpy(going->facts->regions[index].visible + event->offset, event->bytes, event->length);
    if (going->visitor->changed != NULL)
        going->visitor->changed(going->visitor->context, going->walk, index, event->offset,
                                event->length);
}

static void mark(struct going *going, const struct trace_event *event) {
    struct walk *walk = going->walk;
    bool acked = event->mark == TRACE_ACK;
    if (event->mark == TRACE_NOTE || walk->facts->is_recovery)
        return;
    if (!acked)
        point(going, WALK_BEFORE, event);
    walk->begun += !acked;
    walk->acked += acked;
    if (going->visitor->marked != NULL)
        going->visitor->marked(going->visitor->context, acked, event->id);
    if (acked && !going->ended)
        point(going, WALK_AFTER, event);
}

/* false: no memory. */
static bool step(struct going *going, struct trace_event *event) {
    struct walk *walk = going->walk;
    if (going->stored && replay_raises(walk->replay, event))
        point(going, WALK_BEFORE, event);
    if (event->kind == TRACE_MARK)
        mark(going, event);
    event->place |= (uint64_t)event->stack << 40;
    bool good = going->ended || replay_begin(walk->replay, event);
    if (good && !going->ended && (trace_stores(event->kind) || event->kind == TRACE_BASE))
        show(going, event);
    if (good && !going->ended && replay_is_apart(walk->replay, event))
        point(going, WALK_WITHIN, event);
    good = good && (going->ended || replay_end(walk->replay, event));
    going->stored = going->stored || trace_stores(event->kind);
    if (good && !going->ended && going->visitor->after != NULL)
        going->ended = !going->visitor->after(going->visitor->context, walk, event);
    return good;
}

/* What the regions held is durable. */
static void start(const struct going *going) {
    struct walk *walk = going->walk;
    for (size_t i = 0; i < going->facts->region_count; i++) {
        const struct walk_region *region = &going->facts->regions[i];
        static const uint8_t zeros[SANDBOX_PAGE];
        for (uint64_t at = 0; region->initial != NULL && at < region->size; at += SANDBOX_PAGE) {
            uint64_t rest = region->size - at, part = rest < SANDBOX_PAGE ? rest : SANDBOX_PAGE;
            if (memcmp(region->initial + at, zeros, part) == 0)
                continue;
            memcpy(region->visible + at, region->initial + at, part);
            generation_base(walk->lines, (uint32_t)i, at, region->initial + at, part);
            if (going->visitor->changed != NULL)
                going->visitor->changed(going->visitor->context, walk, i, at, part);
        }
    }
}

static bool is_stopped(const struct walk *walk) {
    return walk->stop != NULL && *walk->stop != 0;
}

static bool go(struct going *going, FILE *trace) {
    struct walk *walk = going->walk;
    struct trace_event event;
    enum trace_result result = TRACE_EVENT;
    bool good = true;
    struct trace_reader *reader = trace_read(trace);
    while (reader != NULL && good && !going->ended && !is_stopped(walk) &&
           (result = trace_next(reader, &event)) == TRACE_EVENT)
        good = step(going, &event);
    if (reader == NULL || !good)
        snprintf(walk->problem, sizeof walk->problem, "there is no memory");
    else if (result != TRACE_EVENT && !going->ended)
        point(going, WALK_END, NULL);
    trace_end(reader);
    return reader != NULL && good && !is_stopped(walk);
}

bool walk_through(FILE *trace, struct walk_facts *facts, const struct crash_wish *wish,
                  const struct walk_visitor *visitor, struct walk *walk) {
    const char *problem = "the trace cannot be read twice";
    const volatile int *stop = walk->stop;
    *walk = (struct walk){
        .facts = facts, .stop = stop, .begun = facts->begun_before, .acked = facts->acked_before};
    bool good = fseek(trace, 0, SEEK_SET) == 0;
    if (good)
        walk->replay = replay_new(&facts->head, wish, facts->regions[0].line_size, &problem);
    good = walk->replay != NULL;
    for (size_t i = 0; good && i < facts->region_count; i++) {
        struct walk_region *region = &facts->regions[i];
        region->visible = mmap(NULL, region->room, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (region->visible == MAP_FAILED)
            region->visible = NULL;
        good = region->visible != NULL;
        problem = "there is no memory for the regions";
    }
    if (good) {
        struct going going = {walk, facts, visitor, false, false};
        walk->lines = replay_lines(walk->replay);
        start(&going);
        good = go(&going, trace);
    } else {
        snprintf(walk->problem, sizeof walk->problem, "%s", problem);
    }
    for (size_t i = 0; i < facts->region_count; i++) {
        if (facts->regions[i].visible != NULL)
            munmap(facts->regions[i].visible, facts->regions[i].room);
        facts->regions[i].visible = NULL;
    }
    replay_free(walk->replay);
    walk->replay = NULL;
    return good;
}
