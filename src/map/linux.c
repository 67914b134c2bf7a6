/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe: walks over the mappings of the range, finds the mount and the storage below it, asks
   about the file where that is allowed and pays, and leaves the judgement to domain.c. */
#include <errno.h>

#include "map/gather.h"
#include "map/table.h"

const struct map_system map_this_system = {.root = "", .live = true};

/* Adds the part of a mapping that lies in the range to the region's runs. */
static void add_segment(struct map_region *region, const struct map_entry *entry, uintptr_t from,
                        uintptr_t last) {
    uintptr_t to = entry->end - 1 < last ? entry->end - 1 : last;
    const struct event_segment segment = {
        .address = from,
        .length = to - from + 1,
        .offset = entry->offset + (from - entry->start),
    };
    if (region->segment_count > 0) {
        struct event_segment *before = &region->segments[region->segment_count - 1];
        if (region->segments_missed == 0 && before->offset + before->length == segment.offset) {
            before->length += segment.length;
            return;
        }
    }
    if (region->segment_count < MAP_SEGMENTS_MAX)
        region->segments[region->segment_count++] = segment;
    else
        region->segments_missed++;
}

/* Keeps what the table says about the first mapping of the range. */
static void take_subject(struct map_work *work, const struct map_entry *entry) {
    work->subject.device = entry->device;
    work->subject.inode = entry->inode;
    work->subject.start = entry->start;
    work->subject.end = entry->end;
}

static enum result refuse(struct map_region *region, enum result result, const char *reason) {
    map_reason(&region->answer, reason, NULL);
    return result;
}

static const char unreadable[] = "the table of mappings cannot be read";

/* Walks over the mappings of the range. RESULT_DENIED only when nothing else is wrong. */
static enum result walk(struct map_table *table, struct map_region *region) {
    struct map_subject *subject = &region->work.subject;
    uintptr_t at = subject->first;
    bool writable = true;
    for (;;) {
        struct map_entry entry;
        bool first = at == subject->first;
        if (!map_table_find(table, at, &entry, first ? region->work.name : NULL,
                            first ? sizeof region->work.name : 0) ||
            entry.start > at) {
            if (table->lines.text.failed)
                return refuse(region, RESULT_NO_MEMORY, unreadable);
            return first ? refuse(region, RESULT_NOT_MAPPED, "nothing is mapped at this address")
                         : refuse(region, RESULT_INVALID, "not all of the range is mapped");
        }
        if (!entry.shared)
            return refuse(region, RESULT_INVALID,
                          "private memory: stores to it reach no file, and nobody else");
        if (first)
            take_subject(&region->work, &entry);
        else if (entry.device != subject->device || entry.inode != subject->inode)
            return refuse(region, RESULT_INVALID, "the range spans views of two files");
        writable &= entry.writable;
        add_segment(region, &entry, at, subject->last);
        if (entry.end - 1 >= subject->last)
            break;
        at = entry.end;
    }
    return writable ? RESULT_OK : refuse(region, RESULT_DENIED, "the view is not writable");
}

static enum result probe(struct map_region *region) {
    struct map_work *work = &region->work;
    struct map_table table;
    if (!map_table_open(&table, work->system, work->process, MAP_TABLE_BEST, work->lines,
                        sizeof work->lines))
        return refuse(region, RESULT_NO_MEMORY, unreadable);
    enum result walked = walk(&table, region);
    map_table_close(&table);
    if (walked != RESULT_OK && walked != RESULT_DENIED)
        return walked;
    map_gather(work);
    /* That memory without a file is refused comes before that it is read-only. */
    if (walked == RESULT_DENIED && work->subject.kind != MAP_KIND_ANONYMOUS)
        return walked;
    enum result result = map_judge(work, &region->answer);
    map_answer_subject(work, &region->answer);
    return result;
}

enum result map_probe(const struct map_system *system, uintptr_t address, size_t length,
                      struct map_region *region) {
    int error = errno;
    region->segment_count = region->segments_missed = 0;
    map_begin(&region->work, system, 0);
    region->work.subject.first = address;
    region->work.subject.last = address + (length - 1);
    enum result result = probe(region);
    errno = error;
    return result;
}
