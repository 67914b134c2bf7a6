/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches of stores, as their threads tell them. */
#include <string.h>

#include "record/recording.h"

/* Is this the first that is told of it? Notes it. */
static bool is_new(struct recording_batch *batch, uint64_t round, uint32_t place) {
    if (round < batch->round || place >= BATCH_STORES)
        return false;
    if (round > batch->round)
        *batch = (struct recording_batch){.round = round};
    uint64_t bit = UINT64_C(1) << place;
    bool new = (batch->told & bit) == 0;
    batch->told |= bit;
    return new;
}

/* A batch holds stores of up to 8 bytes that lie in one word. */
static bool is_sound(const struct batch_told *told) {
    return told->length != 0 && told->at < MODEL_PAGE_SIZE && told->at % 8 + told->length <= 8;
}

bool recording_stores(struct recording *recording, const struct stream_event *record) {
    uint32_t thread = record->stack;
    if (thread >= ARENA_THREADS)
        return true;
    struct trace_event event = {
        .kind = TRACE_STORE, .thread = thread + 1, .region = record->file + 1, .text = ""};
    if (!recording_region(recording, record->file, 0))
        return false;
    for (uint32_t at = 0; at + sizeof(struct batch_told) <= record->size;
         at += sizeof(struct batch_told)) {
        struct batch_told told;
        memcpy(&told, record->bytes + at, sizeof told);
        if (!is_sound(&told) || !is_new(&recording->batches[thread], record->length, told.place))
            continue;
        event.offset = record->offset + told.at;
        event.length = told.length;
        event.bytes = (const uint8_t *)&told.value;
        if (!recording_cut(recording, record->file, event.offset, &event.length))
            continue;
        if (!recording_stack(recording, told.stack))
            return false;
        event.stack = told.stack < STACKS ? recording->stacks[told.stack] : 0;
        recording->counts.stores++;
        if (!recording_put(recording, &event))
            return false;
    }
    return true;
}
