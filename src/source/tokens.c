/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/tokens.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "source/regions.h"

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static size_t token_size(size_t segments) {
    return sizeof(struct arena_token) + segments * sizeof(struct arena_segment);
}

static _Atomic arena_id *bucket_of(uint64_t handle) {
    return &arena_here()->head->tokens[(handle ^ handle >> 20) % ARENA_TOKEN_BUCKETS];
}

static bool process_lives(uint32_t process) {
    const struct arena_process *record = &arena_here()->head->processes[process];
    if (process == source_process.process)
        return true;
    return atomic_load(&record->end) == ARENA_RUNS &&
           (kill((pid_t)atomic_load(&record->pid), 0) == 0 || errno != ESRCH);
}

/* Has the file a token that lives? */
static bool in_use(const struct arena_file *file) {
    uint64_t links = 0;
    for (arena_id id = atomic_load(&file->tokens); id != 0 && arena_follow(arena_here(), &links);) {
        const struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
        if (token == NULL)
            return false;
        if (atomic_load(&token->freed) == 0 && process_lives(token->process))
            return true;
        id = atomic_load(&token->sibling);
    }
    return false;
}

/* Is it the file's record? When nobody uses a file any more, and its inode turns up under another
   name, that is most likely another file. */
static bool is_of(const struct arena_file *file, const struct event_region *region) {
    return file->device == region->device && file->inode == region->inode &&
           (strncmp(file->path, region->path, sizeof file->path - 1) == 0 || in_use(file));
}

/* The index of a file, made if it is new; ARENA_FILES when there is no place. pre: head's lock */
static uint32_t file_index(const struct event_region *region) {
    struct arena_head *head = arena_here()->head;
    uint32_t count = atomic_load(&head->file_count);
    for (uint32_t i = count; i > 0; i--) {
        if (is_of(&head->files[i - 1], region))
            return i - 1;
    }
    if (count == ARENA_FILES) {
        atomic_fetch_add(&head->lost.memory, 1);
        return ARENA_FILES;
    }
    struct arena_file *file = &head->files[count];
    file->device = region->device;
    file->inode = region->inode;
    file->domain = region->domain;
    snprintf(file->reason, sizeof file->reason, "%s", region->reason);
    snprintf(file->path, sizeof file->path, "%s", region->path);
    atomic_store(&head->file_count, count + 1);
    return count;
}

static void note_end(struct arena_file *file, uint64_t end) {
    uint64_t old = atomic_load(&file->end);
    while (old < end && !atomic_compare_exchange_weak(&file->end, &old, end)) {
    }
}

/* Makes a token the first of its file. Who meets it a second time on the way finds nothing new. */
static void put_first(struct arena_token *token) {
    struct arena_file *file = &arena_here()->head->files[token->file];
    atomic_store(&token->sibling, atomic_load(&file->tokens));
    atomic_store(&file->tokens, arena_id_of(arena_here(), token));
}

/* Puts a complete record where it is found. pre: head's lock */
static void publish(struct arena_token *token) {
    struct arena_file *file = &arena_here()->head->files[token->file];
    token->next = atomic_load(bucket_of(token->handle));
    for (uint32_t i = 0; i < token->segment_count; i++)
        note_end(file, token->segments[i].offset + token->segments[i].length);
    atomic_store(bucket_of(token->handle), arena_id_of(arena_here(), token));
    put_first(token);
}

/* Who is on the way through the chain goes on from the record itself, which stays as it is. */
static void unlink_token(const struct arena_token *token) {
    _Atomic arena_id *link = &arena_here()->head->files[token->file].tokens;
    uint64_t links = 0;
    for (;;) {
        struct arena_token *next = arena_at(arena_here(), atomic_load(link), sizeof *next);
        if (next == token)
            atomic_store(link, atomic_load(&token->sibling));
        if (next == NULL || next == token || !arena_follow(arena_here(), &links))
            return;
        link = &next->sibling;
    }
}

void tokens_end(struct self *me, struct arena_token *token, arena_id stack, bool deferred) {
    struct arena_head *head = arena_here()->head;
    if (regions_wanted())
        regions_remove(me, token);
    token->deferred = deferred;
    atomic_store(&token->freed, stack != 0 ? stack : 1);
    arena_lock(arena_here(), &head->lock, me->thread + 1);
    unlink_token(token);
    /* The last Free of a token that processes share is judged first, and named. */
    if (deferred)
        put_first(token);
    arena_unlock(&head->lock);
}

struct arena_token *tokens_add(struct self *me, const struct event *event, arena_id stack) {
    const struct event_region *region = event->region;
    struct arena_head *head = arena_here()->head;
    struct arena_token *token = arena_new(arena_here(), token_size(region->segment_count));
    if (token == NULL)
        return NULL;
    arena_lock(arena_here(), &head->lock, me->thread + 1);
    uint32_t file = file_index(region);
    if (file < ARENA_FILES) {
        token->handle = event->token;
        token->process = source_process.process;
        token->file = file;
        token->got = stack;
        token->internal = (event->effect & EFFECT_INTERNAL) != 0;
        token->forks = atomic_load(&source_process.forks);
        token->segment_count = (uint32_t)region->segment_count;
        for (size_t i = 0; i < region->segment_count; i++)
            token->segments[i] = (struct arena_segment){.address = region->segments[i].address,
                                                        .length = region->segments[i].length,
                                                        .offset = region->segments[i].offset};
        publish(token);
    }
    arena_unlock(&head->lock);
    if (file >= ARENA_FILES)
        return NULL;
    if (regions_wanted())
        regions_add(me, token);
    return token;
}

