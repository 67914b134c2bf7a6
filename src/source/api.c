/* SPDX-License-Identifier: BSD-2-Clause */
/* The `api` source: what the routines tell about themselves becomes state and findings. */
#include "source/api.h"
#include "source/code.h"
#include "source/commit.h"
#include "source/content.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/lines.h"
#include "source/pages.h"
#include "source/plain.h"
#include "source/preimage.h"
#include "source/regions.h"
#include "source/tokens.h"

/* One event on its way through the model. */
struct act {
    struct self *me;
    const struct event *event;
    struct arena_token *token;
    struct model_actor actor;
    enum model_way way; /* of a store */
    bool flush, late;
    bool looked;              /* at the lines, before they were flushed */
    bool sought;              /* pages of the stretch whose stores nobody told of */
    bool pages;               /* the flush counts for whole pages too */
    struct pages_found found; /* needed: a line of the flush was neither clean nor flushed before */
};

static struct arena *arena_here(void) {
    return &source_process.arena;
}

/* Reports that this very call is the finding. */
static void report(const struct act *act, enum kind kind) {
    const struct event *event = act->event;
    struct arena_finding finding = {.kind = kind,
                                    .file = act->token != NULL ? act->token->file + 1 : 0,
                                    .call = event->call,
                                    .at = act->actor.stack,
                                    .value = event->address,
                                    .bytes = event->length};
    if (kind == KIND_BAD_TOKEN) {
        finding.value = event->token;
        finding.related[0] = act->token != NULL ? atomic_load(&act->token->freed) : 0;
        finding.roles[0] = finding.related[0] != 0 ? ARENA_ROLE_FREED : ARENA_ROLE_NONE;
    }
    arena_report(arena_here(), &finding);
}

static void lock_page(struct act *act, struct model_page *page) {
    arena_lock_page(arena_here(), page, act->me->thread + 1);
}

/* One page's share of an act. */
struct part {
    struct pages_share share;
    struct model_page *page;    /* NULL: the model does not have it */
    struct shadow_page *shadow; /* NULL: nobody looks for direct stores, or there were none */
    bool readable;
};

/* What the program stored into a line by itself shows in what it holds now. */
static bool line_changed(const struct part *part, uint32_t line) {
    uintptr_t address = part->share.address + (uintptr_t)line * MODEL_LINE_SIZE;
    if (part->shadow != NULL && part->readable)
        return pages_take(&part->share, part->shadow, part->page, line);
    /* Where shadows have what lines hold, nobody knows it of a page without one. */
    return !part->readable || pages_wanted() || content_changed(part->page, line, address);
}

static uintptr_t line_address(const struct part *part, uint32_t line) {
    return part->share.address + (uintptr_t)line * MODEL_LINE_SIZE;
}

/* Do hooks tell what the line holds? */
static bool is_explained(const struct part *part, uint32_t line) {
    return explain_wanted() && part->readable && regions_hold(line_address(part, line), part->page);
}

/* Flushes the part's lines. */
static void flush_lines(struct act *act, const struct part *part) {
    const struct pages_share *share = &part->share;
    for (uint32_t l = share->from / MODEL_LINE_SIZE; l * MODEL_LINE_SIZE < share->to; l++) {
        /* With a shadow the store comes first, so that the flush covers it. */
        bool changed = part->shadow != NULL && line_changed(part, l);
        bool explained = part->shadow == NULL && is_explained(part, l);
        if (explained && !act->looked)
            explain_line(part->page, &act->actor, l, line_address(part, l));
        extra_line(act->actor.lines, part->page, l, act->actor.stack);
        enum model_flushed flushed = model_flush(part->page, &act->actor, l);
        lines_flushed(act->me, part->page, l);
        act->found.unknown = act->found.unknown || flushed == MODEL_FLUSH_UNKNOWN;
        if (flushed != MODEL_FLUSH_UNKNOWN && part->shadow == NULL && !explained)
            changed = line_changed(part, l);
        act->found.needed = act->found.needed || changed || flushed == MODEL_FLUSH_NEEDED;
    }
}

