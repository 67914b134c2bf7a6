/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way of a flush of direct stores: its lines are copied to the thread's log, and compared
   when that is full. This runs between a program's write-back instructions and its drain, so there
   is no instruction with a lock on it: that would wait for all of them as a drain does. Nor is
   anything read here that the program has not just used, but the log and what is needed to find
   the page's user. */
#include <string.h>

#include "base/bits.h"
#include "source/compare.h"
#include "source/pages.h"

#define LINES_MAX 32u /* of one call */

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static struct shadow_list *list_of(const struct self *me) {
    return &arena_here()->head->lists[me->thread];
}

static uint32_t count_of(const struct shadow_list *list) {
    return atomic_load_explicit(&list->log_count, memory_order_relaxed);
}

bool pages_pending(const struct self *me) {
    const struct shadow_list *list = list_of(me);
    return atomic_load_explicit(&list->count, memory_order_relaxed) != 0 ||
           count_of(list) != atomic_load_explicit(&list->log_drained, memory_order_relaxed);
}

void pages_begin(struct self *me) {
    atomic_fetch_add(&list_of(me)->turn, 1);
    me->pages.block = NULL;
    me->pages.log = NULL;
    me->pages.handle = 0;
    me->pages.last = 0;
    me->pages.several = false;
}

void pages_admit(struct self *me, const struct arena_token *token) {
    struct shadow_list *list = list_of(me);
    if (me->pages.log == NULL) {
        struct shadow_log *log = arena_at(arena_here(), atomic_load(&list->log), sizeof *log);
        if (log == NULL)
            log = arena_new(arena_here(), sizeof *log);
        if (log == NULL)
            return;
        atomic_store(&list->log, arena_id_of(arena_here(), log));
        me->pages.log = log;
    }
    /* With pages=interval a drain looks around. */
    if (token->segment_count != 1 || arena_here()->head->stores == ARENA_STORES_INTERVAL)
        return;
    me->pages.quick = token;
    me->pages.handle = token->handle;
}

/* What a call has found so far, while its entries are worked off. */
struct verdict {
    const struct shadow_entry *entry; /* its last one; NULL: there was none */
    struct pages_found found;
    bool silent;
};

static void finish_verdict(const struct verdict *verdict) {
    const struct shadow_entry *entry = verdict->entry;
    if (entry == NULL || verdict->silent || verdict->found.needed || verdict->found.unknown)
        return;
    const struct arena_finding finding = {.kind = KIND_REDUNDANT_FLUSH,
                                          .file = entry->file + 1,
                                          .call = entry->call,
                                          .at = entry->stack};
    arena_report(arena_here(), &finding);
}

/* Where an entry's shadow is. */
struct found {
    struct shadow_chunk *chunk; /* NULL: no memory */
    struct shadow_page *page;   /* NULL: zeros */
};

/* pre: the page is this thread's alone, or locked */
static void apply_entry(struct self *me, const struct shadow_entry *entry, bool drained,
                        const struct found *at, struct pages_found *found) {
    static const uint8_t zeros[MODEL_LINE_SIZE];
    uint32_t place = (uint32_t)(entry->line / MODEL_PAGE_LINES % SHADOW_CHUNK_PAGES);
    uint32_t line = (uint32_t)(entry->line % MODEL_PAGE_LINES);
    uint16_t own = shadow_flusher(arena_here(), me->thread);
    struct shadow_page *page = at->page;
    if (UNLIKELY(page == NULL) && memcmp(entry->bytes, zeros, sizeof zeros) != 0)
        page = pages_page(entry->file, at->chunk, place, true);
    if (page == NULL) {
        found->unknown = true;
        return;
    }
    uint64_t bytes = compare_take(page->bytes + (size_t)line * MODEL_LINE_SIZE, entry->bytes);
    if (bytes == 0 && page->flusher[line] == 0) {
        found->unknown = true;
        return;
    }
    found->needed = found->needed || bytes != 0 || page->flusher[line] != own;
    page->flusher[line] = own;
    if (atomic_load_explicit(&page->hint, memory_order_relaxed) != entry->stack)
        atomic_store_explicit(&page->hint, entry->stack, memory_order_relaxed);
    if (bytes == 0 || drained)
        return;
    const struct shadow_flush flush = {.line = entry->line,
                                       .bytes = bytes,
                                       .token = entry->token,
                                       .stack = entry->stack,
                                       .file = entry->file,
                                       .drains = entry->drains};
    pages_list(me, &flush);
}

/* Another thread uses the page by now, and may have worked off what this log has of it. */
APART static void apply_shared(struct self *me, const struct shadow_entry *entry, bool drained,
                               const struct found *at, struct pages_found *found) {
    struct shadow_list *list = list_of(me);
    uint32_t place = (uint32_t)(entry->line / MODEL_PAGE_LINES % SHADOW_CHUNK_PAGES);
    struct shadow_page *page = pages_page(entry->file, at->chunk, place, true);
    const struct found now = {at->chunk, page};
    found->unknown = found->unknown || page == NULL;
    if (page == NULL)
        return;
    /* Whoever holds the lock may wait until this thread is outside. */
    atomic_store_explicit(&list->inside, 0, memory_order_release);
    pages_lock_page(me, at->chunk, place, page);
    if (page->thread != me->thread + 1 || page->epoch != atomic_load(&list->log_epoch))
        apply_entry(me, entry, drained, &now, found);
    else
        found->unknown = true;
    pages_unlock(page);
    atomic_store(&list->inside, 1);
}

