/* SPDX-License-Identifier: BSD-2-Clause */
/* Records that the host looks for in the backing image after it killed the machine. */
#include <stdio.h>
#include <string.h>

#include "guest.h"

/* A text that says which record it is, then as many signs again. */
#define TEXT_SIZE ((size_t)128)
#define RECORD_SIZE (2 * TEXT_SIZE)
#define SIGN '#'

/* Views of one device have places of their own. The record that is not made durable lies in a page
   above all others: no drain of those comes by. */
#define PLACE_SIZE ((size_t)4096)
#define LOST_AT (VIEW_SIZE_MIN - PLACE_SIZE)

enum way { WRITE_PERSIST, WRITE_FLUSH, WRITE_LATER, STREAM, FILL, FLUSH, RANGES, LOST };
static const char *const way_names[] = {"write-persist", "write-flush", "write-later", "stream",
                                        "fill",          "flush",       "ranges",      "lost"};

static void make_record(char *record, const struct view *view, const char *nonce, enum way way) {
    int length =
        snprintf(record, TEXT_SIZE, "nvrtl-vm %s %s %s ", nonce, view->name, way_names[way]);
    memset(record + length, '.', TEXT_SIZE - (size_t)length);
    memset(record + TEXT_SIZE, SIGN, TEXT_SIZE);
}

/* Not aligned to a line, and over the edge of one. */
static unsigned char *place_of(const struct view *view, enum way way) {
    if (way == LOST)
        return view->base + LOST_AT;
    return view->base + AREA_SIZE + view->number * PLACE_SIZE + 3 * TEXT_SIZE * way + 40;
}

static NTSTATUS then_drain(void *token, NTSTATUS status) {
    return status == STATUS_SUCCESS ? RtlDrainNonVolatileFlush(token) : status;
}

static NTSTATUS write_record(void *token, unsigned char *place, const char *record, ULONG flags) {
    return RtlWriteNonVolatileMemory(token, place, record, RECORD_SIZE, flags);
}

static NTSTATUS keep(void *token, enum way way, unsigned char *place, const char *record) {
    const ULONG no_drain = WRITE_NV_MEMORY_FLAG_NO_DRAIN;
    const ULONG flush = WRITE_NV_MEMORY_FLAG_FLUSH, stream = WRITE_NV_MEMORY_FLAG_NON_TEMPORAL;
    NV_MEMORY_RANGE ranges[] = {{place + TEXT_SIZE, TEXT_SIZE}, {place, TEXT_SIZE}};
    NTSTATUS status;
    switch (way) {
    case WRITE_PERSIST:
        return write_record(token, place, record, WRITE_NV_MEMORY_FLAG_PERSIST);
    case WRITE_FLUSH:
        return write_record(token, place, record, flush);
    case WRITE_LATER:
        return then_drain(token, write_record(token, place, record, flush | no_drain));
    case STREAM:
        return then_drain(token, write_record(token, place, record, stream | no_drain));
    case FILL:
        status = RtlFillNonVolatileMemory(token, place, RECORD_SIZE, SIGN, stream);
        if (status != STATUS_SUCCESS)
            return status;
        return RtlWriteNonVolatileMemory(token, place, record, TEXT_SIZE, flush);
    case FLUSH:
        memcpy(place, record, RECORD_SIZE);
        return RtlFlushNonVolatileMemory(token, place, RECORD_SIZE, 0);
    case RANGES:
        memcpy(place, record, RECORD_SIZE);
        status =
            RtlFlushNonVolatileMemoryRanges(token, ranges, 2, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
        return then_drain(token, status);
    case LOST:
        break;
    }
    memcpy(place, record, RECORD_SIZE);
    return STATUS_SUCCESS;
}

const char *keep_records(struct view *view, const char *nonce) {
    static const enum way order[] = {LOST,   WRITE_PERSIST, WRITE_FLUSH, WRITE_LATER,
                                     STREAM, FILL,          FLUSH,       RANGES};
    char record[RECORD_SIZE];
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        make_record(record, view, nonce, order[i]);
        NTSTATUS status = keep(view->token, order[i], place_of(view, order[i]), record);
        if (status != STATUS_SUCCESS)
            return NvRtlStatusText(status);
    }
    return NULL;
}

unsigned count_missing(const struct view *view, const char *nonce) {
    char record[RECORD_SIZE];
    unsigned missing = 0;
    for (unsigned way = 0; way < LOST; way++) {
        make_record(record, view, nonce, (enum way)way);
        missing += memcmp(place_of(view, (enum way)way), record, RECORD_SIZE) != 0;
    }
    return missing;
}