/* Before a flush of whole pages: what was stored directly beside the part's lines goes with it. */
static void take_beside(const struct part *part) {
    const struct pages_share *share = &part->share;
    for (uint32_t l = 0; l < MODEL_PAGE_LINES && part->shadow != NULL && part->readable; l++) {
        if ((l + 1) * MODEL_LINE_SIZE <= share->from || l * MODEL_LINE_SIZE >= share->to)
            pages_take(share, part->shadow, part->page, l);
    }
}

static void act_on_part(struct act *act, const struct part *part) {
    const struct pages_share *share = &part->share;
    struct model_page *page = part->page;
    if (act->event->kind == EVENT_STORE) {
        if (extra_any(ARENA_EXTRA_OVERWRITES))
            overwrite_before(
                &(struct commit_store){act->me, page, share->from, share->to, act->actor.stack});
        model_store(page, &act->actor, share->from, share->to - share->from,
                    share->address + share->from != act->event->address, act->way);
        if (!act->late && part->shadow != NULL)
            pages_explain(share, part->shadow);
        else if (explain_wanted()) {
            explain_begin(page, share->address);
            explain_stored(page, share->from, share->to);
        } else if (!act->late && !pages_wanted())
            content_remember(page, share->from, share->to, share->address);
    }
    for (uint32_t l = share->from / MODEL_LINE_SIZE;
         act->way == MODEL_PERSIST && l * MODEL_LINE_SIZE < share->to; l++)
        lines_flushed(act->me, page, l);
    if (act->flush)
        flush_lines(act, part);
    if (act->pages) {
        take_beside(part);
        model_flush_page(page, act->actor.lines,
                         atomic_load(&arena_here()->head->files[page->file].drains),
                         act->actor.stack);
    }
}

/* Visits one page's share of a stretch. address: of the page's first byte in this view */
static void act_on_page(struct act *act, const struct stretch *stretch, uint64_t index,
                        uint32_t from, uint32_t to) {
    bool store = act->event->kind == EVENT_STORE, looks = pages_wanted();
    uintptr_t address = stretch->address + (uintptr_t)(index * MODEL_PAGE_SIZE - stretch->offset);
    bool loaded = (act->event->effect & EFFECT_LOADED) != 0 && !act->late;
    struct part part = {.share = {act->me, &act->actor, stretch->file, index, from, to, address},
                        .readable = loaded || content_readable(address)};
    if (looks && !store && !act->pages && part.readable && !extra_any(ARENA_EXTRA_COSTS) &&
        pages_flush(&part.share, &act->found))
        return;
    if (looks)
        part.shadow = pages_lock(&part.share, part.readable);
    part.page = plain_page(act->me, stretch->file, index, store || part.shadow != NULL);
    if (part.page == NULL && act->flush && explain_wanted() && !act->sought) {
        act->sought = true;
        preimage_find(act->me, stretch, false);
        part.page = plain_page(act->me, stretch->file, index, false);
    }
    const struct commit_store committed = {act->me, part.page, from, to, act->actor.stack};
    bool commits = store && part.page != NULL && commit_any();
    if (commits)
        commit_before(&committed);
    if (part.page != NULL) {
        lock_page(act, part.page);
        act_on_part(act, &part);
        arena_unlock_page(arena_here(), part.page, act->me->thread + 1);
    } else {
        act->found.unknown = true;
    }
    if (commits)
        commit_after(&committed);
    if (store && part.page != NULL && extra_any(ARENA_EXTRA_READS))
        reads_stored(&committed);
    if (store && part.page != NULL)
        extra_store(&committed, address + from == act->event->address, act->way != MODEL_CACHED);
    if (act->flush)
        extra_count(act->actor.stack, stretch->file + 1, ARENA_COST_PAGES, 1);
    if (part.shadow != NULL)
        pages_unlock(part.shadow);
}

