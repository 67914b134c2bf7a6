/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/written.h"

#include <string.h>

#include "base/bits.h"
#include "source/bypass.h"
#include "source/content.h"
#include "source/regions.h"
#include "source/sync.h"

/* Does the memory hold what was written there? pre: it lies on one page */
static bool holds(const struct written *written, uintptr_t address, uint64_t from, size_t length) {
    uint64_t start = 0;
    if (!content_readable(align_down(address, MODEL_PAGE_SIZE)))
        return false;
    for (size_t i = 0; i < written->count && length != 0; i++) {
        const struct iovec *part = &written->parts[i];
        uint64_t skip = from - start;
        start += part->iov_len;
        if (skip >= part->iov_len)
            continue;
        size_t same = part->iov_len - skip < length ? part->iov_len - skip : length;
        if (memcmp((const void *)address, (const char *)part->iov_base + skip, same) != 0)
            return false;
        address += same;
        from += same;
        length -= same;
    }
    return length == 0;
}

/* A part of the file that a token has, from the one byte up to the other one: what of it is there,
   as few stores as it can be. */
static void tell_part(const struct written *written, uintptr_t address, uint64_t from,
                      uint64_t to) {
    size_t found = 0;
    while (from < to) {
        uint64_t rest = MODEL_PAGE_SIZE - address % MODEL_PAGE_SIZE;
        size_t length = to - from < rest ? (size_t)(to - from) : (size_t)rest;
        struct stretch stretch;
        bool there = regions_find(address, &stretch) &&
                     holds(written, address, from - written->offset, length);
        if (!there)
            hooks_store(&written->site, address - found, found, MODEL_CACHED);
        found = there ? found + length : 0;
        address += length;
        from += length;
    }
    hooks_store(&written->site, address - found, found, MODEL_CACHED);
}

/* The first byte from `from` on that the process has a live region of, and where that ends. */
struct place {
    uint64_t from, to;
    uintptr_t address;
};

static bool find_place(uint32_t file, uint64_t from, uint64_t end, struct place *place) {
    const struct arena *arena = &source_process.arena;
    uint64_t links = 0;
    *place = (struct place){.from = end};
    for (arena_id id = atomic_load(&arena->head->files[file].tokens);
         id != 0 && arena_follow(arena, &links);) {
        const struct arena_token *token = arena_at(arena, id, sizeof *token);
        if (token == NULL)
            break;
        /* Whoever maps a file without a token may well write to it, and not mean that to last. */
        bool lives = atomic_load(&token->freed) == 0 && !token->watched &&
                     token->process == source_process.process;
        for (uint32_t i = 0; lives && i < token->segment_count; i++) {
            const struct arena_segment *segment = &token->segments[i];
            uint64_t stop = segment->offset + segment->length;
            uint64_t begin = segment->offset > from ? segment->offset : from;
            if (begin < stop && begin < place->from)
                *place = (struct place){begin, stop < end ? stop : end,
                                        segment->address + (begin - segment->offset)};
        }
        id = atomic_load(&token->sibling);
    }
    return place->from < end;
}

static void tell_in(const struct written *written, uint32_t file) {
    uint64_t end = written->offset + written->size;
    struct place place;
    for (uint64_t at = written->offset; find_place(file, at, end, &place); at = place.to)
        tell_part(written, place.address, place.from, place.to);
}

static bool is_of(const struct written *written, uint32_t file) {
    const struct arena_file *record = &source_process.arena.head->files[file];
    return record->device == written->device && record->inode == written->inode;
}

void written_cut(const struct written *written) {
    const struct arena_head *head = source_process.arena.head;
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        if (is_of(written, i))
            bypass_cut(written->site.me,
                       &(struct bypass){written->site.stack, i, written->offset, written->size});
    }
}

void written_tell(const struct written *written) {
    const struct arena_head *head = source_process.arena.head;
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        if (is_of(written, i))
            tell_in(written, i);
    }
    if (written->durable) {
        struct sync sync = {.me = written->site.me,
                            .stack = written->site.stack,
                            .device = written->device,
                            .inode = written->inode,
                            .offset = written->offset,
                            .size = written->size};
        sync_begin(&sync);
        sync_end(&sync);
    }
}
