/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording. For each page that a call stored to a shadow holds what the log explains: the content
   of a line before its first store, then every store that was told. Where memory differs from it at
   the next call, something has changed the line that nobody told of, and that becomes a store too.
   So a program that stores through pointers and flushes by the routines is taken at its word. Where
   stores are found by what pages hold, the shadows are those of that source (record_found.c). */
#include "source/record.h"

#include <string.h>

#include "arena/stream.h"
#include "base/bits.h"
#include "source/content.h"
#include "source/recorder.h"
#include "source/regions.h"
#include "source/stack.h"
#include "source/sync.h"
#include "source/tokens.h"

bool record_wanted(void) {
    return source_process.arena.head->log.on != 0;
}

bool record_before(const struct event *event) {
    bool flushes = event->kind == EVENT_FLUSHING && event->told != NULL && event->length != 0 &&
                   event->effect == EFFECT_LOADED;
    return event->kind == EVENT_STORING ||
           (flushes && source_process.hooked && arena_here()->head->log.on == LOG_TRACE);
}

void record_deferred(bool waits) {
    struct arena_log *log = &arena_here()->head->log;
    if (log->on)
        atomic_fetch_add(&log->deferred, waits ? 1u : UINT32_MAX);
}

void recorder_append(const struct act *act, enum log_kind kind, uint32_t file, uint64_t offset,
                     uint64_t length, const void *bytes, size_t size) {
    const struct log_record record = {.kind = kind,
                                      .thread = act->me->thread,
                                      .file = file,
                                      .size = (uint32_t)size,
                                      .stack = act->stack,
                                      .offset = offset,
                                      .length = length};
    if (arena_here()->head->log.on == LOG_TRACE)
        stream_append(arena_here(), &record, size != 0 ? bytes : "");
    else
        log_append(arena_here(), &record, size != 0 ? bytes : "");
}

static void append_share(const struct act *act, enum log_kind kind, const struct share *share,
                         uint32_t from, uint32_t to) {
    recorder_append(act, kind, share->file, share->offset + from, to - from, share->shadow + from,
                    to - from);
}

/* Word by word: what was stored a moment ago is still on its way to the cache, and a CPU hands it
   to a load that is no wider than the store. */
static bool is_same(const uint8_t *shadow, const uint8_t *memory) {
    const volatile uint64_t *before = (const volatile uint64_t *)(const void *)shadow;
    const volatile uint64_t *now = (const volatile uint64_t *)(const void *)memory;
    uint64_t differs = 0;
    for (unsigned i = 0; i < MODEL_LINE_SIZE / sizeof *now; i++)
        differs |= before[i] ^ now[i];
    return differs == 0;
}

/* The lines of the share that the log explains. A trace has told all that its regions held at Get,
   so what is not based are zeros; else such lines are none of the log's business, and survive as
   they are. */
static uint64_t explained(const struct share *share) {
    uint64_t lines = recorder_lines(share->from, share->to);
    return arena_here()->head->log.on == LOG_TRACE ? lines : share->page->based & lines;
}

/* Tells of the explained lines of the share that have changed untold. */
static void look(const struct act *act, struct share *share) {
    static _Alignas(MODEL_LINE_SIZE) const uint8_t zeros[MODEL_LINE_SIZE];
    uint64_t lines = explained(share);
    if (pages_wanted()) /* it was found before */
        return;
    uint64_t storing = source_process.hooked ? lines & share->page->storing : 0;
    if (storing != 0)
        batch_take_others(act->me, share->page, share->shadow, share->memory, storing);
    lines &= ~storing; /* who is storing there will tell */
    for (; lines != 0; lines &= lines - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(lines) * MODEL_LINE_SIZE;
        bool based = (share->page->based & lines & -lines) != 0;
        if (is_same(based ? share->shadow + at : zeros, share->memory + at))
            continue;
        memcpy(share->shadow + at, share->memory + at, MODEL_LINE_SIZE);
        append_share(act, LOG_UNSEEN, share, at, at + MODEL_LINE_SIZE);
        share->page->based |= lines & -lines;
    }
}