static void act_on_stretch(void *context, const struct stretch *stretch) {
    struct act *act = context;
    act->sought = false;
    uint64_t end = stretch->offset + stretch->length;
    uint64_t first = stretch->offset / MODEL_PAGE_SIZE, last = (end - 1) / MODEL_PAGE_SIZE;
    for (uint64_t index = first; index <= last; index++) {
        uint64_t start = index * MODEL_PAGE_SIZE;
        act_on_page(act, stretch, index, index == first ? (uint32_t)(stretch->offset - start) : 0,
                    index == last ? (uint32_t)(end - start) : MODEL_PAGE_SIZE);
    }
}

/* Notes that the thread has something to drain. */
static void note_flush(struct act *act) {
    model_note_pending(&act->actor);
    act->me->waiting = true;
    if ((act->event->effect & (EFFECT_DEFAULT | EFFECT_DRAIN)) == EFFECT_DEFAULT)
        atomic_store(&act->token->lent, 1);
    /* With a lock, this would wait for the flush itself. */
    if (lines_by_pages(act->token->file))
        atomic_fetch_add(&arena_here()->head->files[act->token->file].flushes, 1);
}

static void drain_file(uint32_t index) {
    struct arena_file *file = &arena_here()->head->files[index];
    if (!lines_by_pages(index))
        return;
    atomic_store(&file->flushes, 0);
    atomic_fetch_add(&file->drains, 1);
}

/* Drains the token, or every token when there is none. */
static void drain(struct act *act) {
    struct arena_head *head = arena_here()->head;
    model_drain(&act->actor);
    lines_drained(act->me);
    if (extra_any(ARENA_EXTRA_READS))
        reads_drained(act->me);
    if (pages_wanted())
        pages_drained(act->me, act->actor.token);
    if (act->token == NULL)
        act->me->waiting = false;
    act->me->emptied = false;
    if (act->token != NULL) {
        drain_file(act->token->file);
        return;
    }
    for (uint32_t i = 0; i < atomic_load(&head->file_count); i++)
        drain_file(i);
}

static void on_store(struct act *act) {
    const struct event *event = act->event;
    if (event->effect & EFFECT_OVERLAP)
        report(act, KIND_OVERLAPPING_WRITE);
    if (event->length == 0 || act->token == NULL)
        return;
    bool flush = (event->effect & EFFECT_FLUSH) != 0;
    if (event->effect & EFFECT_STREAM)
        act->way = flush ? MODEL_PERSIST : MODEL_STREAM;
    act->flush = flush && act->way == MODEL_CACHED;
    act->pages = lines_by_pages(act->token->file) && (flush || act->way != MODEL_CACHED);
    tokens_stretches(act->token, event->address, event->length, act_on_stretch, act);
    if (act->way != MODEL_CACHED || act->flush)
        note_flush(act);
}

static void on_flush(struct act *act, uintptr_t address, size_t length) {
    if (length == 0 || act->token == NULL)
        return;
    act->flush = true;
    act->pages = lines_by_pages(act->token->file);
    if (pages_wanted() && !act->pages && !act->late)
        pages_admit(act->me, act->token);
    if (!pages_wanted() && !act->late)
        plain_admit(act->me, act->token);
    if (pages_announced(act->me, act->event))
        act->found.unknown = true; /* flushed by the log; this is the same once more */
    tokens_stretches(act->token, address, length, act_on_stretch, act);
    note_flush(act);
}

/* Does anything wait for a drain of the token by this thread, or, where the file is judged by
   pages, by anybody? */
static bool drain_needed(const struct act *act) {
    const struct arena_head *head = arena_here()->head;
    if (pages_pending(act->me) || model_drain_needed(&head->threads[act->me->thread]) ||
        act->me->emptied)
        return true;
    for (uint32_t i = 0; i < atomic_load(&head->file_count); i++) {
        if ((act->token == NULL || act->token->file == i) && lines_by_pages(i) &&
            atomic_load(&head->files[i].flushes) != 0)
            return true;
    }
    return false;
}

