/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "record/recording.h"

#define RELEASE_STEP 256 /* events, after which writers may go on */

bool recording_put(struct recording *recording, const struct trace_event *event) {
    recording->counts.events++;
    return trace_put(recording->writer, event);
}

static uint64_t size_of(const struct recording *recording, uint32_t file) {
    return atomic_load(&recording->arena->head->files[file].end);
}

/* "function file:line; function file:line", as far as known. */
static char *write_stack(const struct source_stack *stack) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; out != NULL && i < stack->count; i++) {
        const struct source_frame *frame = &stack->frames[i];
        fputs(i != 0 ? "; " : "", out);
        if (frame->function != NULL)
            fputs(frame->function, out);
        else if (frame->module != NULL)
            fprintf(out, "%s+0x%" PRIx64, frame->module, frame->offset);
        if (frame->function != NULL && frame->file != NULL && frame->line > 0)
            fprintf(out, " %s:%d", frame->file, frame->line);
    }
    return out != NULL && fclose(out) == 0 ? text : NULL;
}

/* Its number is told by all events, so it is small. */
bool recording_new_stack(struct recording *recording, uint32_t id) {
    struct source_stack stack;
    recording->stacks[id] = ++recording->stack_count;
    if (!recording->names)
        return true;
    bool good = verify_stack(recording->arena, recording->symbols, id, &stack);
    char *text = good ? write_stack(&stack) : NULL;
    const struct trace_event event = {
        .kind = TRACE_STACK, .stack = recording->stack_count, .text = text};
    good = text != NULL && recording_put(recording, &event);
    free(text);
    verify_free_stack(&stack);
    return good;
}

bool recording_region(struct recording *recording, uint32_t index, uint64_t address) {
    static const enum trace_domain domains[] = {TRACE_VOLATILE, TRACE_PAGE_CACHE, TRACE_MEMORY,
                                                TRACE_CPU_CACHE};
    const struct arena_file *file = &recording->arena->head->files[index];
    char path[sizeof file->path];
    uint64_t size = size_of(recording, index);
    if (recording->told[index] >= size)
        return true;
    recording->counts.regions += recording->told[index] == 0;
    recording->told[index] = size; /* it grows with the views of the file */
    snprintf(path, sizeof path, "%.*s", (int)sizeof path - 1, file->path);
    const struct trace_event event = {.kind = TRACE_REGION,
                                      .region = index + 1,
                                      .length = size,
                                      .address = address,
                                      .line_size = MODEL_LINE_SIZE,
                                      .domain = domains[file->domain & 3],
                                      .text = path};
    return recording_put(recording, &event);
}

bool recording_cut(const struct recording *recording, uint32_t file, uint64_t offset,
                   uint64_t *length) {
    uint64_t size = recording->told[file];
    if (offset >= size)
        return false;
    *length = *length < size - offset ? *length : size - offset;
    return *length != 0;
}

static enum trace_kind kind_of(const struct stream_event *record) {
    bool word = record->length <= 8 && record->offset % 8 + record->length <= 8;
    switch ((enum log_kind)record->kind) {
    case LOG_BASE:
        return TRACE_BASE;
    case LOG_STREAM:
        return TRACE_STREAM;
    case LOG_DIRECT:
        return TRACE_DIRECT;
    case LOG_ATOMIC:
        return TRACE_ATOMIC;
    case LOG_UNSEEN:
        return TRACE_UNSEEN;
    case LOG_FOUND:
        return TRACE_FOUND;
    case LOG_PWRITE:
        return TRACE_PWRITE;
    default:
        return word ? TRACE_STORE : TRACE_COPY;
    }
}

static struct trace_event event_of(const struct recording *recording,
                                   const struct stream_event *record, enum trace_kind kind) {
    uint32_t stack = record->stack < STACKS ? recording->stacks[record->stack] : 0;
    return (struct trace_event){.kind = kind,
                                .thread = record->thread + 1,
                                .region = record->file + 1,
                                .stack = kind == TRACE_BASE ? 0 : stack,
                                .offset = record->offset,
                                .length = record->length,
                                .text = ""};
}

static bool tell_range(struct recording *recording, const struct stream_event *record,
                       enum trace_kind kind, uint64_t offset, uint64_t length) {
    struct trace_event event = event_of(recording, record, kind);
    event.offset = offset;
    event.length = length;
    return !recording_cut(recording, record->file, offset, &event.length) ||
           recording_put(recording, &event);
}

static bool tell_store(struct recording *recording, const struct stream_event *record) {
    struct trace_event event = event_of(recording, record, kind_of(record));
    event.bytes = record->bytes;
    if (record->length > record->size ||
        !recording_cut(recording, record->file, event.offset, &event.length))
        return true; /* zeros go without saying */
    recording->counts.stores += event.kind != TRACE_BASE;
    recording->counts.unseen += event.kind == TRACE_UNSEEN;
    if (!recording_put(recording, &event))
        return false;
    /* Whoever stored unseen may have made it durable unseen too. */
    return event.kind != TRACE_UNSEEN ||
           tell_range(recording, record, TRACE_CLFLUSH, event.offset, event.length);
}

static bool tell_flush(struct recording *recording, const struct stream_event *record,
                       enum trace_kind kind) {
    bool good = tell_range(recording, record, kind, record->offset, record->length);
    for (uint32_t at = 0; good && at + sizeof(struct log_range) <= record->size;
         at += sizeof(struct log_range)) {
        struct log_range range;
        memcpy(&range, record->bytes + at, sizeof range);
        good = tell_range(recording, record, kind, range.offset, range.length);
    }
    return good;
}