/* The newest record of a handle in one process. */
static struct arena_token *find_in(uint64_t handle, uint32_t process) {
    uint64_t links = 0;
    for (arena_id id = atomic_load(bucket_of(handle));
         id != 0 && arena_follow(arena_here(), &links);) {
        struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
        if (token == NULL || (token->handle == handle && token->process == process))
            return token;
        id = token->next;
    }
    return NULL;
}

/* A forked child's own record of a token that it inherited: either may free its token while the
   other goes on. */
static struct arena_token *inherit(struct self *me, const struct arena_token *from) {
    struct arena_head *head = arena_here()->head;
    struct arena_token *token = arena_new(arena_here(), token_size(from->segment_count));
    if (token == NULL)
        return NULL;
    *token = *from;
    for (uint32_t i = 0; i < from->segment_count; i++)
        token->segments[i] = from->segments[i];
    token->process = source_process.process;
    token->inherited = 1;
    token->forks = token->deferred = 0;
    atomic_store(&token->freed, 0);
    arena_lock(arena_here(), &head->lock, me->thread + 1);
    publish(token);
    arena_unlock(&head->lock);
    return token;
}

struct arena_token *tokens_find(struct self *me, uint64_t handle) {
    const struct arena_head *head = arena_here()->head;
    struct arena_token *own = find_in(handle, source_process.process);
    if (own != NULL)
        return own;
    uint32_t parent = head->processes[source_process.process].parent;
    for (unsigned steps = 0; parent != 0 && steps < ARENA_PROCESSES; steps++) {
        const struct arena_token *theirs = find_in(handle, parent - 1);
        if (theirs != NULL)
            return inherit(me, theirs);
        parent = head->processes[parent - 1].parent;
    }
    return NULL;
}

void tokens_stretches(const struct arena_token *token, uintptr_t address, uint64_t length,
                      tokens_visit *visit, void *context) {
    for (uint32_t i = 0; i < token->segment_count; i++) {
        const struct arena_segment *segment = &token->segments[i];
        uint64_t from = address > segment->address ? address : segment->address;
        uint64_t end = address + length, segment_end = segment->address + segment->length;
        uint64_t to = end < segment_end ? end : segment_end;
        if (from >= to)
            continue;
        const struct stretch stretch = {.file = token->file,
                                        .offset = segment->offset + (from - segment->address),
                                        .length = to - from,
                                        .address = from};
        visit(context, &stretch);
    }
}

/* Is it this process, or one that this one was forked from? */
static bool is_kin(uint32_t process) {
    const struct arena_process *processes = arena_here()->head->processes;
    uint32_t at = source_process.process;
    for (uint32_t steps = 0; at < ARENA_PROCESSES && steps < ARENA_PROCESSES; steps++) {
        if (at == process)
            return true;
        at = processes[at].parent - 1;
    }
    return false;
}

static void visit_live(struct self *me, bool kin, tokens_use *use, void *context) {
    const struct arena_head *head = arena_here()->head;
    for (uint32_t i = 0; i < atomic_load(&head->file_count); i++) {
        uint64_t links = 0;
        for (arena_id id = atomic_load(&head->files[i].tokens);
             id != 0 && arena_follow(arena_here(), &links);) {
            struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
            if (token == NULL)
                break;
            id = atomic_load(&token->sibling);
            if (atomic_load(&token->freed) == 0 &&
                (kin ? is_kin(token->process) : token->process == source_process.process))
                use(me, token, context);
        }
    }
}

void tokens_each_live(struct self *me, tokens_use *use, void *context) {
    visit_live(me, false, use, context);
}

void tokens_each_kin(struct self *me, tokens_use *use, void *context) {
    visit_live(me, true, use, context);
}

/* Takes the segments of live tokens, from id and segment on, out of the stretch. Of the two sides
   of a segment the smaller one is a call of its own: so there are never many inside each other. */
static void cut(const struct arena_token *ending, struct stretch rest, arena_id id, uint32_t from,
                tokens_visit *visit, void *context) {
    for (uint64_t links = 0; id != 0 && rest.length != 0 && arena_follow(arena_here(), &links);) {
        const struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
        if (token == NULL)
            break;
        bool covers = token != ending && atomic_load(&token->freed) == 0 && !token->internal &&
                      process_lives(token->process);
        for (uint32_t i = from; covers && i < token->segment_count && rest.length != 0; i++) {
            const struct arena_segment *segment = &token->segments[i];
            uint64_t end = rest.offset + rest.length, stop = segment->offset + segment->length;
            if (stop <= rest.offset || segment->offset >= end)
                continue;
            struct stretch side = rest;
            side.length = segment->offset > rest.offset ? segment->offset - rest.offset : 0;
            rest.length = stop < end ? end - stop : 0;
            rest.address += stop - rest.offset;
            rest.offset = stop;
            if (side.length > rest.length) {
                const struct stretch larger = side;
                side = rest;
                rest = larger;
            }
            if (side.length != 0)
                cut(ending, side, id, i + 1, visit, context);
        }
        id = atomic_load(&token->sibling);
        from = 0;
    }
    if (rest.length != 0)
        visit(context, &rest);
}

void tokens_uncovered(const struct arena_token *ending, const struct stretch *stretch,
                      tokens_visit *visit, void *context) {
    const struct arena_file *file = &arena_here()->head->files[stretch->file];
    cut(ending, *stretch, atomic_load(&file->tokens), 0, visit, context);
}