static void judge_stretch(void *context, const struct stretch *stretch) {
    struct act *act = context;
    struct arena_finding wish = {.file = stretch->file + 1};
    if (pages_wanted())
        pages_look(act->me, act->token, stretch, act->actor.stack);
    wish.related[0] = act->actor.stack;
    wish.roles[0] = act->event->kind == EVENT_FREE ? ARENA_ROLE_FREED : ARENA_ROLE_ASSERTED;
    if (explain_wanted())
        explain_stretch(act->me, &act->actor, stretch);
    arena_judge(arena_here(), stretch->file, stretch->offset, stretch->length, &wish,
                act->me->thread + 1);
}

/* While another token covers a part, that part can still be flushed: it is judged when the last one
   ends. */
static void judge_uncovered(void *context, const struct stretch *stretch) {
    struct act *act = context;
    tokens_uncovered(act->token, stretch, judge_stretch, act);
}

/* What it holds now is seen now, even if it is judged later: the view may go. */
static void look_uncovered(void *context, const struct stretch *stretch) {
    const struct act *act = context;
    if (pages_wanted())
        pages_look(act->me, act->token, stretch, act->actor.stack);
    if (explain_wanted())
        explain_stretch(act->me, &act->actor, stretch);
}

/* A child that was forked since the Get has the token too, and may still flush; and what was
   flushed with the default token may still be drained with it. Whether that happens is known at the
   end. */
static void on_free(struct act *act) {
    if (act->token == NULL)
        return;
    bool defer = act->token->forks != atomic_load(&source_process.forks) ||
                 atomic_load(&act->token->lent) != 0;
    if (!defer)
        tokens_stretches(act->token, 0, UINT64_MAX, judge_uncovered, act);
    else
        tokens_stretches(act->token, 0, UINT64_MAX, look_uncovered, act);
    tokens_end(act->me, act->token, act->actor.stack, defer);
}

static void make_durable(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct act *act = context;
    (void)from, (void)to;
    model_make_durable(page, act->actor.lines, 0, MODEL_PAGE_SIZE);
}

static void retry_stretch(void *context, const struct stretch *stretch) {
    const struct act *act = context;
    if (pages_wanted())
        pages_settle(act->me, stretch, act->actor.stack);
    const struct arena_pages pages = {stretch->file, stretch->offset, stretch->length,
                                      act->me->thread + 1};
    arena_each_page(arena_here(), &pages, make_durable, context);
}

/* The routine has waited for all of the regions of all live tokens of the file. */
static void on_retry(struct act *act) {
    if (act->token == NULL)
        return;
    const struct arena_file *file = &arena_here()->head->files[act->token->file];
    for (arena_id id = atomic_load(&file->tokens); id != 0;) {
        const struct arena_token *token = arena_at(arena_here(), id, sizeof *token);
        if (token == NULL)
            return;
        if (atomic_load(&token->freed) == 0 && token->process == source_process.process)
            tokens_stretches(token, 0, UINT64_MAX, retry_stretch, act);
        id = token->sibling;
    }
}

static void on_ranges(struct act *act) {
    const struct event_range *ranges = (const struct event_range *)act->event->address;
    for (size_t i = 0; i < act->event->length; i++)
        on_flush(act, (uintptr_t)ranges[i].address, ranges[i].length);
}

static void ignore_stretch(void *context, const struct stretch *stretch) {
    struct act *act = context;
    struct arena_head *head = arena_here()->head;
    arena_lock(arena_here(), &head->lock, act->me->thread + 1);
    arena_ignore(arena_here(), &head->files[stretch->file], stretch->offset, stretch->length);
    arena_unlock(&head->lock);
}

static void find_data(void *context, const struct stretch *stretch) {
    struct commit_point *point = context;
    point->data_offset = stretch->offset;
    point->data_length = stretch->length;
}

static void declare_stretch(void *context, const struct stretch *stretch) {
    struct act *act = context;
    const struct event *event = act->event;
    struct commit_point point = {
        .file = stretch->file, .offset = stretch->offset, .length = stretch->length};
    if (event->data.length != 0)
        tokens_stretches(act->token, (uintptr_t)event->data.address, event->data.length, find_data,
                         &point);
    commit_declare(act->me, &point);
}

