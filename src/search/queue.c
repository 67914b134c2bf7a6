/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t hashes_size(const struct queue *queue, size_t region) {
    const struct walk_region *at = &queue->facts->regions[region];
    return (size_t)(at->room / at->line_size + 1) * sizeof(uint64_t);
}

static size_t dirty_size(const struct queue *queue, size_t region) {
    return (size_t)(queue->facts->regions[region].room / SANDBOX_PAGE);
}

static void *reserve(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

bool queue_start(struct queue *queue) {
    for (size_t i = 0; i < queue->facts->region_count; i++) {
        queue->line_hashes[i] = reserve(hashes_size(queue, i));
        queue->dirty[i] = reserve(dirty_size(queue, i));
        if (queue->line_hashes[i] == NULL || queue->dirty[i] == NULL)
            return false;
    }
    return true;
}

void queue_end(struct queue *queue) {
    for (size_t i = 0; i < queue->facts->region_count; i++) {
        if (queue->line_hashes[i] != NULL)
            munmap(queue->line_hashes[i], hashes_size(queue, i));
        if (queue->dirty[i] != NULL)
            munmap(queue->dirty[i], dirty_size(queue, i));
    }
    free(queue->pages);
    free(queue->picks);
}

void queue_restart(struct queue *queue) {
    for (size_t i = 0; i < queue->facts->region_count; i++)
        madvise(queue->line_hashes[i], hashes_size(queue, i), MADV_DONTNEED);
    queue->hash = 0;
    queue->lost = queue->all = true;
    queue->behind_count = 0;
}

static void hash_lines(struct queue *queue, size_t region, uint64_t offset, uint64_t length) {
    const struct walk_region *at = &queue->facts->regions[region];
    uint64_t first = offset / at->line_size, last = (offset + length - 1) / at->line_size;
    for (uint64_t line = first; line <= last; line++) {
        uint64_t start = line * at->line_size, rest = at->size - start;
        uint64_t hash = space_hash_line(region, start, at->visible + start,
                                        rest < at->line_size ? (uint32_t)rest : at->line_size);
        queue->hash ^= queue->line_hashes[region][line] ^ hash;
        queue->line_hashes[region][line] = hash;
    }
}

static void note_pages(struct queue *queue, size_t region, uint64_t offset, uint64_t length) {
    for (uint64_t page = offset / SANDBOX_PAGE; page <= (offset + length - 1) / SANDBOX_PAGE;
         page++) {
        if (queue->dirty[region][page])
            continue;
        if (queue->page_count == queue->page_room) {
            size_t room = queue->page_room != 0 ? 2 * queue->page_room : 256;
            struct queue_page *pages = realloc(queue->pages, room * sizeof *pages);
            queue->all = queue->all || pages == NULL;
            if (pages == NULL)
                return;
            queue->pages = pages;
            queue->page_room = room;
        }
        queue->dirty[region][page] = 1;
        queue->pages[queue->page_count++] = (struct queue_page){region, page};
    }
}

void queue_changed(struct queue *queue, size_t region, uint64_t offset, uint64_t length) {
    if (length == 0)
        return;
    hash_lines(queue, region, offset, length);
    note_pages(queue, region, offset, length);
    for (size_t i = 0; i < queue->behind_count; i++) {
        const struct queue_range *range = &queue->behind[i];
        if (range->region == region && offset >= range->offset &&
            offset + length <= range->offset + range->length)
            return;
    }
    queue->lost = queue->lost || queue->behind_count == QUEUE_BEHIND || length > 4096;
    if (!queue->lost)
        queue->behind[queue->behind_count++] = (struct queue_range){region, offset, length};
}

void queue_marked(struct queue *queue, const struct walk *walk, bool acked, uint64_t id) {
    size_t number = acked ? walk->acked : walk->begun;
    if (number > queue->marks[acked] && sandbox_mark(queue->sandbox, acked, id))
        queue->marks[acked] = number;
}

uint64_t queue_hash(const struct queue *queue, const struct space *space, const struct walk *walk,
                    const uint16_t *picks) {
    uint64_t hash = queue->hash;
    for (size_t i = 0; i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        uint32_t size = queue->facts->regions[line->region].line_size;
        hash ^= queue->line_hashes[line->region][line->offset / size] ^
                space->hashes[line->first + picks[i]];
    }
    return space_mix(hash + space_mix(walk->begun * UINT64_C(0x9E3779B97F4A7C15) + walk->acked));
}

bool queue_run(struct queue *queue) {
    bool go_on = true;
    if (queue->count == 0)
        return true;
    size_t count = queue->count;
    enum sandbox_run run = queue->traced    ? SANDBOX_TRACED
                           : queue->records ? SANDBOX_RECORDS
                                            : SANDBOX_ALL;
    queue->count = queue->picks_used = 0;
    if (!sandbox_run(queue->sandbox, run, queue->stop))
        return false;
    if (queue->traced && queue->looks != NULL)
        queue->looks(queue->context);
    for (size_t i = 0; i < count && go_on; i++) {
        const struct queue_image *image = &queue->images[i];
        go_on = queue->judge(queue->context, image, queue->picks + image->picks, i,
                             sandbox_verdict(queue->sandbox, i));
    }
    return go_on;
}

void queue_spoil(struct queue *queue) {
    queue->lost = queue->all = true;
}

static void follow_page(struct queue *queue, size_t region, uint64_t page) {
    const struct walk_region *at = &queue->facts->regions[region];
    uint64_t offset = page * SANDBOX_PAGE, rest = at->size - offset;
    uint64_t part = rest < SANDBOX_PAGE ? rest : SANDBOX_PAGE;
    const uint8_t *base = sandbox_base(queue->sandbox, region);
    if (memcmp(base + offset, at->visible + offset, part) != 0)
        sandbox_set(queue->sandbox, region, offset, at->visible + offset, part);
}

bool queue_follow(struct queue *queue) {
    if (!queue_run(queue))
        return false;
    for (size_t i = 0; queue->all && i < queue->facts->region_count; i++) {
        for (uint64_t page = 0; page < dirty_size(queue, i); page++)
            follow_page(queue, i, page);
    }
    for (size_t i = 0; i < queue->page_count; i++) {
        const struct queue_page *page = &queue->pages[i];
        queue->dirty[page->region][page->page] = 0;
        if (!queue->all)
            follow_page(queue, page->region, page->page);
    }
    queue->page_count = 0;
    queue->lost = queue->all = false;
    queue->behind_count = 0;
    return true;
}

static bool keep_picks(struct queue *queue, const uint16_t *picks, size_t count) {
    if (queue->picks_used + count > queue->picks_room) {
        size_t room = 2 * (queue->picks_room + count);
        uint16_t *larger = realloc(queue->picks, room * sizeof *larger);
        if (larger == NULL)
            return false;
        queue->picks = larger;
        queue->picks_room = room;
    }
    if (count != 0)
        memcpy(queue->picks + queue->picks_used, picks, count * sizeof *picks);
    return true;
}

/* false: the batch is full. */
static bool put(struct queue *queue, const struct space *space, const struct walk *walk,
                const uint16_t *picks) {
    struct sandbox *sandbox = queue->sandbox;
    bool fits = sandbox_image(sandbox, walk->begun, walk->acked);
    for (size_t i = 0; fits && i < queue->behind_count; i++) {
        const struct queue_range *range = &queue->behind[i];
        fits = sandbox_patch(sandbox, range->region, range->offset,
                             queue->facts->regions[range->region].visible + range->offset,
                             range->length);
    }
    for (size_t i = 0; fits && i < space->line_count; i++) {
        const struct space_line *line = &space->lines[i];
        const uint8_t *bytes = space->bytes + (size_t)(line->first + picks[i]) * SPACE_LINE;
        const uint8_t *seen = queue->facts->regions[line->region].visible + line->offset;
        if (memcmp(bytes, seen, line->size) != 0)
            fits = sandbox_patch(sandbox, line->region, line->offset, bytes, line->size);
    }
    return fits;
}

bool queue_add(struct queue *queue, const struct space *space, const struct walk *walk,
               const uint16_t *picks, struct queue_image image) {
    if (queue->lost && !queue_follow(queue))
        return false;
    if (!put(queue, space, walk, picks) &&
        (!queue_follow(queue) || !put(queue, space, walk, picks)))
        return false;
    if (!keep_picks(queue, picks, space->line_count))
        return false;
    image.begun = walk->begun;
    image.acked = walk->acked;
    image.picks = queue->picks_used;
    image.line_count = space->line_count;
    queue->images[queue->count++] = image;
    queue->picks_used += space->line_count;
    return true;
}
