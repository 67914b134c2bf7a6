/* SPDX-License-Identifier: BSD-2-Clause */
#include "soak/actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/seed.h"

#define NEED(actor, condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: thread %zu, call %llu: %s\n", __FILE__, __LINE__,              \
                    (actor)->number, (unsigned long long)(actor)->calls, #condition);              \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static size_t roll(struct actor *actor, size_t sides) {
    return (size_t)((random_next(&actor->seed) >> 16) % sides);
}

/* Where in its file the piece of an actor begins. */
static size_t piece_offset(const struct actor *actor, size_t piece) {
    return (piece * ACTORS + actor->number) * PIECE;
}

/* A range of the actor's own bytes. */
struct own_range {
    size_t file, view, piece, start, size;
};

static struct own_range pick_range(struct actor *actor) {
    struct own_range range = {.file = roll(actor, FILES),
                              .view = roll(actor, VIEWS),
                              .piece = roll(actor, PIECES),
                              .start = roll(actor, PIECE)};
    size_t most = PIECE - range.start;
    range.size = roll(actor, 8) == 0 ? most : 1 + roll(actor, most < 100 ? most : 100);
    return range;
}

static size_t offset_of(const struct actor *actor, const struct own_range *range) {
    return piece_offset(actor, range->piece) + range->start;
}

static unsigned char *address_of(const struct actor *actor, const struct own_range *range) {
    return files_view(range->file, range->view) + offset_of(actor, range);
}

static void set_state(struct actor *actor, const struct own_range *range, enum byte_state state) {
    memset(actor->state[range->file] + range->piece * PIECE + range->start, state, range->size);
}

/* Did the call pass? Else its status is one that an injected fault explains. */
static bool note_status(struct actor *actor, NTSTATUS status) {
    bool passed = status == STATUS_SUCCESS;
    actor->succeeded += passed;
    actor->failed += !passed;
    if (!passed && status != STATUS_IO_DEVICE_ERROR && status != STATUS_DISK_FULL &&
        status != STATUS_DEVICE_BUSY && status != STATUS_INSUFFICIENT_RESOURCES) {
        fprintf(stderr, "%s\n", NvRtlStatusText(status));
        NEED(actor, !"a fault's status");
    }
    return passed;
}

/* After a drain that succeeded: what was flushed is on the medium; after a retry all is. */
static void check_file(struct actor *actor, size_t file, bool all) {
    actor->drains++;
    for (size_t piece = 0; piece < PIECES; piece++) {
        size_t offset = piece_offset(actor, piece);
        const unsigned char *state = actor->state[file] + piece * PIECE;
        for (size_t at = 0, end; at < PIECE; at = end) {
            end = at + 1;
            while (end < PIECE && state[end] == state[at])
                end++;
            if (all || state[at] == BYTE_FLUSHED)
                NEED(actor, files_hold(file, offset + at, end - at));
        }
    }
}

static void check_files(struct actor *actor) {
    for (size_t file = 0; file < FILES; file++)
        check_file(actor, file, false);
}

/* A token for a range of a view: the view's own, one of a part that holds it, or none. */
static PVOID pick_token(struct actor *actor, const struct own_range *range) {
    size_t offset = offset_of(actor, range);
    const struct extra_token *extra = &actor->extra[roll(actor, EXTRA_TOKENS)];
    if (extra->token != NULL && extra->file == range->file && extra->view == range->view &&
        extra->offset <= offset && offset + range->size <= extra->offset + extra->size)
        return extra->token;
    return roll(actor, 10) == 0 ? (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN
                                : actor->tokens[range->file][range->view];
}

static bool is_default(PVOID token) {
    return (uintptr_t)token == FLUSH_NV_MEMORY_DEFAULT_TOKEN;
}

/* What a drain by this token, with success, means. */
static void check_drained(struct actor *actor, PVOID token, size_t file) {
    if (is_default(token))
        check_files(actor);
    else
        check_file(actor, file, false);
}

static void store(struct actor *actor) {
    static const ULONG flags[] = {0, 0x100, 0x1, 0x101, 0x2, 0x102, 0x3, 0x103};
    unsigned char source[PIECE], byte = (unsigned char)roll(actor, 256);
    struct own_range range = pick_range(actor);
    PVOID token = pick_token(actor, &range);
    unsigned char *address = address_of(actor, &range);
    ULONG wish = flags[roll(actor, sizeof flags / sizeof flags[0])];
    bool fill = roll(actor, 2) == 0;
    for (size_t i = 0; i < range.size; i++)
        source[i] = fill ? byte : (unsigned char)roll(actor, 256);
    set_state(actor, &range, BYTE_UNKNOWN);
    NTSTATUS status = fill ? RtlFillNonVolatileMemory(token, address, range.size, byte, wish)
                           : RtlWriteNonVolatileMemory(token, address, source, range.size, wish);
    /* With the default token it is also Get that may fail, before anything is stored. */
    bool passed = note_status(actor, status);
    NEED(actor, (!passed && is_default(token)) || memcmp(address, source, range.size) == 0);
    if (!passed || (wish & 3) == 0)
        return;
    set_state(actor, &range, BYTE_FLUSHED);
    if ((wish & 3) == 3 || wish == WRITE_NV_MEMORY_FLAG_FLUSH)
        check_file(actor, range.file, false);
}

static void flush(struct actor *actor) {
    struct own_range range = pick_range(actor);
    PVOID token = pick_token(actor, &range);
    ULONG flags = roll(actor, 2) == 0 ? FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN : 0;
    NTSTATUS status =
        RtlFlushNonVolatileMemory(token, address_of(actor, &range), range.size, flags);
    if (!note_status(actor, status))
        return;
    set_state(actor, &range, BYTE_FLUSHED);
    if (flags == 0)
        check_file(actor, range.file, false);
}

static void flush_ranges(struct actor *actor) {
    struct own_range range[4];
    NV_MEMORY_RANGE told[4];
    ULONG flags = roll(actor, 2) == 0 ? FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN : 0;
    size_t count = roll(actor, 5);
    for (size_t i = 0; i < count; i++) {
        range[i] = pick_range(actor);
        range[i].file = range[0].file;
        range[i].view = range[0].view;
        told[i] = (NV_MEMORY_RANGE){address_of(actor, &range[i]), range[i].size};
    }
    size_t file = count == 0 ? 0 : range[0].file;
    PVOID token = actor->tokens[file][count == 0 ? 0 : range[0].view];
    if (!note_status(actor, RtlFlushNonVolatileMemoryRanges(token, told, count, flags)))
        return;
    for (size_t i = 0; i < count; i++)
        set_state(actor, &range[i], BYTE_FLUSHED);
    if (flags == 0)
        check_file(actor, file, false);
}

static void drain(struct actor *actor) {
    struct own_range range = pick_range(actor);
    PVOID token = pick_token(actor, &range);
    if (note_status(actor, RtlDrainNonVolatileFlush(token)))
        check_drained(actor, token, range.file);
}

static void retry(struct actor *actor) {
    size_t file = roll(actor, FILES);
    if (note_status(actor, NvRtlRetryToken(actor->tokens[file][roll(actor, VIEWS)])))
        check_file(actor, file, true);
}

static void read_back(struct actor *actor) {
    unsigned char bytes[PIECE];
    struct own_range range = pick_range(actor);
    unsigned char *address = address_of(actor, &range);
    PVOID token = actor->tokens[range.file][range.view];
    NEED(actor, NvRtlReadNonVolatileMemory(token, bytes, address, range.size) == STATUS_SUCCESS);
    NEED(actor, memcmp(bytes, address, range.size) == 0);
}

static void query(struct actor *actor) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    size_t file = roll(actor, FILES), view = roll(actor, VIEWS);
    NEED(actor, NvRtlQueryToken(actor->tokens[file][view], &info) == STATUS_SUCCESS);
    NEED(actor, info.domain == NVRTL_DOMAIN_PAGE_CACHE && info.length == FILE_SIZE &&
                    info.base == files_view(file, view));
}

