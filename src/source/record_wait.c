/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording: waits for the medium. */
#include "base/bits.h"
#include "source/record.h"
#include "source/recorder.h"
#include "source/regions.h"

static void tell_settled(void *context, const struct stretch *stretch) {
    recorder_append(context, LOG_SETTLE, stretch->file, stretch->offset, stretch->length, NULL, 0);
}

/* Was this process forked from that one? Its views are here too, if nobody unmapped them; what else
   may lie there now is not looked at. */
static bool is_ancestor(uint32_t process) {
    const struct arena_head *head = arena_here()->head;
    uint32_t parent = head->processes[source_process.process].parent;
    for (unsigned steps = 0; parent != 0 && steps < ARENA_PROCESSES; steps++) {
        if (parent - 1 == process)
            return true;
        parent = head->processes[parent - 1].parent;
    }
    return false;
}

/* Of the live tokens' views of a file [address, address + length) is durable. */
static void settle(struct act *act, const struct arena_file *file, uintptr_t address,
                   uint64_t length) {
    uint64_t links = 0;
    act->kind = LOG_SETTLE;
    for (arena_id id = atomic_load(&file->tokens); id != 0 && arena_follow(arena_here(), &links);) {
        const struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
        if (token == NULL)
            return;
        if (atomic_load(&token->freed) == 0 && token->process == source_process.process)
            tokens_stretches(token, address, length, recorder_stretch, act);
        else if (atomic_load(&token->freed) == 0 && is_ancestor(token->process))
            tokens_stretches(token, address, length, tell_settled, act);
        id = atomic_load(&token->sibling);
    }
}

void recorder_retry(struct act *act) {
    if (act->token != NULL)
        settle(act, &arena_here()->head->files[act->token->file], 0, UINT64_MAX);
}

/* A wait on its way into the log. */
struct waiting {
    struct act act; /* the first: a context of its own */
    struct sync *sync;
    bool inherited; /* the view is of a process that this one was forked from */
};

/* Where pages tell of stores: those of other processes are waited for as well. */
static void find_stretch(void *context, const struct stretch *stretch) {
    const struct waiting *waiting = context;
    pages_find_all(waiting->act.me, stretch, waiting->act.stack);
}

/* What one of another process's views holds is there in this one's, unless it has unmapped it. */
static void look_at_part(void *context, const struct stretch *stretch) {
    struct waiting *waiting = context;
    if (waiting->inherited && !pages_stand(stretch))
        return;
    if (pages_wanted())
        find_stretch(waiting, stretch);
    else
        recorder_stretch(&waiting->act, stretch);
}

/* What a view of this process holds and nobody told of, before the wait makes it durable. */
static void look_at_view(struct self *me, struct arena_token *token, void *context) {
    struct waiting *waiting = context;
    const struct sync *sync = waiting->sync;
    const struct arena_file *file = &arena_here()->head->files[token->file];
    bool range = sync->length != 0;
    uintptr_t from = range ? align_down(sync->address, MODEL_PAGE_SIZE) : 0;
    uint64_t length =
        range ? align_up(sync->address - from + sync->length, MODEL_PAGE_SIZE) : UINT64_MAX;
    (void)me;
    waiting->inherited = token->process != source_process.process;
    if (sync->inode == 0 || (file->inode == sync->inode && file->device == sync->device))
        tokens_stretches(token, from, length, look_at_part, waiting);
}

/* The first stretch is told when the wait begins. A thread's next beginning would take its place,
   hence the others, if there are any, come when the wait has ended: what other threads stored there
   meanwhile counts as waited for, which can only leave images out. */
static void begin_stretch(void *context, const struct stretch *stretch) {
    struct waiting *waiting = context;
    struct sync *sync = waiting->sync;
    if (sync->begun.length != 0 || stretch->length == 0)
        return;
    sync->begun = *stretch;
    recorder_append(&waiting->act, LOG_SYNC_BEGIN, stretch->file, stretch->offset, stretch->length,
                    NULL, 0);
}

void record_sync_begin(struct sync *sync) {
    static const struct event flushes = {.kind = EVENT_RETRY};
    struct waiting waiting = {
        .act = {.me = sync->me, .event = &flushes, .stack = sync->stack, .raw = true},
        .sync = sync};
    record_settle(sync->me);
    waiting.act.kind = LOG_KINDS; /* nothing becomes of a stretch but what was found there */
    if (pages_wanted())
        pages_interval(sync->me, sync->stack);
    if (pages_wanted() && pages_shared() && sync->length != 0)
        sync_each_stretch(sync, find_stretch, &waiting); /* by whoever's token */
    else if (!pages_wanted() || pages_shared())
        tokens_each_kin(sync->me, look_at_view, &waiting);
    sync->begun.length = 0;
    sync_each_stretch(sync, begin_stretch, &waiting);
}

static void end_stretch(void *context, const struct stretch *stretch) {
    const struct waiting *waiting = context;
    const struct stretch *begun = &waiting->sync->begun;
    if (stretch->length == 0 || (stretch->file == begun->file && stretch->offset == begun->offset))
        return;
    recorder_append(&waiting->act, LOG_SYNC_BEGIN, stretch->file, stretch->offset, stretch->length,
                    NULL, 0);
    recorder_append(&waiting->act, LOG_SYNC_END, 0, 0, 0, NULL, 0);
}

void record_sync_end(const struct sync *sync) {
    struct waiting waiting = {.act = {.me = sync->me, .stack = sync->stack},
                              .sync = (struct sync *)sync};
    record_settle(sync->me);
    if (sync->begun.length == 0)
        return; /* there was nothing to wait for */
    recorder_append(&waiting.act, LOG_SYNC_END, 0, 0, 0, NULL, 0);
    sync_each_stretch(sync, end_stretch, &waiting);
}