/* A page of a new file is mostly nothing but zeros: one short record tells it for all its lines. */
static bool tell_empty(const struct act *act, const struct share *share) {
    static const uint8_t zeros[MODEL_PAGE_SIZE];
    if (share->page->based != 0 || memcmp(share->memory, zeros, MODEL_PAGE_SIZE) != 0)
        return false;
    recorder_append(act, LOG_BASE, share->file, share->offset, MODEL_PAGE_SIZE, NULL, 0);
    share->page->based = UINT64_MAX;
    return true;
}

void recorder_base(const struct act *act, const struct share *share) {
    uint64_t lines = recorder_lines(share->from, share->to) & ~share->page->based;
    if (lines != 0 && tell_empty(act, share))
        return;
    while (lines != 0) {
        uint32_t first = (uint32_t)__builtin_ctzll(lines), end = first;
        while (end < MODEL_PAGE_LINES && (lines & UINT64_C(1) << end))
            end++;
        uint32_t from = first * MODEL_LINE_SIZE, to = end * MODEL_LINE_SIZE;
        if (share->shadow != share->memory)
            memcpy(share->shadow + from, share->memory + from, to - from);
        append_share(act, LOG_BASE, share, from, to);
        /* Only now: who sees the bit finds the record. */
        share->page->based |= recorder_lines(from, to);
        lines &= ~recorder_lines(from, to);
    }
}

static void tell_store(const struct act *act, struct share *share) {
    uint64_t lines = recorder_lines(share->from, share->to);
    if ((share->page->based & lines) != lines)
        return; /* the call was not announced */
    memcpy(share->shadow + share->from, share->memory + share->from, share->to - share->from);
    append_share(act, act->kind, share, share->from, share->to);
    share->page->storing &= ~lines;
}

/* What a page holds that was not seen before; zeros go without saying. */
static void tell_all(const struct act *act, struct share *share) {
    static const uint8_t zeros[MODEL_PAGE_SIZE];
    if (memcmp(share->memory + share->from, zeros, share->to - share->from) != 0)
        recorder_base(act, share);
}

static void act_on_share(struct act *act, struct share *share) {
    bool tells = act->event->kind == EVENT_STORE && act->kind != LOG_FLUSH;
    if (act->event->kind == EVENT_GET) {
        tell_all(act, share);
    } else if (act->event->kind == EVENT_STORING) {
        look(act, share);
        recorder_base(act, share);
        share->page->storing |= recorder_lines(share->from, share->to);
    } else if (tells && !act->late) {
        tell_store(act, share);
    } else {
        look(act, share);
    }
}

static uint8_t *shadow_of(struct self *me, struct model_page *page, bool make) {
    if (pages_wanted()) {
        struct shadow_chunk *chunk =
            pages_chunk(me, page->file, page->index / SHADOW_CHUNK_PAGES, make);
        struct shadow_page *shadow =
            chunk != NULL
                ? pages_page(page->file, chunk, (uint32_t)(page->index % SHADOW_CHUNK_PAGES), make)
                : NULL;
        return shadow != NULL ? shadow->bytes : NULL;
    }
    if (page->shadow == 0 && make)
        page->shadow = arena_id_of(arena_here(), arena_new(arena_here(), MODEL_PAGE_SIZE));
    return arena_at(arena_here(), page->shadow, MODEL_PAGE_SIZE);
}

/* Has the call read the memory that it is about, so that it need not be asked for? */
static bool is_loaded(const struct act *act) {
    const struct event *event = act->event;
    bool names = event->kind == EVENT_STORING || event->kind == EVENT_FLUSHING ||
                 event->kind == EVENT_FLUSH || event->kind == EVENT_FLUSH_RANGES;
    return !act->late && !act->raw &&
           (event->kind == EVENT_STORE || (names && (event->effect & EFFECT_LOADED) != 0));
}

