/* SPDX-License-Identifier: BSD-2-Clause */
/* Records that the host looks for in the backing image after it killed the machine. */
#include <stdio.h>
#include <string.h>

#include "guest.h"

/* A text that says which record it is, then as many signs again. */
#define TEXT_SIZE 128
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
    memset(record + length, '.', (size_t)(TEXT_SIZE - length));
    memset(record + TEXT_SIZE, SIGN, TEXT_SIZE);
}

/* Not aligned to a line, and over the edge of one. */
static unsigned char *place_of(const struct view *view, enum way way) {
    if (way == LOST)
        return view->base + LOST_AT;
    return view->base + AREA_SIZE + view->number * PLACE_SIZE + way * 3 * TEXT_SIZE + 40;
}

static NTSTATUS keep(struct view *view, enum way way, unsigned char *place, const char *record) {
    const ULONG no_drain = WRITE_NV_MEMORY_FLAG_NO_DRAIN;
    NV_MEMORY_RANGE ranges[] = {{place + TEXT_SIZE, TEXT_SIZE}, {place, TEXT_SIZE}};
    void *token = view->token;
    NTSTATUS status = STATUS_SUCCESS;
    switch (way) {
    case WRITE_PERSIST:
        return RtlWriteNonVolatileMemory(token, place, record, RECORD_SIZE,
                                         WRITE_NV_MEMORY_FLAG_PERSIST);
    case WRITE_FLUSH:
        return RtlWriteNonVolatileMemory(token, place, record, RECORD_SIZE,
                                         WRITE_NV_MEMORY_FLAG_FLUSH);
    case WRITE_LATER:
        status = RtlWriteNonVolatileMemory(token, place, record, RECORD_SIZE,
                                           WRITE_NV_MEMORY_FLAG_FLUSH | no_drain);
        return status != STATUS_SUCCESS ? status : RtlDrainNonVolatileFlush(token);
    case STREAM:
        status = RtlWriteNonVolatileMemory(token, place, record, RECORD_SIZE,
                                           WRITE_NV_MEMORY_FLAG_NON_TEMPORAL | no_drain);
        return status != STATUS_SUCCESS ? status : RtlDrainNonVolatileFlush(token);
    case FILL:
        status = RtlFillNonVolatileMemory(token, place, RECORD_SIZE, SIGN,
                                          FILL_NV_MEMORY_FLAG_NON_TEMPORAL);
        return status != STATUS_SUCCESS ? status
                                        : RtlWriteNonVolatileMemory(token, place, record, TEXT_SIZE,
                                                                    WRITE_NV_MEMORY_FLAG_FLUSH);
    case FLUSH:
        memcpy(place, record, RECORD_SIZE);
        return RtlFlushNonVolatileMemory(token, place, RECORD_SIZE, 0);
    case RANGES:
        memcpy(place, record, RECORD_SIZE);
        status =
            RtlFlushNonVolatileMemoryRanges(token, ranges, 2, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
        return status != STATUS_SUCCESS ? status : RtlDrainNonVolatileFlush(token);
    case LOST:
        memcpy(place, record, RECORD_SIZE);
    }
    return status;
}

const char *keep_records(struct view *view, const char *nonce) {
    static const enum way order[] = {LOST,   WRITE_PERSIST, WRITE_FLUSH, WRITE_LATER,
                                     STREAM, FILL,          FLUSH,       RANGES};
    char record[RECORD_SIZE];
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        make_record(record, view, nonce, order[i]);
        NTSTATUS status = keep(view, order[i], place_of(view, order[i]), record);
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
