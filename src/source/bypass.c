/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/bypass.h"

#include <string.h>

#include "source/explain.h"
#include "source/pages.h"
#include "source/preimage.h"
#include "source/record.h"

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static uint64_t end_of(const struct bypass *bypass) {
    return atomic_load(&arena_here()->head->files[bypass->file].end);
}

/* Puts the bytes into the shadows of their pages; NULL for zeros. */
static void explain(struct self *me, const struct bypass *bypass, const uint8_t *bytes) {
    uint64_t end = end_of(bypass);
    size_t length = bypass->length;
    if (bytes == NULL && bypass->offset < end && length > end - bypass->offset)
        length = end - bypass->offset;
    for (size_t done = 0; done < length && bypass->offset < end;) {
        uint64_t at = bypass->offset + done;
        uint32_t from = (uint32_t)(at % MODEL_PAGE_SIZE);
        size_t part =
            MODEL_PAGE_SIZE - from < length - done ? MODEL_PAGE_SIZE - from : length - done;
        const struct pages_share share = {
            .me = me, .file = bypass->file, .index = at / MODEL_PAGE_SIZE};
        struct shadow_page *shadow = pages_lock(&share, bytes != NULL);
        if (shadow != NULL && bytes != NULL)
            memcpy(shadow->bytes + from, bytes + done, part);
        else if (shadow != NULL)
            memset(shadow->bytes + from, 0, part);
        if (shadow != NULL)
            pages_unlock(shadow);
        done += part;
    }
}

/* For a report the bytes are explained, for a trace they are stores. */
void bypass_wrote(struct self *me, const struct bypass *bypass, const uint8_t *bytes) {
    if (record_wanted())
        record_pwrite(me, bypass->stack, bypass->file, bypass->offset, bytes, bypass->length);
    else
        explain(me, bypass, bytes);
}

static void give_up_lines(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    uint32_t first = (uint32_t)(from % MODEL_PAGE_SIZE);
    model_make_durable(page, context, first, first + (uint32_t)(to - from));
}

void bypass_cut(struct self *me, const struct bypass *bypass) {
    uint64_t end = end_of(bypass), offset = bypass->offset;
    if (record_wanted()) {
        if (pages_wanted())
            record_pwrite(me, bypass->stack, bypass->file, offset, NULL, bypass->length);
        return;
    }
    if (offset >= end)
        return;
    const struct stretch stretch = {.file = bypass->file,
                                    .offset = offset,
                                    .length = bypass->length < end - offset ? bypass->length
                                                                            : end - offset};
    const struct arena_pages pages = {stretch.file, offset, stretch.length, me->thread + 1};
    struct model_lines lines = arena_lines(arena_here());
    if (pages_wanted())
        explain(me, bypass, NULL);
    if (explain_wanted()) {
        explain_forget(me, &stretch);
        preimage_give_up(stretch.file, offset);
    }
    arena_each_page(arena_here(), &pages, give_up_lines, &lines);
}