static void act_on_page(struct act *act, const struct stretch *stretch, uint64_t index) {
    uint64_t start = index * MODEL_PAGE_SIZE, end = stretch->offset + stretch->length;
    bool make = act->event->kind == EVENT_STORING || act->event->kind == EVENT_GET;
    uintptr_t address = stretch->address + (uintptr_t)(start - stretch->offset);
    struct model_page *page = regions_page(address);
    if (page == NULL || page->file != stretch->file || page->index != index)
        page = arena_page(arena_here(), stretch->file, index, make);
    if (page == NULL)
        return;
    struct share share = {
        .page = page,
        .memory = (const uint8_t *)address,
        .offset = start,
        .file = stretch->file,
        .from = (uint32_t)(stretch->offset > start ? stretch->offset - start : 0),
        .to = (uint32_t)(end - start < MODEL_PAGE_SIZE ? end - start : MODEL_PAGE_SIZE)};
    bool new = atomic_load_explicit(&page->owner, memory_order_relaxed) == 0;
    recorder_lock(act->me, page, address);
    share.shadow = shadow_of(act->me, page, make);
    if (share.shadow != NULL &&
        (is_loaded(act) || act->me->batch.there == address || content_readable(address)))
        act_on_share(act, &share);
    /* Who makes a token looks at its pages; they belong to who stores there first. */
    if (new && act->event->kind == EVENT_GET && atomic_load(&page->owner) == act->me->thread + 1)
        atomic_store(&page->owner, 0);
    recorder_unlock(act->me, page);
}

static void tell_flush(struct act *act) {
    const struct log_range *first = &act->me->ranges[0];
    uint32_t count = act->range_count;
    act->range_count = 0;
    if (count != 0)
        recorder_append(act, act->kind, act->range_file, first->offset, first->length, first + 1,
                        (count - 1) * sizeof *first);
}

/* Between two flushes nothing happens that a cut could tell apart, so they share a record. */
static void add_flush(struct act *act, const struct stretch *stretch) {
    if (act->range_count == ARRAY_LENGTH(act->me->ranges) || act->range_file != stretch->file)
        tell_flush(act);
    act->range_file = stretch->file;
    act->me->ranges[act->range_count++] =
        (struct log_range){.offset = stretch->offset, .length = stretch->length};
}

void recorder_stretch(void *context, const struct stretch *stretch) {
    struct act *act = context;
    uint64_t last = (stretch->offset + stretch->length - 1) / MODEL_PAGE_SIZE;
    for (uint64_t index = stretch->offset / MODEL_PAGE_SIZE; index <= last; index++)
        act_on_page(act, stretch, index);
    if (act->kind == LOG_FLUSH || act->kind == LOG_CLFLUSH)
        add_flush(act, stretch);
    if (act->kind == LOG_SETTLE)
        recorder_append(act, act->kind, stretch->file, stretch->offset, stretch->length, NULL, 0);
}

/* A thread's number is not given away while it has something to drain. Nobody else asks meanwhile:
   so not by an instruction with a lock, which would wait for the write-backs that are under way. */
static void note_pending(const struct self *me, bool pending) {
    atomic_store_explicit(&arena_here()->head->threads[me->thread].pending, pending,
                          memory_order_relaxed);
}

static void flush(struct act *act, uintptr_t address, uint64_t length) {
    act->kind = LOG_FLUSH;
    if (act->token == NULL || length == 0)
        return;
    tokens_stretches(act->token, address, length, recorder_stretch, act);
    note_pending(act->me, true);
}

static void store(struct act *act) {
    const struct event *event = act->event;
    bool stream = (event->effect & EFFECT_STREAM) != 0;
    /* The library has chosen its instructions so that its drain waits for them on this CPU. */
    bool traces = arena_here()->head->log.on == LOG_TRACE;
    act->kind = !stream ? LOG_STORE : traces ? LOG_DIRECT : LOG_STREAM;
    if (act->token == NULL || event->length == 0)
        return;
    tokens_stretches(act->token, event->address, event->length, recorder_stretch, act);
    if (event->kind == EVENT_STORE && ((event->effect & EFFECT_FLUSH) || act->late))
        flush(act, event->address, event->length);
    else if (event->kind == EVENT_STORE && stream)
        note_pending(act->me, true);
}

void record_got(struct self *me, const struct arena_token *token, arena_id stack) {
    static const struct event got = {.kind = EVENT_GET};
    struct act act = {.me = me, .event = &got, .stack = stack};
    const struct arena_file *file = &arena_here()->head->files[token->file];
    recorder_append(&act, LOG_GET, token->file,
                    token->segments[0].address - token->segments[0].offset, atomic_load(&file->end),
                    NULL, 0);
    if (pages_wanted())
        pages_got(me, token);
    else if (arena_here()->head->log.on == LOG_TRACE)
        tokens_stretches(token, 0, UINT64_MAX, recorder_stretch, &act);
}

