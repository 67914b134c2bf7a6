/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/words.h"
#include "event/event.h"
#include "observe/observe.h"
#include "token/pending.h"
#include "token/table.h"

/* Too large for a stack that may be a signal handler's; used under the table's lock only. */
static struct map_region region;

/* Asks the system about the range and fills in region. */
static enum result ask(struct event *event, uint32_t flags) {
    if (flags & TOKEN_INTERNAL) {
        uintptr_t start;
        size_t length;
        enum result found = map_extent(&map_this_system, event->address, &start, &length);
        if (found != RESULT_OK)
            return found;
        if (!range_inside(event->address, event->length, start, length))
            return RESULT_INVALID;
        event->address = start;
        event->length = length;
    }
    return map_probe(&map_this_system, event->address, event->length, &region);
}

/* What the token will do, from where its memory lives and what the CPU has. RESULT_NOT_SUPPORTED:
   persistent memory, and no way to write a line back: a flush that does nothing is the worst bug of
   this field. */
static enum result choose(uint32_t flags, struct token_operations *operations) {
    const struct isa_choice *choice = &token_table.choice;
    enum map_domain domain = region.answer.domain;
    bool lines = domain == MAP_DOMAIN_MEMORY || domain == MAP_DOMAIN_VOLATILE;
    if (domain == MAP_DOMAIN_MEMORY && choice->flush == ISA_FLUSH_NONE)
        return RESULT_NOT_SUPPORTED;
    operations->domain = (uint8_t)domain;
    operations->flush = (uint8_t)(lines ? choice->flush : ISA_FLUSH_NONE);
    operations->line_shift = (uint8_t)__builtin_ctz(choice->line_size);
    /* The kernel reads the page cache through the caches: going past them would only cost. */
    if (domain != MAP_DOMAIN_PAGE_CACHE)
        flags |= choice->stream ? TOKEN_STREAM : 0u;
    operations->flags = (uint8_t)flags;
    return RESULT_OK;
}

/* See token_quick. What is remembered is no short way of a flush. Who listens hears of every call:
   then there is no short way at all. */
static void set_keys(struct token_slot *slot, uint64_t handle, struct token_operations operations) {
    uint64_t none = token_no_key(handle & (token_table.capacity - 1));
    uint64_t key = observe_never() ? handle : none;
    bool lines = token_table.choice.lines && operations.flush == ISA_FLUSH_CLWB;
    bool defers = (operations.flags & TOKEN_DEFERS) != 0;
    atomic_store(&slot->keys[TOKEN_KEY_STORES], key);
    atomic_store(&slot->keys[TOKEN_KEY_LINES], lines && !defers ? key : none);
    atomic_store(&slot->keys[TOKEN_KEY_DEFERS], lines && defers ? key : none);
}

static void tell(struct event *event, uint64_t handle) {
    const struct event_region told = {
        .device = region.answer.device,
        .inode = region.answer.inode,
        .domain = region.answer.domain,
        .line_size = token_table.choice.line_size,
        .path = region.answer.path,
        .reason = region.answer.reason,
        .segments = region.segments,
        .segment_count = region.segment_count,
    };
    event->token = handle;
    event->region = &told;
    observe_emit(event);
    event->region = NULL;
}

_Static_assert(sizeof(struct token_text) % sizeof(uint64_t) == 0, "copied by words");

static void fill_slot(struct token_slot *slot, const struct event *event,
                      struct token_operations operations) {
    static struct token_text text; /* under the table's lock, and off the stack */
    memcpy(text.reason, region.answer.reason, sizeof text.reason);
    memcpy(text.path, region.answer.path, sizeof text.path);
    words_copy(token_text(slot), &text, sizeof text);
    uint64_t word;
    memcpy(&word, &operations, sizeof word);
    atomic_store_explicit(&slot->base, event->address, memory_order_release);
    atomic_store_explicit(&slot->length, event->length, memory_order_release);
    atomic_store_explicit(&slot->last, event->address + (event->length - 1), memory_order_release);
    atomic_store_explicit(&slot->mapped_offset, region.segments[0].offset, memory_order_release);
    for (unsigned i = 0; i < TOKEN_SPANS; i++) {
        atomic_store_explicit(&slot->pending[i], 0, memory_order_release);
        atomic_store_explicit(&slot->in_flight[i], 0, memory_order_release);
    }
    atomic_store_explicit(&slot->lent, 0, memory_order_release);
    atomic_store_explicit(&slot->operations, word, memory_order_release);
}