/* Ends the token if there is one; a call with what is left of it is refused. */
static void free_token(struct actor *actor, PVOID *token) {
    PVOID old = *token;
    *token = NULL;
    if (old == NULL)
        return;
    NEED(actor, RtlFreeNonVolatileToken(old) == STATUS_SUCCESS);
    NEED(actor, RtlDrainNonVolatileFlush(old) == STATUS_INVALID_PARAMETER);
}

static bool get_token(struct actor *actor, unsigned char *base, size_t size, PVOID *token) {
    return note_status(actor, RtlGetNonVolatileToken(base, size, token));
}

static void renew_extra(struct actor *actor) {
    struct extra_token *extra = &actor->extra[roll(actor, EXTRA_TOKENS)];
    free_token(actor, &extra->token);
    extra->file = roll(actor, FILES);
    extra->view = roll(actor, VIEWS);
    extra->offset = roll(actor, FILE_SIZE - 1);
    extra->size = 1 + roll(actor, FILE_SIZE - extra->offset);
    get_token(actor, files_view(extra->file, extra->view) + extra->offset, extra->size,
              &extra->token);
}

static void renew(struct actor *actor) {
    size_t file = roll(actor, FILES), view = roll(actor, VIEWS);
    free_token(actor, &actor->tokens[file][view]);
    while (!get_token(actor, files_view(file, view), FILE_SIZE, &actor->tokens[file][view]))
        continue;
}

void actor_run(struct actor *actor, uint64_t calls) {
    /* As often as their numbers. */
    static const struct {
        void (*call)(struct actor *actor);
        unsigned share;
    } acts[] = {{store, 50},    {flush, 16}, {flush_ranges, 8}, {drain, 10}, {retry, 6},
                {read_back, 3}, {query, 2},  {renew_extra, 4},  {renew, 1}};
    for (uint64_t i = 0; i < calls; i++) {
        size_t chance = roll(actor, 100), act = 0;
        while (chance >= acts[act].share)
            chance -= acts[act++].share;
        actor->calls++;
        acts[act].call(actor);
    }
}

bool actor_start(struct actor *actor, size_t number, uint64_t seed) {
    memset(actor, 0, sizeof *actor);
    actor->number = number;
    actor->seed = seed;
    for (size_t file = 0; file < FILES; file++) {
        for (size_t view = 0; view < VIEWS; view++) {
            if (!get_token(actor, files_view(file, view), FILE_SIZE, &actor->tokens[file][view]))
                return false;
        }
    }
    return true;
}

void actor_settle(struct actor *actor) {
    for (size_t file = 0; file < FILES; file++) {
        /* At once: a retry takes what each view is owed before it waits. */
        NEED(actor, NvRtlRetryToken(actor->tokens[file][0]) == STATUS_SUCCESS);
        check_file(actor, file, true);
    }
}

void actor_end(struct actor *actor) {
    for (size_t i = 0; i < EXTRA_TOKENS; i++)
        free_token(actor, &actor->extra[i].token);
    for (size_t file = 0; file < FILES; file++) {
        for (size_t view = 0; view < VIEWS; view++)
            free_token(actor, &actor->tokens[file][view]);
    }
}