void record_unmapping(struct self *me, uintptr_t address, size_t length) {
    record_settle(me);
    batch_take_range(me, address, length);
}

static void end_token(const struct act *act) {
    for (uint32_t i = 0; i < act->token->segment_count; i++)
        batch_take_range(act->me, act->token->segments[i].address, act->token->segments[i].length);
    tokens_end(act->me, act->token, act->stack, false);
}

static void mark(struct act *act) {
    const struct event *event = act->event;
    /* The words of a handler are gone by the time its mark is told. */
    size_t size = event->text != NULL && !act->late ? strnlen(event->text, LOG_TEXT) : 0;
    recorder_append(act, LOG_MARK, 0, event->id, event->mark, event->text, size);
}

static void act_on_memory(struct act *act, uintptr_t address, size_t length) {
    regions_stretches(address, length, recorder_stretch, act);
}

/* loaded: the call has just read what it names. */
static void settle_before(struct self *me, const struct event *event, bool loaded) {
    me->batch.there = 0;
    if (batch_waits(me))
        batch_settle(me, event->address, loaded ? event->length : 0);
    record_settle(me);
}

void record_settle(struct self *me) {
    me->batch.there = 0;
    if (batch_waits(me))
        batch_settle(me, 0, 0);
    if (LIKELY(me->storing.length == 0))
        return;
    static const struct event stored = {.kind = EVENT_STORE};
    struct act act = {.me = me,
                      .event = &stored,
                      .kind = (enum log_kind)me->storing.kind,
                      .stack = me->storing.stack,
                      .raw = true};
    size_t length = me->storing.length;
    me->storing.length = 0;
    act_on_memory(&act, me->storing.address, length);
    batch_forget_other(me);
}

/* Most stores go to one line that the log has already: then nothing need be read. */
static bool begin_known(const struct act *act, uintptr_t address, size_t length) {
    uint32_t from = (uint32_t)(address % MODEL_PAGE_SIZE);
    /* It notes the page, for who comes next. */
    struct model_page *page =
        length <= MODEL_PAGE_SIZE - from ? regions_record(act->me, address) : NULL;
    if (page == NULL)
        return false;
    uint64_t lines = recorder_lines(from, from + (uint32_t)length);
    recorder_lock(act->me, page, address - from);
    bool known =
        page->shadow != 0 && (page->based & lines) == lines && (page->storing & lines) == 0;
    if (known)
        page->storing |= lines;
    recorder_unlock(act->me, page);
    return known;
}

/* The lines are told of, and wait for what will be stored to them. */
static void begin_store(struct act *act, uintptr_t address, size_t length) {
    static const struct event storing = {.kind = EVENT_STORING};
    if (begin_known(act, address, length))
        return;
    act->event = &storing;
    act->raw = true;
    act_on_memory(act, address, length);
}

static void raw_store(struct act *act) {
    const struct event *event = act->event;
    bool stream = (event->effect & EFFECT_STREAM) != 0, flush = (event->effect & EFFECT_FLUSH) != 0;
    enum log_kind kind = (event->effect & EFFECT_LOCKED) != 0 ? LOG_ATOMIC
                         : stream && flush                    ? LOG_DIRECT
                         : stream                             ? LOG_STREAM
                                                              : LOG_STORE;
    struct self *me = act->me;
    begin_store(act, event->address, event->length);
    me->storing.address = event->address;
    me->storing.length = event->length;
    me->storing.kind = kind;
    me->storing.stack = act->stack;
    batch_begin(me);
    batch_note_other(me);
    if (stream)
        note_pending(me, true);
}

static void raw_flush(struct act *act) {
    uintptr_t line = align_down(act->event->address, MODEL_LINE_SIZE);
    act->kind = (act->event->effect & EFFECT_DRAIN) != 0 ? LOG_CLFLUSH : LOG_FLUSH;
    act->raw = true;
    regions_stretches(line, MODEL_LINE_SIZE, recorder_stretch, act);
    tell_flush(act);
    note_pending(act->me, true);
}