static enum result make_locked(struct event *event, uint32_t flags) {
    enum result result = table_start();
    if (result == RESULT_OK)
        result = ask(event, flags);
    if (result != RESULT_OK)
        return result;
    if (token_settings_apply(&token_table.settings, &region.answer))
        flags |= TOKEN_OVERRIDDEN;
    struct token_operations operations;
    result = choose(flags, &operations);
    if (result != RESULT_OK)
        return result;
    struct token_file *file = table_take_file(region.answer.device, region.answer.inode);
    struct token_slot *slot = file != NULL ? table_take_slot() : NULL;
    if (slot == NULL) {
        if (file != NULL)
            table_give_file(file);
        return RESULT_NO_MEMORY;
    }
    operations.file = (uint32_t)(file - token_table.files);
    fill_slot(slot, event, operations);
    if (atomic_load(&file->unsettled) != 0)
        pending_add_all(slot);
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed) | 1;
    const struct token_view view = {.slot = slot, .state = state};
    event->token = token_handle(&view);
    if (observed())
        tell(event, event->token);
    atomic_store_explicit(&slot->state, state, memory_order_release);
    set_keys(slot, event->token, operations);
    return RESULT_OK;
}

enum result token_make(struct event *event, uint32_t flags) {
    if (!table_lock())
        return RESULT_BUSY;
    enum result result = make_locked(event, flags);
    os_unlock(&token_table.lock);
    return result;
}

enum result token_free(const struct event *event) {
    struct token_view view;
    if (!token_find(event->token, &view))
        return RESULT_INVALID;
    if (!table_lock())
        return RESULT_BUSY;
    bool lives = token_lives(&view);
    if (lives) {
        if (observed())
            observe_emit(event);
        /* Before the state: the long way finds it alive or not. */
        token_clear_keys(view.slot, event->token & (token_table.capacity - 1));
        /* After a wrap to generation 0 lie 2^28 Gets of this slot: no value comes back soon. */
        uint64_t generation = ((view.state >> 1) + 1) & ((1u << TOKEN_GENERATION_BITS) - 1);
        if (pending_end(&view, generation << 1)) {
            table_give_file(token_file(&view));
            table_give_slot(view.slot);
        }
    }
    os_unlock(&token_table.lock);
    return lives ? RESULT_OK : RESULT_INVALID;
}

enum result token_defer(uint64_t handle, bool defers) {
    struct token_view view;
    if (!token_find(handle, &view))
        return RESULT_INVALID;
    if (!table_lock())
        return RESULT_BUSY;
    bool lives = token_lives(&view);
    if (lives) {
        struct token_operations operations = view.operations;
        unsigned others = operations.flags & ~(unsigned)TOKEN_DEFERS;
        operations.flags = (uint8_t)(others | (defers ? TOKEN_DEFERS : 0u));
        uint64_t word;
        memcpy(&word, &operations, sizeof word);
        atomic_store_explicit(&view.slot->operations, word, memory_order_release);
        set_keys(view.slot, handle, operations);
    }
    os_unlock(&token_table.lock);
    return lives ? RESULT_OK : RESULT_INVALID;
}

void token_end_rest(const struct token_view *view) {
    if (!token_is_rest(view) || !table_lock())
        return; /* a later drain of the file does it */
    if (token_lives(view) && !token_is_waiting(view->slot)) {
        token_table.rests--;
        pending_end(view, view->state & ~(TOKEN_REST | 1));
        table_give_file(token_file(view));
        table_give_slot(view->slot);
    }
    os_unlock(&token_table.lock);
}