/* Finds the shadows of entries and lets them come, without waiting for them. */
static void fetch(struct self *me, const struct shadow_entry *entries, uint32_t count,
                  struct found *found) {
    for (uint32_t i = 0; i < count; i++) {
        const struct shadow_entry *entry = &entries[i];
        uint64_t index = entry->line / MODEL_PAGE_LINES, line = entry->line % MODEL_PAGE_LINES;
        uint32_t place = (uint32_t)(index % SHADOW_CHUNK_PAGES);
        if (i > 0 && index == entries[i - 1].line / MODEL_PAGE_LINES &&
            entry->file == entries[i - 1].file) {
            found[i] = found[i - 1];
        } else {
            found[i].chunk = pages_chunk(me, entry->file, index / SHADOW_CHUNK_PAGES, true);
            found[i].page = found[i].chunk != NULL
                                ? pages_page(entry->file, found[i].chunk, place, false)
                                : NULL;
        }
        if (found[i].page != NULL) {
            /* For this once: it shall not push out what the program works with. */
            __builtin_prefetch(&found[i].page->bytes[line * MODEL_LINE_SIZE], 1, 0);
            __builtin_prefetch(&found[i].page->flusher[line], 1);
        }
    }
}

static void apply_all(struct self *me, struct shadow_list *list, uint32_t count) {
    const struct shadow_entry *entries = me->pages.log->entries;
    uint32_t drained = atomic_load_explicit(&list->log_drained, memory_order_relaxed);
    struct found found[SHADOW_LOG_ENTRIES];
    struct verdict verdict = {.entry = NULL};
    fetch(me, entries, count, found);
    for (uint32_t i = 0; i < count; i++) {
        const struct shadow_entry *entry = &entries[i];
        uint32_t place = (uint32_t)(entry->line / MODEL_PAGE_LINES % SHADOW_CHUNK_PAGES);
        if (verdict.entry != NULL && verdict.entry->number != entry->number) {
            finish_verdict(&verdict);
            verdict = (struct verdict){.entry = NULL};
        }
        verdict.entry = entry;
        verdict.silent = verdict.silent || entry->silent;
        if (found[i].chunk == NULL)
            continue;
        uint16_t user = atomic_load_explicit(&found[i].chunk->user[place], memory_order_relaxed);
        if (LIKELY(user == me->thread + 1))
            apply_entry(me, entry, i < drained, &found[i], &verdict.found);
        else
            apply_shared(me, entry, i < drained, &found[i], &verdict.found);
    }
    finish_verdict(&verdict);
}

