/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static bool fail(struct crash_scan *scan, const char *format,
                                                       ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(scan->problem, sizeof scan->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* A region that is told of again has grown: what lies behind it moves. false: it is none. */
static bool grow_region(struct crash_scan *scan, const struct trace_event *event, uint64_t most) {
    size_t index = 0;
    while (index < scan->region_count && scan->regions[index].number != event->region)
        index++;
    if (index == scan->region_count)
        return false;
    struct crash_region *region = &scan->regions[index];
    uint64_t more = event->length - region->size, end = region->start + region->size;
    uint8_t *content =
        more <= most - scan->total ? realloc(scan->content, scan->total + more) : NULL;
    if (content == NULL) {
        fail(scan, "the regions have more than %" PRIu64 " bytes", most);
        return true;
    }
    scan->content = content;
    memmove(content + end + more, content + end, scan->total - end);
    memset(content + end, 0, more);
    scan->total += more;
    region->size = event->length;
    for (size_t i = index + 1; i < scan->region_count; i++)
        scan->regions[i].start += more;
    return true;
}

static bool add_region(struct crash_scan *scan, const struct trace_event *event, uint64_t most) {
    if (grow_region(scan, event, most))
        return scan->problem[0] == '\0';
    struct crash_region *regions =
        realloc(scan->regions, (scan->region_count + 1) * sizeof *regions);
    if (regions == NULL)
        return fail(scan, "there is no memory for the regions");
    scan->regions = regions;
    if (event->length > most - scan->total)
        return fail(scan, "the regions have more than %" PRIu64 " bytes", most);
    regions[scan->region_count++] = (struct crash_region){.number = event->region,
                                                          .line_size = event->line_size,
                                                          .size = event->length,
                                                          .start = scan->total};
    uint8_t *content = realloc(scan->content, scan->total + event->length);
    if (content == NULL)
        return fail(scan, "there is no memory for the regions");
    memset(content + scan->total, 0, event->length);
    scan->content = content;
    scan->total += event->length;
    return true;
}

/* pre: the region is known, and the event lies in it */
static void add_base(struct crash_scan *scan, const struct trace_event *event) {
    size_t index = 0;
    while (scan->regions[index].number != event->region)
        index++;
    memcpy(scan->content + scan->regions[index].start + event->offset, event->bytes, event->length);
}

static bool read_content(struct crash_scan *scan, FILE *content) {
    size_t got = scan->total == 0 ? 0 : fread(scan->content, 1, scan->total, content);
    if (ferror(content))
        return fail(scan, "the image cannot be read: %s", strerror(errno));
    if (got != scan->total || getc(content) != EOF)
        return fail(scan, "the image should have as many bytes as the regions: %" PRIu64,
                    scan->total);
    return true;
}

static bool look(struct crash_scan *scan, struct trace_reader *reader, uint64_t most, bool bases) {
    struct trace_event event;
    enum trace_result result;
    while ((result = trace_next(reader, &event)) == TRACE_EVENT) {
        scan->events++;
        if (event.kind == TRACE_REGION && !add_region(scan, &event, most))
            return false;
        if (event.kind == TRACE_BASE && bases)
            add_base(scan, &event);
    }
    if (result == TRACE_END)
        return true;
    scan->damaged = trace_is_damaged(reader);
    fail(scan, "%s", trace_problem(reader));
    return scan->damaged;
}

bool scan_trace(FILE *trace, uint64_t most, FILE *content, struct crash_scan *scan) {
    *scan = (struct crash_scan){0};
    struct trace_reader *reader = trace_read(trace);
    if (reader == NULL)
        return fail(scan, "there is no memory");
    bool good = look(scan, reader, most, content == NULL);
    trace_end(reader);
    return good && (content == NULL || read_content(scan, content));
}

void scan_free(struct crash_scan *scan) {
    free(scan->regions);
    free(scan->content);
    *scan = (struct crash_scan){0};
}
