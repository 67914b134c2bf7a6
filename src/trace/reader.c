/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of both forms share: the buffer, the problem, and whether an event is sound. */
#include "trace/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define STEP (64u << 10)

bool reader_fail(struct trace_reader *reader, const char *format, ...) {
    char reason[160];
    va_list arguments;
    if (reader->ended == TRACE_WRONG)
        return false; /* what was said first is what is wrong */
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    snprintf(reader->problem, sizeof reader->problem, "%s %" PRIu64 ": %s",
             reader->next == text_next     ? "line"
             : reader->next == binary_next ? "event"
                                           : "record",
             reader->place, reason);
    reader->ended = TRACE_WRONG;
    return false;
}

/* Doubles what is there, so that a long event is not copied over and over. */
static bool need(struct trace_reader *reader, void **array, size_t *room, size_t size) {
    if (size <= *room && *array != NULL)
        return true;
    size_t wanted = *room * 2 > size ? *room * 2 : size + 64;
    void *grown = realloc(*array, wanted);
    if (grown == NULL)
        return reader_fail(reader, "there is no memory for it");
    *array = grown;
    *room = wanted;
    return true;
}

bool reader_need_bytes(struct trace_reader *reader, size_t size) {
    void *bytes = reader->bytes;
    bool good = need(reader, &bytes, &reader->bytes_room, size);
    reader->bytes = bytes;
    return good;
}

bool reader_need_text(struct trace_reader *reader, size_t size) {
    void *text = reader->text;
    bool good = need(reader, &text, &reader->text_room, size);
    reader->text = text;
    return good;
}

bool reader_more(struct trace_reader *reader, size_t known, size_t most) {
    while (reader->end - reader->at <= known && !reader->drained) {
        if (known >= most)
            return false;
        if (reader->at != 0) {
            memmove(reader->buffer, reader->buffer + reader->at, reader->end - reader->at);
            reader->end -= reader->at;
            reader->at = 0;
        }
        void *buffer = reader->buffer;
        bool good = need(reader, &buffer, &reader->room, reader->end + STEP);
        reader->buffer = buffer;
        if (!good)
            return false;
        /* One byte stays free: a text's last line has no end to put a zero on. */
        size_t got =
            fread(reader->buffer + reader->end, 1, reader->room - reader->end - 1, reader->stream);
        reader->end += got;
        reader->drained = got == 0;
        if (got == 0 && ferror(reader->stream))
            return reader_fail(reader, "it cannot be read: %s", strerror(errno));
    }
    return reader->end - reader->at > known;
}

const struct trace_region *reader_region(const struct trace_reader *reader, uint32_t number) {
    for (size_t i = 0; i < reader->region_count; i++) {
        if (reader->regions[i].number == number)
            return &reader->regions[i];
    }
    return NULL;
}

/* A region that is told of again has grown. */
static bool check_growth(struct trace_reader *reader, const struct trace_event *event) {
    struct trace_region *region = &reader->regions[0];
    while (region->number != event->region)
        region++;
    if (event->length <= region->size || event->length > TRACE_SIZE ||
        event->line_size != region->line_size)
        return reader_fail(reader, "region %" PRIu32 " was told of before, and has not grown",
                           event->region);
    region->size = event->length;
    return true;
}

static bool check_region(struct trace_reader *reader, const struct trace_event *event) {
    uint32_t line = event->line_size;
    if (reader_region(reader, event->region) != NULL)
        return check_growth(reader, event);
    if (event->length == 0 || event->length > TRACE_SIZE)
        return reader_fail(reader, "a region has 1 to %" PRIu64 " bytes", TRACE_SIZE);
    if (line < 64 || line > TRACE_LINE_MAX || (line & (line - 1)) != 0)
        return reader_fail(reader, "a line has 64, 128, 256 or 512 bytes");
    if (reader->region_count != 0 && reader->regions[0].line_size != line)
        return reader_fail(reader, "all regions have lines of one size");
    if (reader->region_count == TRACE_REGIONS)
        return reader_fail(reader, "there are more than %d regions", TRACE_REGIONS);
    reader->regions[reader->region_count++] =
        (struct trace_region){.number = event->region, .line_size = line, .size = event->length};
    return true;
}