void pages_apply(struct self *me) {
    struct shadow_list *list = list_of(me);
    uint32_t count = count_of(list);
    if (count == 0 || me->pages.log == NULL)
        return;
    atomic_store_explicit(&list->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    apply_all(me, list, count);
    atomic_store_explicit(&list->log_epoch, atomic_load(&list->log_epoch) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&list->log_drained, 0, memory_order_relaxed);
    atomic_store_explicit(&list->log_count, 0, memory_order_release);
    atomic_store_explicit(&list->inside, 0, memory_order_release);
}

void pages_apply_others(struct self *me, const struct arena_pages *pages) {
    const struct arena_head *head = arena_here()->head;
    uint64_t first = pages->offset / MODEL_PAGE_SIZE;
    uint64_t last = (pages->offset + (pages->length - 1)) / MODEL_PAGE_SIZE;
    for (uint32_t t = 0; t < atomic_load(&head->thread_count) && t < ARENA_THREADS; t++) {
        const struct shadow_list *list = &head->lists[t];
        const struct shadow_log *log = arena_at(arena_here(), atomic_load(&list->log), sizeof *log);
        uint32_t count = t == me->thread || log == NULL ? 0 : atomic_load(&list->log_count);
        for (uint32_t i = 0; i < count && i < SHADOW_LOG_ENTRIES; i++) {
            /* Its thread may put another entry there meanwhile: then this looks at a page for
               nothing. */
            uint64_t index = log->entries[i].line / MODEL_PAGE_LINES;
            struct shadow_page *page;
            if (log->entries[i].file != pages->file || index < first || index > last)
                continue;
            const struct pages_share share = {.me = me, .file = pages->file, .index = index};
            page = pages_lock(&share, true);
            if (page != NULL)
                pages_unlock(page);
        }
    }
}

/* May all lines of [first, last] go to the log? Only on pages that this thread alone uses. */
static bool are_own(struct self *me, uint32_t file, uint64_t first, uint64_t last) {
    for (uint64_t index = first / MODEL_PAGE_LINES; index <= last / MODEL_PAGE_LINES; index++) {
        const struct shadow_chunk *chunk = pages_chunk(me, file, index / SHADOW_CHUNK_PAGES, false);
        uint32_t place = (uint32_t)(index % SHADOW_CHUNK_PAGES);
        if (chunk == NULL ||
            atomic_load_explicit(&chunk->user[place], memory_order_relaxed) != me->thread + 1 ||
            (atomic_load_explicit(&chunk->modelled, memory_order_relaxed) >> place & 1) != 0)
            return false;
    }
    return true;
}

/* Word by word: what was stored a moment ago is still on its way to the cache, and a CPU hands it
   to a load that is no wider than the store. */
static void copy_line(uint8_t *to, const char *from) {
    const volatile uint64_t *words = (const volatile uint64_t *)(const void *)from;
    for (unsigned i = 0; i < MODEL_LINE_UNITS; i++) {
        uint64_t word = words[i];
        memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

/* Copies the lines from address on to the log. */
static void write_log(struct self *me, struct shadow_list *list, const struct shadow_entry *model,
                      const char *address, uint64_t lines) {
    uint32_t count = count_of(list);
    for (uint64_t i = 0; i < lines; i++) {
        struct shadow_entry *entry = &me->pages.log->entries[count + i];
        entry->line = model->line + i;
        entry->file = model->file;
        entry->token = model->token;
        entry->stack = model->stack;
        entry->drains = model->drains;
        entry->number = model->number;
        entry->call = model->call;
        entry->silent = model->silent;
        copy_line(entry->bytes, address + i * MODEL_LINE_SIZE);
    }
    atomic_store_explicit(&list->log_count, count + (uint32_t)lines, memory_order_release);
}

static bool quick_flush(struct self *me, const struct event *event) {
    struct shadow_list *list = list_of(me);
    const struct arena_token *token = me->pages.quick;
    const struct arena_segment *segment = &token->segments[0];
    const struct model_thread *thread = &arena_here()->head->threads[me->thread];
    uint64_t at = event->address - segment->address;
    if (event->length == 0 || at >= segment->length || event->length > segment->length - at ||
        atomic_load_explicit(&token->freed, memory_order_relaxed) != 0)
        return false;
    uint64_t offset = segment->offset + at, line = offset / MODEL_LINE_SIZE;
    uint64_t last = (offset + event->length - 1) / MODEL_LINE_SIZE, lines = last - line + 1;
    if (lines > LINES_MAX)
        return false;
    if (UNLIKELY(count_of(list) + lines > SHADOW_LOG_ENTRIES))
        pages_apply(me);
    const struct shadow_entry model = {
        .line = line,
        .file = token->file,
        .token = arena_id_of(arena_here(), token),
        .stack = stack_near(&me->cache, event->caller, event->frame),
        .drains = atomic_load_explicit(&thread->drains, memory_order_relaxed),
        .number = ++me->pages.number,
        .call = (uint16_t)event->call,
        .silent = atomic_load_explicit(&thread->failed, memory_order_relaxed) != 0};
    atomic_store_explicit(&list->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    bool own = are_own(me, token->file, line, last);
    if (LIKELY(own))
        write_log(me, list, &model, (const char *)(event->address - offset % MODEL_LINE_SIZE),
                  lines);
    atomic_store_explicit(&list->inside, 0, memory_order_release);
    me->pages.last = model.stack;
    return own;
}

/* Drains the token of the log. */
static void quick_drain(struct self *me) {
    struct shadow_list *list = list_of(me);
    const struct model_actor *actor = self_actor(me, arena_id_of(arena_here(), me->pages.quick), 0);
    model_drain(actor);
    atomic_store_explicit(&list->log_drained, count_of(list), memory_order_release);
    pages_drained(me, actor->token);
}

/* The lines are read before they are written back, when nobody has to wait for them. */
static bool quick_flushing(struct self *me, const struct event *event) {
    me->pages.announced = 0;
    if (event->effect == EFFECT_LOADED && quick_flush(me, event)) {
        me->pages.announced = event->address;
        me->pages.length = event->length;
        if (event->told != NULL && !event->ends)
            *event->told = true;
    }
    return true;
}

bool pages_announced(struct self *me, const struct event *event) {
    bool is = me->pages.announced != 0 && me->pages.announced == event->address &&
              me->pages.length == event->length;
    me->pages.announced = 0;
    return is;
}

bool pages_quick(struct self *me, const struct event *event) {
    const uint32_t usual = EFFECT_LOADED | EFFECT_DRAIN;
    bool drains = (event->effect & EFFECT_DRAIN) != 0;
    if (event->token != me->pages.handle || event->token == 0)
        return false;
    if (event->kind == EVENT_FLUSHING)
        return quick_flushing(me, event);
    if (event->kind == EVENT_FLUSH && (event->effect & EFFECT_FAILED) != 0 &&
        pages_announced(me, event)) {
        atomic_store(&arena_here()->head->threads[me->thread].failed, 1);
        return true;
    }
    if ((event->effect & ~usual) != 0)
        return false;
    if (event->kind == EVENT_FLUSH ? !pages_announced(me, event)
                                   : event->kind != EVENT_DRAIN || !drains || !pages_pending(me))
        return false;
    if (drains)
        quick_drain(me);
    return true;
}
