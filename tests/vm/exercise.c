/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "guest.h"

static unsigned char shadow[AREA_SIZE], source[AREA_SIZE];
static char complaint[256];

/* Offsets and lengths about words, lines and pages. */
static const struct piece {
    size_t offset, length;
} pieces[] = {
    {0, 8},       {1, 1},       {3, 64},    {61, 7},    {64, 64},       {4095, 2},
    {4096, 4096}, {8185, 4113}, {100, 300}, {300, 100}, {4097, 70001U}, {AREA_SIZE - 5, 5},
};

static const ULONG all_flags[] = {
    0,
    WRITE_NV_MEMORY_FLAG_NO_DRAIN,
    WRITE_NV_MEMORY_FLAG_FLUSH,
    WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN,
    WRITE_NV_MEMORY_FLAG_NON_TEMPORAL,
    WRITE_NV_MEMORY_FLAG_NON_TEMPORAL | WRITE_NV_MEMORY_FLAG_NO_DRAIN,
    WRITE_NV_MEMORY_FLAG_PERSIST,
    WRITE_NV_MEMORY_FLAG_PERSIST | WRITE_NV_MEMORY_FLAG_NO_DRAIN,
};

/* Other bytes each time, so that a store that was left out is seen. */
static const unsigned char *next_source(void) {
    static size_t turn;
    turn++;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (unsigned char)(i * 7 + i / 251 + turn * 31);
    return source;
}

static const char *complain(const char *what, NTSTATUS status, ULONG flags, size_t offset) {
    snprintf(complaint, sizeof complaint, "%s, flags %#x, offset %zu: %s", what, flags, offset,
             NvRtlStatusText(status));
    return complaint;
}

static const char *check(const struct view *view, const char *what, NTSTATUS status, ULONG flags,
                         size_t offset) {
    if (status != STATUS_SUCCESS)
        return complain(what, status, flags, offset);
    if (memcmp(view->base, shadow, AREA_SIZE) != 0)
        return complain("the bytes differ in the view", status, flags, offset);
    if (memcmp(view->other, shadow, AREA_SIZE) != 0)
        return complain("the bytes differ in the other view", status, flags, offset);
    return NULL;
}

static const char *write_and_fill(struct view *view, const struct piece *piece, ULONG flags) {
    unsigned char *to = view->base + piece->offset;
    const unsigned char *from = next_source() + 1;
    size_t length = piece->length < AREA_SIZE - 1 ? piece->length : AREA_SIZE - 1;
    memcpy(shadow + piece->offset, from, length);
    NTSTATUS status = RtlWriteNonVolatileMemory(view->token, to, from, length, flags);
    const char *bad = check(view, "Write", status, flags, piece->offset);
    if (bad != NULL)
        return bad;
    memset(shadow + piece->offset, (int)flags + 0x33, length);
    status =
        RtlFillNonVolatileMemory(view->token, to, length, (UCHAR)((flags & 0xff) + 0x33), flags);
    bad = check(view, "Fill", status, flags, piece->offset);
    if (bad != NULL)
        return bad;
    status = RtlDrainNonVolatileFlush(view->token);
    return check(view, "Drain", status, flags, piece->offset);
}

/* Stores of the program's own, and the three ways to flush them. */
static const char *flush_stores(struct view *view, const struct piece *piece, PVOID token) {
    const ULONG no_drain = FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN;
    unsigned char *to = view->base + piece->offset;
    memcpy(shadow + piece->offset, next_source(), piece->length);
    memcpy(to, source, piece->length);
    NTSTATUS status = RtlFlushNonVolatileMemory(token, to, piece->length, 0);
    const char *bad = check(view, "Flush", status, 0, piece->offset);
    if (bad != NULL)
        return bad;
    status = RtlFlushNonVolatileMemory(token, to, piece->length, no_drain);
    if (status == STATUS_SUCCESS)
        status = RtlDrainNonVolatileFlush(token);
    return check(view, "Flush and Drain", status, no_drain, piece->offset);
}

static const char *flush_ranges(struct view *view, ULONG flags) {
    NV_MEMORY_RANGE ranges[ARRAY_LENGTH(pieces)];
    next_source();
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        memcpy(shadow + pieces[i].offset, source + i, pieces[i].length);
        memcpy(view->base + pieces[i].offset, source + i, pieces[i].length);
        ranges[i] = (NV_MEMORY_RANGE){view->base + pieces[i].offset, pieces[i].length};
    }
    NTSTATUS status =
        RtlFlushNonVolatileMemoryRanges(view->token, ranges, ARRAY_LENGTH(ranges), flags);
    if (status == STATUS_SUCCESS)
        status = RtlDrainNonVolatileFlush(view->token);
    return check(view, "FlushRanges", status, flags, 0);
}

const char *exercise(struct view *view) {
    const char *bad = NULL;
    memcpy(shadow, view->base, AREA_SIZE);
    for (size_t i = 0; bad == NULL && i < ARRAY_LENGTH(pieces) * ARRAY_LENGTH(all_flags); i++)
        bad = write_and_fill(view, &pieces[i % ARRAY_LENGTH(pieces)],
                             all_flags[i / ARRAY_LENGTH(pieces)]);
    for (size_t i = 0; bad == NULL && i < ARRAY_LENGTH(pieces); i++) {
        bad = flush_stores(view, &pieces[i], view->token);
        if (bad == NULL)
            bad = flush_stores(view, &pieces[i], (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN);
    }
    if (bad == NULL)
        bad = flush_ranges(view, 0);
    if (bad == NULL)
        bad = flush_ranges(view, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    return bad;
}