/* Was the flush needed, or may it have been? After a drain that failed a program does well to flush
   again. */
static bool flush_needed(const struct act *act) {
    const struct model_thread *thread = &arena_here()->head->threads[act->me->thread];
    return !act->flush || act->found.needed || act->found.unknown ||
           atomic_load(&thread->failed) != 0;
}

/* What remains of a call when its kind was dealt with: was it needed, and the drain. */
static void finish(struct act *act, bool flushes) {
    const struct event *event = act->event;
    uint32_t file = act->token != NULL ? act->token->file + 1 : 0;
    extra_count(act->actor.stack, file, ARENA_COST_FLUSHES, act->flush);
    extra_count(act->actor.stack, file, ARENA_COST_DRAINS, (event->effect & EFFECT_DRAIN) != 0);
    if (flushes && !flush_needed(act))
        report(act, KIND_REDUNDANT_FLUSH);
    if (event->kind == EVENT_DRAIN && (event->effect & EFFECT_DRAIN) && !drain_needed(act))
        report(act, KIND_REDUNDANT_DRAIN);
    if (event->effect & EFFECT_FAILED)
        model_drain_failed(&act->actor);
    if ((event->effect & EFFECT_DRAIN) && arena_here()->head->stores == ARENA_STORES_INTERVAL)
        pages_interval(act->me, act->actor.stack);
    if (event->effect & EFFECT_DRAIN)
        drain(act);
}

static void on_get(struct act *act) {
    const struct arena_token *token = preimage_token(act->me, act->event, act->actor.stack);
    if (token != NULL)
        code_begin();
    if (token != NULL && pages_wanted())
        pages_got(act->me, token);
}

static void dispatch(struct act *act) {
    const struct event *event = act->event;
    switch ((enum event_kind)event->kind) {
    case EVENT_GET:
        on_get(act);
        return;
    case EVENT_FREE:
        on_free(act);
        return;
    case EVENT_STORING:
    case EVENT_FLUSHING:
    case EVENT_MARK:
    case EVENT_RAW_STORE:
    case EVENT_RAW_FLUSH:
    case EVENT_RAW_DRAIN:
        return;
    case EVENT_STORE:
        on_store(act);
        finish(act, false);
        return;
    case EVENT_FLUSH:
        act->looked = act->me->flushing && !act->late;
        act->me->flushing = false;
        if (explain_wanted() && (event->effect & EFFECT_TOLD) != 0) {
            finish(act, false);
            return;
        }
        on_flush(act, event->address, event->length);
        finish(act, true);
        return;
    case EVENT_FLUSH_RANGES:
        on_ranges(act);
        finish(act, true);
        return;
    case EVENT_DRAIN:
        finish(act, false);
        return;
    case EVENT_RETRY:
        on_retry(act);
        return;
    case EVENT_BAD_TOKEN:
        report(act, KIND_BAD_TOKEN);
        return;
    case EVENT_OUTSIDE:
        report(act, KIND_OUTSIDE_REGION);
        return;
    case EVENT_IGNORE:
        if (act->token != NULL)
            tokens_stretches(act->token, event->address, event->length, ignore_stretch, act);
        return;
    case EVENT_COMMIT_POINT:
        if (act->token != NULL)
            tokens_stretches(act->token, event->address, event->length, declare_stretch, act);
        return;
    case EVENT_ASSERT_DURABLE:
        if (act->token != NULL)
            tokens_stretches(act->token, event->address, event->length, judge_stretch, act);
        return;
    }
}

void api_handle(struct self *me, const struct event *event, arena_id stack, bool late) {
    struct act act = {.me = me, .event = event, .late = late};
    if (event->kind != EVENT_GET && event->token != 0)
        act.token = tokens_find(me, event->token);
    act.actor = *self_actor(me, arena_id_of(arena_here(), act.token), stack);
    dispatch(&act);
}