static void drain(struct act *act) {
    if (atomic_load(&arena_here()->head->threads[act->me->thread].pending) == 0)
        return;
    note_pending(act->me, false);
    recorder_append(act, LOG_DRAIN, 0, 0, 0, NULL, 0);
}

void record_raw(struct self *me, const struct event *event, arena_id stack) {
    struct act act = {.me = me, .event = event, .stack = stack};
    record_settle(me);
    if (event->kind == EVENT_RAW_STORE && event->length != 0)
        raw_store(&act);
    else if (event->kind == EVENT_RAW_FLUSH)
        raw_flush(&act);
    else if (event->kind == EVENT_RAW_DRAIN)
        drain(&act);
}

bool record_attempt(struct self *me, uintptr_t address, size_t length, arena_id stack,
                    bool (*attempt)(void *context), void *context) {
    struct act act = {.me = me, .stack = stack};
    record_settle(me);
    begin_store(&act, address, length);
    if (!attempt(context)) {
        drain(&act);
        return false;
    }
    me->storing.address = address;
    me->storing.length = length;
    me->storing.kind = LOG_ATOMIC;
    me->storing.stack = stack;
    record_settle(me);
    return true;
}

/* What the program has stored by itself comes before what it does now: all of that where something
   may become durable or a mark stands, else what the call names. */
static void look_for_stores(const struct act *act) {
    const struct event *event = act->event;
    const struct event_range *ranges = (const struct event_range *)event->address;
    bool all = (event->effect & EFFECT_DRAIN) != 0 || event->kind == EVENT_MARK ||
               event->kind == EVENT_RETRY || event->kind == EVENT_FREE;
    if (all)
        pages_interval(act->me, act->stack);
    /* Of what other processes have stored only what is named is looked at. */
    if (act->token == NULL || (all && !pages_shared()))
        return;
    if (event->kind == EVENT_STORING || event->kind == EVENT_FLUSH)
        pages_find(act->me, act->token, event->address, event->length, act->stack);
    for (size_t i = 0; event->kind == EVENT_FLUSH_RANGES && i < event->length; i++)
        pages_find(act->me, act->token, (uintptr_t)ranges[i].address, ranges[i].length, act->stack);
}

void record_handle(struct self *me, const struct event *event, bool late) {
    struct act act = {.me = me, .event = event, .late = late};
    bool flushes = event->kind == EVENT_FLUSHING || event->kind == EVENT_FLUSH;
    settle_before(me, event, flushes && is_loaded(&act));
    if (event->kind >= EVENT_RAW_STORE) {
        record_raw(me, event, stack_of_site(event->caller));
        return;
    }
    if (arena_here()->head->log.on == LOG_TRACE && event->kind != EVENT_STORING)
        act.stack =
            late ? stack_of_site(event->caller) : stack_id(&me->cache, event->caller, event->frame);
    const struct event_range *ranges = (const struct event_range *)event->address;
    if (event->kind != EVENT_GET && event->token != 0)
        act.token = tokens_find(me, event->token);
    if (pages_wanted() && !late)
        look_for_stores(&act);
    const struct arena_token *made =
        event->kind == EVENT_GET ? tokens_add(me, event, act.stack) : NULL;
    if (made != NULL)
        record_got(me, made, act.stack);
    else if (event->kind == EVENT_FREE && act.token != NULL)
        end_token(&act);
    else if (event->kind == EVENT_STORING || event->kind == EVENT_STORE)
        store(&act);
    else if (flushes && (event->effect & EFFECT_TOLD) == 0)
        flush(&act, event->address, event->length);
    else if (event->kind == EVENT_RETRY)
        recorder_retry(&act);
    else if (event->kind == EVENT_MARK)
        mark(&act);
    for (size_t i = 0; event->kind == EVENT_FLUSH_RANGES && i < event->length; i++)
        flush(&act, (uintptr_t)ranges[i].address, ranges[i].length);
    tell_flush(&act);
    if (event->kind == EVENT_FLUSHING)
        *event->told = true;
    if (event->effect & EFFECT_DRAIN) {
        note_pending(me, false);
        recorder_append(&act, LOG_DRAIN, 0, 0, 0, NULL, 0);
    }
}