static bool tell_plain(struct recording *recording, const struct stream_event *record,
                       enum trace_kind kind) {
    struct trace_event event = event_of(recording, record, kind);
    event.region = 0;
    event.offset = event.length = 0;
    return recording_put(recording, &event);
}

static bool tell_mark(struct recording *recording, const struct stream_event *record) {
    char text[LOG_TEXT + 1];
    snprintf(text, sizeof text, "%.*s", (int)(record->size < LOG_TEXT ? record->size : LOG_TEXT),
             (const char *)record->bytes);
    struct trace_event event = {
        .kind = TRACE_MARK,
        .stack = record->stack < STACKS ? recording->stacks[record->stack] : 0,
        .mark = record->length <= TRACE_ACK ? (enum trace_mark)record->length : TRACE_NOTE,
        .id = record->offset,
        .text = text};
    return recording_put(recording, &event);
}

static bool tell(struct recording *recording, const struct stream_event *record) {
    bool about =
        record->kind != LOG_DRAIN && record->kind != LOG_MARK && record->kind != LOG_SYNC_END;
    if (record->kind >= LOG_KINDS || record->file >= ARENA_FILES || record->thread >= ARENA_THREADS)
        return true;
    if (record->kind == LOG_STORES)
        return recording_stores(recording, record);
    if ((about && !recording_region(recording, record->file,
                                    record->kind == LOG_GET ? record->offset : 0)) ||
        !recording_stack(recording, record->stack))
        return false;
    /* Who waits need not have come to the pages. */
    bool waits = record->kind == LOG_SYNC_BEGIN || record->kind == LOG_SETTLE;
    if (waits && !recording_rest(recording, record->file + 1))
        return false;
    switch ((enum log_kind)record->kind) {
    case LOG_FLUSH:
        return tell_flush(recording, record, TRACE_FLUSH);
    case LOG_CLFLUSH:
    case LOG_SETTLE:
        return tell_flush(recording, record, TRACE_CLFLUSH);
    case LOG_SYNC_BEGIN:
        return tell_flush(recording, record, TRACE_MSYNC_BEGIN);
    case LOG_DRAIN:
        return tell_plain(recording, record, TRACE_DRAIN);
    case LOG_SYNC_END:
        return tell_plain(recording, record, TRACE_MSYNC_END);
    case LOG_MARK:
        return tell_mark(recording, record);
    case LOG_GET:
    case LOG_STORES:
    case LOG_KINDS:
        return true;
    default:
        return tell_store(recording, record);
    }
}

/* Is there a file of which it is not known what it held? */
static bool is_unread(const struct arena *arena) {
    uint32_t count = atomic_load(&arena->head->file_count);
    for (uint32_t i = 0; i < count && i < ARENA_FILES; i++) {
        if (atomic_load(&arena->head->files[i].unread) != 0)
            return true;
    }
    return false;
}

struct recording *record_begin(const struct arena *arena, FILE *out,
                               const struct record_facts *facts) {
    struct trace_head head = {.model = facts->pages ? TRACE_PAGE : TRACE_X86,
                              .model_said = facts->pages};
    struct recording *recording = calloc(1, sizeof *recording);
    if (recording == NULL)
        return NULL;
    snprintf(head.cpu, sizeof head.cpu, "%s", facts->cpu);
    recording->arena = recording->reader.arena = arena;
    recording->names = facts->names;
    recording->stacks = mmap(NULL, STACKS * sizeof *recording->stacks, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    recording->symbols = symbols_open();
    recording->writer = trace_write(out, &head);
    if (recording->stacks != MAP_FAILED && recording->symbols != NULL && recording->writer != NULL)
        return recording;
    record_free(recording);
    errno = ENOMEM;
    return NULL;
}

/* After a failure the program goes on, so that it is read on, and not written. */
bool record_take(struct recording *recording) {
    struct stream_event event;
    bool any = false;
    for (unsigned taken = 1; stream_next(&recording->reader, &event); taken++) {
        any = true;
        if (!recording->failed && !tell(recording, &event)) {
            recording->failed = true;
            recording->error = errno;
        }
        if (taken % RELEASE_STEP == 0)
            stream_release(&recording->reader);
    }
    stream_release(&recording->reader);
    recording->unflushed = recording->unflushed || any;
    return any;
}

void record_flush(struct recording *recording) {
    if (recording->unflushed && !recording->failed && !trace_flush(recording->writer)) {
        recording->failed = true;
        recording->error = errno;
    }
    recording->unflushed = false;
}

void record_skip(struct recording *recording) {
    stream_skip(&recording->reader, false);
}

bool record_end(struct recording *recording, struct record_counts *counts) {
    const struct arena_head *head = recording->arena->head;
    do {
        record_take(recording);
    } while (stream_skip(&recording->reader, true));
    atomic_store(&recording->arena->head->stream.closed, 1);
    if (!recording->failed && !recording_rest(recording, 0)) {
        recording->failed = true;
        recording->error = errno;
    }
    bool good = !recording->failed;
    errno = recording->error;
    good = trace_finish(recording->writer) && good;
    recording->writer = NULL;
    *counts = recording->counts;
    counts->hooked = atomic_load(&head->hooked) != 0;
    counts->full = atomic_load(&head->log.full) != 0;
    counts->waiting = atomic_load(&head->log.deferred) != 0;
    counts->lost = counts->lost || arena_escaped(head) || is_unread(recording->arena);
    record_free(recording);
    return good;
}

void record_free(struct recording *recording) {
    if (recording->writer != NULL)
        trace_finish(recording->writer);
    symbols_close(recording->symbols);
    if (recording->stacks != NULL && recording->stacks != MAP_FAILED)
        munmap(recording->stacks, STACKS * sizeof *recording->stacks);
    free(recording);
}
