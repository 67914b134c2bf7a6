/* SPDX-License-Identifier: BSD-2-Clause */
#include "token/token.h"

#include "base/words.h"
#include "event/event.h"

bool token_holds_lock(void) {
    return os_owes_waking() || os_lock_is_own(&token_table.flight_lock) ||
           os_lock_is_own(&token_table.lock);
}

uint64_t token_handle(const struct token_view *view) {
    struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_relaxed);
    uint64_t generation = view->state >> 1;
    return (uint64_t)TOKEN_TAG << 48 | generation << TOKEN_INDEX_BITS |
           (uint64_t)(view->slot - slots);
}

struct token_text *token_text(const struct token_slot *slot) {
    const struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_relaxed);
    return &token_table.texts[slot - slots];
}

bool token_at(uint32_t index, struct token_view *view) {
    struct token_slot *slot =
        &atomic_load_explicit(&token_table.slots, memory_order_acquire)[index];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    return (state & 1) != 0 && token_read(slot, state, view);
}

bool token_covering(uintptr_t address, size_t length, struct token_view *view) {
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_acquire);
    bool internal = false;
    for (uint32_t i = 0; i < used; i++) {
        struct token_view found;
        if (!token_at(i, &found) || token_is_rest(&found) ||
            !range_inside(address, length, found.base, found.length))
            continue;
        *view = found;
        if ((found.operations.flags & TOKEN_INTERNAL) == 0)
            return true;
        internal = true;
    }
    return internal;
}

bool token_describe(const struct token_view *view, char *reason, char *path) {
    const struct token_text *text = token_text(view->slot);
    words_copy(reason, text->reason, sizeof text->reason);
    words_copy(path, text->path, sizeof text->path);
    return token_lives(view);
}

const char *token_path(const struct token_view *view) {
    return token_text(view->slot)->path;
}

struct token_file *token_file(const struct token_view *view) {
    return &token_table.files[view->operations.file];
}

enum result token_stands(const struct token_view *view) {
    if ((view->operations.flags & TOKEN_INTERNAL) == 0)
        return RESULT_OK;
    const struct token_file *file = token_file(view);
    uint64_t offset = atomic_load_explicit(&view->slot->mapped_offset, memory_order_acquire);
    const struct map_identity identity = {
        .start = view->base,
        .length = view->length,
        .device = atomic_load_explicit(&file->device, memory_order_acquire),
        .inode = atomic_load_explicit(&file->inode, memory_order_acquire),
        .offset = offset,
    };
    return token_lives(view) ? map_same(&map_this_system, &identity) : RESULT_INVALID;
}

enum result token_still_mapped(const struct token_view *view) {
    enum result stands = token_stands(view);
    if (stands != RESULT_INVALID)
        return stands;
    if (token_is_waiting(view->slot) && atomic_load(&view->slot->lent) != 0)
        atomic_store(&token_table.lost, true);
    const struct event event = {
        .kind = EVENT_FREE, .effect = EFFECT_INTERNAL, .token = token_handle(view)};
    return token_free(&event) == RESULT_BUSY ? RESULT_BUSY : RESULT_INVALID;
}