static bool check_range(struct trace_reader *reader, const struct trace_event *event) {
    const struct trace_region *region = reader_region(reader, event->region);
    bool carries = trace_stores(event->kind) || event->kind == TRACE_BASE;
    if (region == NULL)
        return reader_fail(reader, "there is no region %" PRIu32, event->region);
    if (event->length == 0)
        return reader_fail(reader, "a size is 1 at least");
    if (event->offset > region->size || event->length > region->size - event->offset)
        return reader_fail(reader, "it leaves region %" PRIu32 ", which has %" PRIu64 " bytes",
                           event->region, region->size);
    if (carries && event->length > TRACE_BYTES)
        return reader_fail(reader, "it has more than %u bytes", TRACE_BYTES);
    return true;
}

bool reader_check_cpu(struct trace_reader *reader, const char *cpu) {
    size_t length = strlen(cpu);
    bool good = length < sizeof reader->head.cpu;
    for (size_t i = 0; i < length && good; i++)
        good = cpu[i] >= ' ' && cpu[i] <= '~' && cpu[i] != '#';
    good = good && (length == 0 || (cpu[0] != ' ' && cpu[length - 1] != ' '));
    return good || reader_fail(reader, "this is no CPU's name");
}

bool reader_check(struct trace_reader *reader, const struct trace_event *event) {
    if (trace_has_thread(event->kind) && event->thread >= TRACE_THREADS)
        return reader_fail(reader, "a thread's number is below %d", TRACE_THREADS);
    if (event->kind == TRACE_REGION)
        return check_region(reader, event);
    if (event->kind == TRACE_STACK && event->stack == 0)
        return reader_fail(reader, "a stack's number is 1 at least");
    return !trace_has_range(event->kind) || check_range(reader, event);
}

/* The head may go on between the regions, so they wait until it is known. */
static bool queue(struct trace_reader *reader, const struct trace_event *region) {
    struct trace_queued *queued =
        realloc(reader->queue, (reader->queued + 1) * sizeof *reader->queue);
    char *text = strdup(region->text);
    if (queued != NULL)
        reader->queue = queued;
    if (queued == NULL || text == NULL) {
        free(text);
        return reader_fail(reader, "there is no memory for it");
    }
    queued[reader->queued] = (struct trace_queued){.event = *region, .text = text};
    queued[reader->queued++].event.text = text;
    return true;
}

struct trace_reader *reader_new(FILE *stream,
                                enum trace_result (*next)(struct trace_reader *reader,
                                                          struct trace_event *event)) {
    struct trace_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->stream = stream;
    reader->next = next;
    return reader;
}

struct trace_reader *trace_read(FILE *stream) {
    struct trace_reader *reader = reader_new(stream, text_next);
    if (reader == NULL)
        return NULL;
    reader_more(reader, BINARY_MAGIC_SIZE - 1, BINARY_MAGIC_SIZE);
    reader->next =
        binary_begins(reader->buffer, reader->end - reader->at) ? binary_next : text_next;
    do {
        reader->ended = reader->next(reader, &reader->first);
    } while (reader->ended == TRACE_EVENT && reader->first.kind == TRACE_REGION &&
             queue(reader, &reader->first));
    reader->waiting = reader->ended == TRACE_EVENT;
    return reader;
}

void trace_end(struct trace_reader *reader) {
    if (reader == NULL)
        return;
    for (size_t i = 0; i < reader->queued; i++)
        free(reader->queue[i].text);
    free(reader->queue);
    binary_end(reader);
    pmemcheck_end(reader);
    free(reader->buffer);
    free(reader->bytes);
    free(reader->text);
    free(reader);
}

const struct trace_head *trace_head(const struct trace_reader *reader) {
    return &reader->head;
}

const char *trace_problem(const struct trace_reader *reader) {
    return reader->problem;
}

bool trace_is_damaged(const struct trace_reader *reader) {
    return reader->damaged;
}

enum trace_result trace_next(struct trace_reader *reader, struct trace_event *event) {
    if (reader->given < reader->queued) {
        *event = reader->queue[reader->given++].event;
        return TRACE_EVENT;
    }
    if (reader->waiting) {
        reader->waiting = false;
        *event = reader->first;
        return TRACE_EVENT;
    }
    if (reader->ended == TRACE_EVENT)
        reader->ended = reader->next(reader, event);
    return reader->ended;
}
